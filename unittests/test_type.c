/* SPDX-License-Identifier: MIT
 *
 * The type-count state machine, and its flushes.
 */
#include "mm/segdesc.h"
#include "mm/tlbclock.h"
#include "mm/type_state.h"
#include "unittests/mm_kit.h"

/* Each pair of types: a frame in use as one is refused as any other. */
static void test_exclusion(void)
{
    kit_start(256);
    for (enum frame_type t = TYPE_L1; t <= TYPE_UBC; t++) {
        mfn_t m = kit_frame(&kit_a);

        CU_ASSERT_EQUAL(type_get(m, t), 0);
        CU_ASSERT_EQUAL(type_of(m), t);
        CU_ASSERT_TRUE(type_is_valid(m));
        for (enum frame_type u = TYPE_L1; u <= TYPE_UBC; u++) {
            CU_ASSERT_EQUAL(type_get(m, u), u == t ? 0 : -XEN_EBUSY);
            CU_ASSERT_EQUAL(type_count(m), u == t ? 2 : 1);
            if (u == t)
                type_put(m);
        }
        type_put(m);
        CU_ASSERT_EQUAL(type_count(m), 0);
        CU_ASSERT_FALSE(type_is_valid(m));
        CU_ASSERT_EQUAL(type_get(m, t == TYPE_L1 ? TYPE_WRITABLE : TYPE_L1), 0); /* free again */
        type_put(m);
        CU_ASSERT(HOST_PANICS(type_put(m)));
    }
    kit_end();
}

static void test_full(void)
{
    mfn_t m;

    kit_start(64);
    m = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(type_get(m, TYPE_WRITABLE), 0);
    frame_of(m)->type += TYPE_COUNT - 1;
    CU_ASSERT_EQUAL(type_get(m, TYPE_WRITABLE), -XEN_EINVAL);
    CU_ASSERT_EQUAL(type_count(m), TYPE_COUNT);
    frame_of(m)->type -= TYPE_COUNT - 1;
    type_put(m);
    kit_end();
}

static void test_writable(void)
{
    mfn_t m;

    kit_start(64);
    m = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(frame_get_writable(m, 2), -XEN_EINVAL);
    CU_ASSERT_EQUAL(frame_get_writable(m, 1), 0);
    CU_ASSERT_EQUAL(type_get(m, TYPE_SEGDESC), -XEN_EBUSY);
    kit_check(1);
    frame_put_writable(m);
    CU_ASSERT_EQUAL(type_get(m, TYPE_SEGDESC), 0);
    CU_ASSERT_EQUAL(frame_get_writable(m, 1), -XEN_EBUSY);
    CU_ASSERT_EQUAL(frame_refs(frame_of(m)), 1);
    type_put(m);
    kit_end();
}

/* CPU 0 has written through a mapping that is then taken away: the frame may become a page table
 * only once CPU 0 has flushed; if it did so by itself in the meantime, nobody is disturbed. */
static unsigned flushes_at_change(enum frame_type to, bool flushed_by_itself, bool broken)
{
    struct kit_space s;
    unsigned before, flushes;
    mfn_t hit;

    kit_start(256);
    kit_space_build(&kit_a, &s);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    host_tlb_load(0, &kit_a, s.l4);
    host_tlb_load(1, &kit_a, s.l4);
    host_tlb_load(3, &kit_b, s.l4); /* runs somebody else */
    CU_ASSERT_TRUE(host_store(0, kit_va(1, 2), 0));
    for (unsigned i = 0; i < KIT_L1; i++)
        CU_ASSERT_EQUAL(table_set(&kit_a, s.l1[i], 2, kit_pte(s.data[2], KIT_RO), false), 0);
    CU_ASSERT_TRUE(host_touch(0, kit_va(1, 2), true, &hit)); /* still, from the TLB */
    CU_ASSERT_FALSE(host_touch(1, kit_va(1, 2), true, &hit));
    if (flushed_by_itself)
        arch_tlb_flush((cpumask_t){3});
    host_tlb_break_flushes(broken);
    before = host_tlb_flush_count();
    CU_ASSERT_EQUAL(type_get(s.data[2], to), 0);
    flushes = host_tlb_flush_count() - before;
    CU_ASSERT_EQUAL(host_tlb_check() != 0, broken);
    host_tlb_break_flushes(false);
    arch_tlb_flush(cpumask_all());
    type_put(s.data[2]);
    for (unsigned i = 0; i < HOST_CPUS; i++)
        host_tlb_load(i, NULL, mfn(0));
    kit_end();
    return flushes;
}

static void test_flush_at_change(void)
{
    for (enum frame_type t = TYPE_L1; t <= TYPE_SEGDESC; t++) {
        CU_ASSERT_EQUAL(flushes_at_change(t, false, false), 2);
        CU_ASSERT_EQUAL(flushes_at_change(t, true, false), 0);
    }
}

/* The test machine's own test: without the flush, it sees the danger. */
static void test_missing_flush_is_seen(void)
{
    CU_ASSERT_EQUAL(flushes_at_change(TYPE_L1, false, true), 2);
    CU_ASSERT_EQUAL(flushes_at_change(TYPE_SEGDESC, false, true), 2);
}

/* A table that becomes memory: a CPU may still walk through it, and the guest could forge entries.
 */
static void test_flush_of_walks(void)
{
    struct kit_space s;
    unsigned before;
    mfn_t hit;

    kit_start(256);
    kit_space_build(&kit_a, &s);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    host_tlb_load(2, &kit_a, s.l4);
    CU_ASSERT_TRUE(host_touch(2, kit_va(3, 0), false, &hit));
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l2, 3, 0, false), 0);
    CU_ASSERT_EQUAL(type_count(s.l1[3]), 0);
    before = host_tlb_flush_count();
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l1[0], 9, kit_pte(s.l1[3], KIT_RW), false), 0);
    CU_ASSERT_EQUAL(host_tlb_flush_count() - before, 1);
    kit_check(0);
    host_tlb_load(2, NULL, mfn(0));
    kit_end();
}

static struct kit_space space;
static int rc_meanwhile;

static void map_it_writable(void)
{
    mfn_t hit;

    rc_meanwhile = table_set(&kit_a, space.l1[0], 3, kit_pte(space.data[2], KIT_RW), false);
    host_touch(1, kit_va(0, 3), true, &hit);
}

/* While the flush is under way, another CPU tries to map the frame writable once more: the claim
 * comes first, so it is refused. (After the flush, and before the claim, it would have had its
 * way.) */
static void test_claim_before_flush(void)
{
    mfn_t hit;

    kit_start(256);
    kit_space_build(&kit_a, &space);
    CU_ASSERT_EQUAL(table_pin(&kit_a, space.l4, 4), 0);
    host_tlb_load(0, &kit_a, space.l4);
    host_tlb_load(1, &kit_a, space.l4);
    CU_ASSERT_TRUE(host_touch(0, kit_va(0, 2), true, &hit));
    for (unsigned i = 0; i < KIT_L1; i++)
        CU_ASSERT_EQUAL(table_set(&kit_a, space.l1[i], 2, 0, false), 0);
    rc_meanwhile = 0;
    host_tlb_on_flush(map_it_writable);
    CU_ASSERT_EQUAL(table_pin(&kit_a, space.data[2], 1), 0);
    CU_ASSERT_EQUAL(rc_meanwhile, -XEN_EBUSY);
    kit_check(0);
    for (unsigned i = 0; i < 2; i++)
        host_tlb_load(i, NULL, mfn(0));
    kit_end();
}

static void unpin_the_table(void)
{
    rc_meanwhile = table_unpin(&kit_a, space.l1[0]);
}

/* The table that is being updated goes out of use while the new entry's frame is flushed. */
static void test_table_lost_during_update(void)
{
    kit_start(256);
    kit_space_build(&kit_a, &space);
    CU_ASSERT_EQUAL(table_pin(&kit_a, space.l1[0], 1), 0);
    CU_ASSERT_EQUAL(table_pin(&kit_a, space.l1[1], 1), 0);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, space.l1[1]), 0); /* was a table: to be flushed */
    host_tlb_load(0, &kit_a, space.l4);
    tlb_clock_flush_end(0, 0); /* as if long ago */
    rc_meanwhile = -1;
    host_tlb_on_flush(unpin_the_table);
    CU_ASSERT_EQUAL(table_set(&kit_a, space.l1[0], 9, kit_pte(space.l1[1], KIT_RW), false),
                    -XEN_EINVAL);
    CU_ASSERT_EQUAL(rc_meanwhile, 0);
    CU_ASSERT_EQUAL(*kit_entry(space.l1[0], 9), 0);
    CU_ASSERT_EQUAL(type_count(space.l1[1]), 0);
    CU_ASSERT_EQUAL(frame_refs(frame_of(space.l1[1])), 1);
    kit_check(0);
    host_tlb_load(0, NULL, mfn(0));
    kit_end();
}

/* The same use again needs no flush. */
static void test_same_use_again(void)
{
    unsigned before;
    mfn_t m;

    kit_start(64);
    m = kit_frame(&kit_a);
    host_tlb_load(0, &kit_a, m);
    CU_ASSERT_EQUAL(type_get(m, TYPE_L2), 0);
    type_put(m);
    before = host_tlb_flush_count();
    CU_ASSERT_EQUAL(type_get(m, TYPE_L2), 0);
    CU_ASSERT_EQUAL(host_tlb_flush_count(), before);
    type_put(m);
    CU_ASSERT_EQUAL(type_get(m, TYPE_L3), 0);
    CU_ASSERT_EQUAL(host_tlb_flush_count(), before + 1);
    type_put(m);
    host_tlb_load(0, NULL, m);
    kit_end();
}

/* Foreign mappings: any CPU may hold the frame. */
static void test_flush_abroad(void)
{
    unsigned before;
    mfn_t m;

    kit_start(64);
    m = kit_frame(&kit_a);
    frame_note_abroad(m);
    CU_ASSERT_EQUAL(type_get(m, TYPE_WRITABLE), 0);
    type_put(m);
    before = host_tlb_flush_count();
    CU_ASSERT_EQUAL(type_get(m, TYPE_L1), 0);
    CU_ASSERT_EQUAL(host_tlb_flush_count() - before, HOST_CPUS);
    type_put(m);
    kit_end();
}

static const struct test_case cases[] = {
    {"one type at a time", test_exclusion},
    {"the count is full", test_full},
    {"writable for the hypervisor's own use", test_writable},
    {"flush when the type changes", test_flush_at_change},
    {"a missing flush is seen", test_missing_flush_is_seen},
    {"flush of walked tables", test_flush_of_walks},
    {"claim before flush", test_claim_before_flush},
    {"table lost during an update", test_table_lost_during_update},
    {"the same use again", test_same_use_again},
    {"mapped by others", test_flush_abroad},
    {0},
};
const struct suite suite_type = {"type", cases, NULL, NULL};
