/* SPDX-License-Identifier: MIT
 *
 * Between unpack.c and the wrappers of the libraries, one file for each compression.
 */
#pragma once

#include <lagan/types.h>

#define UNPACK_BLOCKS_MAX 32
/* XZ has been seen to spend 220 instructions on a byte, and interrupts are off meanwhile. */
#define UNPACK_STEP_BYTES UINT64_C(512)

/* What a step of a decoder ends with. A decoder that can do nothing more without more input says
 * UNPACK_MORE, and has moved neither in_used nor out_used. */
enum unpack_status {
    UNPACK_MORE,
    UNPACK_END,     /* the stream is complete, and its checksums are right */
    UNPACK_CORRUPT, /* not what the format allows, or a checksum is wrong */
    UNPACK_LONGER,  /* there is no room for more output */
    UNPACK_NO_MEMORY,
    UNPACK_UNSUPPORTED, /* an option of the format that the decoder does not have */
};

/* INV-UNPACK-1: in_used <= in_bytes and out_used <= out_room at all times.
 * INV-UNPACK-2: all that a decoder has allocated is in block[], and is given back by unpack_end(),
 *               whatever the decoder does. */
struct unpack {
    const struct unpack_method *method;
    const uint8_t *in; /* the stream, without the length behind it */
    size_t in_bytes, in_used;
    uint8_t *out;
    size_t out_bytes; /* as the payload's end says */
    size_t out_room;  /* one more: a decoder that uses it has more than it should */
    size_t out_used;
    union { /* the decoder's own */
        uint64_t aligned;
        unsigned char storage[256];
    };
    struct unpack_block {
        void *at;
        uint64_t pages;
    } block[UNPACK_BLOCKS_MAX];
};

struct unpack_method {
    const char *name;
    const char *magic;
    uint8_t magic_bytes;
    bool length_is_apart; /* the last four bytes are no part of the stream */
    /* Called by foreign_call(), with a struct unpack; an enum unpack_status. NULL in a method that is
     * only known by name. There is no close: memory is all that a decoder holds. */
    int (*open)(void *unpack);
    int (*step)(void *unpack);
};

extern const struct unpack_method unpack_xz, unpack_zstd, unpack_gzip, unpack_lz4;

/* For decoders: count * size bytes, not cleared, aligned to a page, or NULL. Freeing something that
 * is not allocated is a bug of the library's and ends the host. */
void *unpack_alloc(struct unpack *u, size_t count, size_t size);
void unpack_free(struct unpack *u, void *p);

/* What one step may take or give. */
static inline size_t unpack_input(const struct unpack *u)
{
    return min_u64(u->in_bytes - u->in_used, UNPACK_STEP_BYTES);
}

static inline size_t unpack_room(const struct unpack *u)
{
    return min_u64(u->out_room - u->out_used, UNPACK_STEP_BYTES);
}
