/* SPDX-License-Identifier: MIT
 *
 * The page allocator: buddies of 2^0..2^HEAP_MAX_ORDER frames in two zones (below 4 GiB and above),
 * with a cache of single frames on each CPU. And small objects for the hypervisor's own use.
 *
 * INV-HEAP-1: every frame of RAM given to heap_add() is free here or in use, never both.
 * INV-HEAP-2: two free buddies of one order below the highest never stay apart.
 * INV-HEAP-3: heap_free_pages() counts all that is free: lists, per-CPU caches and the waiting
 * room.
 */
#pragma once

#include <lagan/types.h>

#define SLAB_MAX       2048U /* bytes of the largest small object */
#define HEAP_MAX_ORDER 18    /* 1 GiB */

enum heap_flags {
    HEAP_ANY = 0,
    HEAP_LOW = 1,   /* only below 4 GiB */
    HEAP_CLEAR = 2, /* zeroed; otherwise the content is what the last owner left */
};

/* Boot only: empties the allocator's state, then adds ranges [start, end). The frames' table
 * entries are all zero, and frame 0 is left out. Cost: O(log(end - start)), nothing for each frame.
 */
void heap_init(void);
void heap_add(mfn_t start, mfn_t end);

/* Takes 2^order frames, aligned to their size, state FRAME_HYPERVISOR, refs 1 on the first.
 * Ordinary requests take from above 4 GiB first. False when there are none. No lock of LK_HEAP or
 * above held. */
bool heap_alloc(unsigned order, unsigned flags, mfn_t *m) LAGAN_MUST_CHECK;
/* Gives them back. They must be in no TLB (or only in the hypervisor's direct map). */
void heap_free(mfn_t m, unsigned order);

/* A mapped page, or pages, of the hypervisor's own: NULL when there is none. */
void *page_alloc(unsigned order, unsigned flags);
void page_free(void *p, unsigned order);

/* `count` consecutive mapped pages, not cleared; NULL when no free block of the next power of two is
 * there, which is taken for a moment. To be given back by page_free_run() with the same count. */
void *page_alloc_run(uint64_t count);
void page_free_run(void *p, uint64_t count);

/* Small objects of up to 2 KiB, zeroed, aligned to 16; NULL when there is no memory.
 * slab_free(NULL) is allowed. */
void *slab_alloc(size_t bytes);
void slab_free(void *p);
/* Gives back the pages that are kept although no object on them is in use. */
void slab_trim(void);

uint64_t heap_free_pages(void);
uint64_t heap_total_pages(void);
/* Moves this CPU's cached frames back to the lists. (A request that would fail for want of them
 * drains all CPUs' caches by itself.) */
void heap_drain_cpu_cache(void);

/* Recounts everything; panics at the first broken invariant. Nothing else may run. */
void heap_audit(void);
/* For heap_init(): no small objects yet. */
void slab_init(void);
/* The same for small objects; heap_audit() calls it. Returns the number of pages that hold them. */
uint64_t slab_audit(void);
