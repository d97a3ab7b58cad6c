/* SPDX-License-Identifier: MIT
 *
 * The page allocator: buddies of 2^0..2^HEAP_MAX_ORDER frames, with a cache of single frames on each
 * CPU; frames that are known to hold zeroes only are kept apart. And small objects for the
 * hypervisor's own use.
 *
 * INV-HEAP-1: every frame of RAM given to heap_add() is free here or in use, never both.
 * INV-HEAP-2: two free buddies of one order below the highest, both clean or both dirty, never stay
 * apart.
 * INV-HEAP-3: heap_free_pages() + what the hypervisor uses + what accounts own = heap_total_pages(),
 * whenever nobody is at work.
 * INV-HEAP-4: a clean frame holds zeroes only; what accounts get is clean.
 * INV-HEAP-5: free pages never fall below what is claimed, but by the claims' own accounts.
 */
#pragma once

#include <lagan/types.h>

struct account;

#define SLAB_MAX       2048U /* bytes of the largest small object */
#define HEAP_MAX_ORDER 18    /* 1 GiB */

enum heap_flags {
    HEAP_ANY = 0,
    HEAP_LOW = 1,   /* only below 4 GiB */
    HEAP_CLEAR = 2, /* zeroed; otherwise the content is what the last owner left */
    /* For who may have lent frames in its own hands: false rather than wait until calls under way have given
     * such frames up. */
    HEAP_TRY = 4,
};
/* Only machine addresses of so many bits (1..63). */
#define HEAP_BITS(n) ((unsigned)(n) << 16)

/* What the hypervisor holds pages for: HEAP_FOR(HEAP_EVENTS) among the flags. */
enum heap_cause {
    HEAP_OTHER,
    HEAP_OBJECTS, /* small objects */
    HEAP_SHARED,  /* lent to accounts: shared_info, ... */
    HEAP_EVENTS,
    HEAP_VCPUS,  /* and other parts of domains */
    HEAP_PCACHE, /* records of the page cache */
    HEAP_FLOORS, /* kept for floors of caches: no frames, but a part of those that are free or lent */
    HEAP_CAUSES
};
#define HEAP_FOR(cause) ((unsigned)(cause) << 8)

/* Boot only: empties the allocator's state, then adds ranges [start, end), whose content is unknown.
 * The frames' table entries are all zero, and frame 0 is left out. Cost: O(log(end - start)),
 * nothing for each frame. heap_add() may also be called later. */
void heap_init(void);
void heap_add(mfn_t start, mfn_t end);

/* Takes 2^order frames, aligned to their size, state FRAME_HYPERVISOR, refs 1 on the first.
 * Ordinary requests take from above 4 GiB first. False when there are none; with order 0 only if
 * there is really none (but HEAP_TRY). No lock of LK_TLB or above held. */
bool heap_alloc(unsigned order, unsigned flags, mfn_t *m) LAGAN_MUST_CHECK;
/* The same for an account, which may use what is claimed for it; *from_claim: so much of it. */
bool heap_alloc_for(struct account *a, unsigned order, unsigned flags, mfn_t *m,
                    uint64_t *from_claim) LAGAN_MUST_CHECK;
/* Gives them back. They must be in no TLB (or only in the hypervisor's direct map). */
void heap_free(mfn_t m, unsigned order);
/* What heap_alloc_for() gave, with what it took of the account's claim. */
void heap_free_for(struct account *a, mfn_t m, unsigned order, uint64_t from_claim);

/* Frames of a block that heap_alloc() gave have become an account's: not the hypervisor's any more.
 */
void heap_hand_over(uint64_t frames);
/* And the way back: single frames of an account are now as heap_alloc() gives them. */
void heap_adopt(uint64_t frames);
/* A page changes the cause that it is held for. */
void heap_used_for(enum heap_cause old, enum heap_cause new);
/* Frames that were accounts' (FRAME_WAITING, in no TLB, linked through `next`) go to the lists. They
 * are counted as free already. */
void heap_take_back(uint32_t first);

/* A mapped page, or pages, of the hypervisor's own: NULL when there is none. */
void *page_alloc(unsigned order, unsigned flags);
void page_free(void *p, unsigned order);

/* `count` consecutive mapped pages, not cleared; NULL when no free block of the next power of two is
 * there, which is taken for a moment. To be given back by page_free_run() with the same count. */
void *page_alloc_run(uint64_t count);
void page_free_run(void *p, uint64_t count);
/* From now on the pages of a run are single ones, each to be given back by page_free(). */
void page_split_run(void *p, uint64_t count);

/* Small objects of up to 2 KiB, zeroed, aligned to 16; NULL when there is no memory.
 * slab_free(NULL) is allowed. */
void *slab_alloc(size_t bytes);
void slab_free(void *p);
/* Gives back the pages that are kept although no object on them is in use. */
void slab_trim(void);

/* All that is free: lists, caches, being cleared, waiting for a flush, lent to caches but for their
 * floors. */
uint64_t heap_free_pages(void);
uint64_t heap_total_pages(void);
/* Pages that the hypervisor holds for `cause`. */
uint64_t heap_used_pages(enum heap_cause cause);
/* Of the free pages, those on lists that wait to be cleared, and those that are. */
uint64_t heap_dirty_pages(void);
uint64_t heap_clean_pages(void);
uint64_t heap_claimed_pages(void);

/* For scrub.c: this CPU's cached frames that are dirty go to the lists; and whether there are any. */
void heap_drain_dirty(void);
bool heap_caches_dirty(void);
/* Moves this CPU's cached frames back to the lists. (A request that would fail for want of them
 * drains all CPUs' caches by itself.) */
void heap_drain_cpu_cache(void);

/* Recounts everything; panics at the first broken invariant. Nothing else may run. */
void heap_audit(void);
/* For heap_init(): no small objects yet. */
void slab_init(void);
/* The same for small objects; heap_audit() calls it. Returns the number of pages that hold them. */
uint64_t slab_audit(void);
