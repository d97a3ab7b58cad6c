/* SPDX-License-Identifier: MIT
 *
 * Frames that are given back in numbers, and taken by name.
 */
#include "mm/waiting.h"
#include "unittests/mm_kit.h"

enum { COUNT = 150 };

static mfn_t list[COUNT];

static void start(void)
{
    kit_start(400);
    for (unsigned i = 0; i < COUNT; i++) {
        list[i] = kit_frame(&kit_a);
        arch_m2p_set(list[i], i);
    }
}

static unsigned unnamed(unsigned from, unsigned to)
{
    unsigned n = 0;

    for (unsigned i = from; i < to; i++)
        n += arch_m2p_get(list[i]) == UINT64_MAX;
    return n;
}

/* One that is in use goes later; it has no name any more, but is charged. */
static void test_in_use(void)
{
    uint64_t before;

    start();
    before = heap_free_pages();
    CU_ASSERT_TRUE(frame_get(list[20], 1));
    CU_ASSERT_EQUAL(account_release_list(&kit_a, list, COUNT), COUNT);
    CU_ASSERT_EQUAL(kit_a.pages, 1);
    CU_ASSERT_EQUAL(heap_free_pages(), before + COUNT - 1);
    CU_ASSERT_EQUAL(unnamed(0, COUNT), COUNT);
    kit_check(1);
    frame_put(list[20]);
    CU_ASSERT_EQUAL(kit_a.pages, 0);
    kit_end();
}

/* Up to the first that cannot be given back; what stands behind it stays. */
static void stops_at(unsigned bad, mfn_t what)
{
    mfn_t good = list[bad];

    list[bad] = what;
    CU_ASSERT_EQUAL(account_release_list(&kit_a, list, COUNT), bad);
    CU_ASSERT_EQUAL(kit_a.pages, COUNT - bad);
    CU_ASSERT_EQUAL(unnamed(0, bad), bad);
    list[bad] = good;
    CU_ASSERT_EQUAL(unnamed(bad, COUNT), 0);
    kit_check(0);
    CU_ASSERT_EQUAL(account_release_list(&kit_a, list + bad, COUNT - bad), COUNT - bad);
    kit_relinquish(&kit_a);
    kit_relinquish(&kit_b);
    kit_end();
}

static void test_stops(void)
{
    mfn_t others;

    start();
    stops_at(0, mfn(UINT64_MAX));
    start();
    stops_at(100, list[30]); /* twice */
    start();
    stops_at(COUNT - 1, list[COUNT - 2]);
    start();
    others = kit_frame(&kit_b);
    stops_at(64, others);
    start(); /* given up before, but still in use */
    CU_ASSERT_TRUE(frame_get(list[5], 1));
    CU_ASSERT_EQUAL(account_release_list(&kit_a, list + 5, 1), 1);
    CU_ASSERT_EQUAL(account_release_list(&kit_a, list, COUNT), 5);
    frame_put(list[5]);
    CU_ASSERT_EQUAL(account_release_list(&kit_a, list + 6, COUNT - 6), COUNT - 6);
    CU_ASSERT_EQUAL(kit_a.pages, 0);
    kit_end();
}

/* All CPUs are flushed for one that others mapped, and stale caches written back. */
static void test_marks(void)
{
    unsigned flushed, written;
    mfn_t others;

    start();
    frame_note_abroad(list[3]);
    frame_note_uncached(list[4]);
    flushed = host_tlb_flush_count();
    written = host_cache_flush_count();
    CU_ASSERT_EQUAL(account_release_list(&kit_a, list, 10), 10);
    waiting_flush();
    CU_ASSERT_EQUAL(host_tlb_flush_count() - flushed, HOST_CPUS);
    CU_ASSERT_EQUAL(host_cache_flush_count() - written, 1);
    account_cpu_enter(&kit_a, 2);
    flushed = host_tlb_flush_count();
    CU_ASSERT_EQUAL(account_release_list(&kit_a, list + 10, 10), 10);
    waiting_flush();
    CU_ASSERT_EQUAL(host_tlb_flush_count() - flushed, 1);
    CU_ASSERT_EQUAL(host_cache_flush_count() - written, 1);
    account_cpu_enter(&kit_b, 1); /* frames of two accounts in one room */
    others = kit_frame(&kit_b);
    flushed = host_tlb_flush_count();
    CU_ASSERT_EQUAL(account_release_list(&kit_b, &others, 1), 1);
    CU_ASSERT_EQUAL(account_release_list(&kit_a, list + 20, 1), 1);
    waiting_flush();
    CU_ASSERT_EQUAL(host_tlb_flush_count() - flushed, 2);
    kit_relinquish(&kit_a);
    kit_end();
}

/* Neighbours, up, down and apart, come back as the block that they were. */
static void test_neighbours(void)
{
    mfn_t block, again, mixed[64];

    for (unsigned way = 0; way < 4; way++) {
        kit_start(400);
        CU_ASSERT_EQUAL(account_alloc(&kit_a, 6, 0, &block), 0);
        for (unsigned i = 0; i < 64; i++)
            mixed[i] = mfn(block.n + (way == 0   ? i
                                      : way == 1 ? 63 - i
                                      : way == 2 ? i * 37 % 64
                                                 : i ^ 1));
        CU_ASSERT_EQUAL(account_release_list(&kit_a, mixed, 64), 64);
        waiting_flush();
        kit_check(0);
        CU_ASSERT_EQUAL(kit_a.pages, 0);
        CU_ASSERT_EQUAL(account_alloc(&kit_a, 6, 0, &again), 0);
        kit_relinquish(&kit_a);
        kit_end();
    }
}

/* A step of a domain's end deals with a bounded number of frames. */
static void test_steps(void)
{
    uint64_t before = COUNT;
    unsigned calls = 0;

    start();
    CU_ASSERT_TRUE(frame_get(list[70], 1));
    host_preempt_every(1);
    while (account_relinquish(&kit_a) == -XEN_ERESTART) {
        CU_ASSERT(kit_a.pages <= before && before - kit_a.pages <= 64);
        before = kit_a.pages;
        calls++;
        kit_check(1);
    }
    host_preempt_every(0);
    CU_ASSERT(calls >= 3 && calls <= 6); /* in numbers all the same */
    CU_ASSERT_EQUAL(kit_a.pages, 1);
    frame_put(list[70]);
    CU_ASSERT_EQUAL(kit_a.pages, 0);
    kit_end();
}

/* The names are there with the frames; and gone if the account must not have them after all. */
static void test_named(void)
{
    mfn_t m, free;

    kit_start(64);
    CU_ASSERT_EQUAL(account_alloc_named(&kit_a, 3, 0, 700, &m), 0);
    for (unsigned i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(arch_m2p_get(mfn(m.n + i)), 700 + i);
    CU_ASSERT_EQUAL(account_alloc_named(&kit_a, 0, 0, GFN_NONE, &m), 0);
    CU_ASSERT_EQUAL(arch_m2p_get(m), UINT64_MAX);
    kit_relinquish(&kit_a);
    CU_ASSERT_TRUE(kit_a.dying);
    CU_ASSERT_EQUAL(account_alloc_named(&kit_a, 2, 0, 900, &m), -XEN_EPERM);
    for (free = mfn(1); free.n < HOST_MAX_MFN; free.n++)
        if (arch_mfn_valid(free))
            CU_ASSERT_EQUAL(arch_m2p_get(free), UINT64_MAX);
    kit_end();
}

static const struct test_case cases[] = {
    {"some are in use", test_in_use},
    {"up to the first that cannot be", test_stops},
    {"mapped abroad, written past the caches", test_marks},
    {"neighbours", test_neighbours},
    {"steps of an end", test_steps},
    {"taken by name", test_named},
    {0},
};
const struct suite suite_giveback = {"giveback", cases, NULL, NULL};
