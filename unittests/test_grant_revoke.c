/* SPDX-License-Identifier: MIT
 *
 * Grants that are taken back: with the mapper's help and without, with and without memory for a copy.
 */
#include <string.h>

#include "unittests/grant_kit.h"

#define REVOCABLE (GTF_permit_access | LAGAN_GTF_revocable)
#define MS        UINT64_C(1000000)

static mfn_t page;
static domid_t told;

static void start(uint16_t flags)
{
    grant_start();
    host_set_time(1000 * MS);
    page = kit_frame(gd[GA].account);
    *kit_entry(page, 3) = 0x333;
    grant_write(GA, 9, GB, page, flags);
}

static int revoke(grant_ref_t ref, uint64_t timeout)
{
    struct lagan_grant_revoke op = {.ref = ref, .timeout_ns = timeout};
    int rc;

    told = DOMID_INVALID;
    do {
        domid_t tell;

        grant_enter();
        rc = grant_revoke(&gd[GA].user, &op, &tell);
        grant_leave();
        told = tell == DOMID_INVALID ? told : tell;
    } while (rc == -XEN_ERESTART);
    CU_ASSERT_EQUAL(rc, 0);
    return op.status;
}

/* The mapper's next handle, or -1; *taken. */
static int64_t next(uint32_t from, unsigned *taken)
{
    struct lagan_grant_next op = {.handle = from};

    grant_enter();
    while (grant_next_revoked(&gd[GB].user, &op) == -XEN_ERESTART)
        ;
    grant_leave();
    *taken = op.taken;
    return op.status == GNTST_okay ? (int64_t)op.handle : -1;
}

static void refused(void)
{
    start(GTF_permit_access);
    CU_ASSERT_EQUAL(revoke(512, 0), GNTST_bad_gntref);
    CU_ASSERT_EQUAL(revoke(9, 0), GNTST_okay); /* nobody uses it */
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), GNTMAP_host_map, NULL), GNTST_okay);
    CU_ASSERT_EQUAL(revoke(9, 0), GNTST_permission_denied);
    /* A flag that comes later changes nothing. */
    grant_v1(gd[GA].table, 9)->flags |= LAGAN_GTF_revocable;
    CU_ASSERT_EQUAL(revoke(9, 0), GNTST_permission_denied);
    CU_ASSERT_EQUAL(told, DOMID_INVALID);
    grant_write(GA, 10, GB, page, REVOCABLE);
    CU_ASSERT_EQUAL(do_map(GB, GA, 10, 0, GNTMAP_device_map, NULL), GNTST_general_error);
    grant_check();
    grant_end();
}

static void let_go(void)
{
    grant_handle_t h;
    unsigned taken;

    start(REVOCABLE);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), GNTMAP_host_map, &h), GNTST_okay);
    CU_ASSERT_EQUAL(next(0, &taken), -1);
    CU_ASSERT_EQUAL(revoke(9, 5 * MS), GNTST_eagain);
    CU_ASSERT_EQUAL(told, 2);
    CU_ASSERT_EQUAL(next(0, &taken), h);
    CU_ASSERT_EQUAL(taken, 0);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(1), GNTMAP_host_map, NULL), GNTST_general_error);
    host_set_time(1004 * MS);
    CU_ASSERT_EQUAL(revoke(9, 0), GNTST_eagain); /* the first call's time counts */
    CU_ASSERT_EQUAL(told, DOMID_INVALID);        /* once is enough */
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_okay);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), REVOCABLE);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(1), GNTMAP_host_map, NULL), GNTST_general_error);
    CU_ASSERT_EQUAL(revoke(9, 0), GNTST_okay);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(1), GNTMAP_host_map, NULL), GNTST_okay);
    grant_check();
    grant_end();
}

/* Two mappings, one that was written and one read-only; and one whose entry was overwritten. */
static void taken_back(void)
{
    struct table_change c = {.from = 2};
    grant_handle_t h[3];
    uint64_t pages;
    unsigned taken;
    mfn_t hit;

    start(REVOCABLE);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(
            do_map(GB, GA, 9, grant_va(i), GNTMAP_host_map | (i == 1 ? GNTMAP_readonly : 0), &h[i]),
            GNTST_okay);
    CU_ASSERT_EQUAL(table_update(gd[GB].account, gd[GB].space.l1[0], KIT_DATA + 2, &c), 0);
    CU_ASSERT_TRUE(host_touch(GB, grant_va(0), true, &hit));
    CU_ASSERT_TRUE(host_touch(GB, grant_va(1), false, &hit));
    pages = gd[GB].account->pages;
    CU_ASSERT_EQUAL(revoke(9, 5 * MS), GNTST_eagain);
    host_set_time(1005 * MS);
    CU_ASSERT_EQUAL(revoke(9, 5 * MS), GNTST_okay);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), REVOCABLE);
    CU_ASSERT_EQUAL(gd[GB].account->pages, pages + 2); /* it pays */
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_TRUE(host_touch(GB, grant_va(i), i == 0, &hit));
        CU_ASSERT_NOT_EQUAL(hit.n, page.n);
        CU_ASSERT_EQUAL(frame_owner(frame_of(hit)), 2);
        CU_ASSERT_EQUAL(*kit_entry(hit, 3), 0x333);
    }
    CU_ASSERT_FALSE(host_touch(GB, grant_va(1), true, &hit));
    /* The granter can do with its page what it likes. */
    *kit_entry(page, 3) = 0;
    CU_ASSERT_EQUAL(table_pin(gd[GA].account, page, 1), 0);
    CU_ASSERT_EQUAL(table_unpin(gd[GA].account, page), 0);
    grant_check();
    CU_ASSERT_EQUAL(next(0, &taken), h[0]);
    CU_ASSERT_EQUAL(taken, 1);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(do_unmap(GB, h[i], grant_va(i)), GNTST_okay);
    CU_ASSERT_EQUAL(gd[GB].account->pages, pages);
    CU_ASSERT_FALSE(host_touch(GB, grant_va(0), false, &hit));
    CU_ASSERT_EQUAL(do_unmap(GB, h[0], grant_va(0)), GNTST_bad_handle);
    CU_ASSERT_EQUAL(next(0, &taken), -1);
    grant_check();
    grant_end();
}

/* The mapper has guessed the frame that is being written. */
static void guess(void *to)
{
    struct account *a = gd[GB].account;
    mfn_t m = arch_frame_of(to);

    CU_ASSERT_TRUE_FATAL(frame_get(m, a->id));
    CU_ASSERT_NOT_EQUAL(type_get(m, TYPE_L1), 0); /* what is copied would be its entries */
    frame_put(m);
    CU_ASSERT_EQUAL(account_release(a, m), 0);
    CU_ASSERT_TRUE(frame_refs(frame_of(m)) > 0); /* and nobody else has it */
}

static void guessed(void)
{
    grant_handle_t h;
    mfn_t hit;

    start(REVOCABLE);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), GNTMAP_host_map, &h), GNTST_okay);
    host_on_copy(guess);
    CU_ASSERT_EQUAL(revoke(9, 0), GNTST_okay);
    host_on_copy(NULL);
    CU_ASSERT_TRUE(host_touch(GB, grant_va(0), true, &hit));
    CU_ASSERT_EQUAL(*kit_entry(hit, 3), 0x333);
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_okay);
    CU_ASSERT_EQUAL(frame_refs(frame_of(hit)), 0);
    grant_check();
    grant_end();
}

/* The mapper may have no more memory, or the host has none. */
static void cannot_pay(void)
{
    for (unsigned way = 0; way < 3; way++) {
        grant_handle_t h;
        mfn_t hit;

        start(REVOCABLE);
        CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), GNTMAP_host_map, &h), GNTST_okay);
        CU_ASSERT_TRUE(host_touch(GB, grant_va(0), true, &hit));
        gd[GB].account->max_pages = gd[GB].account->pages;
        CU_ASSERT_EQUAL(revoke(9, 0), way == 0 ? GNTST_okay : GNTST_okay);
        CU_ASSERT_TRUE(host_touch(GB, grant_va(0), false, &hit));
        CU_ASSERT_EQUAL(*kit_entry(hit, 3), 0);
        CU_ASSERT_EQUAL(frame_state(frame_of(hit)), FRAME_SHARED);
        CU_ASSERT_FALSE(host_touch(GB, grant_va(0), true, &hit));
        CU_ASSERT_EQUAL(grant_flags(GA, 9), REVOCABLE);
        grant_check();
        if (way == 1) {
            CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_okay);
            CU_ASSERT_FALSE(host_touch(GB, grant_va(0), false, &hit));
        } else if (way == 2) {
            grant_kill(GA);
        }
        grant_end();
    }
}

static void no_memory_at_all(void)
{
    grant_handle_t h;
    mfn_t hit;

    start(REVOCABLE);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), GNTMAP_host_map, &h), GNTST_okay);
    CU_ASSERT_TRUE(host_touch(GB, grant_va(0), true, &hit));
    CU_ASSERT_EQUAL(revoke(9, 5 * MS), GNTST_eagain);
    host_set_time(1010 * MS);
    gd[GB].account->max_pages = gd[GB].account->pages;
    host_fail_after(1);
    CU_ASSERT_EQUAL(revoke(9, 0), GNTST_okay);
    CU_ASSERT(host_fail_off());
    CU_ASSERT_FALSE(host_touch(GB, grant_va(0), false, &hit));
    CU_ASSERT_EQUAL(grant_flags(GA, 9), REVOCABLE);
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_okay);
    grant_check();
    grant_end();
}

/* More handles than one batch has, preempted everywhere; the mapper dies with its copies. */
static void many(void)
{
    start(REVOCABLE);
    for (unsigned i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(do_map(GB, GA, 9, kit_va(1 + i % 3, 100 + i), GNTMAP_host_map, NULL),
                        GNTST_okay);
    CU_ASSERT_EQUAL(revoke(9, MS), GNTST_eagain);
    host_set_time(2000 * MS);
    host_preempt_every(1);
    CU_ASSERT_EQUAL(revoke(9, MS), GNTST_okay);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), REVOCABLE);
    host_preempt_every(0);
    grant_check();
    grant_end();
}

/* The first L1 table of the mapper, which holds the grant, leaves its address space, and stops half way. */
static mfn_t leave_half_way(void)
{
    struct account *a = gd[GB].account;
    mfn_t table = gd[GB].space.l1[0];
    struct table_change c = {.from = a->id};

    for (unsigned n = 100; n < 500; n++) { /* steps end between them */
        c.entry = kit_pte(gd[GB].space.data[0], KIT_RO);
        CU_ASSERT_EQUAL(table_update(a, table, n, &c), 0);
    }
    CU_ASSERT_TRUE(frame_get(table, a->id));
    CU_ASSERT_EQUAL(type_get(table, TYPE_L1), 0);
    c = (struct table_change){.from = a->id};
    CU_ASSERT_EQUAL(table_update(a, gd[GB].space.l2, 0, &c), 0);
    arch_tlb_flush(cpumask_all());
    host_preempt_every(4); /* so that it takes more than a step to have it back */
    CU_ASSERT_EQUAL(type_put_preemptible(table), -XEN_ERESTART);
    host_preempt_every(0);
    CU_ASSERT_FALSE(type_is_valid(table));
    return table;
}

/* The page is not the mapper's any more, though no table in use says so: the entry could come back. */
static void half_way(void)
{
    for (unsigned pays = 0; pays < 2; pays++) {
        grant_handle_t h;
        mfn_t table;

        start(REVOCABLE);
        CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), GNTMAP_host_map, &h), GNTST_okay);
        table = leave_half_way();
        CU_ASSERT_EQUAL(pte_frame(grant_pte(GB, 0)).n, page.n);
        if (!pays)
            gd[GB].account->max_pages = gd[GB].account->pages;
        host_preempt_every(pays);
        CU_ASSERT_EQUAL(revoke(9, 0), GNTST_okay);
        host_preempt_every(0);
        CU_ASSERT_NOT_EQUAL(pte_frame(grant_pte(GB, 0)).n, page.n);
        CU_ASSERT_EQUAL(grant_flags(GA, 9), REVOCABLE);
        CU_ASSERT_EQUAL(type_get(table, TYPE_L1), 0);
        CU_ASSERT_NOT_EQUAL(pte_frame(grant_pte(GB, 0)).n, page.n);
        for (unsigned i = 0; i < 2; i++) /* that one, and the one that was left half way */
            while (type_put_preemptible(table) == -XEN_ERESTART)
                ;
        frame_put(table);
        grant_check();
        grant_end();
    }
}

static const struct test_case cases[] = {
    {"refused", refused},
    {"the mapper lets go", let_go},
    {"taken back", taken_back},
    {"guessed copies", guessed},
    {"the mapper cannot pay", cannot_pay},
    {"no memory at all", no_memory_at_all},
    {"many handles", many},
    {"a table half way out of use", half_way},
    {NULL, NULL},
};

const struct suite suite_grant_revoke = {"grant revoke", cases, NULL, NULL};
