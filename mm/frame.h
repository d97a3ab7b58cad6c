/* SPDX-License-Identifier: MIT
 *
 * The frame table: 24 bytes for each machine frame, the hypervisor's largest cost.
 *
 * `use` holds who owns the frame and how many references keep it; `type` holds as what it is used
 * and how often (type.h). The two counts are independent: every type reference is accompanied by a
 * general reference of the same holder, and a frame is freed only when the general count falls to
 * 0.
 *
 * INV-FRAME-1: refs == 0 exactly for frames on a free list, in a per-CPU cache, in the waiting
 * room or lent. INV-FRAME-2: the owner changes only at refs == 0, or by the one holder of the only
 * reference. INV-FRAME-3: counts are checked before they move; they never wrap. INV-FRAME-4: an
 * entry that is all zero is a frame inside a free block, or one that the allocator never had:
 * nobody can take a reference of it.
 */
#pragma once

#include <stdatomic.h>

#include <lagan/arch.h>
#include <lagan/types.h>

struct account;

struct frame {
    _Atomic uint64_t use;  /* refs (31:0), owner domid (47:32), state (55:48), order or
                            * FRAME_ALLOCATED and its like (63:56) */
    _Atomic uint32_t type; /* count (23:0), flags (27:24), enum frame_type (31:28) */
    uint32_t stamp;        /* type count 0: TLB clock at the end of the last use; else the cursor */
    uint32_t next, prev;   /* frame numbers: free list, waiting room or the owner's list; 0 ends */
};

STATIC_ASSERT(sizeof(struct frame) == 24);

enum frame_state {
    FRAME_FREE,       /* inside a free block or a hypervisor's block, or never in the allocator */
    FRAME_HYPERVISOR, /* ours, never a guest's to map */
    FRAME_OWNED,      /* an account's, charged and on its list */
    FRAME_SHARED,   /* ours, lent to the owner to map (shared_info, ...): not charged, not listed */
    FRAME_RESERVED, /* not RAM, or RAM that never enters the allocator */
    FRAME_FREE_HEAD, /* the first of a free block of 2^order frames, on a free list */
    FRAME_CACHED,    /* free, in a CPU's cache */
    FRAME_WAITING,   /* given back by its last user, until no TLB may hold it any more */
    FRAME_LENT,      /* free, in use by a cache until somebody needs it (spare.h) */
};

/* Bits 63:56 of `use`: a hypervisor's or free block has its order there, an owned frame these. */
#define FRAME_ALLOCATED (UINT64_C(1) << 56) /* the allocation's own reference is still there */
#define FRAME_ABROAD    (UINT64_C(1) << 57) /* was mapped by another account: any CPU may hold it */
#define FRAME_UNCACHED  (UINT64_C(1) << 58) /* was writable past the caches: they may be stale */

/* A guest with 16 GiB of page tables can have all of them; some are left for frame_get_again(). */
#define FRAME_REFS_MAX   UINT32_C(0x7fffffff)
#define FRAME_REFS_SPARE UINT32_C(0x10000)

#include "arch_inline.h"

static inline struct frame *frame_of(mfn_t m)
{
    return &ARCH_FRAME_TABLE[m.n];
}

static inline mfn_t frame_mfn(const struct frame *f)
{
    return mfn((uint64_t)(f - ARCH_FRAME_TABLE));
}

static inline uint32_t frame_refs(const struct frame *f)
{
    return (uint32_t)atomic_load_explicit(&((struct frame *)f)->use, memory_order_relaxed);
}

static inline domid_t frame_owner(const struct frame *f)
{
    return (domid_t)(atomic_load_explicit(&((struct frame *)f)->use, memory_order_relaxed) >> 32);
}

static inline enum frame_state frame_state(const struct frame *f)
{
    return (enum frame_state)(
        (atomic_load_explicit(&((struct frame *)f)->use, memory_order_relaxed) >> 48) & 0xff);
}

static inline unsigned frame_order(const struct frame *f)
{
    return (unsigned)(atomic_load_explicit(&((struct frame *)f)->use, memory_order_relaxed) >> 56);
}

static inline uint64_t frame_use(enum frame_state state, unsigned order, domid_t owner,
                                 uint32_t refs)
{
    return (uint64_t)order << 56 | (uint64_t)state << 48 | (uint64_t)owner << 32 | refs;
}

/* Takes a reference if the frame is RAM in use (owned or shared) whose owner is `owner`. False (and
 * nothing changed) otherwise, or when the count would overflow. Any lock may be held. */
bool frame_get(mfn_t m, domid_t owner) LAGAN_MUST_CHECK;
/* As frame_get(), by a holder of a reference, whoever the owner, for what no guest can do often: there
 * are references that only this gives, so that the count is not full. */
bool frame_get_again(mfn_t m) LAGAN_MUST_CHECK;
/* Notes that an account other than the owner maps the frame (the caller holds a reference): when it
 * is given back, the TLBs of all CPUs are flushed, not only those that run its owner. */
void frame_note_abroad(mfn_t m);
/* The second half of frame_put(), for the last reference; `use` is the word before it. */
void frame_give_back(mfn_t m, uint64_t use);
/* Notes that a mapping which bypasses the caches may write the frame (the caller holds a
 * reference); and makes caches and memory agree, once nothing can write it so any more. */
void frame_note_uncached(mfn_t m);
void frame_make_coherent(mfn_t m);
/* Drops a reference; the last one gives an owned frame back: uncharged, off its owner's list,
 * flushed from TLBs that may hold it before anybody can have it. No lock of level LK_ACCOUNT or
 * above held. */
static inline void frame_put(mfn_t m)
{
    uint64_t use = atomic_fetch_sub(&frame_of(m)->use, 1);

    if (unlikely((uint32_t)use <= 1))
        frame_give_back(m, use);
}
