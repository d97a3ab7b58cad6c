/* SPDX-License-Identifier: MIT
 *
 * XZ, by liblzma. Linux packs with the x86 filter and LZMA2; the decoder knows every filter and
 * check of the format. Its dictionary, as large as the packer wished, is most of what it needs.
 */
#include <lzma.h>

#include "xen/unpack_method.h"

struct xz {
    lzma_stream stream;
    lzma_allocator allocator;
};
STATIC_ASSERT(sizeof(struct xz) <= sizeof(((struct unpack *)0)->storage));

static void *xz_alloc(void *opaque, size_t count, size_t size)
{
    return unpack_alloc(opaque, count, size);
}

static void xz_free(void *opaque, void *p)
{
    unpack_free(opaque, p);
}

static int status_of(lzma_ret ret)
{
    switch (ret) {
    case LZMA_OK:
    case LZMA_BUF_ERROR: /* nothing could be done: the caller sees that nothing was */
        return UNPACK_MORE;
    case LZMA_STREAM_END:
        return UNPACK_END;
    case LZMA_MEM_ERROR:
        return UNPACK_NO_MEMORY;
    case LZMA_OPTIONS_ERROR:
        return UNPACK_UNSUPPORTED;
    default:
        return UNPACK_CORRUPT;
    }
}

static int xz_open(void *unpack)
{
    struct unpack *u = unpack;
    struct xz *xz = (struct xz *)u->storage;
    lzma_ret ret;

    *xz = (struct xz){.allocator = {xz_alloc, xz_free, u}};
    xz->stream.allocator = &xz->allocator;
    /* Memory is limited by unpack_alloc(). */
    ret = lzma_stream_decoder(&xz->stream, UINT64_MAX, 0);
    return status_of(ret);
}

static int xz_step(void *unpack)
{
    struct unpack *u = unpack;
    struct xz *xz = (struct xz *)u->storage;
    lzma_stream *s = &xz->stream;
    lzma_ret ret;

    s->next_in = u->in + u->in_used;
    s->avail_in = unpack_input(u);
    s->next_out = u->out + u->out_used;
    s->avail_out = unpack_room(u);
    ret = lzma_code(s, LZMA_RUN);
    u->in_used = (size_t)(s->next_in - u->in);
    u->out_used = (size_t)(s->next_out - u->out);
    return status_of(ret);
}

const struct unpack_method unpack_xz = {
    .name = "XZ",
    .magic = "\3757zXZ\0",
    .magic_bytes = 6,
    .length_is_apart = true,
    .open = xz_open,
    .step = xz_step,
};
