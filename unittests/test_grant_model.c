/* SPDX-License-Identifier: MIT
 *
 * Random operations of three domains against a naive model, which keeps no counts: it remembers what
 * the entries say, which handles there are, and which page-table entries are left, and looks
 * through all of it each time. Domains end and begin again. LAGAN_MODEL_STEPS in the environment
 * makes the run longer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unittests/grant_kit.h"

enum { REFS = 6, FIRST_REF = 8, PAGES = 3, SLOTS = 5, HANDLES = 24 };

struct m_entry {
    uint16_t flags;
    unsigned who, page;
};

struct m_handle {
    bool used, write, has_slot;
    unsigned mapper, granter, ref, page;
    unsigned slot;
    bool lost; /* its page-table entry was overwritten */
    grant_handle_t handle;
};

static struct {
    struct m_entry entry[GRANT_DOMAINS][REFS];
    mfn_t page[GRANT_DOMAINS][PAGES];
    bool table[GRANT_DOMAINS][PAGES]; /* pinned as a page table */
    bool dead[GRANT_DOMAINS];
    struct m_handle h[HANDLES];
} md;
static uint64_t rnd;

static unsigned pick(unsigned n)
{
    return (unsigned)(kit_random(&rnd) % n);
}

/* ---- the model's answers ---- */

static unsigned users(unsigned granter, unsigned ref, bool only_writers, unsigned *who,
                      unsigned *page)
{
    unsigned n = 0;

    for (unsigned i = 0; i < HANDLES; i++)
        if (md.h[i].used && md.h[i].granter == granter && md.h[i].ref == ref &&
            (md.h[i].write || !only_writers)) {
            n++;
            *who = md.h[i].mapper;
            *page = md.h[i].page;
        }
    return n;
}

static bool written(unsigned d, unsigned page)
{
    for (unsigned i = 0; i < HANDLES; i++)
        if (md.h[i].used && md.h[i].granter == d && md.h[i].page == page && md.h[i].write)
            return true;
    return false;
}

static bool may_pin(unsigned granter, unsigned ref, unsigned who, bool write, unsigned *page)
{
    const struct m_entry *e = &md.entry[granter][ref];
    unsigned by = 0, ignored;
    bool used = users(granter, ref, false, &by, page) != 0;

    if (md.dead[granter] || (used && by != who))
        return false;
    if (used && (!write || users(granter, ref, true, &by, &ignored)))
        return true;
    if ((e->flags & GTF_type_mask) != GTF_permit_access || e->who != who ||
        (write && (e->flags & GTF_readonly)))
        return false;
    if (!used)
        *page = e->page;
    return !(write && md.table[granter][*page]);
}

/* ---- steps ---- */

static void lose_slot(unsigned d, unsigned slot)
{
    for (unsigned i = 0; i < HANDLES; i++)
        if (md.h[i].used && md.h[i].mapper == d && md.h[i].has_slot && md.h[i].slot == slot)
            md.h[i].lost = true;
}

static void step_write_entry(unsigned d, unsigned ref)
{
    static const uint16_t flags[] = {GTF_permit_access, GTF_permit_access,
                                     GTF_permit_access | GTF_readonly, GTF_accept_transfer, 0};
    struct m_entry *e = &md.entry[d][ref];
    unsigned who, page;
    grant_entry_v1_t *real = grant_v1(gd[d].table, FIRST_REF + ref);

    e->who = pick(GRANT_DOMAINS);
    e->page = pick(PAGES);
    if (!users(d, ref, false, &who, &page)) {
        e->flags = flags[pick(ARRAY_SIZE(flags))];
        real->flags = e->flags;
    }
    /* In use it may not change these: it does. */
    real->domid = gd[e->who].account->id;
    real->frame = (uint32_t)md.page[d][e->page].n;
}

static void step_map(unsigned mapper, unsigned granter, unsigned ref)
{
    struct m_handle *h = NULL;
    bool write = pick(2), may, host = pick(4) != 0, by_entry = pick(2);
    unsigned slot = pick(SLOTS), page = 0;
    grant_handle_t handle;
    int status;

    for (unsigned i = 0; i < HANDLES && !h; i++)
        h = md.h[i].used ? NULL : &md.h[i];
    if (!h)
        return;
    may = may_pin(granter, ref, mapper, write, &page);
    gd[mapper].user.lane = pick(GRANT_LANES);
    status = do_map(mapper, granter, FIRST_REF + ref,
                    by_entry ? grant_pte_address(mapper, slot) : grant_va(slot),
                    (host ? GNTMAP_host_map : GNTMAP_device_map) | (write ? 0 : GNTMAP_readonly) |
                        (by_entry ? GNTMAP_contains_pte : 0),
                    &handle);
    CU_ASSERT_EQUAL(status == GNTST_okay, may);
    if (status != GNTST_okay)
        return;
    if (host)
        lose_slot(mapper, slot);
    *h = (struct m_handle){true, write, host, mapper, granter, ref, page, slot, false, handle};
    h->handle = handle | (by_entry ? UINT32_C(1) << 31 : 0);
}

/* The entry that is there now, if it maps what the handle h did: the handle that made it. */
static struct m_handle *successor(const struct m_handle *h)
{
    for (unsigned i = 0; i < HANDLES; i++) {
        struct m_handle *g = &md.h[i];

        if (g->used && g->has_slot && !g->lost && g->mapper == h->mapper && g->slot == h->slot &&
            g->granter == h->granter && g->page == h->page)
            return g;
    }
    return NULL;
}

static void step_unmap(struct m_handle *h)
{
    bool by_entry = h->handle >> 31, wrong = pick(8) == 0;
    unsigned slot = wrong ? (h->slot + 1) % SLOTS : h->slot;
    struct m_handle *there = successor(h);
    struct grant_unmap_batch b;
    int status;

    if (!h->used || md.dead[h->mapper])
        return;
    gd[h->mapper].user.lane = pick(GRANT_LANES);
    grant_unmap_begin(&b, &gd[h->mapper].user);
    grant_enter();
    if (h->has_slot)
        status = grant_unmap_one(&b, by_entry ? grant_pte_address(h->mapper, slot) : grant_va(slot),
                                 0, 0, h->handle << 1 >> 1);
    else
        status = grant_unmap_one(&b, 0, md.page[h->granter][h->page].n << PAGE_SHIFT, 0,
                                 h->handle << 1 >> 1);
    grant_unmap_finish(&b);
    grant_leave();
    CU_ASSERT_EQUAL(status == GNTST_okay, !h->has_slot || (there && !wrong));
    if (status != GNTST_okay)
        return;
    h->used = false;
    if (h->has_slot && there)
        there->lost = true; /* if it is another: it finds its entry gone */
}

static void step_overwrite(unsigned d)
{
    unsigned slot = pick(SLOTS);
    struct table_change c = {.from = gd[d].account->id,
                             .entry = pick(2) ? 0 : kit_pte(gd[d].space.data[0], KIT_RO)};

    CU_ASSERT_EQUAL(table_update(gd[d].account, gd[d].space.l1[0], KIT_DATA + slot, &c), 0);
    arch_tlb_flush(cpumask_of(d)); /* as a guest does that changes its own entries */
    lose_slot(d, slot);
}

static void step_copy(unsigned d, unsigned granter, unsigned ref)
{
    struct gnttab_copy op = {.len = 8, .flags = GNTCOPY_source_gref};
    unsigned page = 0;
    bool may = may_pin(granter, ref, d, false, &page);

    op.source.u.ref = FIRST_REF + ref;
    op.source.domid = gd[granter].account->id;
    op.dest.domid = DOMID_SELF;
    op.dest.u.gmfn = gd[d].space.data[2].n;
    *kit_entry(gd[d].space.data[2], 0) = 0;
    grant_enter();
    CU_ASSERT_EQUAL(grant_copy(&gd[d].user, &op), 0);
    grant_leave();
    CU_ASSERT_EQUAL(op.status == GNTST_okay, may);
    if (may)
        CU_ASSERT_EQUAL(*kit_entry(gd[d].space.data[2], 0), *kit_entry(md.page[granter][page], 0));
}

static void step_table(unsigned d)
{
    unsigned page = pick(PAGES);

    if (md.table[d][page]) {
        CU_ASSERT_EQUAL(table_unpin(gd[d].account, md.page[d][page]), 0);
        md.table[d][page] = false;
        *kit_entry(md.page[d][page], 0) = md.page[d][page].n << 12;
        return;
    }
    md.table[d][page] = table_pin(gd[d].account, md.page[d][page], 1) == 0;
    CU_ASSERT_EQUAL(md.table[d][page], !written(d, page));
}

static void begin_pages(unsigned d)
{
    for (unsigned i = 0; i < PAGES; i++) {
        md.page[d][i] = kit_frame(gd[d].account);
        *kit_entry(md.page[d][i], 0) = md.page[d][i].n << 12; /* not present, if it is a table */
        md.table[d][i] = false;
    }
    memset(md.entry[d], 0, sizeof(md.entry[d]));
    md.dead[d] = false;
}

static void step_kill(unsigned d)
{
    bool needed = false;

    if (!md.dead[d]) {
        grant_kill(d);
        md.dead[d] = true;
        for (unsigned i = 0; i < HANDLES; i++)
            if (md.h[i].used && md.h[i].mapper == d)
                md.h[i].used = false;
    }
    for (unsigned i = 0; i < HANDLES; i++)
        needed |= md.h[i].used && md.h[i].granter == d;
    /* What others have lost the entry of is kept by the handle all the same. */
    CU_ASSERT_EQUAL(gd[d].account->pages != 0, needed);
    if (!needed) {
        grant_restart(d);
        begin_pages(d);
    }
}

static void step(void)
{
    unsigned d = pick(GRANT_DOMAINS), other = pick(GRANT_DOMAINS), ref = pick(REFS);
    mfn_t hit;

    host_preempt_every(pick(3));
    if (md.dead[d] || pick(400) == 0) {
        step_kill(d);
        return;
    }
    switch (pick(10)) {
    case 0:
    case 1:
        step_write_entry(d, ref);
        break;
    case 2:
    case 3:
    case 4:
        step_map(d, other, ref);
        break;
    case 5:
    case 6:
        step_unmap(&md.h[pick(HANDLES)]);
        break;
    case 7:
        if (pick(4))
            host_touch(d, grant_va(pick(SLOTS)), pick(2), &hit);
        else
            step_overwrite(d);
        break;
    case 8:
        step_copy(d, other, ref);
        break;
    default:
        step_table(d);
    }
}

/* ---- comparing ---- */

static bool flags_agree(void)
{
    unsigned who, page;

    for (unsigned d = 0; d < GRANT_DOMAINS; d++)
        for (unsigned ref = 0; ref < REFS && !md.dead[d]; ref++) {
            uint16_t want = md.entry[d][ref].flags;

            want |= users(d, ref, false, &who, &page) ? GTF_reading : 0;
            want |= users(d, ref, true, &who, &page) ? GTF_writing : 0;
            if (grant_flags(d, FIRST_REF + ref) != want)
                return false;
        }
    return true;
}

/* What the guests reach, through their TLBs, is what they have mapped now. */
static bool windows_agree(void)
{
    for (unsigned d = 0; d < GRANT_DOMAINS; d++)
        for (unsigned slot = 0; slot < SLOTS && !md.dead[d]; slot++) {
            mfn_t hit, want = mfn(0);

            for (unsigned i = 0; i < HANDLES; i++)
                if (md.h[i].used && md.h[i].mapper == d && md.h[i].has_slot && !md.h[i].lost &&
                    md.h[i].slot == slot)
                    want = md.page[md.h[i].granter][md.h[i].page];
            if (want.n && (!host_touch(d, grant_va(slot), false, &hit) || hit.n != want.n))
                return false;
            if (!want.n && grant_pte(d, slot) == 0 && host_touch(d, grant_va(slot), false, &hit))
                return false;
        }
    return true;
}

static void test_model(void)
{
    const char *given = getenv("LAGAN_MODEL_STEPS");
    unsigned steps = given ? (unsigned)strtoul(given, NULL, 0) : 60000;

    rnd = kit_seed(11);
    memset(&md, 0, sizeof(md));
    grant_start();
    for (unsigned d = 0; d < GRANT_DOMAINS; d++)
        begin_pages(d);
    for (unsigned n = 0; n < steps; n++) {
        step();
        host_preempt_every(0);
        if (!flags_agree() || (n % 4 == 0 && !windows_agree())) {
            printf("step %u: the model differs\n", n);
            CU_FAIL_FATAL("the model differs");
        }
        CU_ASSERT_EQUAL_FATAL(host_tlb_check(), 0);
        if (n % 256 == 0)
            grant_check();
    }
    grant_end();
}

static const struct test_case cases[] = {
    {"random operations against the model", test_model},
    {NULL, NULL},
};

const struct suite suite_grant_model = {"grant model", cases, NULL, NULL};
