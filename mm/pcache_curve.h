/* SPDX-License-Identifier: MIT
 *
 * How many reads a cache of each size would have served to one domain: a sampled curve of fixed
 * size (SHARDS). The caller tells each put, get and flush; pages are told apart by a `tag`, 32
 * random bits that stay the same for the same page. Curves are read in pages and in reads a second.
 *
 * One curve takes sizeof(struct pcache_curve), some 17 KiB, and allocates nothing. All calls on one
 * curve are made under one lock of the caller's (its domain's). Time is the caller's, in
 * milliseconds; it never runs back. pcache_curve.c has the theory and the invariants.
 */
#pragma once

#include <lagan/types.h>

#define CURVE_SAMPLES   4096U /* pages that are watched at most */
#define CURVE_BUCKETS   128U  /* points of the curve, equally far apart */
#define CURVE_REACH_MIN CURVE_BUCKETS
#define CURVE_REACH_MAX (UINT32_MAX / 2)

struct pcache_curve {
    uint32_t tag[CURVE_SAMPLES];       /* by place: places are taken in the order of puts */
    uint16_t next[CURVE_SAMPLES];      /* of the same chain, place + 1 */
    uint16_t chain[CURVE_SAMPLES];     /* by tag: first place + 1 */
    uint64_t live[CURVE_SAMPLES / 64]; /* a bit for each place that has a page */
    uint32_t live_count;
    uint32_t
        place; /* the next to be taken; those behind it, around the ring, are older and older */
    uint32_t shift;        /* one page in 2^shift is watched */
    uint32_t bucket_pages; /* what lies between two points of the curve */

    /* What happened in the window, older things counting less and less. In reads, not in samples. */
    uint64_t served[CURVE_BUCKETS]; /* gets that so many pages would just have served */
    uint64_t gets, puts;            /* all that were told, sampled or not */
    uint64_t time;                  /* ms */
    uint64_t now, events;           /* ... since when; samples since the last aging */
};

/* A curve that reaches to caches of `reach` pages (clamped to CURVE_REACH_MIN..MAX). */
void pcache_curve_init(struct pcache_curve *c, uint64_t reach, uint64_t now);
/* The same for another reach, from now on: what was learned is kept as far as it has a place. */
void pcache_curve_set_reach(struct pcache_curve *c, uint64_t reach);

/* The domain put the page; got it, or wanted it, whether or not it was kept; made it worthless. At most a
 * few hundred steps, but for one call in some hundred samples that moves all samples together:
 * CURVE_SAMPLES steps. _get() returns how many other pages were put later and are still there, if it has watched
 * the page, in which case it stands for 2^shift gets; otherwise CURVE_UNKNOWN. */
#define CURVE_UNKNOWN UINT64_MAX
void pcache_curve_put(struct pcache_curve *c, uint32_t tag, uint64_t now);
uint64_t pcache_curve_get(struct pcache_curve *c, uint32_t tag, uint64_t now);
/* A get of a page that was never put or is long forgotten: it counts, and nothing else. */
void pcache_curve_get_unknown(struct pcache_curve *c, uint64_t now);
void pcache_curve_forget(struct pcache_curve *c, uint32_t tag);
void pcache_curve_forget_all(struct pcache_curve *c);

/* Gets of the window that a cache of so many pages would have served, in 1/256. Never falls with
 * pages; never above pcache_curve_gets(). O(CURVE_BUCKETS). */
uint64_t pcache_curve_hits(const struct pcache_curve *c, uint64_t pages);
/* All gets of the window, in 1/256. */
uint64_t pcache_curve_gets(const struct pcache_curve *c);
/* Reads a second, in 1/1000, that a cache of `more` pages more than `pages` would save. 0 as long as
 * nothing is known. `now` as in the last event or later. */
uint64_t pcache_curve_saves(const struct pcache_curve *c, uint64_t pages, uint64_t more,
                            uint64_t now);

/* Restates the invariants; panics. O(CURVE_SAMPLES). */
void pcache_curve_audit(const struct pcache_curve *c);
