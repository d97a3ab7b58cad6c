/* SPDX-License-Identifier: MIT
 *
 * A ring of bytes between one producer and one consumer, without a lock: each owns one index and
 * only reads the other's. The indices count up and wrap; their difference is how much the ring
 * holds.
 *
 * INV-RING-1: a byte is stored before the index that covers it is published, and read before its
 * place is given back.
 */
#pragma once

#include <stdatomic.h>

#include <lagan/types.h>

#define BYTE_RING_BYTES 8192u /* a power of two */

struct byte_ring {
    _Atomic uint32_t in;  /* written by the producer */
    _Atomic uint32_t out; /* written by the consumer */
    uint8_t bytes[BYTE_RING_BYTES];
};

STATIC_ASSERT((BYTE_RING_BYTES & (BYTE_RING_BYTES - 1)) == 0);

static inline bool byte_ring_empty(const struct byte_ring *r)
{
    return atomic_load(&r->in) == atomic_load(&r->out);
}

/* False: the ring is full. */
static inline bool byte_ring_put(struct byte_ring *r, uint8_t byte)
{
    uint32_t in = atomic_load_explicit(&r->in, memory_order_relaxed);

    if (in - atomic_load_explicit(&r->out, memory_order_acquire) == BYTE_RING_BYTES)
        return false;
    r->bytes[in % BYTE_RING_BYTES] = byte;
    atomic_store_explicit(&r->in, in + 1, memory_order_release);
    return true;
}

/* -1: the ring is empty. */
static inline int byte_ring_get(struct byte_ring *r)
{
    uint32_t out = atomic_load_explicit(&r->out, memory_order_relaxed);
    uint8_t byte;

    if (out == atomic_load_explicit(&r->in, memory_order_acquire))
        return -1;
    byte = r->bytes[out % BYTE_RING_BYTES];
    atomic_store_explicit(&r->out, out + 1, memory_order_release);
    return byte;
}
