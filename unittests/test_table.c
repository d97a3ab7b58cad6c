/* SPDX-License-Identifier: MIT
 *
 * Page tables: what entries may hold, pins, updates, preemption at every point.
 */
#include <string.h>

#include "mm/type_state.h"
#include "unittests/mm_kit.h"

/* ---- one entry ---- */

enum target { OWN, FOREIGN, BEYOND, HYPERVISOR, SELF };

static const struct entry_case {
    const char *what;
    unsigned level;
    enum target target;
    uint64_t flags;
    int rc;
    uint64_t stored; /* flags afterwards */
} entry_cases[] = {
    {"L1 plain", 1, OWN, KIT_RW, 0, KIT_RW},
    {"L1 all bits a guest may set", 1, OWN, 0xfff0000000000fffULL, 0, 0xfff0000000000e67ULL},
    {"L1 kernel page gets US", 1, OWN, PTE_P, 0, PTE_P | PTE_US},
    {"L1 global is dropped", 1, OWN, PTE_P | PTE_G, 0, PTE_P | PTE_US},
    {"L1 reserved bit", 1, OWN, KIT_RW | 1ULL << 51, -XEN_EPERM, 0},
    {"L1 lowest reserved bit", 1, OWN, KIT_RW | 1ULL << 40, -XEN_EPERM, 0},
    {"L1 foreign", 1, FOREIGN, KIT_RO, -XEN_EINVAL, 0},
    {"L1 not RAM", 1, BEYOND, KIT_RO, -XEN_EPERM, 0},
    {"L1 hypervisor's", 1, HYPERVISOR, KIT_RO, -XEN_EINVAL, 0},
    {"L1 itself, read-only", 1, SELF, KIT_RO, 0, KIT_RO},
    {"L1 itself, writable", 1, SELF, KIT_RW, -XEN_EBUSY, 0},
    {"L1 not present: anything", 1, FOREIGN, ~0ULL & ~PTE_FRAME & ~1ULL, 0,
     ~0ULL & ~PTE_FRAME & ~1ULL},
    {"L2 plain", 2, OWN, KIT_RW, 0, KIT_RW},
    {"L2 gets US", 2, OWN, PTE_P, 0, PTE_P | PTE_US},
    {"L2 allowed bits", 2, OWN, KIT_RW | PTE_A | PTE_D | PTE_AVAIL | PTE_AVAIL_HI | PTE_NX, 0,
     KIT_RW | PTE_A | PTE_D | PTE_AVAIL | PTE_AVAIL_HI | PTE_NX},
    {"L2 large page", 2, OWN, KIT_RW | PTE_PSE, -XEN_EINVAL, 0},
    {"L3 large page", 3, OWN, KIT_RW | PTE_PSE, -XEN_EINVAL, 0},
    {"L4 large page", 4, OWN, KIT_RW | PTE_PSE, -XEN_EINVAL, 0},
    {"L2 global", 2, OWN, KIT_RW | PTE_G, -XEN_EINVAL, 0},
    {"L3 write-through", 3, OWN, KIT_RW | PTE_PWT, -XEN_EINVAL, 0},
    {"L4 uncached", 4, OWN, KIT_RW | PTE_PCD, -XEN_EINVAL, 0},
    {"L3 reserved bit", 3, OWN, KIT_RW | 1ULL << 45, -XEN_EINVAL, 0},
    {"L2 foreign", 2, FOREIGN, KIT_RW, -XEN_EINVAL, 0},
    {"L3 not RAM", 3, BEYOND, KIT_RW, -XEN_EINVAL, 0},
    {"L4 hypervisor's", 4, HYPERVISOR, KIT_RW, -XEN_EINVAL, 0},
    {"L2 itself", 2, SELF, KIT_RW, -XEN_EINVAL, 0},
    {"L3 itself", 3, SELF, KIT_RW, -XEN_EINVAL, 0},
    {"L4 itself", 4, SELF, KIT_RO, -XEN_EINVAL, 0},
};

static void check_entry_case(const struct entry_case *c, bool by_update)
{
    mfn_t hv = MFN_INVALID, table, target[5];
    uint64_t e;
    int rc, want;

    kit_start(64);
    CU_ASSERT_FATAL(heap_alloc(0, 0, &hv));
    table = kit_frame(&kit_a);
    target[OWN] = kit_frame(&kit_a);
    target[FOREIGN] = kit_frame(&kit_b);
    target[BEYOND] = mfn(HOST_HIGH_START + 64);
    target[HYPERVISOR] = hv;
    target[SELF] = table;
    e = kit_pte(target[c->target], c->flags);
    if (!by_update)
        *kit_entry(table, 300) = e;
    rc = table_pin(&kit_a, table, c->level);
    if (by_update) {
        CU_ASSERT_EQUAL(rc, 0);
        rc = table_set(&kit_a, table, 300, e, false);
    }
    want = c->rc == -XEN_EBUSY && !by_update ? -XEN_EINVAL : c->rc;
    CU_ASSERT_EQUAL(rc, want);
    if (rc != want)
        printf("case: %s: %d\n", c->what, rc);
    if (c->rc == 0)
        CU_ASSERT_EQUAL(*kit_entry(table, 300), kit_pte(target[c->target], c->stored));
    if (c->rc != 0)
        CU_ASSERT_EQUAL(*kit_entry(table, 300), by_update ? 0 : e);
    kit_check(0);
    if (by_update || rc == 0)
        CU_ASSERT_EQUAL(table_unpin(&kit_a, table), 0);
    for (unsigned t = OWN; t <= SELF; t++)
        if (arch_mfn_valid(target[t]))
            CU_ASSERT_EQUAL(type_count(target[t]), 0);
    heap_free(hv, 0);
    kit_end();
}

static void test_entries(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(entry_cases); i++) {
        check_entry_case(&entry_cases[i], false);
        check_entry_case(&entry_cases[i], true);
    }
}

/* ---- whole spaces ---- */

static void test_pin_space(void)
{
    struct kit_space s;
    mfn_t l1;

    kit_start(128);
    kit_space_build(&kit_a, &s);
    *kit_entry(s.l4, 256) = 0x123; /* what the guest wrote there does not matter */
    *kit_entry(s.l4, 271) = ~0ULL;
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    kit_check(0);
    CU_ASSERT_EQUAL(type_of(s.l4), TYPE_L4);
    CU_ASSERT_EQUAL(type_of(s.l3), TYPE_L3);
    CU_ASSERT_EQUAL(type_of(s.l2), TYPE_L2);
    CU_ASSERT_EQUAL(type_of(s.l1[2]), TYPE_L1);
    CU_ASSERT_EQUAL(type_count(s.data[0]), KIT_L1);
    CU_ASSERT_EQUAL(type_count(s.data[1]), 0); /* mapped read-only */
    CU_ASSERT_EQUAL(frame_refs(frame_of(s.data[1])), KIT_L1 + 1);
    for (unsigned i = 256; i < 272; i++) {
        CU_ASSERT_EQUAL(*kit_entry(s.l4, i) >> 48, 0x4c41);
        CU_ASSERT_EQUAL(table_set(&kit_a, s.l4, i, 0, false), -XEN_EINVAL);
    }
    CU_ASSERT_EQUAL(table_walk_l1(s.l4, kit_va(3, 1), &l1), 0);
    CU_ASSERT_EQUAL(l1.n, s.l1[3].n);
    CU_ASSERT_EQUAL(table_walk_l1(s.l4, kit_va(4, 0), &l1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(table_walk_l1(s.l4, 0xffff800000000000, &l1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), -XEN_EINVAL); /* twice */
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l1[0], 1), 0);        /* pinned and linked */
    CU_ASSERT_EQUAL(table_unpin(&kit_b, s.l4), -XEN_EINVAL);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, s.l4), 0);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, s.l4), -XEN_EINVAL);
    CU_ASSERT_EQUAL(type_count(s.l1[0]), 1);
    CU_ASSERT_EQUAL(type_count(s.data[0]), 1);
    kit_check(0);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, s.l1[0]), 0);
    CU_ASSERT_EQUAL(type_count(s.data[0]), 0);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 5), -XEN_EINVAL);
    CU_ASSERT_EQUAL(table_pin(&kit_b, s.l4, 4), -XEN_EINVAL);
    kit_end();
}

/* A domain builder writes tables and then takes them as a vCPU would, without a pin. */
static void test_use_without_pin(void)
{
    struct kit_space s;
    mfn_t hit;
    int rc;

    kit_start(128);
    kit_space_build(&kit_a, &s);
    CU_ASSERT_TRUE(frame_get(s.l4, 1));
    CU_ASSERT_EQUAL(type_get(s.l4, TYPE_L4), 0);
    kit_check(1);
    host_tlb_load(0, &kit_a, s.l4);
    CU_ASSERT_TRUE(host_touch(0, kit_va(2, 4), true, &hit));
    CU_ASSERT_EQUAL(hit.n, s.data[4].n);
    host_tlb_load(0, NULL, mfn(0));
    host_preempt_every(2);
    while ((rc = type_put_preemptible(s.l4)) == -XEN_ERESTART)
        kit_check(1);
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_EQUAL(type_count(s.data[4]), 0);
    frame_put(s.l4);
    kit_end();
}

/* The last L1 entry of the last table is bad: all that was taken before is given back, whole. */
static void test_undo(void)
{
    struct kit_space s;
    uint64_t before[TABLE_ENTRIES];

    kit_start(128);
    kit_space_build(&kit_a, &s);
    *kit_entry(s.l1[0], 8) = kit_pte(s.data[0], PTE_P); /* would be rewritten */
    memcpy(before, kit_entry(s.l1[0], 0), sizeof(before));
    *kit_entry(s.l1[KIT_L1 - 1], 511) = kit_pte(s.l4, KIT_RW);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), -XEN_EINVAL);
    for (unsigned i = 0; i < KIT_DATA; i++) {
        CU_ASSERT_EQUAL(type_count(s.data[i]), 0);
        CU_ASSERT_EQUAL(frame_refs(frame_of(s.data[i])), 1);
    }
    kit_check(0);
    *kit_entry(s.l1[KIT_L1 - 1], 511) = 0;
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    kit_check(0);
    kit_end();
}

static void test_update(void)
{
    struct kit_space s;
    mfn_t extra;

    kit_start(128);
    kit_space_build(&kit_a, &s);
    extra = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    /* A table is not writable, and writable memory no table. */
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l1[0], 9, kit_pte(s.l1[1], KIT_RW), false), -XEN_EBUSY);
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l2, 9, kit_pte(s.data[0], KIT_RW), false), -XEN_EINVAL);
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l2, 9, kit_pte(s.data[1], KIT_RW), false), 0);
    CU_ASSERT_EQUAL(type_of(s.data[1]), TYPE_L1); /* it was mapped read-only */
    kit_check(0);
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l2, 9, 0, false), 0);
    /* A and D of the old entry. */
    *kit_entry(s.l1[0], 0) |= PTE_A | PTE_D;
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l1[0], 0, kit_pte(extra, KIT_RO), true), 0);
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 0), kit_pte(extra, KIT_RO | PTE_A | PTE_D));
    CU_ASSERT_EQUAL(type_count(s.data[0]), KIT_L1 - 1);
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l1[0], 0, kit_pte(extra, KIT_RO), false), 0);
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 0), kit_pte(extra, KIT_RO));
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l1[0], 0, 0x5a5a5a0, true), 0);
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 0), 0x5a5a5a0);
    kit_check(0);
    /* Ordinary memory: a plain store of anything. */
    CU_ASSERT_EQUAL(table_set(&kit_a, s.data[0], 511, ~0ULL, false), 0);
    CU_ASSERT_EQUAL(*kit_entry(s.data[0], 511), ~0ULL);
    CU_ASSERT_EQUAL(table_set(&kit_a, extra, 0, 7, true), 0);
    CU_ASSERT_EQUAL(*kit_entry(extra, 0), 7);
    CU_ASSERT_EQUAL(table_set(&kit_b, extra, 0, 7, true), -XEN_EINVAL);
    CU_ASSERT_EQUAL(table_set(&kit_a, extra, 512, 7, true), -XEN_EINVAL);
    CU_ASSERT_EQUAL(table_set(&kit_a, mfn(HOST_MAX_MFN), 0, 7, true), -XEN_EINVAL);
    CU_ASSERT_EQUAL(type_get(s.data[3], TYPE_SEGDESC), 0);
    CU_ASSERT_EQUAL(table_set(&kit_a, s.data[3], 0, 7, false), -XEN_EINVAL);
    type_put(s.data[3]);
    kit_check(0);
    kit_end();
}

/* Unlinked, a table is memory again at once: the guest remaps it writable in the same multicall. */
static void test_unlink_then_write(void)
{
    struct kit_space s;

    kit_start(128);
    kit_space_build(&kit_a, &s);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    host_tlb_load(0, &kit_a, s.l4);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l1[2], 1), 0);
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l2, 2, 0, false), 0);
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l1[0], 20, kit_pte(s.l1[2], KIT_RW), false), -XEN_EBUSY);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, s.l1[2]), 0);
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l1[0], 20, kit_pte(s.l1[2], KIT_RW), false), 0);
    CU_ASSERT_TRUE(host_store(0, kit_va(0, 20), ~0ULL));
    kit_check(0);
    host_tlb_load(0, NULL, mfn(0));
    kit_end();
}

/* ---- preemption ---- */

/* Runs an operation to its end with a preemption at every n-th question; how often it was
 * preempted. */
#define PREEMPTED(n, rc, call)                     \
    __extension__({                                \
        host_preempt_every(n);                     \
        while (((rc) = (call)) == -XEN_ERESTART) { \
            CU_ASSERT_EQUAL(mm_audit(), 0);        \
            CU_ASSERT_EQUAL(mm_audit_held(), 0);   \
        }                                          \
        unsigned kit_count = host_preempt_count(); \
        host_preempt_every(0);                     \
        kit_count;                                 \
    })

static void test_preempted_pin(void)
{
    struct kit_space s;
    int rc;

    for (unsigned n = 1; n < 8; n++) {
        kit_start(128);
        kit_space_build(&kit_a, &s);
        CU_ASSERT(PREEMPTED(n, rc, table_pin(&kit_a, s.l4, 4)) > 0 || n > KIT_L1 - 1);
        CU_ASSERT_EQUAL(rc, 0);
        CU_ASSERT_EQUAL(type_count(s.data[0]), KIT_L1);
        kit_check(0);
        CU_ASSERT(PREEMPTED(n, rc, table_unpin(&kit_a, s.l4)) > 0 || n > KIT_L1 - 1);
        CU_ASSERT_EQUAL(rc, 0);
        CU_ASSERT_EQUAL(type_count(s.data[0]), 0);
        CU_ASSERT_EQUAL(type_count(s.l2), 0);
        kit_check(0);
        kit_end();
    }
}

/* A guest with memory enough maps the table so often that the pin takes the last reference. */
static void test_preempted_when_full(void)
{
    struct kit_space s;
    struct frame *f;

    kit_start(128);
    kit_space_build(&kit_a, &s);
    f = frame_of(s.l2);
    f->use += FRAME_REFS_MAX - 2;
    host_preempt_every(1);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l2, 2), -XEN_ERESTART);
    CU_ASSERT_EQUAL(frame_refs(f), FRAME_REFS_MAX);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l2, 2), -XEN_EINVAL); /* the count is full */
    host_preempt_every(0);
    f->use -= FRAME_REFS_MAX - 2;
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l2, 2), 0);
    kit_check(0);
    kit_end();
}

/* Both the failing validation and its undoing are preempted; the error still arrives. */
static void test_preempted_undo(void)
{
    struct kit_space s;
    int rc;

    for (unsigned n = 1; n < 5; n++) {
        kit_start(128);
        kit_space_build(&kit_a, &s);
        *kit_entry(s.l1[KIT_L1 - 1], 500) = kit_pte(s.l3, KIT_RW);
        CU_ASSERT(PREEMPTED(n, rc, table_pin(&kit_a, s.l4, 4)) >= 1);
        CU_ASSERT_EQUAL(rc, -XEN_EINVAL);
        for (unsigned i = 0; i < KIT_DATA; i++)
            CU_ASSERT_EQUAL(frame_refs(frame_of(s.data[i])), 1);
        CU_ASSERT_EQUAL(type_count(s.l2), 0);
        kit_check(0);
        kit_end();
    }
}

/* A validation that is never taken up again: the frames can be used otherwise, or the domain can
 * die. */
static void test_abandoned(void)
{
    struct kit_space s;

    for (unsigned steps = 1; steps < 4; steps++)
        for (unsigned way = 0; way < 3; way++) {
            kit_start(128);
            kit_space_build(&kit_a, &s);
            host_preempt_every(1);
            for (unsigned i = 0; i < steps; i++)
                CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), -XEN_ERESTART);
            kit_check(0);
            CU_ASSERT_EQUAL(type_count(s.l2), 0);
            if (way == 0) { /* another type */
                int rc;

                while ((rc = frame_get_writable(s.l2, 1)) == -XEN_ERESTART)
                    kit_check(0);
                CU_ASSERT_EQUAL(rc, 0);
                CU_ASSERT_EQUAL(type_count(s.data[0]), 0);
                kit_check(1);
                frame_put_writable(s.l2);
            }
            if (way == 1) /* given up by the guest */
                CU_ASSERT_EQUAL(account_release(&kit_a, s.l2), 0);
            kit_end();
        }
}

/* While one holder's teardown is preempted, another getter makes the table whole again. */
static void test_teardown_turned_round(void)
{
    struct kit_space s;
    int rc;

    kit_start(128);
    kit_space_build(&kit_a, &s);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l2, 2), 0);
    host_preempt_every(1);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, s.l2), -XEN_ERESTART);
    CU_ASSERT_FALSE(type_is_valid(s.l2));
    CU_ASSERT_EQUAL(type_get(s.l2, TYPE_WRITABLE), -XEN_EBUSY);
    CU_ASSERT_EQUAL(table_set(&kit_a, s.l2, 0, 0, false), -XEN_EINVAL);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, s.l2), -XEN_ERESTART);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, s.l2), -XEN_ERESTART);
    kit_check(0);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), -XEN_ERESTART); /* goes through the l2 */
    CU_ASSERT_EQUAL(type_count(s.l2), 1);
    kit_check(0);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    CU_ASSERT_TRUE(type_is_valid(s.l2));
    kit_check(0);
    rc = table_unpin(&kit_a, s.l2);
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_EQUAL(type_count(s.l2), 1);
    kit_check(0);
    kit_end();
}

/* As above, one level up: the table that is made whole again refers to one that was being torn down too, and
 * is as it was before. At each point of the teardown. */
static void test_turned_round_deep(void)
{
    for (unsigned steps = 1; steps < 60; steps++) {
        struct kit_space s;
        int rc = -XEN_ERESTART;

        kit_start(128);
        kit_space_build(&kit_a, &s);
        CU_ASSERT_EQUAL(table_pin(&kit_a, s.l3, 3), 0);
        host_preempt_every(1);
        for (unsigned i = 0; i < steps && rc; i++)
            rc = table_unpin(&kit_a, s.l3);
        host_preempt_every(0);
        kit_check(0);
        CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
        CU_ASSERT(type_is_valid(s.l3) && type_is_valid(s.l2));
        for (unsigned i = 0; i < KIT_L1; i++)
            CU_ASSERT(type_is_valid(s.l1[i]));
        kit_check(0);
        while (rc)
            rc = table_unpin(&kit_a, s.l3);
        CU_ASSERT_EQUAL(table_unpin(&kit_a, s.l4), 0);
        kit_check(0);
        kit_end();
    }
}

/* As above, but a frame that the teardown let go is used otherwise meanwhile: the other getter is
 * refused, and the first holder still ends its teardown. */
static void test_turned_round_in_vain(void)
{
    struct kit_space s;

    kit_start(128);
    kit_space_build(&kit_a, &s);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l2, 2), 0);
    host_preempt_every(1);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, s.l2), -XEN_ERESTART);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(frame_get_writable(s.l1[KIT_L1 - 1], 1), 0);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), -XEN_EINVAL);
    CU_ASSERT_FALSE(type_is_valid(s.l2));
    CU_ASSERT_EQUAL(type_count(s.l2), 1);
    CU_ASSERT_EQUAL(type_count(s.l1[0]), 1);
    kit_check(1);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, s.l2), 0);
    CU_ASSERT_EQUAL(type_count(s.l1[0]), 0);
    frame_put_writable(s.l1[KIT_L1 - 1]);
    kit_check(0);
    kit_end();
}

static const struct test_case cases[] = {
    {"each kind of entry", test_entries},
    {"pin and unpin a space", test_pin_space},
    {"use without a pin", test_use_without_pin},
    {"undo is whole", test_undo},
    {"updates", test_update},
    {"unlink, then write", test_unlink_then_write},
    {"preempted pin and unpin", test_preempted_pin},
    {"preempted when the count is full", test_preempted_when_full},
    {"preempted undo", test_preempted_undo},
    {"abandoned validation", test_abandoned},
    {"teardown turned round", test_teardown_turned_round},
    {"teardown turned round, deep", test_turned_round_deep},
    {"teardown turned round in vain", test_turned_round_in_vain},
    {0},
};
const struct suite suite_table = {"table", cases, NULL, NULL};
