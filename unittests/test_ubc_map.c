/* SPDX-License-Identifier: MIT
 *
 * Mapping: what guests can do with the entries, and how they are taken back.
 */
#include <string.h>

#include "unittests/ubc_kit.h"

static uint64_t volume;

static void start(uint64_t blocks)
{
    ubc_start();
    volume = ubc_make_shared(1, blocks);
    for (uint64_t b = 0; b < blocks && b < 100; b++)
        CU_ASSERT_EQUAL(do_insert(UPUB, volume, b, 1, (uint32_t)b + 100), 0);
}

static void map_and_unmap(void)
{
    struct lagan_ubc_map op = {.block = 2, .flags = LAGAN_UBC_PTE | LAGAN_UBC_EXEC};
    uint32_t h, tag;
    mfn_t hit;

    start(10);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 0, &h), 0);
    CU_ASSERT_TRUE(ubc_sees(UREAD, 0, 1, &tag));
    CU_ASSERT_EQUAL(tag, 101);
    CU_ASSERT_FALSE(host_touch(UREAD, ubc_va(0), true, &hit));
    CU_ASSERT_NOT_EQUAL(ubc_pte(UREAD, 0) & PTE_NX, 0);
    op.address = ud[UREAD].space.l1[0].n << PAGE_SHIFT | (KIT_DATA + 1) * 8;
    CU_ASSERT_EQUAL(do_map_op(UREAD, volume, &op), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 1) & PTE_NX, 0);
    CU_ASSERT_TRUE(ubc_sees(UREAD, 1, 2, &tag));
    ubc_check();
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD2, volume, h), -XEN_ENOENT);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0), 0);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), -XEN_ENOENT);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, UINT32_MAX), -XEN_ENOENT);
    CU_ASSERT_EQUAL(do_stats(volume).mappings, 1);
    ubc_check();
    ubc_end();
}

static void refusals(void)
{
    struct lagan_ubc_map op = {.block = 1, .address = ubc_va(0)};
    uint32_t h;

    start(10);
    CU_ASSERT_EQUAL(ubc_give(volume, UREAD, LAGAN_UBC_READ, 2), 0);
    op.flags = 16;
    CU_ASSERT_EQUAL(do_map_op(UREAD, volume, &op), -XEN_EINVAL);
    op.flags = 0, op.address = ubc_va(0) + 8;
    CU_ASSERT_EQUAL(do_map_op(UREAD, volume, &op), -XEN_EINVAL);
    op.address = kit_va(100, 0);
    CU_ASSERT_EQUAL(do_map_op(UREAD, volume, &op), -XEN_EINVAL);
    /* Into another's table, into memory that is no table, into no memory at all. */
    op.flags = LAGAN_UBC_PTE, op.address = ud[UREAD2].space.l1[0].n << PAGE_SHIFT;
    CU_ASSERT_EQUAL(do_map_op(UREAD, volume, &op), -XEN_EINVAL);
    op.address = ud[UREAD].space.data[0].n << PAGE_SHIFT;
    CU_ASSERT_EQUAL(do_map_op(UREAD, volume, &op), -XEN_EINVAL);
    op.address = ud[UREAD].space.l2.n << PAGE_SHIFT;
    CU_ASSERT_EQUAL(do_map_op(UREAD, volume, &op), -XEN_EINVAL);
    op.address = UINT64_MAX << 3;
    CU_ASSERT_EQUAL(do_map_op(UREAD, volume, &op), -XEN_EINVAL);
    op = (struct lagan_ubc_map){.block = 1, .flags = LAGAN_UBC_LOOK};
    CU_ASSERT_EQUAL(do_map_op(UREAD, volume, &op), 0);
    CU_ASSERT_EQUAL(do_stats(volume).mappings, 0);
    op.block = UINT64_MAX;
    CU_ASSERT_EQUAL(do_map_op(UREAD, volume, &op), -XEN_EINVAL);
    ubc_check();
    /* The limit (INV-UBC-6) */
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 0, &h), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 1, &h), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 2, &h), -XEN_ENOBUFS);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 2, &h), 0);
    ubc_check();
    ubc_end();
}

/* INV-UBC-1: no guest gets a writable entry, nor one of its own making, nor another use of the frame. */
static void nobody_writes(void)
{
    struct table_change c = {.entry = 0};
    uint32_t h;
    mfn_t m;

    start(10);
    c.from = ud[UREAD].account->id;
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 0, &h), 0);
    m = pte_frame(ubc_pte(UREAD, 0));
    c.entry = kit_pte(m, KIT_RW);
    CU_ASSERT_EQUAL(table_update(ud[UREAD].account, ud[UREAD].space.l1[0], KIT_DATA, &c),
                    -XEN_EINVAL);
    c.entry = kit_pte(m, KIT_RO);
    CU_ASSERT_EQUAL(table_update(ud[UREAD].account, ud[UREAD].space.l1[0], KIT_DATA + 1, &c),
                    -XEN_EINVAL);
    CU_ASSERT_FALSE(frame_get(m, ud[UREAD].account->id));
    CU_ASSERT_NOT_EQUAL(frame_get_writable(m, DOMID_COW), 0);
    CU_ASSERT_NOT_EQUAL(account_release(ud[UREAD].account, m), 0);
    CU_ASSERT_NOT_EQUAL(account_take(ud[UREAD].account, m), 0);
    ubc_check();
    ubc_end();
}

/* ---- invalidate ---- */

static void invalidate(void)
{
    uint32_t h1, h2, h3, tag;
    unsigned flushes;

    start(100);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 50, 0, &h1), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD2, volume, 50, 0, &h2), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD2, volume, 51, 1, &h3), 0);
    CU_ASSERT_TRUE(ubc_sees(UREAD, 0, 50, &tag));
    CU_ASSERT_TRUE(ubc_sees(UREAD2, 0, 50, &tag));
    CU_ASSERT_TRUE(ubc_sees(UREAD2, 1, 51, &tag));
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 50, 1, NULL), 0);
    CU_ASSERT_FALSE(ubc_sees(UREAD, 0, 50, &tag));
    CU_ASSERT_FALSE(ubc_sees(UREAD2, 0, 50, &tag));
    CU_ASSERT_TRUE(ubc_sees(UREAD2, 1, 51, &tag));
    ubc_check();
    CU_ASSERT_EQUAL(do_stats(volume).taken, 2);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h1), 0);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD2, volume, h2), 0);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD2, volume, h3), 0);
    CU_ASSERT_FALSE(ubc_sees(UREAD2, 1, 51, &tag));
    /* An entry that its guest has overwritten is in a TLB still; what nobody had needs no flush. */
    CU_ASSERT_EQUAL(do_map_block(UREAD2, volume, 51, 1, &h3), 0);
    CU_ASSERT_TRUE(ubc_sees(UREAD2, 1, 51, &tag));
    CU_ASSERT_EQUAL(table_update(ud[UREAD2].account, ud[UREAD2].space.l1[0], KIT_DATA + 1,
                                 &(struct table_change){.from = ud[UREAD2].account->id}),
                    0);
    CU_ASSERT_TRUE(ubc_sees(UREAD2, 1, 51, &tag));
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 51, 1, NULL), 0);
    CU_ASSERT_FALSE(ubc_sees(UREAD2, 1, 51, &tag));
    flushes = host_tlb_flush_count();
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 60, 30, NULL), 0);
    CU_ASSERT_EQUAL(host_tlb_flush_count(), flushes);
    CU_ASSERT_EQUAL(do_stats(volume).invalidated, 32);
    ubc_check();
    ubc_end();
}

/* More entries than are taken in a step. */
static void invalidate_much(void)
{
    uint32_t h, tag;

    start(100);
    for (unsigned n = 0; n < 100; n++)
        CU_ASSERT_EQUAL(do_map_block(UREAD, volume, n % 3, n, &h), 0);
    CU_ASSERT_TRUE(ubc_sees(UREAD, 99, 0, &tag));
    host_preempt_every(1);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 0, 100, NULL), 0);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(do_stats(volume).pages, 0);
    CU_ASSERT_EQUAL(do_stats(volume).mappings, 0);
    for (unsigned n = 0; n < 100; n++)
        CU_ASSERT_EQUAL(ubc_pte(UREAD, n), 0);
    ubc_check();
    ubc_end();
}

/* A reader that writes something else over the entry, gives up the table, or leaves it half way out of use
 * (where it may come back with the entry in it) keeps nothing. */
static void overwritten(void)
{
    struct table_change c = {.entry = 0};
    uint32_t h;

    start(10);
    c.from = ud[UREAD].account->id;
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 0, &h), 0);
    CU_ASSERT_EQUAL(table_update(ud[UREAD].account, ud[UREAD].space.l1[0], KIT_DATA, &c), 0);
    ubc_check();
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 1, 1, NULL), 0);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    ubc_check();
    ubc_end();
}

static void half_way(void)
{
    struct account *a;
    struct table_change c;
    mfn_t table;
    uint32_t h;
    int rc;

    start(10);
    a = ud[UREAD].account;
    table = ud[UREAD].space.l1[0];
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 0, &h), 0);
    for (unsigned n = 440; n < 500; n++) { /* a step ends between them */
        c = (struct table_change){.entry = kit_pte(ud[UREAD].space.data[0], KIT_RO), .from = a->id};
        CU_ASSERT_EQUAL(table_update(a, table, n, &c), 0);
    }
    CU_ASSERT_TRUE(frame_get(table, a->id));
    CU_ASSERT_EQUAL(type_get(table, TYPE_L1), 0);
    c = (struct table_change){.from = a->id};
    CU_ASSERT_EQUAL(table_update(a, ud[UREAD].space.l2, 0, &c), 0);
    arch_tlb_flush(cpumask_all());
    host_preempt_every(1);
    rc = type_put_preemptible(table);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(rc, -XEN_ERESTART);
    CU_ASSERT_FALSE(type_is_valid(table));
    CU_ASSERT_NOT_EQUAL(ubc_pte(UREAD, 0) & PTE_P, 0);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 1, 1, NULL), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0) & PTE_P, 0);
    while (type_put_preemptible(table) == -XEN_ERESTART)
        ;
    frame_put(table);
    ubc_check();
    ubc_end();
}

/* All of a reader's mappings, when its domain ends, whatever the step. */
static void many_handles(void)
{
    uint32_t h[200], seen;

    start(100);
    for (unsigned n = 0; n < 200; n++) {
        CU_ASSERT_EQUAL(do_map_block(UREAD, volume, n % 100, n, &h[n]), 0);
        CU_ASSERT_EQUAL(h[n], n);
    }
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 200, &seen), -XEN_ENOBUFS);
    ubc_check();
    for (unsigned n = 0; n < 200; n += 2)
        CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h[n]), 0);
    ubc_check();
    host_preempt_every(3);
    CU_ASSERT_EQUAL(ubc_give(volume, UREAD, 0, 0), 0);
    host_preempt_every(0);
    for (unsigned n = 0; n < 200; n++)
        CU_ASSERT_EQUAL(ubc_pte(UREAD, n), 0);
    CU_ASSERT_EQUAL(do_stats(volume).mappings, 0);
    ubc_check();
    ubc_end();
}

/* A test that could not fail would show nothing: without flushes the checks see it. */
static void no_flushes(void)
{
    uint32_t h, tag;

    start(10);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 0, &h), 0);
    CU_ASSERT_TRUE(ubc_sees(UREAD, 0, 1, &tag));
    host_tlb_break_flushes(true);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 1, 1, NULL), 0);
    CU_ASSERT_NOT_EQUAL(host_tlb_check(), 0);
    host_tlb_break_flushes(false);
    arch_tlb_flush(cpumask_all());
    ubc_end();
}

static const struct test_case cases[] = {{"map and unmap", map_and_unmap},
                                         {"refusals", refusals},
                                         {"nobody writes", nobody_writes},
                                         {"invalidate", invalidate},
                                         {"more than a step", invalidate_much},
                                         {"an entry that its guest has overwritten", overwritten},
                                         {"a table half way out of use", half_way},
                                         {"many handles", many_handles},
                                         {"without flushes the tests fail", no_flushes},
                                         {NULL, NULL}};
const struct suite suite_ubc_map = {"ubc_map", cases, NULL, NULL};
