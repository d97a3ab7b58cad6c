/* SPDX-License-Identifier: MIT
 *
 * Single entries: frames of other accounts, devices, memory types, addresses in entries that are not
 * present; conditional changes; and what a change leaves to be torn down, preempted at every point.
 */
#include <string.h>

#include "mm/type_state.h"
#include "mm/waiting.h"
#include "unittests/mm_kit.h"

#define DEVICE     (HOST_OWN_DEVICE + 1) /* frame number of a device that may be mapped */
#define CACHE_BITS (PTE_PWT | PTE_PCD | PTE_PAT)

static mfn_t l1; /* a pinned L1 table of a's */

static void start(void)
{
    kit_start(128);
    l1 = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(table_pin(&kit_a, l1, 1), 0);
}

static int change(mfn_t table, unsigned index, uint64_t entry, domid_t from)
{
    struct table_change c = {.entry = entry, .from = from};

    return table_update(&kit_a, table, index, &c);
}

static int map(unsigned index, uint64_t entry, domid_t from)
{
    return change(l1, index, entry, from);
}

static void test_foreign(void)
{
    mfn_t other, own, table;

    start();
    own = kit_frame(&kit_a);
    other = kit_frame(&kit_b);
    table = kit_frame(&kit_b);
    CU_ASSERT_EQUAL(table_pin(&kit_b, table, 1), 0);
    CU_ASSERT_EQUAL(map(0, kit_pte(other, KIT_RW), 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(map(0, kit_pte(own, KIT_RW), 2), -XEN_EINVAL);
    CU_ASSERT_EQUAL(map(0, kit_pte(other, KIT_RW), DOMID_IO), -XEN_EINVAL);
    CU_ASSERT_EQUAL(map(0, kit_pte(table, KIT_RW), 2), -XEN_EBUSY);
    CU_ASSERT_EQUAL(frame_of(other)->use & FRAME_ABROAD, 0);
    CU_ASSERT_EQUAL(map(0, kit_pte(other, KIT_RW), 2), 0);
    CU_ASSERT_EQUAL(map(1, kit_pte(other, KIT_RO), 2), 0);
    CU_ASSERT_EQUAL(map(2, kit_pte(table, KIT_RO), 2), 0);
    CU_ASSERT_EQUAL(frame_refs(frame_of(other)), 3);
    CU_ASSERT_EQUAL(frame_of(other)->use & FRAME_ABROAD, FRAME_ABROAD);
    kit_check(0);
    /* While it is mapped writable elsewhere it is no table, and it stays when its owner lets go. */
    CU_ASSERT_EQUAL(table_pin(&kit_b, other, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(account_release(&kit_b, other), 0);
    CU_ASSERT_EQUAL(kit_b.pages, 2);
    kit_check(0);
    CU_ASSERT_EQUAL(map(0, 0, 1), 0);
    CU_ASSERT_EQUAL(map(1, 0, 1), 0);
    CU_ASSERT_EQUAL(kit_b.pages, 1);
    kit_check(0);
    /* A table that is validated as a whole holds its own account's frames. */
    CU_ASSERT_EQUAL(table_unpin(&kit_a, l1), 0);
    CU_ASSERT_EQUAL(table_pin(&kit_a, l1, 1), -XEN_EINVAL);
    kit_end();
}

/* Another domain's CPU still holds the translation of a frame when that goes back. */
static void test_foreign_flush(void)
{
    struct kit_space s;
    mfn_t other, hit;

    kit_start(128);
    kit_space_build(&kit_a, &s);
    other = kit_frame(&kit_b);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    host_tlb_load(1, &kit_a, s.l4);
    CU_ASSERT_EQUAL(change(s.l1[0], 20, kit_pte(other, KIT_RW), 2), 0);
    CU_ASSERT_TRUE(host_touch(1, kit_va(0, 20), true, &hit));
    CU_ASSERT_EQUAL(hit.n, other.n);
    CU_ASSERT_EQUAL(change(s.l1[0], 20, 0, 1), 0);
    CU_ASSERT_EQUAL(table_pin(&kit_b, other, 1), 0); /* becomes a table of its owner's */
    CU_ASSERT_EQUAL(host_tlb_check(), 0);
    CU_ASSERT_EQUAL(table_unpin(&kit_b, other), 0);
    CU_ASSERT_EQUAL(change(s.l1[0], 20, kit_pte(other, KIT_RO), 2), 0);
    CU_ASSERT_TRUE(host_touch(1, kit_va(0, 20), false, &hit));
    CU_ASSERT_EQUAL(account_release(&kit_b, other), 0);
    CU_ASSERT_EQUAL(change(s.l1[0], 20, 0, 1), 0);
    CU_ASSERT_EQUAL(kit_b.pages, 0);
    CU_ASSERT_EQUAL(host_tlb_check(), 0);
    host_tlb_load(1, NULL, mfn(0));
    kit_end();
}

static void test_devices(void)
{
    mfn_t upper, table;

    start();
    CU_ASSERT_EQUAL(map(0, kit_pte(mfn(DEVICE), KIT_RW), DOMID_IO), -XEN_EPERM);
    CU_ASSERT_EQUAL(map(0, kit_pte(mfn(DEVICE), KIT_RW), 1), -XEN_EPERM);
    kit_end();

    start();
    kit_a.maps_io = true;
    CU_ASSERT_EQUAL(map(0, kit_pte(mfn(DEVICE), KIT_RW | PTE_PCD), DOMID_IO), 0);
    CU_ASSERT_EQUAL(map(1, kit_pte(mfn(DEVICE), KIT_RO | PTE_G), 1), 0);
    CU_ASSERT_EQUAL(*kit_entry(l1, 0), kit_pte(mfn(DEVICE), KIT_RW | PTE_PCD));
    CU_ASSERT_EQUAL(*kit_entry(l1, 1), kit_pte(mfn(DEVICE), KIT_RO));
    CU_ASSERT_EQUAL(map(2, kit_pte(mfn(HOST_OWN_DEVICE), KIT_RO), 1), -XEN_EPERM);
    CU_ASSERT_EQUAL(map(2, kit_pte(mfn(UINT64_C(1) << 28), KIT_RO), 1), -XEN_EPERM);
    CU_ASSERT_EQUAL(map(2, kit_pte(mfn(DEVICE), KIT_RO | 1ULL << 51), 1), -XEN_EPERM);
    CU_ASSERT_EQUAL(map(3, kit_pte(mfn(HOST_SEEN_DEVICE), KIT_RW | PTE_PCD), 1), 0);
    CU_ASSERT_EQUAL(*kit_entry(l1, 3), kit_pte(mfn(HOST_SEEN_DEVICE), KIT_RO | PTE_PCD));
    upper = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(table_pin(&kit_a, upper, 2), 0);
    CU_ASSERT_EQUAL(table_set(&kit_a, upper, 0, kit_pte(mfn(DEVICE), KIT_RW), false), -XEN_EINVAL);
    kit_check(0);
    /* A whole table with devices, forth and back. */
    table = kit_frame(&kit_a);
    *kit_entry(table, 5) = kit_pte(mfn(DEVICE), KIT_RW | PTE_PCD | PTE_PWT);
    *kit_entry(table, 6) = kit_pte(upper, KIT_RO);
    *kit_entry(table, 7) = kit_pte(mfn(HOST_SEEN_DEVICE), KIT_RW);
    CU_ASSERT_EQUAL(table_pin(&kit_a, table, 1), 0);
    CU_ASSERT_EQUAL(*kit_entry(table, 7), kit_pte(mfn(HOST_SEEN_DEVICE), KIT_RO));
    CU_ASSERT_EQUAL(*kit_entry(table, 5), kit_pte(mfn(DEVICE), KIT_RW | PTE_PCD | PTE_PWT));
    kit_check(0);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, table), 0);
    *kit_entry(table, 7) = kit_pte(mfn(HOST_OWN_DEVICE), KIT_RW);
    CU_ASSERT_EQUAL(table_pin(&kit_a, table, 1), -XEN_EPERM);
    kit_check(0);
    kit_end();
}

static void test_memory_types(void)
{
    unsigned flushes;
    mfn_t m;

    /* Without devices all RAM is write-back. */
    start();
    m = kit_frame(&kit_a);
    for (uint64_t bit = 1; bit < 8; bit++) {
        uint64_t bits = (bit & 3) * PTE_PWT | (bit & 4 ? PTE_PAT : 0);

        CU_ASSERT_EQUAL(map(0, kit_pte(m, KIT_RW | bits), 1), 0);
        CU_ASSERT_EQUAL(*kit_entry(l1, 0), kit_pte(m, KIT_RW));
    }
    CU_ASSERT_EQUAL(frame_of(m)->use & FRAME_UNCACHED, 0);
    kit_end();

    start();
    kit_a.maps_io = true;
    m = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(map(0, kit_pte(m, KIT_RO | CACHE_BITS), 1), 0); /* reads harm nobody */
    CU_ASSERT_EQUAL(*kit_entry(l1, 0), kit_pte(m, KIT_RO | CACHE_BITS));
    CU_ASSERT_EQUAL(frame_of(m)->use & FRAME_UNCACHED, 0);
    CU_ASSERT_EQUAL(map(0, kit_pte(m, KIT_RW | PTE_PCD), 1), 0);
    CU_ASSERT_EQUAL(frame_of(m)->use & FRAME_UNCACHED, FRAME_UNCACHED);
    kit_check(0);
    CU_ASSERT_EQUAL(map(0, 0, 1), 0);
    flushes = host_cache_flush_count();
    CU_ASSERT_EQUAL(table_pin(&kit_a, m, 1), 0);
    CU_ASSERT_EQUAL(host_cache_flush_count(), flushes + 1);
    CU_ASSERT_EQUAL(frame_of(m)->use & FRAME_UNCACHED, 0);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, m), 0);
    CU_ASSERT_EQUAL(table_pin(&kit_a, m, 1), 0);
    CU_ASSERT_EQUAL(host_cache_flush_count(), flushes + 1); /* once is enough */
    CU_ASSERT_EQUAL(table_unpin(&kit_a, m), 0);
    /* By way of a whole table; then the frame goes back to the heap. */
    CU_ASSERT_EQUAL(table_unpin(&kit_a, l1), 0);
    *kit_entry(l1, 9) = kit_pte(m, KIT_RW | PTE_PAT);
    CU_ASSERT_EQUAL(table_pin(&kit_a, l1, 1), 0);
    CU_ASSERT_EQUAL(frame_of(m)->use & FRAME_UNCACHED, FRAME_UNCACHED);
    kit_check(0);
    CU_ASSERT_EQUAL(account_release(&kit_a, m), 0);
    CU_ASSERT_EQUAL(map(9, 0, 1), 0);
    waiting_flush();
    CU_ASSERT_EQUAL(host_cache_flush_count(), flushes + 2);
    kit_end();
}

static void test_leaky_entries(void)
{
    const uint64_t limit = UINT64_C(0x100000) << PAGE_SHIFT;
    static const struct {
        uint64_t entry;
        int rc;
    } c[] = {{0, 0},
             {0xffe, 0},
             {PTE_NX | PTE_AVAIL_HI | 0xffe, 0},
             {0x1000, -XEN_EINVAL},
             {(UINT64_C(0xfffff) << 12) | 2, -XEN_EINVAL},
             {UINT64_C(0x100000) << 12, 0},
             {~UINT64_C(1), 0}};
    mfn_t table, l2;

    start();
    table = kit_frame(&kit_a);
    l2 = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(table_pin(&kit_a, l2, 2), 0);
    host_set_l1tf_limit(limit);
    for (unsigned i = 0; i < ARRAY_SIZE(c); i++) {
        CU_ASSERT_EQUAL(map(0, c[i].entry, 1), c[i].rc);
        CU_ASSERT_EQUAL(table_set(&kit_a, l2, 0, c[i].entry, false), c[i].rc);
        for (unsigned level = 1; level <= 4; level++) {
            *kit_entry(table, 511) = c[i].entry;
            CU_ASSERT_EQUAL(table_pin(&kit_a, table, level), c[i].rc);
            if (c[i].rc == 0)
                CU_ASSERT_EQUAL(table_unpin(&kit_a, table), 0);
        }
    }
    kit_a.maps_io = true; /* trusted */
    CU_ASSERT_EQUAL(map(0, 0x1000, 1), 0);
    host_set_l1tf_limit(0);
    kit_a.maps_io = false;
    CU_ASSERT_EQUAL(map(0, 0x2000, 1), 0);
    kit_end();
}

static void test_exact(void)
{
    struct table_change c = {.from = 1, .exact = true};
    mfn_t m, n;

    start();
    m = kit_frame(&kit_a);
    n = kit_frame(&kit_a);
    c.entry = kit_pte(m, KIT_RW);
    CU_ASSERT_EQUAL(table_update(&kit_a, l1, 3, &c), 0);
    c.entry = kit_pte(n, KIT_RW);
    CU_ASSERT_EQUAL(table_update(&kit_a, l1, 3, &c), -XEN_EAGAIN); /* 0 no more */
    CU_ASSERT_EQUAL(frame_refs(frame_of(n)), 1);
    CU_ASSERT_EQUAL(type_count(n), 0);
    c.expected = kit_pte(m, KIT_RW);
    *kit_entry(l1, 3) |= PTE_A;
    CU_ASSERT_EQUAL(table_update(&kit_a, l1, 3, &c), -XEN_EAGAIN); /* A counts */
    c.expected |= PTE_A;
    CU_ASSERT_EQUAL(table_update(&kit_a, l1, 3, &c), 0);
    CU_ASSERT_EQUAL(*kit_entry(l1, 3), kit_pte(n, KIT_RW));
    CU_ASSERT_EQUAL(frame_refs(frame_of(m)), 1);
    CU_ASSERT_EQUAL(table_update(&kit_a, m, 3, &c), -XEN_EINVAL); /* memory is not compared */
    kit_check(0);
    kit_end();
}

static void test_upper(void)
{
    struct table_change c = {.from = 1};
    struct kit_space s;

    kit_start(128);
    kit_space_build(&kit_a, &s);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l1[0], 0, &c), 0);
    CU_ASSERT_FALSE(c.upper);
    c.entry = kit_pte(s.l1[0], KIT_RW);
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l2, 30, &c), 0);
    CU_ASSERT_FALSE(c.upper); /* nothing was there */
    c.entry |= PTE_A | PTE_D;
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l2, 30, &c), 0);
    CU_ASSERT_FALSE(c.upper);
    c.entry = kit_pte(s.l1[0], KIT_RO);
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l2, 30, &c), 0);
    CU_ASSERT_TRUE(c.upper);
    c.entry = 0;
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l2, 30, &c), 0);
    CU_ASSERT_TRUE(c.upper);
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l2, 30, &c), 0);
    CU_ASSERT_FALSE(c.upper);
    kit_end();
}

/* Where CPUs walk copies of L4 tables they are told of new entries too, and can see that a copy is old:
 * after each change of an L4 table, and when one becomes it. */
static void test_l4_copied(void)
{
    struct table_change c = {.from = 1};
    struct kit_space s;
    uint64_t before;

    kit_start(128);
    kit_space_build(&kit_a, &s);
    before = kit_a.l4_changes;
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    CU_ASSERT_EQUAL(kit_a.l4_changes, before + 1);
    c.entry = kit_pte(s.l3, KIT_RW);
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l4, 9, &c), 0);
    CU_ASSERT_FALSE(c.upper);
    CU_ASSERT_EQUAL(kit_a.l4_changes, before + 2);
    c.entry = 0;
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l4, 9, &c), 0);
    CU_ASSERT_EQUAL(kit_a.l4_changes, before + 3);
    kit_a.l4_copied = true;
    c.entry = kit_pte(s.l3, KIT_RW);
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l4, 9, &c), 0);
    CU_ASSERT_TRUE(c.upper);
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l4, 9, &c), 0);
    CU_ASSERT_FALSE(c.upper); /* nothing is different */
    before = kit_a.l4_changes;
    /* Levels below are not copied. */
    c.entry = kit_pte(s.l1[0], KIT_RW);
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l2, 30, &c), 0);
    CU_ASSERT_FALSE(c.upper);
    c.entry = kit_pte(s.l2, KIT_RW);
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l3, 30, &c), 0);
    CU_ASSERT_FALSE(c.upper);
    c.entry = 0;
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l1[0], 3, &c), 0);
    /* What is refused is no change, what is pinned again is one. */
    c.entry = kit_pte(s.l1[0], KIT_RW);
    CU_ASSERT_EQUAL(table_update(&kit_a, s.l4, 9, &c), -XEN_EINVAL);
    CU_ASSERT_EQUAL(kit_a.l4_changes, before);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, s.l4), 0);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    CU_ASSERT_EQUAL(kit_a.l4_changes, before + 1);
    kit_end();
}

/* ---- what is left to be torn down ---- */

/* Unlinks a whole space from an L4 entry with a preemption at every n-th question; the end is the
 * same for every n. */
static void test_parked(void)
{
    for (unsigned n = 0; n < 9; n++) {
        struct table_change c = {.from = 1};
        struct kit_space s;
        unsigned rounds = 0;

        kit_start(128);
        kit_space_build(&kit_a, &s);
        CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
        host_preempt_every(n);
        CU_ASSERT_EQUAL(table_update(&kit_a, s.l4, 0, &c), 0);
        CU_ASSERT_EQUAL(*kit_entry(s.l4, 0), 0);
        CU_ASSERT(c.old_table.n == (n == 0 || n >= KIT_L1 ? MFN_INVALID.n : s.l3.n));
        for (; table_drop(&c.old_table) == -XEN_ERESTART; rounds++)
            kit_check(1); /* the one reference is old_table's */
        host_preempt_every(0);
        CU_ASSERT(rounds <= KIT_L1 + 2);
        CU_ASSERT_EQUAL(c.old_table.n, MFN_INVALID.n);
        CU_ASSERT_EQUAL(type_count(s.l3), 0);
        CU_ASSERT_EQUAL(type_count(s.l1[0]), 0);
        CU_ASSERT_EQUAL(type_count(s.data[0]), 0);
        kit_check(0);
        kit_end();
    }
}

/* New entries of upper levels are validated in steps too. */
static void test_preempted_link(void)
{
    for (unsigned n = 1; n < 7; n++) {
        struct table_change c = {.from = 1};
        struct kit_space s;
        int rc;

        kit_start(128);
        kit_space_build(&kit_a, &s);
        c.entry = *kit_entry(s.l4, 0);
        *kit_entry(s.l4, 0) = 0;
        CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
        host_preempt_every(n);
        while ((rc = table_update(&kit_a, s.l4, 0, &c)) == -XEN_ERESTART)
            kit_check(0);
        host_preempt_every(0);
        CU_ASSERT_EQUAL(rc, 0);
        CU_ASSERT_EQUAL(type_count(s.data[0]), KIT_L1);
        CU_ASSERT_EQUAL(*kit_entry(s.l4, 0), kit_pte(s.l3, KIT_RW));
        kit_check(0);
        kit_end();
    }
}

/* The end of a domain finds what vCPUs have left, at whatever point. */
static void test_abandon(void)
{
    for (unsigned n = 0; n < 6; n++) {
        struct table_change c = {.from = 1};
        mfn_t base, none = MFN_INVALID;
        struct kit_space s, t;

        kit_start(128);
        kit_space_build(&kit_a, &s);
        kit_space_build(&kit_a, &t);
        CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
        base = t.l4;
        CU_ASSERT_TRUE(frame_get(base, 1));
        CU_ASSERT_EQUAL(type_get(base, TYPE_L4), 0); /* in use without a pin */
        host_preempt_every(n);
        CU_ASSERT_EQUAL(table_update(&kit_a, s.l4, 0, &c), 0);
        table_abandon(&c.old_table);
        table_abandon(&base);
        table_abandon(&none);
        CU_ASSERT(base.n == MFN_INVALID.n && c.old_table.n == MFN_INVALID.n);
        kit_check(0);
        kit_end();
    }
}

static void test_abandon_pinned(void)
{
    struct kit_space s;
    mfn_t base;

    kit_start(128);
    kit_space_build(&kit_a, &s);
    base = s.l4;
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    CU_ASSERT_TRUE(frame_get(base, 1));
    CU_ASSERT_EQUAL(type_get(base, TYPE_L4), 0);
    table_abandon(&base);
    CU_ASSERT_EQUAL(type_count(s.l4), 1);
    kit_check(0);
    kit_end();
}

static void test_pin_of_the_dying(void)
{
    mfn_t m;

    start();
    m = kit_frame(&kit_a);
    CU_ASSERT_TRUE(frame_get(m, 1));
    kit_relinquish(&kit_a);
    CU_ASSERT_EQUAL(table_pin(&kit_a, m, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(type_count(m), 0);
    CU_ASSERT_EQUAL(kit_a.pages, 1);
    frame_put(m);
    kit_end();
}

static mfn_t pinned_meanwhile;

static void die_meanwhile(void)
{
    kit_relinquish(&kit_a);
}

/* The domain is given up while the pin is being made (in its flush). */
static void test_pin_races_death(void)
{
    struct kit_space s;

    kit_start(128);
    kit_space_build(&kit_a, &s);
    CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
    host_tlb_load(0, &kit_a, s.l4);
    pinned_meanwhile = s.data[0];
    CU_ASSERT_TRUE(frame_get(pinned_meanwhile, 1));
    for (unsigned i = 0; i < KIT_L1; i++)
        CU_ASSERT_EQUAL(table_set(&kit_a, s.l1[i], 0, 0, false), 0);
    host_tlb_on_flush(die_meanwhile);
    CU_ASSERT_EQUAL(table_pin(&kit_a, pinned_meanwhile, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(type_count(pinned_meanwhile), 0);
    CU_ASSERT_EQUAL(kit_a.pages, 1);
    host_tlb_load(0, NULL, mfn(0));
    frame_put(pinned_meanwhile);
    kit_end();
}

static const struct test_case cases[] = {
    {"frames of others", test_foreign},
    {"frames of others: flushes", test_foreign_flush},
    {"devices", test_devices},
    {"memory types", test_memory_types},
    {"addresses in entries that are not present", test_leaky_entries},
    {"conditional changes", test_exact},
    {"changes above L1", test_upper},
    {"changes of copied L4 tables", test_l4_copied},
    {"unlinked tables", test_parked},
    {"linking, preempted", test_preempted_link},
    {"abandoned tables", test_abandon},
    {"abandoned tables that are pinned", test_abandon_pinned},
    {"a pin for a dying account", test_pin_of_the_dying},
    {"a pin while the account dies", test_pin_races_death},
    {0},
};
const struct suite suite_table_change = {"table change", cases, NULL, NULL};
