/* SPDX-License-Identifier: MIT
 *
 * The short way of an L1 entry's change (mm/update.c): what it counts, what it leaves to the long
 * way, and that the two agree.
 */
#include "mm/type_state.h"
#include "unittests/mm_kit.h"

static mfn_t l1; /* a pinned L1 table of a's */

static void start(void)
{
    kit_start(128);
    l1 = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(table_pin(&kit_a, l1, 1), 0);
}

static int map(unsigned index, uint64_t entry, domid_t from)
{
    struct table_change c = {.entry = entry, .from = from};
    int rc = table_update(&kit_a, l1, index, &c);

    CU_ASSERT_EQUAL(c.old_table.n, MFN_INVALID.n);
    CU_ASSERT_FALSE(c.upper);
    return rc;
}

static void expect(mfn_t m, uint32_t refs, uint32_t types)
{
    CU_ASSERT_EQUAL(frame_refs(frame_of(m)), refs);
    CU_ASSERT_EQUAL(type_count(m), types);
    kit_check(0);
}

/* From each kind of entry to each: nothing, one frame to read or write, another. */
static void test_counts(void)
{
    mfn_t m[2];

    start();
    m[0] = kit_frame(&kit_a);
    m[1] = kit_frame(&kit_a);
    for (unsigned i = 0; i < 25; i++) {
        const uint64_t entry[5] = {0, kit_pte(m[0], KIT_RO), kit_pte(m[0], KIT_RW | PTE_D),
                                   kit_pte(m[1], KIT_RO), kit_pte(m[1], KIT_RW | PTE_NX)};
        unsigned to = i % 5;

        CU_ASSERT_EQUAL(map(0, entry[i / 5], 1), 0);
        CU_ASSERT_EQUAL(map(0, entry[to] & ~PTE_US, 1), 0);
        CU_ASSERT_EQUAL(*kit_entry(l1, 0), entry[to]);
        expect(m[0], 1 + (to == 1 || to == 2), to == 2);
        expect(m[1], 1 + (to == 3 || to == 4), to == 4);
    }
    kit_end();
}

/* What goes on mapping the same with the same right needs no reference, not even where none is to
 * be had, and nobody's leave; more than that does. That somebody else's frame was touched stays. */
static void test_same(void)
{
    mfn_t own, other;

    start();
    own = kit_frame(&kit_a);
    other = kit_frame(&kit_b);
    CU_ASSERT_EQUAL(map(0, kit_pte(own, KIT_RO), 1), 0);
    frame_of(own)->use += FRAME_REFS_MAX - 2;
    CU_ASSERT_EQUAL(map(0, kit_pte(own, KIT_RO | PTE_NX | PTE_A), 1), 0);
    CU_ASSERT_EQUAL(map(0, kit_pte(own, KIT_RW), 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(map(1, kit_pte(own, KIT_RO), 1), -XEN_EINVAL);
    frame_of(own)->use -= FRAME_REFS_MAX - 2;
    expect(own, 2, 0);
    CU_ASSERT_EQUAL(map(1, kit_pte(other, KIT_RO), 2), 0);
    CU_ASSERT_EQUAL(map(1, kit_pte(other, KIT_RO | PTE_A), 1), 0);
    CU_ASSERT_EQUAL(*kit_entry(l1, 1), kit_pte(other, KIT_RO | PTE_A));
    CU_ASSERT_EQUAL(map(1, kit_pte(other, KIT_RO | PTE_NX), 1), 0);
    CU_ASSERT_EQUAL(*kit_entry(l1, 1), kit_pte(other, KIT_RO | PTE_NX | PTE_A));
    CU_ASSERT_EQUAL(map(0, kit_pte(own, KIT_RO), 1), 0);
    CU_ASSERT_EQUAL(*kit_entry(l1, 0), kit_pte(own, KIT_RO));
    CU_ASSERT_EQUAL(map(1, kit_pte(other, KIT_RW), 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(map(2, kit_pte(other, KIT_RO), 1), -XEN_EINVAL);
    expect(other, 2, 0);
    kit_end();
}

/* A write right is counted as such, and only what is memory has one to give. */
static void test_full(void)
{
    mfn_t own, table;

    start();
    own = kit_frame(&kit_a);
    table = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(map(0, kit_pte(own, KIT_RW), 1), 0);
    frame_of(own)->type += TYPE_COUNT - 1;
    CU_ASSERT_EQUAL(map(0, kit_pte(own, KIT_RW | PTE_D), 1), 0);
    CU_ASSERT_EQUAL(map(1, kit_pte(own, KIT_RW), 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(frame_refs(frame_of(own)), 2);
    frame_of(own)->type -= TYPE_COUNT - 1;
    expect(own, 2, 1);
    CU_ASSERT_EQUAL(table_pin(&kit_a, table, 1), 0);
    CU_ASSERT_EQUAL(map(1, kit_pte(table, KIT_RW), 1), -XEN_EBUSY);
    CU_ASSERT_EQUAL(map(1, kit_pte(table, KIT_RO), 1), 0);
    CU_ASSERT_EQUAL(map(1, kit_pte(table, KIT_RW), 1), -XEN_EBUSY);
    expect(table, 3, 1);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, table), 0);
    /* Memory that was a table last: its first writable mapping is the long way's, with a flush. */
    CU_ASSERT_EQUAL(map(1, kit_pte(table, KIT_RW), 1), 0);
    expect(table, 2, 1);
    kit_end();
}

static void test_memory_type(void)
{
    mfn_t own;

    start();
    own = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(map(0, kit_pte(own, KIT_RW | PTE_PCD | PTE_G), 1), 0);
    CU_ASSERT_EQUAL(*kit_entry(l1, 0), kit_pte(own, KIT_RW));
    kit_a.maps_io = true;
    CU_ASSERT_EQUAL(map(0, kit_pte(own, KIT_RW | PTE_PCD), 1), 0);
    CU_ASSERT_EQUAL(*kit_entry(l1, 0), kit_pte(own, KIT_RW | PTE_PCD));
    CU_ASSERT_EQUAL(frame_of(own)->use & FRAME_UNCACHED, FRAME_UNCACHED);
    CU_ASSERT_EQUAL(map(0, 0, 1), 0);
    kit_a.maps_io = false;
    kit_end();
}

/* Only a valid L1 table of the account's own is changed so. */
static void test_other_tables(void)
{
    struct table_change c = {.entry = 0, .from = 1};
    mfn_t theirs, own;

    start();
    own = kit_frame(&kit_a);
    theirs = kit_frame(&kit_b);
    CU_ASSERT_EQUAL(table_pin(&kit_b, theirs, 1), 0);
    CU_ASSERT_EQUAL(table_update(&kit_a, theirs, 0, &c), -XEN_EINVAL);
    c.entry = kit_pte(own, KIT_RW);
    CU_ASSERT_EQUAL(table_update(&kit_a, theirs, 0, &c), -XEN_EINVAL);
    CU_ASSERT_EQUAL(*kit_entry(theirs, 0), 0);
    CU_ASSERT_EQUAL(table_update(&kit_a, l1, TABLE_ENTRIES, &c), -XEN_EINVAL);
    CU_ASSERT_EQUAL(table_update(&kit_a, mfn(HOST_MAX_MFN + 5), 0, &c), -XEN_EINVAL);
    expect(own, 1, 0);
    kit_end();
}

static const struct test_case cases[] = {
    {"each kind of entry after each", test_counts},  {"the same mapping needs nothing", test_same},
    {"full counts, frames in other use", test_full}, {"memory types", test_memory_type},
    {"tables of others", test_other_tables},         {0},
};
const struct suite suite_update = {"one entry, the short way", cases, NULL, NULL};
