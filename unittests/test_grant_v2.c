/* SPDX-License-Identifier: MIT
 *
 * Version 2: parts of pages, transitive grants, status words, changes of the version; pages that
 * change hands.
 */
#include <string.h>

#include "unittests/grant_kit.h"

static void write_v2(unsigned d, grant_ref_t ref, unsigned who, mfn_t m, uint16_t flags)
{
    union grant_entry_v2 *e = grant_v2(gd[d].table, ref);

    e->full_page.frame = m.n;
    e->hdr.domid = gd[who].account->id;
    e->hdr.flags = flags;
}

static void write_transitive(unsigned d, grant_ref_t ref, unsigned who, unsigned via,
                             grant_ref_t via_ref, uint16_t more)
{
    union grant_entry_v2 *e = grant_v2(gd[d].table, ref);

    e->transitive.trans_domid = gd[via].account->id;
    e->transitive.gref = via_ref;
    e->hdr.domid = gd[who].account->id;
    e->hdr.flags = GTF_transitive | more;
}

static uint16_t status(unsigned d, grant_ref_t ref)
{
    return *grant_status(gd[d].table, ref);
}

/* From a reference to a page of one's own, or the other way. */
static int copy(unsigned who, unsigned granter, grant_ref_t ref, unsigned offset, unsigned length,
                bool out)
{
    struct gnttab_copy op = {.len = (uint16_t)length,
                             .flags = out ? GNTCOPY_dest_gref : GNTCOPY_source_gref};
    struct gnttab_copy_ptr remote = {.domid = gd[granter].account->id, .offset = (uint16_t)offset};
    struct gnttab_copy_ptr own = {.domid = DOMID_SELF};

    remote.u.ref = ref;
    own.u.gmfn = gd[who].space.data[2].n;
    op.source = out ? own : remote;
    op.dest = out ? remote : own;
    grant_enter();
    CU_ASSERT_EQUAL(grant_copy(&gd[who].user, &op), 0);
    grant_leave();
    return op.status;
}

static void start(void)
{
    grant_start();
    for (unsigned d = 0; d < GRANT_DOMAINS; d++)
        CU_ASSERT_EQUAL_FATAL(grant_set_version(gd[d].table, 2), 0);
}

static void maps(void)
{
    grant_handle_t h, h2;

    start();
    write_v2(GA, 9, GB, gd[GA].space.data[2], GTF_permit_access);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), GNTMAP_host_map | GNTMAP_readonly, &h),
                    GNTST_okay);
    CU_ASSERT_EQUAL(status(GA, 9), GTF_reading);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(1), GNTMAP_host_map, &h2), GNTST_okay);
    CU_ASSERT_EQUAL(status(GA, 9), GTF_reading | GTF_writing);
    CU_ASSERT_EQUAL(grant_v2(gd[GA].table, 9)->hdr.flags, GTF_permit_access);
    grant_check();
    CU_ASSERT_EQUAL(do_unmap(GB, h2, grant_va(1)), GNTST_okay);
    CU_ASSERT_EQUAL(status(GA, 9), GTF_reading);
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_okay);
    CU_ASSERT_EQUAL(status(GA, 9), 0);
    CU_ASSERT_EQUAL(do_map(GB, GA, 256, grant_va(0), GNTMAP_host_map, NULL), GNTST_bad_gntref);
    write_v2(GA, 9, GB, mfn(UINT64_C(1) << 33), GTF_permit_access);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), GNTMAP_host_map, NULL), GNTST_bad_page);
    CU_ASSERT_EQUAL(status(GA, 9), 0);
    grant_end();
}

static void sub_pages(void)
{
    static const struct {
        uint16_t start, size;
        unsigned offset, length;
        bool good;
    } cases[] = {
        {100, 50, 100, 50, true}, {100, 50, 100, 51, false}, {100, 50, 99, 10, false},
        {100, 50, 149, 1, true},  {100, 50, 150, 1, false},  {100, 50, 150, 0, true},
        {0, 4096, 0, 4096, true}, {1, 4096, 1, 1, false},    {4095, 1, 4095, 1, true},
        {0xffff, 2, 0, 1, false},
    };

    start();
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        write_v2(GA, 9, GB, gd[GA].space.data[2], GTF_permit_access | GTF_sub_page);
        grant_v2(gd[GA].table, 9)->sub_page.page_off = cases[i].start;
        grant_v2(gd[GA].table, 9)->sub_page.length = cases[i].size;
        CU_ASSERT_EQUAL(copy(GB, GA, 9, cases[i].offset, cases[i].length, i % 2) == GNTST_okay,
                        cases[i].good);
        CU_ASSERT_EQUAL(status(GA, 9), 0);
    }
    grant_v2(gd[GA].table, 9)->sub_page.page_off = 0;
    grant_v2(gd[GA].table, 9)->sub_page.length = 100;
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), GNTMAP_host_map, NULL), GNTST_general_error);
    grant_check();
    grant_end();
}

/* B uses A's entry, which stands for what C grants A. */
static void transitive(void)
{
    start();
    *kit_entry(gd[GC].space.data[2], 5) = 0x1234;
    write_v2(GC, 20, GA, gd[GC].space.data[2], GTF_permit_access | GTF_readonly);
    write_transitive(GA, 9, GB, GC, 20, 0);
    CU_ASSERT_EQUAL(copy(GB, GA, 9, 40, 8, false), GNTST_okay);
    CU_ASSERT_EQUAL(*kit_entry(gd[GB].space.data[2], 0), 0x1234);
    CU_ASSERT_EQUAL(copy(GB, GA, 9, 40, 8, true), GNTST_general_error);   /* C's is read-only */
    CU_ASSERT_EQUAL(copy(GB, GC, 20, 40, 8, false), GNTST_general_error); /* it is A's */
    CU_ASSERT_EQUAL(copy(GC, GA, 9, 40, 8, false), GNTST_general_error);  /* it is B's */
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), GNTMAP_host_map, NULL), GNTST_general_error);
    write_v2(GC, 20, GA, gd[GC].space.data[2], GTF_permit_access);
    write_transitive(GA, 9, GB, GC, 20, GTF_readonly);
    CU_ASSERT_EQUAL(copy(GB, GA, 9, 40, 8, true), GNTST_general_error); /* A's is */
    write_transitive(GA, 10, GB, GA, 9, 0);                             /* of itself */
    CU_ASSERT_EQUAL(copy(GB, GA, 10, 0, 8, false), GNTST_general_error);
    write_transitive(GC, 21, GA, GA, 9, 0); /* of another that is */
    write_transitive(GA, 11, GB, GC, 21, 0);
    CU_ASSERT_EQUAL(copy(GB, GA, 11, 0, 8, false), GNTST_general_error);
    CU_ASSERT_EQUAL(status(GA, 9) | status(GA, 10) | status(GA, 11) | status(GC, 20), 0);
    CU_ASSERT_EQUAL(status(GC, 21), 0);
    grant_check();
    grant_end();
}

static void versions(void)
{
    struct table_change c = {.from = 1};
    grant_handle_t h;

    grant_start();
    CU_ASSERT_EQUAL(grant_set_version(gd[GA].table, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(grant_set_version(gd[GA].table, 3), -XEN_EINVAL);
    grant_write(GA, 1, GB, gd[GA].space.data[2], GTF_permit_access);
    grant_write(GA, 18, GB, gd[GA].space.data[2], GTF_permit_access); /* where entry 9 will be */
    /* A reserved entry may be in use meanwhile. */
    CU_ASSERT_EQUAL(do_map(GB, GA, 1, grant_va(0), GNTMAP_host_map, &h), GNTST_okay);
    CU_ASSERT_EQUAL(grant_set_version(gd[GA].table, 2), 0);
    CU_ASSERT_EQUAL(grant_version(gd[GA].table), 2);
    CU_ASSERT_EQUAL(grant_status_count(gd[GA].table), 1);
    CU_ASSERT_EQUAL(status(GA, 1), GTF_reading | GTF_writing);
    CU_ASSERT_EQUAL(grant_v2(gd[GA].table, 9)->hdr.flags, 0);
    grant_check();
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_okay);
    CU_ASSERT_EQUAL(status(GA, 1), 0);
    /* Back: not while a status frame is mapped. */
    c.entry = kit_pte(grant_status_frame(gd[GA].table, 0), KIT_RW);
    CU_ASSERT_EQUAL(table_update(gd[GA].account, gd[GA].space.l1[0], KIT_DATA, &c), 0);
    CU_ASSERT_EQUAL(grant_set_version(gd[GA].table, 1), -XEN_EBUSY);
    CU_ASSERT_EQUAL(grant_version(gd[GA].table), 2);
    c.entry = 0;
    CU_ASSERT_EQUAL(table_update(gd[GA].account, gd[GA].space.l1[0], KIT_DATA, &c), 0);
    grant_v2(gd[GA].table, 2)->hdr.flags = GTF_transitive;
    CU_ASSERT_EQUAL(grant_set_version(gd[GA].table, 1), -XEN_EINVAL);
    grant_v2(gd[GA].table, 2)->hdr.flags = 0;
    CU_ASSERT_EQUAL(grant_set_version(gd[GA].table, 1), 0);
    CU_ASSERT_EQUAL(grant_flags(GA, 1), GTF_permit_access);
    CU_ASSERT_EQUAL(grant_status_count(gd[GA].table), 0);
    CU_ASSERT_EQUAL(do_map(GB, GA, 1, grant_va(0), GNTMAP_host_map, &h), GNTST_okay);
    grant_write(GA, 9, GB, gd[GA].space.data[2], GTF_permit_access);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(1), GNTMAP_host_map, NULL), GNTST_okay);
    CU_ASSERT_EQUAL(grant_set_version(gd[GA].table, 2), -XEN_EBUSY);
    host_fail_after(1);
    CU_ASSERT_EQUAL(grant_set_version(gd[GC].table, 2), -XEN_ENOMEM);
    CU_ASSERT(host_fail_off());
    CU_ASSERT_EQUAL(grant_version(gd[GC].table), 1);
    grant_end();
}

/* ---- transfers ---- */

static int transfer(unsigned from, unsigned to, grant_ref_t ref, mfn_t m)
{
    struct gnttab_transfer op = {.mfn = m.n, .domid = gd[to].account->id, .ref = ref};

    grant_enter();
    CU_ASSERT_EQUAL(grant_transfer(&gd[from].user, &op), 0);
    grant_leave();
    return op.status;
}

static void transfers(void)
{
    uint64_t a_pages, b_pages;
    mfn_t m, seen;

    grant_start();
    m = kit_frame(gd[GA].account);
    *kit_entry(m, 7) = 0x77;
    /* A has used it as memory, and read it last: its TLB remembers. */
    *kit_entry(gd[GA].space.l1[0], KIT_DATA) = 0;
    {
        struct table_change c = {.from = 1, .entry = kit_pte(m, KIT_RO)};

        CU_ASSERT_EQUAL(table_update(gd[GA].account, gd[GA].space.l1[0], KIT_DATA, &c), 0);
        CU_ASSERT_TRUE(host_touch(GA, grant_va(0), false, &seen));
        grant_write(GB, 9, GA, mfn(0), GTF_accept_transfer);
        CU_ASSERT_EQUAL(transfer(GA, GB, 9, m), GNTST_bad_page); /* it is mapped */
        c.entry = 0;
        CU_ASSERT_EQUAL(table_update(gd[GA].account, gd[GA].space.l1[0], KIT_DATA, &c), 0);
    }
    a_pages = gd[GA].account->pages;
    b_pages = gd[GB].account->pages;
    CU_ASSERT_EQUAL(transfer(GA, GB, 9, m), GNTST_okay);
    CU_ASSERT_EQUAL(grant_flags(GB, 9),
                    GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
    CU_ASSERT_EQUAL(grant_v1(gd[GB].table, 9)->frame, m.n);
    CU_ASSERT_EQUAL(frame_owner(frame_of(m)), 2);
    CU_ASSERT_EQUAL(*kit_entry(m, 7), 0x77);
    CU_ASSERT_EQUAL(gd[GA].account->pages, a_pages - 1);
    CU_ASSERT_EQUAL(gd[GB].account->pages, b_pages + 1);
    CU_ASSERT_FALSE(host_touch(GA, grant_va(0), false, &seen));
    grant_check();
    CU_ASSERT_EQUAL(transfer(GA, GB, 9, m), GNTST_bad_page); /* not its own any more */
    CU_ASSERT_EQUAL(transfer(GA, GB, 9, mfn(UINT64_MAX)), GNTST_bad_page);
    CU_ASSERT_EQUAL(transfer(GA, GB, 9, grant_frame(gd[GA].table, 0)), GNTST_bad_page); /* lent */
    /* A page that is fit for it is gone, whatever comes of the rest. */
    CU_ASSERT_EQUAL(transfer(GA, GB, 9, kit_frame(gd[GA].account)), GNTST_general_error);
    CU_ASSERT_EQUAL(transfer(GA, GB, 9999, kit_frame(gd[GA].account)), GNTST_general_error);
    CU_ASSERT_EQUAL(gd[GA].account->pages, a_pages - 1);
    CU_ASSERT_EQUAL(gd[GB].account->pages, b_pages + 1);
    gd[GB].account->max_pages = gd[GB].account->pages; /* no room */
    grant_write(GB, 9, GA, mfn(0), GTF_accept_transfer);
    CU_ASSERT_EQUAL(transfer(GA, GB, 9, kit_frame(gd[GA].account)), GNTST_general_error);
    CU_ASSERT_EQUAL(grant_flags(GB, 9), GTF_accept_transfer);
    grant_check();
    grant_end();
}

static const struct test_case cases[] = {
    {"maps", maps},         {"parts of pages", sub_pages}, {"transitive", transitive},
    {"versions", versions}, {"transfers", transfers},      {NULL, NULL},
};

const struct suite suite_grant_v2 = {"grant version 2", cases, NULL, NULL};
