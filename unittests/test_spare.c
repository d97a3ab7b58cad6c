/* SPDX-License-Identifier: MIT
 *
 * Spare memory with a lender of the tests' own: which blocks are chosen, what is asked back for them, from where,
 * and that no more than needed is.
 */
#include <string.h>

#include <lagan/arch.h>
#include "mm/account.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/heap_lists.h"
#include "mm/spare.h"
#include "unittests/arch/host.h"
#include "unittests/arch/host_tlb.h"
#include "unittests/suite.h"

enum { PAGES = 2048, ALL = 2 * PAGES, HIGH_RUN = HOST_HIGH_START >> SPARE_RUN_ORDER };

#define WORTH_MANY 1000

static struct {
    mfn_t lent[ALL];
    unsigned count;
    mfn_t dropped[ALL]; /* in the order in which they were asked back */
    unsigned drops, ranges;
    mfn_t pinned;             /* is in use */
    uint64_t worth[4], least; /* of the runs above 4 GiB; all others: WORTH_MANY */
} t;

static uint64_t worst(void)
{
    return t.least;
}

static bool is_pinned(mfn_t m)
{
    return m.n == t.pinned.n;
}

static bool drop_frame(mfn_t m, const struct account *a)
{
    (void)a;
    if (is_pinned(m) || m.n == MFN_INVALID.n || frame_state(frame_of(m)) != FRAME_LENT)
        return false;
    t.dropped[t.drops++] = m;
    spare_return(&m, 1);
    return true;
}

static unsigned drop(unsigned count, const struct account *a)
{
    unsigned given = 0;

    for (unsigned i = 0; i < t.count && given < count; i++)
        given += drop_frame(t.lent[i], a);
    return given;
}

static uint64_t worth(mfn_t m)
{
    uint64_t run = m.n >> SPARE_RUN_ORDER;

    return run >= HIGH_RUN && run < HIGH_RUN + 4 ? t.worth[run - HIGH_RUN] : WORTH_MANY;
}

static unsigned drop_range(mfn_t m, unsigned count, const struct account *a)
{
    unsigned given = 0;

    (void)a;
    for (; given < count; given++) {
        mfn_t at = mfn(m.n + given);

        if (is_pinned(at) || frame_state(frame_of(at)) != FRAME_LENT)
            break;
        t.dropped[t.drops++] = at;
    }
    if (given)
        spare_return_range(m, given);
    t.ranges++;
    return given;
}

static const struct spare_lender by_frame = {
    .worst = worst, .drop = drop, .drop_frame = drop_frame, .worth = worth};
static const struct spare_lender by_range = {.worst = worst,
                                             .drop = drop,
                                             .drop_frame = drop_frame,
                                             .worth = worth,
                                             .drop_range = drop_range};

/* All but the allocator's margin is lent: also what is at hand for another lane than the one that borrows. */
static void start(const struct spare_lender *lender)
{
    memset(&t, 0, sizeof(t));
    t.pinned = MFN_INVALID;
    for (unsigned i = 0; i < 4; i++)
        t.worth[i] = WORTH_MANY;
    host_heap(PAGES, PAGES);
    accounts_init();
    CU_ASSERT_TRUE_FATAL(spare_init());
    spare_register(SPARE_UBC, lender);
    while (t.count < ALL && spare_borrow(SPARE_UBC, t.count ? 3 : 0, SPARE_LAST, &t.lent[t.count]))
        t.count++;
    CU_ASSERT_EQUAL(spare_pages(), t.count);
    CU_ASSERT_EQUAL(heap_free_pages(), t.count);
    CU_ASSERT_EQUAL(spare_whole_runs(), 6); /* the counters are in the first high one */
    heap_audit();
}

static void end(void)
{
    t.pinned = MFN_INVALID;
    while (drop(32, NULL))
        ;
    CU_ASSERT_EQUAL(spare_pages(), 0);
    CU_ASSERT_EQUAL(spare_whole_runs(), 0);
    heap_call_in();
    heap_audit();
}

static uint64_t run_of(mfn_t m)
{
    return m.n >> SPARE_RUN_ORDER;
}

/* Of runs that are lent altogether, the one that is worth least; one that must not be given stays. */
static void take_runs(const struct spare_lender *lender)
{
    static const uint64_t order[] = {3, 2};
    mfn_t m[3];

    start(lender);
    t.worth[1] = UINT64_MAX;
    t.worth[2] = 700;
    t.worth[3] = 500;
    t.least = 1; /* never so little in a run: all are compared */
    for (unsigned i = 0; i < 2; i++) {
        t.drops = 0;
        CU_ASSERT_TRUE_FATAL(heap_alloc(9, HEAP_CLEAR, &m[i]));
        CU_ASSERT_EQUAL(run_of(m[i]), HIGH_RUN + order[i]);
        CU_ASSERT_EQUAL(t.drops, SPARE_RUN);
        heap_audit();
    }
    CU_ASSERT_TRUE_FATAL(heap_alloc(9, HEAP_ANY, &m[2]));
    CU_ASSERT_TRUE(run_of(m[2]) < HIGH_RUN);
    CU_ASSERT_EQUAL(frame_state(frame_of(mfn(HOST_HIGH_START + SPARE_RUN))), FRAME_LENT);
    for (unsigned i = 0; i < 3; i++)
        heap_free(m[i], 9);
    end();
}

static void test_runs_by_worth(void)
{
    take_runs(&by_range);
    CU_ASSERT_TRUE(t.ranges >= 3 && t.ranges < 16);
    take_runs(&by_frame);
    CU_ASSERT_EQUAL(t.ranges, 0);
}

/* A run that is worth no more than anybody's least useful page is taken without a look at others. */
static void test_enough(void)
{
    mfn_t m;

    start(&by_range);
    t.least = WORTH_MANY;
    t.worth[3] = 0;
    CU_ASSERT_TRUE_FATAL(heap_alloc(9, HEAP_ANY, &m));
    CU_ASSERT_NOT_EQUAL(run_of(m), HIGH_RUN + 3);
    heap_free(m, 9);
    end();
}

/* What a request leaves of a run serves the next ones; small blocks do not cost a run. */
static void test_sizes(void)
{
    mfn_t m[16], small;

    start(&by_range);
    for (unsigned i = 0; i < 16; i++)
        CU_ASSERT_TRUE(heap_alloc(5, HEAP_ANY, &m[i]));
    CU_ASSERT_EQUAL(t.drops, SPARE_RUN);
    CU_ASSERT_TRUE(heap_alloc(4, HEAP_ANY, &small));
    CU_ASSERT_EQUAL(t.drops, SPARE_RUN + 16);
    heap_audit();
    for (unsigned i = 0; i < 16; i++)
        heap_free(m[i], 5);
    heap_free(small, 4);
    end();
}

/* A request for low memory costs nobody a frame of the high one, and the first run has low frames of all zones. */
static void test_zones(void)
{
    mfn_t high, m, block, low;

    start(&by_range);
    t.worth[1] = 0;
    CU_ASSERT_TRUE_FATAL(heap_alloc(9, HEAP_ANY, &high)); /* the next search begins there */
    CU_ASSERT_EQUAL_FATAL(run_of(high), HIGH_RUN + 1);
    t.drops = 0;
    CU_ASSERT_TRUE_FATAL(heap_alloc(0, HEAP_LOW, &m));
    CU_ASSERT_TRUE_FATAL(heap_alloc(6, HEAP_LOW, &block));
    CU_ASSERT_TRUE_FATAL(heap_alloc(3, HEAP_BITS(22), &low)); /* below 1024 */
    CU_ASSERT_TRUE(m.n < HOST_HIGH_START && block.n < HOST_HIGH_START && low.n < 1024);
    CU_ASSERT_TRUE(t.drops > 0);
    for (unsigned i = 0; i < t.drops; i++)
        CU_ASSERT_TRUE(t.dropped[i].n < HOST_HIGH_START);
    heap_audit();
    heap_free(high, 9);
    heap_free(m, 0);
    heap_free(block, 6);
    heap_free(low, 3);
    end();
}

/* A block that has a frame in use is none: with one such in each, there is none of that size, and what could be had of
 * smaller ones still can. What was asked back in vain is free. */
static void test_pinned(void)
{
    mfn_t m, small;

    start(&by_range);
    t.pinned = mfn(HOST_HIGH_START + 3 * SPARE_RUN + 100);
    t.worth[3] = 0;
    CU_ASSERT_TRUE(heap_alloc(9, HEAP_ANY, &m)); /* of another run */
    CU_ASSERT_NOT_EQUAL(run_of(m), HIGH_RUN + 3);
    CU_ASSERT_EQUAL(frame_state(frame_of(t.pinned)), FRAME_LENT);
    heap_audit();
    CU_ASSERT_TRUE(heap_alloc(6, HEAP_ANY, &small));
    CU_ASSERT_EQUAL(frame_state(frame_of(t.pinned)), FRAME_LENT);
    heap_audit();
    heap_free(m, 9);
    heap_free(small, 6);
    end();
}

/* Of the only two blocks that there can be, some frames are free, in pieces, on lists and in a CPU's cache: the others
 * of one are asked back, and they become one; of the other none is. */
static void test_gather(void)
{
    uint64_t first = HOST_HIGH_START + 64;
    mfn_t hostage[ALL], m;
    unsigned taken = 0;

    start(&by_range);
    for (unsigned i = 0; i < t.count; i++) /* all others are in use */
        if (t.lent[i].n < first || t.lent[i].n >= first + 32) {
            spare_return(&t.lent[i], 1);
            t.lent[i] = t.pinned;
        }
    while (heap_free_pages() > 32 && heap_alloc(0, HEAP_ANY, &hostage[taken]))
        taken++;
    CU_ASSERT_EQUAL(t.drops, 0);
    CU_ASSERT_EQUAL(spare_pages(), 32);
    for (uint64_t n = first; n < first + 32; n += 3)
        CU_ASSERT_TRUE(drop_frame(mfn(n), NULL));
    heap_drain_cpu_cache();
    CU_ASSERT_TRUE(drop_frame(mfn(first + 1), NULL)); /* in the cache */
    t.drops = 0;
    CU_ASSERT_TRUE_FATAL(heap_alloc(4, HEAP_CLEAR, &m));
    CU_ASSERT_EQUAL(m.n, first);
    CU_ASSERT_EQUAL(t.drops, 9);
    heap_audit();
    heap_free(m, 4);
    while (taken > 0)
        heap_free(hostage[--taken], 0);
    end();
}

static const struct test_case cases[] = {{"runs by worth", test_runs_by_worth},
                                         {"cheap enough", test_enough},
                                         {"sizes", test_sizes},
                                         {"zones", test_zones},
                                         {"frames in use", test_pinned},
                                         {"gathering", test_gather},
                                         {NULL, NULL}};

const struct suite suite_spare = {"spare", cases, NULL, NULL};
