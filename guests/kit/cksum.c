/* SPDX-License-Identifier: MIT
 *
 * See cksum.h: by a table, a byte at a time.
 */
#include "kit/cksum.h"

#define POLYNOMIAL 0x04c11db7U

static uint32_t table[256];

void cksum_begin(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t sum = i << 24;

        for (unsigned k = 0; k < 8; k++) {
            sum = sum << 1 ^ (sum >> 31 != 0 ? POLYNOMIAL : 0);
        }
        table[i] = sum;
    }
}

uint32_t cksum_add(uint32_t sum, const uint8_t *at, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++) {
        sum = sum << 8 ^ table[sum >> 24 ^ at[i]];
    }
    return sum;
}

uint32_t cksum_end(uint32_t sum, uint64_t length)
{
    for (; length != 0; length >>= 8) {
        uint8_t byte = (uint8_t)length;

        sum = cksum_add(sum, &byte, 1);
    }
    return ~sum;
}
