/* SPDX-License-Identifier: MIT
 *
 * gzip, by zlib. The format's last four bytes are the length themselves, modulo 2^32.
 */
#define Z_SOLO     /* no types of the C library's */
#define ZLIB_CONST /* input is constant */
#include <zlib.h>

#include "xen/unpack_method.h"

#define WINDOW_BITS      15 /* any window */
#define WITH_GZIP_HEADER 16

STATIC_ASSERT(sizeof(z_stream) <= sizeof(((struct unpack *)0)->storage));

static void *gzip_alloc(void *opaque, unsigned count, unsigned size)
{
    return unpack_alloc(opaque, count, size);
}

static void gzip_free(void *opaque, void *p)
{
    unpack_free(opaque, p);
}

static int status_of(int ret)
{
    switch (ret) {
    case Z_OK:
    case Z_BUF_ERROR:
        return UNPACK_MORE;
    case Z_STREAM_END:
        return UNPACK_END;
    case Z_MEM_ERROR:
        return UNPACK_NO_MEMORY;
    default:
        return UNPACK_CORRUPT;
    }
}

static int gzip_open(void *unpack)
{
    struct unpack *u = unpack;
    z_stream *s = (z_stream *)u->storage;

    *s = (z_stream){.zalloc = gzip_alloc, .zfree = gzip_free, .opaque = u};
    return status_of(inflateInit2(s, WINDOW_BITS + WITH_GZIP_HEADER));
}

static int gzip_step(void *unpack)
{
    struct unpack *u = unpack;
    z_stream *s = (z_stream *)u->storage;
    unsigned input = (unsigned)unpack_input(u), room = (unsigned)unpack_room(u);
    int ret;

    s->next_in = u->in + u->in_used;
    s->avail_in = input;
    s->next_out = u->out + u->out_used;
    s->avail_out = room;
    ret = inflate(s, Z_NO_FLUSH);
    u->in_used += input - s->avail_in;
    u->out_used += room - s->avail_out;
    return status_of(ret);
}

const struct unpack_method unpack_gzip = {
    .name = "gzip",
    .magic = "\x1f\x8b",
    .magic_bytes = 2,
    .open = gzip_open,
    .step = gzip_step,
};
