/* SPDX-License-Identifier: MIT
 *
 * Segment descriptors from guests: which are acceptable, and how they are made safe.
 */
#pragma once

#include <lagan/types.h>

#define SEGDESC_PER_FRAME 512

/* Makes one 8-byte descriptor safe for ring 3 (DPL 3) or says no. Not-present descriptors pass as
 * they are. False: a descriptor that could reach the hypervisor (a gate to lower rings, a system
 * segment other than an LDT's own use, ...); *desc is then unchanged. */
bool segdesc_fix(uint64_t *desc) LAGAN_MUST_CHECK;

/* Makes all descriptors of a frame safe; false if one cannot be: then nothing changed. For type.c.
 */
bool segdesc_fix_frame(mfn_t m) LAGAN_MUST_CHECK;

/* Writes descriptor `index` of a frame of the account's: made safe first if the frame is in use as
 * descriptors, as it is if the frame is ordinary memory. -XEN_EINVAL, or -XEN_EBUSY for a frame of
 * another use. */
struct account;
int segdesc_update(struct account *a, mfn_t m, unsigned index, uint64_t desc) LAGAN_MUST_CHECK;
