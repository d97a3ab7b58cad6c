/* SPDX-License-Identifier: MIT
 *
 * One end of one ring of bytes in shared memory: what a stream has two of, and a 9pfs ring too.
 *
 * Two indices only grow (modulo 2^32): the writer's, prod, and the reader's, cons; prod - cons bytes
 * are in the ring. An end keeps its own index in private memory and only ever stores it. Of the
 * other's it believes what it can check: that it has not gone back, and has not overtaken ours.
 *
 * INV-RING-1: seen - own <= size for a reader, own - seen <= size for a writer.
 * INV-RING-2: copies touch bytes[0..size) only, whatever is in shared memory.
 * INV-RING-3: shared memory is never read to learn what this end itself has written there.
 */
#pragma once

#include "lagan/transport.h"
#include "transport/port.h"

struct ring {
    uint8_t *bytes;
    struct lagan_stream_ring *shared;
    uint32_t size; /* a power of 2 */
    uint32_t own;  /* the index that this end moves */
    uint32_t seen; /* the other's, when last looked at */
};

static inline void ring_begin(struct ring *ring, struct lagan_stream_ring *shared, void *bytes,
                              uint32_t size)
{
    *ring = (struct ring){.bytes = bytes, .shared = shared, .size = size};
}

/* The other's index, which may be `may_grow` further than when last seen. 0 or -XEN_EBADMSG. */
static inline int ring_look(struct ring *ring, const uint32_t *where, uint32_t may_grow)
{
    uint32_t now = __atomic_load_n(where, __ATOMIC_SEQ_CST);

    if (now - ring->seen > may_grow) {
        return -XEN_EBADMSG;
    }
    ring->seen = now;
    return 0;
}

/* Reader: bytes that are there, or -XEN_EBADMSG. */
static inline int64_t ring_count(struct ring *ring)
{
    int rc = ring_look(ring, &ring->shared->prod, ring->size - (ring->seen - ring->own));

    return rc != 0 ? rc : (int64_t)(ring->seen - ring->own);
}

/* Writer: bytes for which there is room, or -XEN_EBADMSG. */
static inline int64_t ring_room(struct ring *ring)
{
    int rc = ring_look(ring, &ring->shared->cons, ring->own - ring->seen);

    return rc != 0 ? rc : (int64_t)(ring->size - (ring->own - ring->seen));
}

/* The next of `count` bytes, and how many of them are in one piece. */
static inline uint8_t *ring_piece(const struct ring *ring, int64_t count, uint32_t *length)
{
    uint32_t at = ring->own & (ring->size - 1), left = ring->size - at;

    *length = count < left ? (uint32_t)count : left;
    return ring->bytes + at;
}

/* Copies to, or from, `skip` bytes behind our index, around the corner. skip + length has to be at
 * most what ring_room() or ring_count() said. Moves no index. */
static inline void ring_put(const struct ring *ring, uint32_t skip, const void *from,
                            uint32_t length)
{
    uint32_t at = (ring->own + skip) & (ring->size - 1), left = ring->size - at;
    uint32_t first = length < left ? length : left;

    memcpy(ring->bytes + at, from, first);
    if (length > first) {
        memcpy(ring->bytes, (const uint8_t *)from + first, length - first);
    }
}

static inline void ring_get(const struct ring *ring, uint32_t skip, void *to, uint32_t length)
{
    uint32_t at = (ring->own + skip) & (ring->size - 1), left = ring->size - at;
    uint32_t first = length < left ? length : left;

    memcpy(to, ring->bytes + at, first);
    if (length > first) {
        memcpy((uint8_t *)to + first, ring->bytes, length - first);
    }
}

/* Where `length` bytes are that begin `skip` bytes behind our index: in one piece or two. */
static inline void ring_pieces(const struct ring *ring, uint32_t skip, uint32_t length,
                               uint8_t *at[2], uint32_t part[2])
{
    uint32_t from = (ring->own + skip) & (ring->size - 1), left = ring->size - from;

    at[0] = ring->bytes + from;
    part[0] = length < left ? length : left;
    at[1] = ring->bytes;
    part[1] = length - part[0];
}

/* Moves our index: what was put can be read, what was got can be overwritten. */
static inline void ring_wrote(struct ring *ring, uint32_t length)
{
    ring->own += length;
    shared_store(&ring->shared->prod, ring->own);
}

static inline void ring_read(struct ring *ring, uint32_t length)
{
    ring->own += length;
    shared_store(&ring->shared->cons, ring->own);
}
