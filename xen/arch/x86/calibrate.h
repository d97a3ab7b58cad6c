/* SPDX-License-Identifier: MIT
 *
 * How fast the TSC runs. Used once, at boot, by time.c.
 */
#pragma once

#include <lagan/types.h>

struct counter;

/* Frequency of the TSC in Hz, and a word on where it comes from: what the CPU or the hypervisor
 * below us states, if the counter agrees, else measured against the counter over a few
 * milliseconds. c may be NULL: no counter. 0: there is no way to tell. */
uint64_t calibrate_tsc(const struct counter *c, const char **source);

/* ---- its pure parts ---- */

/* From leaf 0x15: ticks = crystal_hz * numerator / denominator; 0 if the leaf does not say. */
uint64_t tsc_hz_from_crystal(uint32_t denominator, uint32_t numerator, uint32_t crystal_hz);
/* True if the two differ by at most 1 %. */
bool hz_agree(uint64_t a, uint64_t b);
