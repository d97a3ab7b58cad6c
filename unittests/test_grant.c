/* SPDX-License-Identifier: MIT
 *
 * The grant table itself: growth, limits, versions, swaps, transfers, and memory that runs out.
 */
#include <string.h>

#include "unittests/grant_kit.h"

static void growth(void)
{
    struct grant_table *t;

    grant_start();
    t = gd[GA].table;
    CU_ASSERT_EQUAL(grant_frame_count(t), 1);
    CU_ASSERT_EQUAL(grant_frame_limit(t), 4);
    CU_ASSERT_EQUAL(grant_table_grow(t, 3), GNTST_okay);
    CU_ASSERT_EQUAL(grant_table_grow(t, 2), GNTST_okay);
    CU_ASSERT_EQUAL(grant_frame_count(t), 3);
    CU_ASSERT_EQUAL(grant_table_grow(t, 5), GNTST_general_error);
    CU_ASSERT_EQUAL(grant_frame_count(t), 3);
    CU_ASSERT_EQUAL(frame_state(frame_of(grant_frame(t, 2))), FRAME_SHARED);
    CU_ASSERT_EQUAL(frame_owner(frame_of(grant_frame(t, 2))), 1);
    CU_ASSERT_EQUAL(grant_frame(t, 3).n, MFN_INVALID.n);
    grant_check();
    grant_end();
}

static void limits(void)
{
    struct grant_limits bad[] = {{0, 1, 1}, {1, 1, 0}, {1, 1, 3}};
    struct grant_table *t;

    kit_start(100);
    grants_init();
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        CU_ASSERT_EQUAL(grant_table_create(&kit_a, &bad[i], 1, &t), -XEN_EINVAL);
    kit_end();
}

/* The n-th allocation fails, for each n: nothing is left of a creation; growth may be tried again. */
static void no_memory(void)
{
    struct grant_limits l = {2, 2, 2};

    for (unsigned n = 1;; n++) {
        struct grant_table *t;
        uint64_t before;
        bool failed;
        int rc;

        kit_start(100);
        grants_init();
        before = heap_free_pages();
        host_fail_after(n);
        rc = grant_table_create(&kit_a, &l, 1, &t);
        if (rc == 0)
            rc = grant_table_grow(t, 2) == GNTST_okay ? 1 : 2;
        failed = host_fail_off();
        if (rc == 2)
            CU_ASSERT_EQUAL(grant_table_grow(t, 2), GNTST_okay);
        CU_ASSERT_EQUAL(grant_audit(), 0);
        if (rc > 0) {
            CU_ASSERT_EQUAL(grant_table_relinquish(t), 0);
            CU_ASSERT_EQUAL(grant_table_withdraw(t), 0);
            grant_table_destroy(t);
        }
        slab_trim();
        CU_ASSERT_EQUAL(heap_free_pages(), before);
        grants_init();
        kit_start(100);
        kit_end();
        if (!failed)
            break;
        CU_ASSERT(rc != 1 && n < 50);
    }
}

static void seeds(void)
{
    mfn_t m;

    grant_start();
    m = kit_frame(gd[GA].account);
    CU_ASSERT_EQUAL(grant_seed(gd[GA].table, GNTTAB_RESERVED_XENSTORE, 2, m), GNTST_okay);
    CU_ASSERT_EQUAL(do_map(GB, GA, GNTTAB_RESERVED_XENSTORE, grant_va(0), GNTMAP_host_map, NULL),
                    GNTST_okay);
    CU_ASSERT_EQUAL(grant_seed(gd[GA].table, 512, 2, m), GNTST_bad_gntref);
    grant_check();
    grant_end();
}

static void swaps(void)
{
    grant_handle_t h;

    grant_start();
    grant_write(GA, 20, GB, gd[GA].space.data[1], GTF_permit_access);
    grant_write(GA, 30, GC, gd[GA].space.data[3], GTF_permit_access | GTF_readonly);
    CU_ASSERT_EQUAL(grant_swap(gd[GA].table, 20, 512), GNTST_bad_gntref);
    CU_ASSERT_EQUAL(grant_swap(gd[GA].table, 20, 20), GNTST_okay);
    CU_ASSERT_EQUAL(grant_swap(gd[GA].table, 30, 20), GNTST_okay);
    CU_ASSERT_EQUAL(grant_flags(GA, 20), GTF_permit_access | GTF_readonly);
    CU_ASSERT_EQUAL(do_map(GB, GA, 30, grant_va(0), GNTMAP_host_map, &h), GNTST_okay);
    CU_ASSERT_EQUAL(grant_swap(gd[GA].table, 30, 20), GNTST_eagain);
    CU_ASSERT_EQUAL(grant_swap(gd[GA].table, 20, 30), GNTST_eagain);
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_okay);
    grant_end();
}

/* A page of the register comes with its first table and goes with its last. */
static void register_pages(void)
{
    static const struct grant_limits limits = {.frames = 1, .maptrack_frames = 1, .version = 1};
    struct grant_table *t;
    struct account far;
    uint64_t free;

    grant_start();
    CU_ASSERT_EQUAL_FATAL(account_init(&far, 600, 10), 0);
    free = heap_free_pages();
    for (unsigned n = 0; n < 3; n++) {
        CU_ASSERT_EQUAL_FATAL(grant_table_create(&far, &limits, GRANT_LANES, &t), 0);
        while (grant_table_relinquish(t) == -XEN_ERESTART)
            ;
        CU_ASSERT_EQUAL(grant_table_withdraw(t), 0);
        grant_table_destroy(t);
        CU_ASSERT_EQUAL(heap_free_pages(), free);
    }
    account_destroy(&far);
    grant_end();
}

static const struct test_case cases[] = {
    {"growth", growth}, {"limits", limits}, {"no memory", no_memory},
    {"seeds", seeds},   {"swaps", swaps},   {"pages of the register", register_pages},
    {NULL, NULL},
};

const struct suite suite_grant = {"grant table", cases, NULL, NULL};
