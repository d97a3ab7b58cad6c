/* SPDX-License-Identifier: MIT
 *
 * A miss-rate curve from samples, after C. Waldspurger, N. Park, A. Garthwaite and I. Ahmad,
 * "Efficient MRC Construction with SHARDS", FAST 2015: of all pages those are watched whose tag ends in
 * `shift` zero bits, so a page is watched always or never, and what is seen of the watched ones stands for
 * 2^shift times as many. The number of samples is fixed; when they do not reach far enough, every other
 * page is let go and shift grows.
 *
 * Of each watched page that was put and not got back the order of puts is kept. A get of a page behind which
 * D others were put, and are still there, would have been served by every cache that keeps the D + 1 last puts:
 * that is a point on the curve. (A cache that gives its pages away at a hit has holes then; the guest's
 * next eviction fills them, so that the order is that of one long list, guest first: K. Lu and
 * K. Shen, "Virtual Machine Memory Access Tracing With Hypervisor Exclusive Cache", USENIX ATC 2007.)
 *
 * The order is a ring of places, taken one after the other; a bit map says which still hold a page. D is
 * the number of bits between the page and the ring's head: 32 words at most. When the head comes round to a place
 * that is still held, either holes are pressed out, or shift grows, or, if the samples stand for
 * enough pages already, the oldest is forgotten: a get of it counts as one that no cache of
 * interest would have served.
 *
 * The histogram is halved when enough was seen, with the time that it took: a rate stays a rate.
 *
 * INV-CURVE-1: live_count is the number of bits in `live`; the places that are set, and no others, are
 * in the chain of their tag, once; no tag is there twice.
 * INV-CURVE-2: each watched tag ends in `shift` zero bits.
 * INV-CURVE-3: the sum of `served` is at most 2^shift gets more than `gets`... as estimated;
 * pcache_curve_hits() never says more than pcache_curve_gets().
 */
#include "mm/pcache_curve.h"

#include <lagan/assert.h>
#include <lagan/string.h>

#define UNIT       256U /* one read in the histogram */
#define SHIFT_MAX  20U
#define CHAIN_BITS 12U
/* Samples after which the histogram is halved; and milliseconds. */
#define AGE_EVENTS 4096U
#define AGE_MS     UINT64_C(300000)
/* Of the places so many may be held when the holes are pressed out; else samples are too many. */
#define CROWDED (CURVE_SAMPLES / 4 * 3)

STATIC_ASSERT(CURVE_SAMPLES == 1U << CHAIN_BITS && CURVE_SAMPLES % 64 == 0);
STATIC_ASSERT(CURVE_SAMPLES < UINT16_MAX);

static bool is_live(const struct pcache_curve *c, uint32_t place)
{
    return c->live[place / 64] >> place % 64 & 1;
}

static bool is_watched(const struct pcache_curve *c, uint32_t tag)
{
    return (tag & ((UINT32_C(1) << c->shift) - 1)) == 0;
}

/* Tags come with 31 bits or 32: the chain is found by bits that shift does not use. */
static uint16_t *chain_of(struct pcache_curve *c, uint32_t tag)
{
    return &c->chain[tag * UINT32_C(0x9e3779b1) >> (32 - CHAIN_BITS)];
}

static void link_place(struct pcache_curve *c, uint32_t place)
{
    uint16_t *chain = chain_of(c, c->tag[place]);

    c->next[place] = *chain;
    *chain = (uint16_t)(place + 1);
    c->live[place / 64] |= UINT64_C(1) << place % 64;
    c->live_count++;
}

static void unlink_place(struct pcache_curve *c, uint32_t place)
{
    uint16_t *at = chain_of(c, c->tag[place]);

    while (*at != place + 1)
        at = &c->next[*at - 1];
    *at = c->next[place];
    c->live[place / 64] &= ~(UINT64_C(1) << place % 64);
    c->live_count--;
}

/* The place of the page; CURVE_SAMPLES if it is not watched or not there. */
static uint32_t place_of(struct pcache_curve *c, uint32_t tag)
{
    for (uint32_t p = *chain_of(c, tag); p != 0; p = c->next[p - 1]) {
        if (c->tag[p - 1] == tag)
            return p - 1;
    }
    return CURVE_SAMPLES;
}

static unsigned bits_of(uint64_t w)
{
    w -= w >> 1 & UINT64_C(0x5555555555555555);
    w = (w & UINT64_C(0x3333333333333333)) + (w >> 2 & UINT64_C(0x3333333333333333));
    w = (w + (w >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(w * UINT64_C(0x0101010101010101) >> 56);
}

/* Held places below `place`. */
static uint32_t live_below(const struct pcache_curve *c, uint32_t place)
{
    uint32_t count = 0;

    for (uint32_t w = 0; w < place / 64; w++)
        count += bits_of(c->live[w]);
    if (place % 64 != 0)
        count += bits_of(c->live[place / 64] << (64 - place % 64));
    return count;
}

/* Pages that were put after the one at `place` and are still there. */
static uint32_t newer_than(const struct pcache_curve *c, uint32_t place)
{
    uint32_t upto = live_below(c, place + 1), head = live_below(c, c->place);

    return place < c->place ? head - upto : c->live_count - upto + head;
}

/* Presses out the holes, from the newest to the oldest, and with them pages that are not watched with the
 * present shift any more. */
static void press(struct pcache_curve *c)
{
    uint32_t to = c->place, from = c->place;
    uint64_t held[CURVE_SAMPLES / 64];

    memcpy(held, c->live, sizeof(held));
    pcache_curve_forget_all(c);
    for (uint32_t n = 0; n < CURVE_SAMPLES; n++) {
        from = (from - 1) % CURVE_SAMPLES;
        if (!(held[from / 64] >> from % 64 & 1) || !is_watched(c, c->tag[from]))
            continue;
        to = (to - 1) % CURVE_SAMPLES;
        c->tag[to] = c->tag[from];
        link_place(c, to);
    }
}

/* Makes the place at the head free. */
static void make_place(struct pcache_curve *c)
{
    uint64_t reach = (uint64_t)c->bucket_pages * CURVE_BUCKETS;

    while (c->live_count > CROWDED && (uint64_t)c->live_count << c->shift < reach &&
           c->shift < SHIFT_MAX) {
        c->shift++;
        press(c);
    }
    if (!is_live(c, c->place))
        return;
    if (c->live_count <= CROWDED)
        press(c);
    else
        unlink_place(c, c->place);
}

static void halve(struct pcache_curve *c)
{
    for (uint32_t i = 0; i < CURVE_BUCKETS; i++)
        c->served[i] /= 2;
    c->gets /= 2;
    c->puts /= 2;
    c->time /= 2;
    c->events = 0;
}

static void pass_time(struct pcache_curve *c, uint64_t now)
{
    if (now > c->now) {
        c->time += now - c->now;
        c->now = now;
    }
    if (unlikely(c->events >= AGE_EVENTS || c->time >= 2 * AGE_MS))
        halve(c);
}

void pcache_curve_put(struct pcache_curve *c, uint32_t tag, uint64_t now)
{
    uint32_t place;

    pass_time(c, now);
    c->puts += UNIT;
    if (likely(!is_watched(c, tag)))
        return;
    c->events++;
    place = place_of(c, tag);
    if (place != CURVE_SAMPLES)
        unlink_place(c, place);
    if (is_live(c, c->place)) {
        make_place(c);
        if (!is_watched(c, tag))
            return;
    }
    c->tag[c->place] = tag;
    link_place(c, c->place);
    c->place = (c->place + 1) % CURVE_SAMPLES;
}

void pcache_curve_get_unknown(struct pcache_curve *c, uint64_t now)
{
    pass_time(c, now);
    c->gets += UNIT;
}

uint64_t pcache_curve_get(struct pcache_curve *c, uint32_t tag, uint64_t now)
{
    uint64_t pages;
    uint32_t place;

    pcache_curve_get_unknown(c, now);
    if (likely(!is_watched(c, tag)))
        return CURVE_UNKNOWN;
    c->events++;
    place = place_of(c, tag);
    if (place == CURVE_SAMPLES)
        return CURVE_UNKNOWN;
    /* Of the pages that stand between two samples, half. */
    pages = ((uint64_t)newer_than(c, place) << c->shift) + (UINT64_C(1) << c->shift) / 2;
    unlink_place(c, place);
    if (pages / c->bucket_pages < CURVE_BUCKETS)
        c->served[pages / c->bucket_pages] += (uint64_t)UNIT << c->shift;
    return pages;
}

void pcache_curve_forget(struct pcache_curve *c, uint32_t tag)
{
    uint32_t place = is_watched(c, tag) ? place_of(c, tag) : CURVE_SAMPLES;

    if (place != CURVE_SAMPLES)
        unlink_place(c, place);
}

void pcache_curve_forget_all(struct pcache_curve *c)
{
    memset(c->live, 0, sizeof(c->live));
    memset(c->chain, 0, sizeof(c->chain));
    c->live_count = 0;
}

static uint32_t bucket_for(uint64_t reach)
{
    reach = max_u64(CURVE_REACH_MIN, min_u64(CURVE_REACH_MAX, reach));
    return (uint32_t)((reach + CURVE_BUCKETS - 1) / CURVE_BUCKETS);
}

void pcache_curve_init(struct pcache_curve *c, uint64_t reach, uint64_t now)
{
    memset(c, 0, sizeof(*c));
    c->bucket_pages = bucket_for(reach);
    c->now = now;
}

/* Samples that are too far apart for a much smaller reach start anew; those that do not reach far enough
 * are thinned out when there are too many. */
void pcache_curve_set_reach(struct pcache_curve *c, uint64_t reach)
{
    uint32_t was = c->bucket_pages, now = bucket_for(reach);
    uint64_t old[CURVE_BUCKETS];

    if (was == now)
        return;
    memcpy(old, c->served, sizeof(old));
    memset(c->served, 0, sizeof(c->served));
    for (uint64_t i = 0; i < CURVE_BUCKETS; i++) {
        uint64_t at = (i * was + was / 2) / now;

        if (at < CURVE_BUCKETS)
            c->served[at] += old[i];
    }
    c->bucket_pages = now;
    if (now < was && c->shift > 0) {
        pcache_curve_forget_all(c);
        c->shift = 0;
    }
}

uint64_t pcache_curve_gets(const struct pcache_curve *c)
{
    return c->gets;
}

uint64_t pcache_curve_hits(const struct pcache_curve *c, uint64_t pages)
{
    uint64_t whole = min_u64(pages / c->bucket_pages, CURVE_BUCKETS), hits = 0;

    for (uint64_t i = 0; i < whole; i++)
        hits += c->served[i];
    if (whole < CURVE_BUCKETS)
        hits += c->served[whole] / c->bucket_pages * (pages % c->bucket_pages);
    return min_u64(hits, c->gets);
}

uint64_t pcache_curve_saves(const struct pcache_curve *c, uint64_t pages, uint64_t more,
                            uint64_t now)
{
    uint64_t time = c->time + (now > c->now ? now - c->now : 0), upto, saved;

    if (time == 0)
        return 0;
    if (add_overflows(pages, more, &upto))
        upto = UINT64_MAX;
    saved = pcache_curve_hits(c, upto) - pcache_curve_hits(c, pages);
    /* 1/256 reads in milliseconds -> 1/1000 reads a second: 10^6 / 2^8 */
    if (mul_overflows(saved, 15625, &saved))
        saved = UINT64_MAX;
    return saved / 4 / time;
}

void pcache_curve_audit(const struct pcache_curve *c)
{
    uint32_t live = 0, linked = 0;

    BUG_ON(c->bucket_pages == 0 || c->place >= CURVE_SAMPLES || c->shift > SHIFT_MAX);
    for (uint32_t w = 0; w < CURVE_SAMPLES / 64; w++)
        live += bits_of(c->live[w]);
    BUG_ON(live != c->live_count); /* INV-CURVE-1 */
    for (uint32_t i = 0; i < CURVE_SAMPLES; i++) {
        for (uint32_t p = c->chain[i]; p != 0; p = c->next[p - 1]) {
            BUG_ON(p > CURVE_SAMPLES || !is_live(c, p - 1) || ++linked > live);
            BUG_ON(c->tag[p - 1] * UINT32_C(0x9e3779b1) >> (32 - CHAIN_BITS) != i);
            BUG_ON(!is_watched(c, c->tag[p - 1])); /* INV-CURVE-2 */
            for (uint32_t o = c->next[p - 1]; o != 0; o = c->next[o - 1])
                BUG_ON(c->tag[o - 1] == c->tag[p - 1]);
        }
    }
    BUG_ON(linked != live);
    BUG_ON(pcache_curve_hits(c, UINT64_MAX) > c->gets); /* INV-CURVE-3 */
}
