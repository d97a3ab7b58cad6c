/* SPDX-License-Identifier: MIT
 *
 * SHA-256 (FIPS 180-4) of a message that comes in pieces. The function over whole blocks, which is where the
 * time goes, is the machine's (arch_sha256_blocks()).
 */
#pragma once

#include <lagan/types.h>

#define SHA256_BYTES 32
#define SHA256_BLOCK 64

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;             /* so far */
    uint8_t left[SHA256_BLOCK]; /* that do not fill a block yet */
};

void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t bytes);
void sha256_end(struct sha256 *s, uint8_t digest[SHA256_BYTES]);
