/* SPDX-License-Identifier: MIT
 *
 * Clean and dirty memory, limits of address bits, claims, and frames that wait for a flush.
 */
#include <string.h>

#include "mm/claim.h"
#include "mm/heap_lists.h"
#include "mm/scrub.h"
#include "mm/waiting.h"
#include "unittests/mm_kit.h"

static bool all_zero(mfn_t m, unsigned order)
{
    const uint64_t *word = arch_map_frame(m);

    for (uint64_t i = 0; i < (PAGE_SIZE << order) / sizeof(*word); i++)
        if (word[i])
            return false;
    return true;
}

/* A machine whose memory has been used. */
static void used_heap(uint64_t low, uint64_t high)
{
    host_heap(low, high);
    for (enum heap_kind kind = VIRGIN; kind < KINDS; kind++)
        for (unsigned order = HEAP_MAX_ORDER + 1; order-- > 0;)
            for (uint32_t n; (n = block_alloc(ZONES_ALL, order, kind)) != 0;)
                block_free(n, order, DIRTY);
}

static void scrub_all(void)
{
    while (scrub_pending())
        scrub_step();
}

/* A block comes clean at the first time of asking, whether or not somebody had cleared it. */
static void test_clean_or_cleared(void)
{
    mfn_t m;

    used_heap(0, 1024);
    CU_ASSERT_EQUAL(heap_dirty_pages(), 1024);
    CU_ASSERT(heap_alloc(3, HEAP_CLEAR, &m) && all_zero(m, 3));
    memset(arch_map_frame(m), 0x33, PAGE_SIZE << 3);
    heap_free(m, 3);
    scrub_all();
    CU_ASSERT_EQUAL(heap_dirty_pages(), 0);
    CU_ASSERT_EQUAL(heap_free_pages(), 1024);
    heap_audit();
    CU_ASSERT(heap_alloc(10, HEAP_CLEAR, &m) && all_zero(m, 10)); /* merged again */
    memset(arch_map_frame(m), 0x44, PAGE_SIZE << 10);
    heap_free(m, 10);
    CU_ASSERT_EQUAL(heap_dirty_pages(), 1024);
    heap_audit();
}

/* While nothing is clean, requests for clean memory do not fill the cache with what is not; nor the other
 * way round. */
static void test_cache_bounded(void)
{
    mfn_t m;

    used_heap(0, 1024);
    for (unsigned i = 0; i < 500; i++) {
        CU_ASSERT(heap_alloc(0, HEAP_CLEAR, &m));
        heap_audit();
    }
    used_heap(0, 1024);
    scrub_all();
    for (unsigned i = 0; i < 500; i++) {
        CU_ASSERT(heap_alloc(0, 0, &m));
        heap_audit();
    }
}

/* Clean memory is left to those who need it. */
static void test_choice(void)
{
    mfn_t dirty, clean;

    used_heap(0, 64);
    CU_ASSERT(heap_alloc(4, 0, &dirty));
    scrub_all();
    heap_free(dirty, 4);
    CU_ASSERT(heap_alloc(2, 0, &clean));
    CU_ASSERT((clean.n & ~15UL) == dirty.n);
    heap_free(clean, 2);
    CU_ASSERT(heap_alloc(2, HEAP_CLEAR, &clean));
    CU_ASSERT((clean.n & ~15UL) != dirty.n);
    heap_free(clean, 2);
    CU_ASSERT(heap_alloc(0, 0, &clean));
    CU_ASSERT((clean.n & ~15UL) == dirty.n);
    heap_free(clean, 0);
    heap_audit();
}

/* Of memory that nobody had yet only a stock is made ready; requests clear the rest. */
static void test_virgin(void)
{
    mfn_t m;

    host_heap(0, 30000);
    CU_ASSERT_EQUAL(heap_dirty_pages(), 0);
    while (scrub_pending())
        scrub_step();
    CU_ASSERT(heap_clean_pages() >= 16384 && heap_clean_pages() < 16384 + 512);
    heap_audit();
    CU_ASSERT(heap_alloc(13, HEAP_CLEAR, &m) && all_zero(m, 13));
    CU_ASSERT(heap_alloc(13, HEAP_CLEAR, &m) && all_zero(m, 13));
    CU_ASSERT_EQUAL(scrub_for(12, 0), 0);
    CU_ASSERT(heap_clean_pages() >= 4096);
    heap_audit();
}

/* A step ends after one frame if something else is to be done; what it has cleared stays so. */
static void test_interrupted(void)
{
    uint64_t dirty;

    used_heap(0, 512);
    host_preempt_every(1);
    for (unsigned i = 1; i <= 512; i++) {
        scrub_step();
        dirty = heap_dirty_pages();
        CU_ASSERT_EQUAL(dirty, 512 - i);
        CU_ASSERT_EQUAL(heap_free_pages(), 512);
    }
    host_preempt_every(0);
    CU_ASSERT_FALSE(scrub_pending());
    scrub_step(); /* nothing to do */
    heap_audit();
}

/* Nobody begins to clear while a request waits for all that are at it to end: on a machine with many
 * idle CPUs some one of them would always be at it, until nothing is dirty. */
static void test_not_begun_while_wanted(void)
{
    used_heap(0, 512);
    atomic_fetch_add(&heap.wanted, 1);
    scrub_step();
    CU_ASSERT_EQUAL(heap_dirty_pages(), 512);
    atomic_fetch_sub(&heap.wanted, 1);
    scrub_step();
    CU_ASSERT_EQUAL(heap_dirty_pages(), 0);
    heap_audit();
}

/* Nor does it stand in the queue for the heap's lock, where those wait that have work. */
static void test_not_begun_while_locked(void)
{
    used_heap(0, 512);
    spin_lock(&heap.lock);
    scrub_step();
    spin_unlock(&heap.lock);
    CU_ASSERT_EQUAL(heap_dirty_pages(), 512);
    scrub_step();
    CU_ASSERT_EQUAL(heap_dirty_pages(), 0);
    heap_audit();
}

/* A large block is finished before another is begun. */
static void test_large_ones_merge(void)
{
    mfn_t m;

    used_heap(0, 4096);
    for (unsigned i = 0; i < 4; i++)
        scrub_step();
    CU_ASSERT_EQUAL(heap_dirty_pages(), 2048);
    CU_ASSERT_EQUAL(scrub_for(9, 0), 0);
    CU_ASSERT_EQUAL(heap_dirty_pages(), 2048);
    CU_ASSERT_EQUAL(scrub_for(11, 0), 0);
    CU_ASSERT_EQUAL(heap_dirty_pages(), 2048);
    host_preempt_every(100);
    for (unsigned n = 0; scrub_for(12, 0) == -XEN_ERESTART; n++)
        CU_ASSERT(n < 100);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(heap_dirty_pages(), 0);
    CU_ASSERT(heap_alloc(12, HEAP_CLEAR, &m));
    heap_free(m, 12);
    scrub_all();
    CU_ASSERT_EQUAL(scrub_for(13, 0), 0); /* there is no such block: nothing to wait for */
    heap_audit();
}

/* Clean and dirty neighbours become one block when somebody needs it. */
static void test_unite(void)
{
    mfn_t frame[64], m;

    used_heap(0, 64);
    scrub_all();
    for (unsigned i = 0; i < 64; i++)
        CU_ASSERT(heap_alloc(0, HEAP_CLEAR, &frame[i]));
    for (unsigned i = 0; i < 64; i++)
        if (frame[i].n & 1)
            heap_free(frame[i], 0);
    heap_drain_cpu_cache();
    scrub_all();
    for (unsigned i = 0; i < 64; i++)
        if (!(frame[i].n & 1))
            heap_free(frame[i], 0);
    heap_drain_cpu_cache();
    CU_ASSERT_EQUAL(heap_dirty_pages(), 32);
    heap_audit();
    CU_ASSERT(heap_alloc(6, HEAP_CLEAR, &m) && all_zero(m, 6));
    heap_free(m, 6);
    heap_audit();
}

static void test_address_bits(void)
{
    static const struct {
        unsigned bits;
        uint64_t below; /* frames; 0: none is to be had */
    } cases[] = {{1, 0},     {12, 0},       {16, 0},       {17, 0x20},      {20, 0x100},
                 {24, 4096}, {32, 1 << 20}, {33, 2 << 20}, {63, UINT64_MAX}};
    mfn_t m;

    for (unsigned order = 0; order < 4; order++)
        for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
            host_heap(10000, 1000);
            if (heap_alloc(order, HEAP_BITS(cases[i].bits), &m)) {
                CU_ASSERT(m.n + (1U << order) <= cases[i].below);
                CU_ASSERT((m.n >= HOST_HIGH_START) == (cases[i].bits > 32));
                heap_free(m, order);
            } else {
                CU_ASSERT_EQUAL(cases[i].below, 0);
            }
            heap_audit();
        }
    host_heap(10000, 0);
    CU_ASSERT(heap_alloc(0, HEAP_BITS(20) | HEAP_LOW, &m) && m.n < 0x100);
    heap_free(m, 0);
    /* All of it, and not one more. */
    for (unsigned i = HOST_LOW_START; i < 0x40; i++)
        CU_ASSERT(heap_alloc(0, HEAP_BITS(18), &m) && m.n < 0x40);
    CU_ASSERT_FALSE(heap_alloc(0, HEAP_BITS(18), &m));
    CU_ASSERT_EQUAL(heap_free_pages(), 10000 - 0x30);
}

/* ---- claims ---- */

static uint64_t take_all(mfn_t *frame)
{
    uint64_t n = 0;

    while (heap_alloc(0, 0, &frame[n]))
        n++;
    return n;
}

static void test_claims(void)
{
    static mfn_t frame[2000];
    mfn_t m, got[40];
    uint64_t free, n;

    kit_start(1000);
    kit_a.max_pages = 4000;
    free = heap_free_pages();
    CU_ASSERT_EQUAL(claim_set(&kit_a, 0), 0);
    CU_ASSERT_EQUAL(claim_set(&kit_a, free + 1), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(claim_set(&kit_a, free), 0);
    CU_ASSERT_EQUAL(claim_set(&kit_b, 1), -XEN_ENOMEM);
    CU_ASSERT_FALSE(heap_alloc(0, 0, &m));
    CU_ASSERT_EQUAL(account_alloc(&kit_b, 0, 0, &m), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(claim_set(&kit_a, 40), 0);
    CU_ASSERT_EQUAL(heap_claimed_pages(), 40);
    CU_ASSERT_EQUAL(heap_free_pages(), free);
    n = take_all(frame);
    CU_ASSERT_EQUAL(n, free - 40);
    for (unsigned i = 0; i < 40; i++)
        CU_ASSERT_EQUAL(account_alloc(&kit_a, 0, 0, &got[i]), 0);
    CU_ASSERT_EQUAL(claim_pages(&kit_a), 0);
    CU_ASSERT_EQUAL(account_alloc(&kit_a, 0, 0, &m), -XEN_ENOMEM);
    for (unsigned i = 0; i < 40; i++)
        CU_ASSERT_EQUAL(account_release(&kit_a, got[i]), 0);
    while (n-- > 0)
        heap_free(frame[n], 0);
    kit_end();
}

/* A claim counts what the account has; it may not have more than its limit; it ends with it. */
static void test_claim_and_account(void)
{
    mfn_t m;

    kit_start(1000);
    kit_a.max_pages = 4000;
    m = kit_frame(&kit_a);
    (void)kit_frame(&kit_a);
    CU_ASSERT_EQUAL(claim_set(&kit_a, 2), -XEN_EINVAL);
    CU_ASSERT_EQUAL(claim_set(&kit_a, 5), 0);
    CU_ASSERT_EQUAL(claim_pages(&kit_a), 3);
    CU_ASSERT_EQUAL(claim_set(&kit_a, kit_a.max_pages + 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(claim_pages(&kit_a), 3);
    CU_ASSERT_EQUAL(account_release(&kit_a, m), 0);
    CU_ASSERT_EQUAL(claim_pages(&kit_a), 3);
    host_fail_after(1);
    CU_ASSERT_EQUAL(account_alloc(&kit_a, 0, 0, &m), -XEN_ENOMEM);
    CU_ASSERT(host_fail_off());
    CU_ASSERT_EQUAL(claim_pages(&kit_a), 3);
    CU_ASSERT_EQUAL(account_alloc(&kit_a, 0, 0, &m), 0);
    CU_ASSERT_EQUAL(claim_pages(&kit_a), 2);
    CU_ASSERT_EQUAL(account_alloc(&kit_a, 0, HEAP_BITS(12), &m), -XEN_ENOMEM); /* it is kept */
    CU_ASSERT_EQUAL(claim_pages(&kit_a), 2);
    while (account_relinquish(&kit_a) != 0)
        ;
    CU_ASSERT_EQUAL(claim_pages(&kit_a), 0);
    CU_ASSERT_EQUAL(heap_claimed_pages(), 0);
    CU_ASSERT_EQUAL(claim_set(&kit_a, 5), -XEN_EINVAL);
    kit_end();
}

/* ---- the waiting room ---- */

static void test_waiting_counts_as_free(void)
{
    static mfn_t frame[2000];
    uint64_t free, n = 0;
    mfn_t m;

    kit_start(1000);
    free = heap_free_pages();
    for (unsigned i = 0; i < 20; i++)
        frame[i] = kit_frame(&kit_a);
    for (unsigned i = 0; i < 20; i++) {
        CU_ASSERT_EQUAL(account_release(&kit_a, frame[i]), 0);
        CU_ASSERT_EQUAL(frame_state(frame_of(frame[i])), FRAME_WAITING);
    }
    CU_ASSERT_EQUAL(heap_free_pages(), free);
    CU_ASSERT(waiting_pending());
    heap_audit();
    host_enter_cpu(1); /* another CPU finds them */
    while (heap_alloc(0, 0, &m))
        frame[n++] = m;
    CU_ASSERT_EQUAL(n, free);
    while (n-- > 0)
        heap_free(frame[n], 0);
    host_enter_cpu(0);
    CU_ASSERT_FALSE(waiting_pending());
    kit_end();
}

/* One flush for many, and none of them is free before it. */
static void test_one_flush_for_many(void)
{
    struct kit_space s;
    unsigned before;
    mfn_t m[63];

    kit_start(300);
    kit_space_build(&kit_a, &s);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    host_tlb_load(1, &kit_a, s.l4);
    for (unsigned i = 0; i < 63; i++)
        m[i] = kit_frame(&kit_a);
    waiting_flush();
    before = host_tlb_flush_count();
    for (unsigned i = 0; i < 63; i++)
        CU_ASSERT_EQUAL(account_release(&kit_a, m[i]), 0);
    CU_ASSERT_EQUAL(host_tlb_flush_count(), before);
    waiting_flush();
    CU_ASSERT_EQUAL(host_tlb_flush_count(), before + 1);
    CU_ASSERT_NOT_EQUAL(frame_state(frame_of(m[0])), FRAME_WAITING);
    waiting_flush();
    CU_ASSERT_EQUAL(host_tlb_flush_count(), before + 1);
    host_tlb_load(1, NULL, mfn(0));
    kit_end();
}

static const struct test_case cases[] = {
    {"clean, or cleared", test_clean_or_cleared},
    {"caches stay small", test_cache_bounded},
    {"who gets clean memory", test_choice},
    {"memory as it was at boot", test_virgin},
    {"a step is interrupted", test_interrupted},
    {"none is begun while somebody waits", test_not_begun_while_wanted},
    {"none is begun while the lock is held", test_not_begun_while_locked},
    {"large blocks merge", test_large_ones_merge},
    {"clean and dirty unite", test_unite},
    {"address bits", test_address_bits},
    {"claims", test_claims},
    {"claims and accounts", test_claim_and_account},
    {"what waits counts as free", test_waiting_counts_as_free},
    {"one flush for many", test_one_flush_for_many},
    {0},
};
const struct suite suite_scrub = {"scrub", cases, NULL, NULL};
