/* SPDX-License-Identifier: MIT
 *
 * Zstandard, by libzstd. The decoder is told that the output stays where it is, so it needs no
 * window of its own: packers use windows of up to 128 MiB. For the same reason its output cannot be
 * bounded; but input is given in pieces of the size that it asks for, each of them one block, of
 * which four bytes may become 128 KiB.
 */
#define ZSTD_STATIC_LINKING_ONLY /* for the allocator and the output that stays */
#include <zstd.h>
#include <zstd_errors.h>

#include "xen/unpack_method.h"

struct zstd {
    ZSTD_DCtx *d;
    size_t wants; /* bytes of input, to complete what it is at */
};
STATIC_ASSERT(sizeof(struct zstd) <= sizeof(((struct unpack *)0)->storage));

static void *zstd_alloc(void *opaque, size_t size)
{
    return unpack_alloc(opaque, size, 1);
}

static void zstd_free(void *opaque, void *p)
{
    unpack_free(opaque, p);
}

static int status_of(size_t ret)
{
    if (ret == 0)
        return UNPACK_END;
    if (!ZSTD_isError(ret))
        return UNPACK_MORE;
    switch (ZSTD_getErrorCode(ret)) {
    case ZSTD_error_memory_allocation:
        return UNPACK_NO_MEMORY;
    case ZSTD_error_dstSize_tooSmall:
        return UNPACK_LONGER;
    case ZSTD_error_version_unsupported:
    case ZSTD_error_frameParameter_unsupported:
    case ZSTD_error_frameParameter_windowTooLarge:
    case ZSTD_error_dictionary_wrong:
        return UNPACK_UNSUPPORTED;
    default:
        return UNPACK_CORRUPT;
    }
}

static int zstd_open(void *unpack)
{
    struct unpack *u = unpack;
    ZSTD_DCtx *d = ZSTD_createDCtx_advanced((ZSTD_customMem){zstd_alloc, zstd_free, u});
    size_t ret;

    if (!d)
        return UNPACK_NO_MEMORY;
    /* A header at once: of one in pieces, the library takes the second for a frame of an old format. */
    *(struct zstd *)u->storage = (struct zstd){d, ZSTD_FRAMEHEADERSIZE_MAX};
    ret = ZSTD_DCtx_setParameter(d, ZSTD_d_stableOutBuffer, 1);
    return ZSTD_isError(ret) ? UNPACK_UNSUPPORTED : UNPACK_MORE;
}

static int zstd_step(void *unpack)
{
    struct unpack *u = unpack;
    struct zstd *z = (struct zstd *)u->storage;
    size_t end = u->in_used + unpack_input(u), enough = u->out_used + unpack_room(u);
    ZSTD_inBuffer in = {u->in, u->in_used, u->in_used};
    ZSTD_outBuffer out = {u->out, u->out_room, u->out_used};
    size_t ret;

    if (u->in_used == end)
        return UNPACK_MORE; /* truncated; the library would guess at a next frame */
    do {
        in.size = in.pos + min_u64(z->wants, end - in.pos);
        z->wants = ret = ZSTD_decompressStream(z->d, &out, &in);
    } while (ret != 0 && !ZSTD_isError(ret) && in.pos == in.size && in.pos < end &&
             out.pos < enough);
    u->in_used = in.pos;
    u->out_used = out.pos;
    return status_of(ret);
}

const struct unpack_method unpack_zstd = {
    .name = "Zstandard",
    .magic = "\x28\xb5\x2f\xfd",
    .magic_bytes = 4,
    .length_is_apart = true,
    .open = zstd_open,
    .step = zstd_step,
};
