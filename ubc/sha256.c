/* SPDX-License-Identifier: MIT
 *
 * SHA-256: pieces to blocks, and the end of a message.
 */
#include "ubc/sha256.h"

#include <lagan/arch.h>
#include <lagan/string.h>

void sha256_begin(struct sha256 *s)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(s->state, start, sizeof(start));
    s->bytes = 0;
}

void sha256_add(struct sha256 *s, const void *data, size_t bytes)
{
    size_t have = s->bytes % SHA256_BLOCK;
    const uint8_t *from = data;

    s->bytes += bytes;
    if (have) {
        size_t more = min_u64(bytes, SHA256_BLOCK - have);

        memcpy(s->left + have, from, more);
        from += more;
        bytes -= more;
        if (have + more < SHA256_BLOCK)
            return;
        arch_sha256_blocks(s->state, s->left, 1);
    }
    if (bytes >= SHA256_BLOCK)
        arch_sha256_blocks(s->state, from, bytes / SHA256_BLOCK);
    from += bytes - bytes % SHA256_BLOCK;
    if (bytes % SHA256_BLOCK)
        memcpy(s->left, from, bytes % SHA256_BLOCK);
}

void sha256_end(struct sha256 *s, uint8_t digest[SHA256_BYTES])
{
    size_t have = s->bytes % SHA256_BLOCK;
    uint64_t bits = s->bytes * 8;

    s->left[have++] = 0x80;
    if (have > SHA256_BLOCK - sizeof(bits)) {
        memset(s->left + have, 0, SHA256_BLOCK - have);
        arch_sha256_blocks(s->state, s->left, 1);
        have = 0;
    }
    memset(s->left + have, 0, SHA256_BLOCK - sizeof(bits) - have);
    for (unsigned i = 0; i < sizeof(bits); i++)
        s->left[SHA256_BLOCK - 1 - i] = (uint8_t)(bits >> 8 * i);
    arch_sha256_blocks(s->state, s->left, 1);
    for (unsigned i = 0; i < SHA256_BYTES; i++)
        digest[i] = (uint8_t)(s->state[i / 4] >> (24 - i % 4 * 8));
}
