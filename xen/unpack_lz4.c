/* SPDX-License-Identifier: MIT
 *
 * LZ4 in its legacy format, which Linux packs itself with: after the magic number, blocks of up to
 * 8 MiB unpacked, each behind its packed length; the stream's end is the last block's end. (A magic
 * number between blocks begins another stream, which continues the first.) Blocks are unpacked by
 * liblz4, one a step. There are no checksums.
 */
#include <lz4.h>

#include <lagan/string.h>
#include "xen/unpack_method.h"

#define MAGIC_BYTES 4
#define MAGIC       0x184c2102
#define BLOCK_BYTES (8 << 20)

static int lz4_open(void *unpack)
{
    (void)unpack;
    return UNPACK_MORE;
}

/* Reads a number of four bytes; false: there is none. */
static bool read_number(struct unpack *u, uint32_t *n)
{
    if (u->in_bytes - u->in_used < sizeof(*n))
        return false;
    memcpy(n, u->in + u->in_used, sizeof(*n));
    return true;
}

static int lz4_step(void *unpack)
{
    struct unpack *u = unpack;
    const char *block = (const char *)u->in + u->in_used + sizeof(uint32_t);
    uint32_t packed;
    int got;

    if (u->in_used == u->in_bytes)
        return UNPACK_END;
    if (!read_number(u, &packed))
        return UNPACK_MORE;
    if (packed == MAGIC) {
        u->in_used += MAGIC_BYTES;
        return UNPACK_MORE;
    }
    if (packed == 0 || packed > LZ4_COMPRESSBOUND(BLOCK_BYTES))
        return UNPACK_CORRUPT;
    if (packed > u->in_bytes - u->in_used - sizeof(packed))
        return UNPACK_MORE;
    got = LZ4_decompress_safe(block, (char *)u->out + u->out_used, (int)packed,
                              (int)min_u64(u->out_room - u->out_used, BLOCK_BYTES));
    if (got < 0)
        return u->out_room - u->out_used < BLOCK_BYTES ? UNPACK_LONGER : UNPACK_CORRUPT;
    u->in_used += sizeof(packed) + packed;
    u->out_used += (size_t)got;
    return UNPACK_MORE;
}

const struct unpack_method unpack_lz4 = {
    .name = "LZ4",
    .magic = "\x02\x21\x4c\x18",
    .magic_bytes = MAGIC_BYTES,
    .length_is_apart = true,
    .open = lz4_open,
    .step = lz4_step,
};
