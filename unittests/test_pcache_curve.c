/* SPDX-License-Identifier: MIT
 *
 * The miss-rate curve: exact as long as every page is watched, near enough when few are, against lists
 * that are searched from end to end; its bounds; rates.
 */
#include <stdlib.h>
#include <string.h>

#include "mm/pcache_curve.h"
#include "unittests/suite.h"

static struct pcache_curve curve;
static uint64_t state;

static uint64_t next_random(void)
{
    uint64_t x = (state += UINT64_C(0x9e3779b97f4a7c15));

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ x >> 29;
}

static uint32_t tag_of(uint64_t page)
{
    return (uint32_t)((page + 1) * UINT64_C(0xd1b54a32d192ed03) >> 33);
}

/* The reference: pages in the order of their puts, newest last. */
#define MODEL_MAX 60000
static uint64_t model[MODEL_MAX];
static uint32_t model_count;

static uint32_t model_find(uint64_t page)
{
    uint32_t i = model_count;

    while (i-- > 0) {
        if (model[i] == page)
            return i;
    }
    return UINT32_MAX;
}

/* How many were put after it and are still there; it goes. */
static uint64_t model_remove(uint64_t page)
{
    uint32_t at = model_find(page);
    uint64_t behind;

    if (at == UINT32_MAX)
        return CURVE_UNKNOWN;
    behind = model_count - at - 1;
    memmove(&model[at], &model[at + 1], (size_t)behind * sizeof(*model));
    model_count--;
    return behind;
}

static void model_put(uint64_t page)
{
    (void)model_remove(page);
    model[model_count++] = page;
}

/* Fewer pages than samples: each distance is exact, however holes are pressed out. */
static void exact(void)
{
    state = test_seed;
    model_count = 0;
    pcache_curve_init(&curve, CURVE_REACH_MAX, 0);
    for (unsigned n = 0; n < 60000; n++) {
        uint64_t page = next_random() % 1400;

        switch (next_random() % 8) {
        case 0:
            pcache_curve_forget(&curve, tag_of(page));
            (void)model_remove(page);
            break;
        case 1:
        case 2:
        case 3:
            CU_ASSERT_EQUAL_FATAL(pcache_curve_get(&curve, tag_of(page), n), model_remove(page));
            break;
        default:
            pcache_curve_put(&curve, tag_of(page), n);
            model_put(page);
        }
        if (n % 500 == 0)
            pcache_curve_audit(&curve);
        CU_ASSERT_EQUAL_FATAL(curve.live_count, model_count);
    }
    CU_ASSERT_EQUAL(curve.shift, 0);
    pcache_curve_forget_all(&curve);
    pcache_curve_audit(&curve);
    CU_ASSERT_EQUAL(pcache_curve_get(&curve, tag_of(model[0]), 60000), CURVE_UNKNOWN);
}

/* Many more pages than samples: the curve of independent references is a straight line. Returns the greatest
 * distance from it, in 1/1000 of all gets. */
static uint64_t error_with(uint64_t pages, uint64_t reach)
{
    uint64_t worst = 0;

    pcache_curve_init(&curve, reach, 0);
    for (uint64_t n = 0; n < pages; n++)
        pcache_curve_put(&curve, tag_of(n), 0);
    for (uint64_t n = 0; n < pages * 3; n++) {
        uint64_t page = next_random() % pages;

        (void)pcache_curve_get(&curve, tag_of(page), 0);
        pcache_curve_put(&curve, tag_of(page), 0);
    }
    pcache_curve_audit(&curve);
    for (uint64_t size = 0; size <= pages; size += pages / 16) {
        uint64_t is = pcache_curve_hits(&curve, size) * 1000 / pcache_curve_gets(&curve);
        uint64_t due = size * 1000 / pages;

        worst = max_u64(worst, is > due ? is - due : due - is);
    }
    return worst;
}

static void sampled(void)
{
    state = 1; /* the error depends on it */
    CU_ASSERT(error_with(40000, 40000) <= 80);
    CU_ASSERT(curve.shift >= 4);
    CU_ASSERT(curve.live_count <= CURVE_SAMPLES && curve.live_count > CURVE_SAMPLES / 8);
    CU_ASSERT(error_with(40000, 400000) <= 80);
    CU_ASSERT(error_with(1000, 1000) <= 40);
}

/* Pages that never come back do not make the samples ever fewer: what lies beyond the reach is let go. */
static void scan_keeps_samples(void)
{
    pcache_curve_init(&curve, 10000, 0);
    for (uint64_t n = 0; n < 1000000; n++)
        pcache_curve_put(&curve, tag_of(n), 0);
    pcache_curve_audit(&curve);
    CU_ASSERT(curve.shift >= 2 && curve.shift <= 4);
    CU_ASSERT((uint64_t)curve.live_count << curve.shift >= 10000);
    CU_ASSERT_EQUAL(pcache_curve_hits(&curve, UINT64_MAX), 0);
}

/* A loop: nothing up to its length, then everything. */
static void cliff(void)
{
    pcache_curve_init(&curve, 4096, 0);
    for (uint64_t n = 0; n < 20000; n++) {
        (void)pcache_curve_get(&curve, tag_of(n % 1024), 0);
        pcache_curve_put(&curve, tag_of(n % 1024), 0);
    }
    CU_ASSERT_EQUAL(pcache_curve_hits(&curve, 960), 0);
    CU_ASSERT(pcache_curve_hits(&curve, 1060) * 10 > pcache_curve_gets(&curve) * 9);
    CU_ASSERT_EQUAL(pcache_curve_hits(&curve, 1060), pcache_curve_hits(&curve, UINT64_MAX));
}

/* 1000 gets a second that 500 pages would have served, for more than the histogram's age. */
static void rates(void)
{
    uint64_t now = 0;

    pcache_curve_init(&curve, 1280, 0);
    CU_ASSERT_EQUAL(pcache_curve_saves(&curve, 0, 500, 0), 0);
    for (uint64_t n = 0; n < 100000; n++) {
        (void)pcache_curve_get(&curve, tag_of(n % 400), now);
        pcache_curve_put(&curve, tag_of(n % 400), now);
        now = n;
    }
    CU_ASSERT_EQUAL(pcache_curve_saves(&curve, 0, 300, now), 0);
    CU_ASSERT_EQUAL(pcache_curve_saves(&curve, 500, 800, now), 0);
    CU_ASSERT(pcache_curve_saves(&curve, 0, 500, now) > 900000);
    CU_ASSERT(pcache_curve_saves(&curve, 0, 500, now) <= 1001000);
    CU_ASSERT_EQUAL(pcache_curve_saves(&curve, 0, 500, now),
                    pcache_curve_saves(&curve, 300, 200, now));
    CU_ASSERT_EQUAL(pcache_curve_saves(&curve, 300, UINT64_MAX, now),
                    pcache_curve_saves(&curve, 300, 300, now));
    /* Nothing happens for a while: the rate sinks. */
    CU_ASSERT(pcache_curve_saves(&curve, 0, 500, now + 100000) < 100000);
    /* Then little does: what was is soon outweighed. */
    for (unsigned n = 0; n < 200; n++)
        pcache_curve_get_unknown(&curve, now += 60000);
    CU_ASSERT(pcache_curve_saves(&curve, 0, 500, now) < 100);
    pcache_curve_audit(&curve);
}

static void reach(void)
{
    uint64_t hits;

    pcache_curve_init(&curve, 2000, 0);
    for (uint64_t n = 0; n < 20000; n++) {
        (void)pcache_curve_get(&curve, tag_of(n % 1000), 0);
        pcache_curve_put(&curve, tag_of(n % 1000), 0);
    }
    hits = pcache_curve_hits(&curve, 1100);
    CU_ASSERT(hits > 0);
    pcache_curve_set_reach(&curve, 8000);
    CU_ASSERT_EQUAL(pcache_curve_hits(&curve, 1100), hits);
    CU_ASSERT_EQUAL(pcache_curve_hits(&curve, 800), 0);
    pcache_curve_set_reach(&curve, 500);
    CU_ASSERT_EQUAL(pcache_curve_hits(&curve, UINT64_MAX), 0);
    pcache_curve_audit(&curve);
    pcache_curve_init(&curve, 0, 0);
    CU_ASSERT_EQUAL(curve.bucket_pages * CURVE_BUCKETS, CURVE_REACH_MIN);
    pcache_curve_init(&curve, UINT64_MAX, 0);
    CU_ASSERT(curve.bucket_pages <= CURVE_REACH_MAX / CURVE_BUCKETS + 1);
}

static const struct test_case cases[] = {
    {"exact while all pages are watched", exact},
    {"near enough when few are", sampled},
    {"a scan keeps the samples", scan_keeps_samples},
    {"a loop is a cliff", cliff},
    {"reads a second", rates},
    {"other reaches", reach},
    {NULL, NULL},
};

const struct suite suite_pcache_curve = {"pcache_curve", cases, NULL, NULL};
