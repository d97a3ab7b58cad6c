/* SPDX-License-Identifier: MIT
 *
 * Private to the files of the page allocator (heap*.c, scrub.c, claim.c): the lists of free blocks.
 * Everything here is called under heap.lock, but where it is said otherwise.
 */
#pragma once

#include <stdatomic.h>

#include <lagan/lock.h>
#include "mm/frame.h"
#include "mm/heap.h"

/* VIRGIN: as firmware left it; not clean either, but nobody hurries to clear it (scrub.c). */
enum heap_kind { DIRTY, VIRGIN, CLEAN, KINDS };

#define ZONE_COUNT 32U
#define ZONE_4G    20U /* the first zone above 4 GiB */
#define ZONES_ALL  UINT32_MAX
#define ZONES_HIGH (ZONES_ALL << ZONE_4G)
#define ZONES_LOW  (~ZONES_HIGH)

#define HEAP_RANGES 96

struct zone {
    uint32_t head[KINDS][HEAP_MAX_ORDER + 1]; /* frame numbers of the first blocks */
    uint32_t nonempty[KINDS];                 /* bit n: head[kind][n] is not 0 */
};

extern struct heap {
    struct spinlock lock; /* LK_HEAP */
    struct zone zone[ZONE_COUNT];
    uint32_t zones[KINDS];         /* bit z: zone z has a block of that kind */
    _Atomic uint64_t count[KINDS]; /* frames on the lists of that kind */
    _Atomic uint64_t
        scrubbing;           /* frames that are off the lists, being cleared; free all the same */
    _Atomic uint32_t wanted; /* requests that wait for those */
    _Atomic uint64_t available; /* all that is free, wherever it is, and not reserved */
    _Atomic uint64_t claimed;   /* sum of the accounts' claims; changes under the lock */
    _Atomic uint64_t used[HEAP_CAUSES];
    _Atomic uint64_t total;
    bool has_high; /* there is memory above 4 GiB */
    /* What heap_add() was given, for the auditor; ranges beyond HEAP_RANGES are not audited. */
    struct {
        uint64_t start, end;
    } range[HEAP_RANGES];
    unsigned range_count;
} heap;

/* Frames are in the zone of their number's highest bit: no block spans two of them, and a limit of
 * address bits is a set of zones. */
static inline unsigned zone_of(uint64_t n)
{
    return 63U - (unsigned)__builtin_clzll(n);
}

static inline void set_use(struct frame *f, enum frame_state state, unsigned order, unsigned owner,
                           uint32_t refs)
{
    atomic_store_explicit(&f->use, frame_use(state, order, (domid_t)owner, refs),
                          memory_order_relaxed);
}

bool block_is_free(uint64_t n, unsigned order, enum heap_kind kind);
/* Gives a block to the lists, merged with its buddies as far as they are free and of its kind
 * (INV-HEAP-2). */
void block_free(uint32_t n, unsigned order, enum heap_kind kind);
/* The same for any range of frames. */
void range_free(uint64_t n, uint64_t end, enum heap_kind kind);
/* A block from the smallest that is large enough in the highest of the zones that has one; the rest
 * goes back to the lists. 0: none. */
uint32_t block_alloc(uint32_t zones, unsigned order, enum heap_kind kind);
/* Merges free buddies of different kinds so that dirty blocks of the order may come out. Bounded. */
void blocks_unite(uint32_t zones, unsigned order);
/* Makes one dirty block of the aligned 2^order frames from n on, if all are on the lists. */
bool blocks_gather(uint32_t n, unsigned order);
/* For the auditor. */
uint64_t lists_audit(void);
/* heap.c: what the caches hold; panics if one is not sound. */
uint64_t caches_audit(void);

/* ---- heap.c, not under the lock ---- */

/* What came to hand. */
struct found {
    uint32_t n; /* 0: nothing */
    enum heap_kind kind;
};
/* From the lists, of the first `kinds` kinds that such a request would rather have; and a single frame, by way of
 * this CPU's cache, which has some at the moment. */
struct found lists_alloc(uint32_t zones, unsigned order, bool clear, unsigned kinds);
struct found cache_alloc(bool clear);
bool cache_is_stocked(void);
/* Clears it, if the flags ask for that and it is not clean. */
void make_ready(struct found f, unsigned order, unsigned flags);
/* To the cache or the lists; and what the frame table remembers of a frame's use is forgotten. */
void heap_put(mfn_t m, unsigned order);
static inline void frame_forget(struct frame *f)
{
    atomic_store_explicit(&f->type, 0, memory_order_relaxed);
    f->stamp = 0;
}

/* ---- heap_lend.c, not under the lock ---- */

/* A single free frame, of what is counted as available and stays so, or false. Its word is all zero. Frames
 * of one lane come from the same runs, those of others from others, as far as there are whole runs. */
#define LEND_LANES 4U
bool heap_lend(unsigned lane, bool clear, mfn_t *m);
/* There are some at hand, beside the lists. */
bool heap_lends(void);
/* The way back: the frames are free, and still counted as they were. The second: `count` frames in a row. */
void heap_end_loan(const mfn_t *list, unsigned count);
void heap_end_loan_range(mfn_t first, unsigned count);
/* All that is at hand for lending goes to the lists. False: there is nothing. */
bool lend_call_in(void);
void lend_init(void);
uint64_t lend_audit(void);

/* heap.c: what waits, is cached or at hand on any CPU goes to the lists. */
void heap_call_in(void);

#define AUDIT(cond, what, n)                                                \
    do {                                                                    \
        if (!(cond))                                                        \
            arch_panic("heap: %s at frame %#lx", what, (unsigned long)(n)); \
    } while (0)
