/* SPDX-License-Identifier: MIT
 *
 * Mapping, unmapping and copying by grants of version 1: what is granted and what is refused, what
 * the TLBs remember, and ends of domains in either order.
 */
#include <string.h>

#include "unittests/grant_kit.h"

#define RW GNTMAP_host_map
#define RO (GNTMAP_host_map | GNTMAP_readonly)

static mfn_t page;

static void start(void)
{
    grant_start();
    page = kit_frame(gd[GA].account);
    grant_write(GA, 9, GB, page, GTF_permit_access);
}

static bool guest_reaches(unsigned cpu, unsigned n, bool write, mfn_t m)
{
    mfn_t hit;

    return host_touch(cpu, grant_va(n), write, &hit) && hit.n == m.n;
}

/* ---- map and unmap ---- */

static void map_and_unmap(void)
{
    grant_handle_t h;
    mfn_t hit;

    start();
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), RW, &h), GNTST_okay);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access | GTF_reading | GTF_writing);
    CU_ASSERT_TRUE(guest_reaches(GB, 0, true, page));
    grant_check();
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_okay);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access);
    CU_ASSERT_FALSE(host_touch(GB, grant_va(0), false, &hit));
    CU_ASSERT_EQUAL(grant_pte(GB, 0), 0);
    grant_check();
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_bad_handle);
    grant_end();
}

/* Linux gives devices this address for a page that it has mapped for the processor only. */
static void map_tells_address(void)
{
    struct gnttab_map_grant_ref op = {.flags = RW, .ref = 9};

    start();
    op.host_addr = grant_va(0);
    op.dom = gd[GA].account->id;
    grant_enter();
    CU_ASSERT_EQUAL(grant_map(&gd[GB].user, &op), 0);
    grant_leave();
    CU_ASSERT_EQUAL(op.status, GNTST_okay);
    CU_ASSERT_EQUAL(op.dev_bus_addr, page.n << PAGE_SHIFT);
    CU_ASSERT_EQUAL(do_unmap(GB, op.handle, grant_va(0)), GNTST_okay);
    grant_end();
}

static void map_readonly(void)
{
    grant_handle_t h;

    start();
    grant_write(GA, 9, GB, page, GTF_permit_access | GTF_readonly);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), RW, &h), GNTST_general_error);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access | GTF_readonly);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), RO, &h), GNTST_okay);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access | GTF_readonly | GTF_reading);
    CU_ASSERT_TRUE(guest_reaches(GB, 0, false, page));
    CU_ASSERT_FALSE(guest_reaches(GB, 0, true, page));
    /* The granter may make a table of what is only read. */
    CU_ASSERT_EQUAL(table_pin(gd[GA].account, page, 1), 0);
    grant_check();
    CU_ASSERT_EQUAL(table_unpin(gd[GA].account, page), 0);
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_okay);
    grant_check();
    grant_end();
}

/* As gntdev does it: by the entry's machine address, with a bit of its own, and once more for the
 * kernel. */
static void map_by_entry(void)
{
    uint32_t avail = 1u << _GNTMAP_guest_avail0;
    grant_handle_t user, kernel;

    start();
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_pte_address(GB, 1),
                           RW | GNTMAP_application_map | GNTMAP_contains_pte | avail, &user),
                    GNTST_okay);
    CU_ASSERT_EQUAL(grant_pte(GB, 1), kit_pte(page, KIT_RW | PTE_NX | 1 << 9));
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(2), RO, &kernel), GNTST_okay);
    CU_ASSERT_NOT_EQUAL(user, kernel);
    grant_check();
    CU_ASSERT_EQUAL(do_unmap(GB, user, grant_pte_address(GB, 1)), GNTST_okay);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access | GTF_reading);
    CU_ASSERT_EQUAL(do_unmap(GB, kernel, grant_va(2)), GNTST_okay);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access);
    grant_check();
    grant_end();
}

static void map_refused(void)
{
    grant_handle_t h = 77;
    mfn_t lent;

    start();
    lent = grant_frame(gd[GA].table, 0);
    CU_ASSERT_EQUAL(do_map(GB, GA, 512, grant_va(0), RW, &h), GNTST_bad_gntref);
    CU_ASSERT_EQUAL(do_map(GB, GA, UINT32_MAX, grant_va(0), RW, &h), GNTST_bad_gntref);
    CU_ASSERT_EQUAL(do_map(GC, GA, 9, grant_va(0), RW, &h), GNTST_general_error);    /* B's */
    CU_ASSERT_EQUAL(do_map(GB, GA, 10, grant_va(0), RW, &h), GNTST_general_error);   /* empty */
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, kit_va(100, 0), RW, &h), GNTST_general_error); /* no table */
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, UINT64_C(0xffff830000000000), RW, &h), GNTST_general_error);
    grant_write(GA, 9, GB, gd[GB].space.data[0], GTF_permit_access); /* not the granter's */
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), RW, &h), GNTST_bad_page);
    grant_write(GA, 9, GB, lent, GTF_permit_access); /* not its to give away */
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), RW, &h), GNTST_general_error);
    grant_write(GA, 9, GB, gd[GA].space.l1[0], GTF_permit_access); /* a page table */
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), RW, &h), GNTST_general_error);
    grant_write(GA, 9, GB, mfn(0xffffffff), GTF_permit_access);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), RW, &h), GNTST_bad_page);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access);
    grant_write(GA, 9, GB, page, GTF_accept_transfer);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), RW, &h), GNTST_general_error);
    CU_ASSERT_EQUAL(grant_pte(GB, 0), 0);
    grant_check();
    grant_end();
}

/* Entries that are not of an L1 table of the mapper's. */
static void map_at_bad_entry(void)
{
    const struct kit_space *s;
    uint64_t bad[5];

    start();
    s = &gd[GB].space;
    bad[0] = s->l2.n << PAGE_SHIFT | 64;
    bad[1] = s->data[0].n << PAGE_SHIFT; /* memory */
    bad[2] = grant_pte_address(GA, 0);   /* somebody else's */
    bad[3] = grant_pte_address(GB, 0) + 4;
    bad[4] = UINT64_MAX & ~UINT64_C(7);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        CU_ASSERT_EQUAL(do_map(GB, GA, 9, bad[i], RW | GNTMAP_contains_pte, NULL),
                        GNTST_general_error);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access);
    grant_check();
    grant_end();
}

static void unmap_refused(void)
{
    grant_handle_t h;

    start();
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), RW, &h), GNTST_okay);
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(1)), GNTST_general_error);
    CU_ASSERT_EQUAL(do_unmap(GB, h, kit_va(100, 0)), GNTST_general_error);
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_pte_address(GB, 1)), GNTST_general_error);
    CU_ASSERT_EQUAL(do_unmap(GB, h + 1, grant_va(0)), GNTST_bad_handle);
    CU_ASSERT_EQUAL(do_unmap(GB, UINT32_MAX, grant_va(0)), GNTST_bad_handle);
    CU_ASSERT_EQUAL(do_unmap(GC, h, grant_va(0)), GNTST_bad_handle);
    CU_ASSERT_EQUAL(do_unmap(GB, h, 0), GNTST_okay); /* nothing is asked for, and nothing done */
    CU_ASSERT_TRUE(guest_reaches(GB, 0, true, page));
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_okay);
    grant_check();
    grant_end();
}

/* A frame that the guest makes the entry of, without having been granted it: refused. */
static void no_entry_without_grant(void)
{
    struct table_change c = {.from = 2};
    grant_handle_t h;

    start();
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), RW, &h), GNTST_okay);
    c.entry = grant_pte(GB, 0);
    CU_ASSERT_EQUAL(table_update(gd[GB].account, gd[GB].space.l1[0], KIT_DATA + 1, &c),
                    -XEN_EINVAL);
    /* It overwrites the entry instead of unmapping: the grant stays in use. */
    c.entry = kit_pte(gd[GB].space.data[0], KIT_RO);
    CU_ASSERT_EQUAL(table_update(gd[GB].account, gd[GB].space.l1[0], KIT_DATA, &c), 0);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access | GTF_reading | GTF_writing);
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_general_error);
    grant_check();
    grant_kill(GB);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access);
    grant_end();
}

/* ---- flushes ---- */

static void flushes(void)
{
    struct grant_unmap_batch b;
    grant_handle_t h[8];
    unsigned before;
    mfn_t hit;

    start();
    for (unsigned i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(i), RW, &h[i]), GNTST_okay);
    before = host_tlb_flush_count();
    CU_ASSERT_EQUAL(do_unmap(GB, h[7], grant_va(7)), GNTST_okay);
    CU_ASSERT_EQUAL(host_tlb_flush_count(), before); /* nobody has looked at it */
    for (unsigned i = 0; i < 7; i++)
        CU_ASSERT_TRUE(guest_reaches(GB, i, i % 2, page));
    grant_unmap_begin(&b, &gd[GB].user);
    grant_enter();
    for (unsigned i = 0; i < 7; i++)
        CU_ASSERT_EQUAL(grant_unmap_one(&b, grant_va(i), 0, 0, h[i]), GNTST_okay);
    CU_ASSERT_EQUAL(grant_unmap_one(&b, grant_va(3), 0, 0, h[3]), GNTST_bad_handle); /* busy */
    CU_ASSERT_NOT_EQUAL(grant_flags(GA, 9), GTF_permit_access); /* not before the flush */
    grant_unmap_finish(&b);
    grant_leave();
    CU_ASSERT_EQUAL(host_tlb_flush_count(), before + 1);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access);
    for (unsigned i = 0; i < 7; i++)
        CU_ASSERT_FALSE(host_touch(GB, grant_va(i), false, &hit));
    grant_check();
    grant_end();
}

/* ---- copies ---- */

static struct gnttab_copy by_refs(unsigned from, grant_ref_t source, unsigned to, grant_ref_t dest)
{
    struct gnttab_copy op = {.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref, .len = 100};

    op.source.u.ref = source;
    op.source.domid = gd[from].account->id;
    op.dest.u.ref = dest;
    op.dest.domid = gd[to].account->id;
    return op;
}

static int do_copy(unsigned who, struct gnttab_copy op)
{
    grant_enter();
    CU_ASSERT_EQUAL(grant_copy(&gd[who].user, &op), 0);
    grant_leave();
    return op.status;
}

static void copies(void)
{
    struct gnttab_copy op;
    mfn_t own, other;
    uint8_t *p;

    start();
    own = kit_frame(gd[GB].account);
    other = kit_frame(gd[GC].account);
    grant_write(GC, 20, GB, other, GTF_permit_access);
    grant_write(GA, 9, GB, page, GTF_permit_access | GTF_readonly);
    p = arch_map_frame(page);
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        p[i] = (uint8_t)(i * 7);
    op = by_refs(GA, 9, GC, 20);
    op.source.offset = 50;
    op.dest.offset = (uint16_t)(PAGE_SIZE - 100);
    CU_ASSERT_EQUAL(do_copy(GB, op), GNTST_okay);
    CU_ASSERT_EQUAL(memcmp((uint8_t *)arch_map_frame(other) + PAGE_SIZE - 100, p + 50, 100), 0);
    /* To a page of one's own, by its number. */
    op.dest.u.gmfn = own.n;
    op.dest.domid = DOMID_SELF;
    op.dest.offset = 0;
    op.flags = GNTCOPY_source_gref;
    CU_ASSERT_EQUAL(do_copy(GB, op), GNTST_okay);
    CU_ASSERT_EQUAL(memcmp(arch_map_frame(own), p + 50, 100), 0);
    CU_ASSERT_EQUAL(((uint8_t *)arch_map_frame(own))[100], 0);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access | GTF_readonly);
    CU_ASSERT_EQUAL(grant_flags(GC, 20), GTF_permit_access);
    grant_check();
    grant_end();
}

static void copies_refused(void)
{
    struct gnttab_copy op;

    start();
    grant_write(GC, 20, GB, kit_frame(gd[GC].account), GTF_permit_access);
    op = by_refs(GA, 9, GC, 20);
    op.source.offset = (uint16_t)(PAGE_SIZE - 99);
    CU_ASSERT_EQUAL(do_copy(GB, op), GNTST_bad_copy_arg);
    op = by_refs(GA, 9, GC, 20);
    op.dest.offset = UINT16_MAX;
    CU_ASSERT_EQUAL(do_copy(GB, op), GNTST_bad_copy_arg);
    CU_ASSERT_EQUAL(do_copy(GA, by_refs(GA, 9, GC, 20)), GNTST_general_error); /* B's */
    op = by_refs(GA, 9, GC, 20);
    op.source.domid = 55;
    CU_ASSERT_EQUAL(do_copy(GB, op), GNTST_bad_domain);
    CU_ASSERT_EQUAL(do_copy(GB, by_refs(GA, 9999, GC, 20)), GNTST_bad_gntref);
    grant_write(GC, 20, GB, gd[GC].space.data[1], GTF_permit_access | GTF_readonly);
    CU_ASSERT_EQUAL(do_copy(GB, by_refs(GA, 9, GC, 20)), GNTST_general_error);
    grant_write(GC, 20, GB, gd[GC].space.l1[1], GTF_permit_access); /* a page table */
    CU_ASSERT_EQUAL(do_copy(GB, by_refs(GA, 9, GC, 20)), GNTST_general_error);
    op = by_refs(GA, 9, GC, 20);
    op.flags = 0;
    CU_ASSERT_EQUAL(do_copy(GB, op), GNTST_permission_denied); /* a number of others' */
    op.source.domid = op.dest.domid = DOMID_SELF;
    op.source.u.gmfn = gd[GA].space.data[0].n;
    CU_ASSERT_EQUAL(do_copy(GB, op), GNTST_bad_page);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access);
    CU_ASSERT_EQUAL(grant_flags(GC, 20), GTF_permit_access);
    grant_check();
    grant_end();
}

/* ---- ends ---- */

/* Which of the two dies first, and whether the granter gives the page up before. */
static void ends(void)
{
    for (unsigned way = 0; way < 8; way++) {
        grant_handle_t h;

        start();
        host_preempt_every(1 + way % 3);
        CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), way & 4 ? RO : RW, &h), GNTST_okay);
        CU_ASSERT_TRUE(guest_reaches(GB, 0, false, page));
        if (way & 2)
            CU_ASSERT_EQUAL(account_release(gd[GA].account, page), 0);
        grant_kill(way & 1 ? GA : GB);
        if (way & 1) {
            CU_ASSERT_EQUAL(gd[GA].account->pages, 1); /* it waits for the mapper */
            CU_ASSERT_TRUE(guest_reaches(GB, 0, false, page));
            CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(1), RO, NULL), GNTST_general_error);
            if (way & 4) {
                CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_okay);
            } else {
                grant_kill(GB);
            }
            CU_ASSERT_EQUAL(gd[GA].account->pages, 0);
        } else {
            CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access);
        }
        grant_end();
    }
}

/* Each has mapped the other's page, and its own. */
static void ends_of_both(void)
{
    start();
    grant_write(GB, 9, GA, gd[GB].space.data[1], GTF_permit_access);
    grant_write(GA, 10, GA, gd[GA].space.data[1], GTF_permit_access);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), RW, NULL), GNTST_okay);
    CU_ASSERT_EQUAL(do_map(GA, GB, 9, grant_va(0), RW, NULL), GNTST_okay);
    CU_ASSERT_EQUAL(do_map(GA, GA, 10, grant_va(1), RW, NULL), GNTST_okay);
    CU_ASSERT_TRUE(guest_reaches(GA, 1, true, gd[GA].space.data[1]));
    grant_check();
    grant_end();
}

/* A frame of the table is mapped by its domain when it dies, and by another. */
static void table_is_mapped(void)
{
    struct table_change c = {.from = 1, .entry = 0};
    mfn_t lent;

    start();
    lent = grant_frame(gd[GA].table, 0);
    c.entry = kit_pte(lent, KIT_RW);
    CU_ASSERT_EQUAL(table_update(gd[GA].account, gd[GA].space.l1[0], KIT_DATA, &c), 0);
    CU_ASSERT_EQUAL(table_update(gd[GB].account, gd[GB].space.l1[0], KIT_DATA, &c), 0);
    CU_ASSERT_TRUE(guest_reaches(GA, 0, true, lent));
    grant_kill(GA);
    CU_ASSERT_EQUAL(grant_table_withdraw(gd[GA].table), -XEN_ERESTART);
    CU_ASSERT_EQUAL(grant_table_grow(gd[GA].table, 2), GNTST_general_error);
    c.entry = 0;
    CU_ASSERT_EQUAL(table_update(gd[GB].account, gd[GB].space.l1[0], KIT_DATA, &c), 0);
    CU_ASSERT_EQUAL(grant_table_withdraw(gd[GA].table), 0);
    grant_end();
}

/* ---- handles ---- */

static void handles_grow(void)
{
    enum { MANY = 4 * 256 };
    static grant_handle_t h[MANY];
    struct grant_unmap_batch b;
    unsigned n;

    start();
    for (n = 0; n < 2 * MANY; n++) /* what is refused keeps none */
        CU_ASSERT_EQUAL(do_map(GB, GA, 10, grant_va(0), RO, NULL), GNTST_general_error);
    for (n = 0; n < MANY; n++) {
        gd[GB].user.lane = n % 2;
        if (do_map(GB, GA, 9, 0, GNTMAP_device_map, &h[n]) != GNTST_okay)
            break;
    }
    CU_ASSERT_EQUAL(n, MANY);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, 0, GNTMAP_device_map, NULL), GNTST_no_space);
    grant_check();
    /* The last one freed is in another vCPU's list. */
    gd[GB].user.lane = 3;
    grant_unmap_begin(&b, &gd[GB].user);
    grant_enter();
    CU_ASSERT_EQUAL(grant_unmap_one(&b, 0, page.n << PAGE_SHIFT, 0, h[5]), GNTST_okay);
    grant_unmap_finish(&b);
    grant_leave();
    gd[GB].user.lane = 0;
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, 0, GNTMAP_device_map, NULL), GNTST_okay);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, 0, GNTMAP_device_map, NULL), GNTST_no_space);
    grant_end();
}

/* The entry that was used is written over, and its place taken by a mapping that nobody has used. */
static void written_over(void)
{
    struct table_change c = {.from = 2};
    grant_handle_t h[2];
    unsigned before;
    mfn_t hit, m;

    grant_start();
    m = gd[GA].space.data[2];
    grant_write(GA, 9, GB, m, GTF_permit_access);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), GNTMAP_host_map, &h[0]), GNTST_okay);
    CU_ASSERT_TRUE(host_touch(GB, grant_va(0), true, &hit));
    CU_ASSERT_EQUAL(table_update(gd[GB].account, gd[GB].space.l1[0], KIT_DATA, &c), 0);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), GNTMAP_host_map | GNTMAP_readonly, &h[1]),
                    GNTST_okay);
    before = host_tlb_flush_count();
    CU_ASSERT_EQUAL(do_unmap(GB, h[0], grant_va(0)), GNTST_okay);
    CU_ASSERT_EQUAL(host_tlb_flush_count(), before + 1);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access | GTF_reading);
    CU_ASSERT_FALSE(host_touch(GB, grant_va(0), true, &hit));
    /* Once is enough. */
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(1), GNTMAP_host_map, &h[0]), GNTST_okay);
    before = host_tlb_flush_count();
    CU_ASSERT_EQUAL(do_unmap(GB, h[0], grant_va(1)), GNTST_okay);
    CU_ASSERT_EQUAL(host_tlb_flush_count(), before);
    grant_check();
    grant_end();
}

static const struct test_case cases[] = {
    {"map and unmap", map_and_unmap},
    {"map tells the machine address", map_tells_address},
    {"read-only", map_readonly},
    {"by the entry's address", map_by_entry},
    {"map refused", map_refused},
    {"map at a bad entry", map_at_bad_entry},
    {"unmap refused", unmap_refused},
    {"no entry without a grant", no_entry_without_grant},
    {"flushes", flushes},
    {"an entry written over", written_over},
    {"copies", copies},
    {"copies refused", copies_refused},
    {"either dies first", ends},
    {"both have mapped", ends_of_both},
    {"the table's frames are mapped", table_is_mapped},
    {"handles grow", handles_grow},
    {NULL, NULL},
};

const struct suite suite_grant_map = {"grant map", cases, NULL, NULL};
