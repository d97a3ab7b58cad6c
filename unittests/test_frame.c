/* SPDX-License-Identifier: MIT
 *
 * General references.
 */
#include "mm/tlbclock.h"
#include "mm/waiting.h"
#include "unittests/mm_kit.h"

static void test_get(void)
{
    mfn_t m, hv;

    kit_start(256);
    m = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(frame_refs(frame_of(m)), 1);
    CU_ASSERT_TRUE(frame_get(m, 1));
    CU_ASSERT_EQUAL(frame_refs(frame_of(m)), 2);
    kit_check(1);
    CU_ASSERT_FALSE(frame_get(m, 2));
    CU_ASSERT_FALSE(frame_get(mfn(HOST_MAX_MFN), 1));
    CU_ASSERT_FALSE(frame_get(mfn(0), 0));
    CU_ASSERT_FALSE(frame_get(mfn(HOST_LOW_START + 5), 0)); /* free */
    CU_ASSERT_FATAL(heap_alloc(0, 0, &hv));
    CU_ASSERT_FALSE(frame_get(hv, 0));
    heap_free(hv, 0);
    frame_put(m);
    kit_check(0);
    kit_end();
}

/* The count refuses to overflow (INV-FRAME-3). */
static void test_full(void)
{
    struct frame *f;
    mfn_t m;

    kit_start(64);
    m = kit_frame(&kit_a);
    f = frame_of(m);
    f->use += FRAME_REFS_MAX - 1;
    CU_ASSERT_FALSE(frame_get(m, 1));
    CU_ASSERT_EQUAL(frame_refs(f), FRAME_REFS_MAX);
    CU_ASSERT_TRUE(frame_get_again(m)); /* but for the hypervisor's own needs */
    CU_ASSERT_FALSE(frame_get(m, 1));
    f->use += FRAME_REFS_SPARE - 1;
    CU_ASSERT_FALSE(frame_get_again(m));
    CU_ASSERT_EQUAL(frame_refs(f), FRAME_REFS_MAX + FRAME_REFS_SPARE);
    f->use -= FRAME_REFS_MAX + FRAME_REFS_SPARE - 1;
    kit_end();
}

static void test_last_put(void)
{
    uint64_t before;
    mfn_t m;

    kit_start(64);
    before = heap_free_pages();
    m = kit_frame(&kit_a);
    arch_m2p_set(m, 77);
    CU_ASSERT_TRUE(frame_get(m, 1));
    CU_ASSERT_EQUAL(account_release(&kit_a, m), 0);
    CU_ASSERT_EQUAL(account_release(&kit_a, m), -XEN_EINVAL); /* once only */
    CU_ASSERT_EQUAL(kit_a.pages, 1);                          /* still charged */
    kit_check(1);
    frame_put(m);
    CU_ASSERT_EQUAL(kit_a.pages, 0);
    CU_ASSERT_EQUAL(heap_free_pages(), before);
    CU_ASSERT_EQUAL(arch_m2p_get(m), UINT64_MAX);
    CU_ASSERT_FALSE(frame_get(m, 1));
    CU_ASSERT(HOST_PANICS(frame_put(m)));
    kit_start(64);
    kit_end();
}

/* A frame that is given back leaves the TLBs of those who may hold it, and of nobody else. */
static void test_flush_on_free(void)
{
    struct kit_space s;
    unsigned before;
    mfn_t m;

    kit_start(128);
    kit_space_build(&kit_a, &s);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    host_tlb_load(0, &kit_a, s.l4);
    host_tlb_load(1, &kit_a, s.l4);
    host_tlb_load(2, &kit_b, s.l4);
    CU_ASSERT_TRUE(host_touch(0, kit_va(0, 1), false, &m)); /* a read-only mapping: no type */
    CU_ASSERT_EQUAL(m.n, s.data[1].n);
    CU_ASSERT_EQUAL(account_release(&kit_a, s.data[1]), 0);
    for (unsigned i = 0; i + 1 < KIT_L1; i++)
        CU_ASSERT_EQUAL(table_set(&kit_a, s.l1[i], 1, 0, false), 0);
    before = host_tlb_flush_count();
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l1[KIT_L1 - 1], 1, 0, false), 0);
    waiting_flush();
    CU_ASSERT_EQUAL(host_tlb_flush_count() - before, 2); /* CPUs 0 and 1 */
    kit_check(0);
    before = host_tlb_flush_count();
    m = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(account_release(&kit_a, m), 0);
    waiting_flush();
    CU_ASSERT_EQUAL(host_tlb_flush_count() - before, 2);
    m = kit_frame(&kit_a);
    frame_note_abroad(m);
    before = host_tlb_flush_count();
    CU_ASSERT_EQUAL(account_release(&kit_a, m), 0);
    waiting_flush();
    CU_ASSERT_EQUAL(host_tlb_flush_count() - before, HOST_CPUS);
    for (unsigned i = 0; i < 3; i++)
        host_tlb_load(i, NULL, mfn(0));
    kit_end();
}

/* What was flushed, and what it would have been without stamps. */
static void test_flush_counts(void)
{
    struct tlb_counts before, after;
    mfn_t m;

    kit_start(64);
    account_cpu_enter(&kit_a, 0);
    account_cpu_enter(&kit_a, 1);
    account_cpu_enter(&kit_a, 2);
    m = kit_frame(&kit_a);
    for (unsigned round = 0; round < 2; round++) {
        CU_ASSERT_EQUAL(frame_get_writable(m, 1), 0);
        frame_put_writable(m);
        if (round)
            arch_tlb_flush((cpumask_t){2}); /* CPU 1 has flushed in between, by itself */
        before = tlb_counts(TLB_TYPE_CHANGE);
        CU_ASSERT_EQUAL(table_pin(&kit_a, m, 1), 0);
        after = tlb_counts(TLB_TYPE_CHANGE);
        CU_ASSERT_EQUAL(after.uses_ended - before.uses_ended, 1);
        CU_ASSERT_EQUAL(after.flushes - before.flushes, 1);
        CU_ASSERT_EQUAL(after.ipis - before.ipis, round ? 1 : 2);
        CU_ASSERT_EQUAL(after.ipis_naive - before.ipis_naive, 2);
        CU_ASSERT_EQUAL(table_unpin(&kit_a, m), 0);
    }
    before = tlb_counts(TLB_FREE);
    CU_ASSERT_EQUAL(account_release(&kit_a, m), 0);
    waiting_flush();
    after = tlb_counts(TLB_FREE);
    CU_ASSERT_EQUAL(after.uses_ended - before.uses_ended, 1);
    CU_ASSERT_EQUAL(after.ipis_naive - before.ipis_naive, 2);
    kit_end();
}

static const struct test_case cases[] = {
    {"get and its refusals", test_get},
    {"the count is full", test_full},
    {"the last put", test_last_put},
    {"flush before a frame is free", test_flush_on_free},
    {"flushes are counted", test_flush_counts},
    {0},
};
const struct suite suite_frame = {"frame", cases, NULL, NULL};
