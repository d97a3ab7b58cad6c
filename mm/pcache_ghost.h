/* SPDX-License-Identifier: MIT
 *
 * Which puts of one domain are worth a page: a memory of names, without their pages, of what was
 * refused, dropped or given back, and from it a rule of admission that adapts. A `name` says which content a
 * page holds, 64 bits, never 0: for keyed pages, and for those that their guest names, made
 * from pool and key (pcache_ghost_name()); for others the id that was issued. A refused put is issued one
 * too, so that a get of it teaches.
 *
 *   put:  pcache_ghost_put() says whether to keep it; if there is no page for it: _dropped() at once.
 *   get:  pcache_ghost_hit() or pcache_ghost_miss().
 *   drop: pcache_ghost_dropped(); flush: pcache_ghost_forget() and, of a kept page, _forget_kept().
 *
 * The caller keeps the `mark` of each page that it keeps, 32 bits, and hands it back. All calls on
 * one struct are made under one lock of the caller's (its domain's). Nothing is allocated: the
 * table of names is the caller's memory, GHOST_ENTRY_BYTES an entry. Time is in milliseconds.
 */
#pragma once

#include <lagan/types.h>

#include "mm/pcache_curve.h"

#define GHOST_WAYS        8U /* a name has so many places: the bound of each search */
#define GHOST_ENTRY_BYTES 16U
#define GHOST_ENTRIES_MIN GHOST_WAYS
#define GHOST_ENTRIES_MAX (1U << 26)
#define GHOST_DECIDE      512U /* puts after which the rule is thought over */
#define GHOST_THIN_MAX    3U
#define GHOST_CREDIT      256U /* so many puts and gets allow for one read to be lost */
#define GHOST_POOLS       16U

struct ghost_entry {
    uint64_t name; /* as stored; 0: empty */
    uint32_t mark;
    uint16_t cause; /* for whom it was dropped: a domid; or one of these: */
    uint16_t spare;
};
#define GHOST_REFUSED 0xffffU /* it never was in the cache */
#define GHOST_BACK    0xfffeU /* its last get was served, or would have been: the guest has it */

enum ghost_rule {
    GHOST_ALL,   /* keep every put */
    GHOST_KNOWN, /* keep what has come back before */
    GHOST_RULES
};

struct pcache_ghost {
    struct ghost_entry *entry; /* sets of GHOST_WAYS, the newest first */
    uint32_t entries;          /* a power of 2; 0: nothing is remembered and everything is kept */
    uint32_t used;             /* entries that are not empty */
    uint32_t gone;             /* ... of which so many were refused or dropped */
    uint64_t seed, salt;       /* names are stored with the salt: another salt forgets all */
    uint64_t pool_mask[GHOST_POOLS]; /* [c] what makes names of keys */

    enum ghost_rule rule; /* what is kept now, and of that one page in 2^thin */
    uint32_t thin;
    bool saves;         /* it is in force to save copies, not as it would serve more */
    uint32_t undecided; /* puts since the rule was thought over */
    uint64_t room;
    uint64_t credit;        /* of reads that may be lost, in 1/GHOST_CREDIT */
    uint64_t judged_until;  /* `puts` until which the rule's hits are compared with those of all */
    uint64_t exposed[3];    /* refused in the last halves of a room's puts, the present one first */
    uint64_t exposed_until; /* `puts` at which the present half ends */

    uint64_t puts, refused, back, would_hit; /* ever: put; refused; hits; misses that a kept page
                                                would have served */
    struct pcache_curve
        curve[GHOST_RULES]; /* what each rule would serve; [GHOST_ALL] is the domain's
                                               miss-rate curve */
};

/* A table in memory of `entries` * GHOST_ENTRY_BYTES, zeroed by this call; entries are rounded down to
 * a power of 2 (below GHOST_ENTRIES_MIN: none). The seed should be unknown to guests. O(entries). */
void pcache_ghost_init(struct pcache_ghost *g, void *table, uint32_t entries, uint64_t seed,
                       uint64_t now);

/* The name of what the guest calls `key` in pool `pool` (0: pages by id). */
static inline uint64_t pcache_ghost_name(const struct pcache_ghost *g, uint32_t pool, uint64_t key)
{
    uint64_t name = key ^ g->pool_mask[pool % GHOST_POOLS];

    return name != 0 ? name : 1;
}
/* The name will be needed soon: what is remembered under it comes from memory while other things are done. */
void pcache_ghost_prefetch(const struct pcache_ghost *g, uint64_t name);

/* A put under the name. `hint`: the name under which the same content was put before, the same name
 * if that stays; 0: not known. True: keep it, with the mark. False: refused, and remembered.
 * O(GHOST_WAYS), but for one call in GHOST_DECIDE which thinks over the rule. */
bool pcache_ghost_put(struct pcache_ghost *g, uint64_t name, uint64_t hint, uint64_t now,
                      uint32_t *mark);
/* A get of a kept page was served. */
void pcache_ghost_hit(struct pcache_ghost *g, uint64_t name, uint32_t mark, uint64_t now);
/* A get that found nothing. True if the page was refused or dropped, so that more room would have made a
 * hit of it; *cause then says for whom it was dropped, or GHOST_REFUSED. */
bool pcache_ghost_miss(struct pcache_ghost *g, uint64_t name, uint64_t now, uint16_t *cause);
/* A kept page was dropped for the good of `cause`, a domid; or found no room after _put() said true. */
void pcache_ghost_dropped(struct pcache_ghost *g, uint64_t name, uint32_t mark, uint16_t cause);
/* Its content is worth nothing any more: of a page that is not kept, by name; of one that is, by its
 * mark; of all pages. */
void pcache_ghost_forget(struct pcache_ghost *g, uint64_t name);
void pcache_ghost_forget_kept(struct pcache_ghost *g, uint32_t mark);
void pcache_ghost_forget_all(struct pcache_ghost *g);
/* So many pages the domain's cache could have now: those it has, and those it could take without
 * anybody's harm. The rule is chosen for this size, and the curves reach some times as far. To be told when it
 * has changed by a few per cent, or at each put. */
void pcache_ghost_set_room(struct pcache_ghost *g, uint64_t pages);

/* Restates the invariants; panics. O(entries). */
void pcache_ghost_audit(const struct pcache_ghost *g);
