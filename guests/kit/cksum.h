/* SPDX-License-Identifier: MIT
 *
 * Sums as cksum(1) has them (POSIX: a CRC of the bytes and then of their number). The sum of nothing yet is 0.
 */
#pragma once

#include <stdint.h>

/* Once, before the others. */
void cksum_begin(void);
uint32_t cksum_add(uint32_t sum, const uint8_t *at, uint64_t length);
/* The sum that cksum(1) prints for the `length` bytes that were added. */
uint32_t cksum_end(uint32_t sum, uint64_t length);
