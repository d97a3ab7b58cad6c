/* SPDX-License-Identifier: MIT
 *
 * Which puts of one domain are worth a page: a memory of names only, of pages that were refused,
 * dropped or given back, and from it a rule of admission that adapts. It works for both forms of
 * the ABI: a `name` is the 64-bit id that was issued (a refused put is issued one, too), or a hash
 * of pool and key (pcache_ghost_name()). 0 is no name.
 *
 *   put:  pcache_ghost_put() says whether to keep it; if there is no room, say dropped() at once.
 *   get:  pcache_ghost_hit() or pcache_ghost_miss().
 *   drop: pcache_ghost_dropped(); flush: pcache_ghost_flushed().
 *
 * The caller keeps the `mark` of each page that it keeps, 32 bits, and hands it back. All calls on
 * one struct are made under one lock of the caller's (its domain's). Nothing is allocated: the
 * table of names is the caller's memory, 16 bytes an entry. Time is in milliseconds.
 */
#pragma once

#include <lagan/types.h>

#include "mm/pcache_curve.h"

#define GHOST_WAYS        8U /* a name has so many places: the bound of each search */
#define GHOST_ENTRY_BYTES 16U
#define GHOST_ENTRIES_MIN GHOST_WAYS
#define GHOST_ENTRIES_MAX (1U << 26)

struct ghost_entry {
    uint64_t name; /* 0: empty */
    uint32_t mark;
    uint16_t age;   /* the set's clock when it came */
    uint16_t cause; /* for whom it was dropped; GHOST_REFUSED, GHOST_BACK */
};
#define GHOST_REFUSED 0xffffU /* it never was in the cache */
#define GHOST_BACK    0xfffeU /* its last get was served, or would have been: it is with the guest */

/* The rules of admission. Each can be thinned out: one page in 2^thin is ever kept. */
enum ghost_rule {
    GHOST_ALL,   /* keep every put */
    GHOST_KNOWN, /* keep what has come back before */
};

struct pcache_ghost {
    struct ghost_entry *entry;
    uint32_t sets,
        entries;   /* sets * GHOST_WAYS == entries; 0: remembers nothing, keeps everything */
    uint32_t used; /* entries that are not empty: what a domain with a full cache lacks */
    uint32_t gone; /* ... of them refused or dropped */
    uint64_t seed; /* of the hash of names */

    enum ghost_rule rule;
    uint32_t thin;
    uint64_t room;      /* pages that the domain's cache could have now */
    uint32_t undecided; /* puts since the rule was last thought over */

    uint64_t puts, refused, returned,
        would_hit;             /* ever: puts told, refused; hits; misses that a kept
                                                     page would have served */
    struct pcache_curve all;   /* if everything were kept: the domain's miss-rate curve */
    struct pcache_curve known; /* if only what came back before were kept */
};

/* A table in memory of `entries` * GHOST_ENTRY_BYTES (rounded down to a power of 2; less than
 * GHOST_ENTRIES_MIN: none). `reach`: pages of the largest cache of interest. The seed should not be
 * known to guests. */
void pcache_ghost_init(struct pcache_ghost *g, void *table, uint32_t entries, uint64_t reach,
                       uint64_t seed, uint64_t now);

/* The name of a page that the caller's guest names by pool and key. Never 0. */
uint64_t pcache_ghost_name(const struct pcache_ghost *g, uint32_t pool, uint64_t key);

/* A put under the name. `hint`: the name that the page had when it was last put (keys: the same
 * name); 0 when there is none. True: keep it, with the mark. False: refused, and remembered as such.
 * O(GHOST_WAYS), but for one call in GHOST_DECIDE which thinks over the rule (see the .c). */
bool pcache_ghost_put(struct pcache_ghost *g, uint64_t name, uint64_t hint, uint64_t now,
                      uint32_t *mark);
/* A get of a kept page was served; it leaves the cache. */
void pcache_ghost_hit(struct pcache_ghost *g, uint64_t name, uint32_t mark, uint64_t now);
/* A get that found nothing. True if the page was refused or dropped and would have been a hit;
 * *cause then says for whom it was dropped, or GHOST_REFUSED. */
bool pcache_ghost_miss(struct pcache_ghost *g, uint64_t name, uint64_t now, uint16_t *cause);
/* A kept page was dropped, for the good of `cause` (a domid, below GHOST_BACK). */
void pcache_ghost_dropped(struct pcache_ghost *g, uint64_t name, uint32_t mark, uint16_t cause);
/* The page's content is worth nothing any more. With the mark if it was kept; else by name alone. */
void pcache_ghost_flushed_page(struct pcache_ghost *g, uint32_t mark);
void pcache_ghost_flushed(struct pcache_ghost *g, uint64_t name);
/* Everything of the domain's is. */
void pcache_ghost_flushed_all(struct pcache_ghost *g);
/* So many pages the domain's cache could have now: those it has, and those it could take without
 * anybody's harm. What the rule is chosen for. */
void pcache_ghost_set_room(struct pcache_ghost *g, uint64_t pages);

/* Restates the invariants; panics. O(entries). */
void pcache_ghost_audit(const struct pcache_ghost *g);
