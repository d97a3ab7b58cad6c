/* SPDX-License-Identifier: MIT
 *
 * Windows: what page tables may do with them, and what is left when they go.
 */
#include <string.h>

#include "mm/window.h"
#include "unittests/ubc_kit.h"

enum { BLOCKS = 37 };

static uint64_t volume;
static mfn_t base;

static void make_window(unsigned name)
{
    const uint8_t id[16] = {(uint8_t)name};
    uint8_t *run = page_alloc_run(BLOCKS);

    CU_ASSERT_PTR_NOT_NULL_FATAL(run);
    for (unsigned b = 0; b < BLOCKS; b++)
        ubc_fill(run + b * PAGE_SIZE, b, name);
    base = arch_frame_of(run);
    CU_ASSERT_EQUAL_FATAL(ubc_window_create(id, base, BLOCKS, &volume), 0);
}

static void start(void)
{
    ubc_start();
    make_window(1);
    CU_ASSERT_EQUAL_FATAL(ubc_give(volume, UREAD, LAGAN_UBC_READ, 0), 0);
}

/* Entry n of the domain's first table is to be e. */
static int set(unsigned d, unsigned n, uint64_t e)
{
    struct table_change c = {.entry = e, .from = ud[d].account->id};

    return table_update(ud[d].account, ud[d].space.l1[0], KIT_DATA + n, &c);
}

static void map_by_entries(void)
{
    struct lagan_ubc_open io;
    uint32_t tag;
    mfn_t hit, m;

    start();
    m = mfn(base.n + 5);
    CU_ASSERT_EQUAL(do_open(UREAD, 1, &io), 0);
    CU_ASSERT_EQUAL(io.window, base.n << PAGE_SHIFT);
    CU_ASSERT_EQUAL(io.flags, LAGAN_UBC_WINDOW);
    CU_ASSERT_EQUAL(set(UREAD2, 0, kit_pte(m, KIT_RO)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(set(UREAD, 0, kit_pte(m, KIT_RO)), 0);
    CU_ASSERT_TRUE(ubc_sees(UREAD, 0, 5, &tag));
    CU_ASSERT_EQUAL(tag, 1);
    /* What asks for writing, for a memory type, or has bits of the kernel's own, gets what it may have. */
    CU_ASSERT_EQUAL(set(UREAD, 0, kit_pte(m, KIT_RW | PTE_PCD | PTE_PWT | PTE_PAT | PTE_AVAIL_HI)),
                    0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0) & ~(PTE_A | PTE_D), kit_pte(m, KIT_RO | PTE_AVAIL_HI));
    CU_ASSERT_FALSE(host_touch(UREAD, ubc_va(0), true, &hit));
    CU_ASSERT_EQUAL(set(UREAD, 1, kit_pte(mfn(base.n + 36), KIT_RW)), 0);
    CU_ASSERT_EQUAL(set(UREAD, 2, kit_pte(mfn(base.n + 37), KIT_RW)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(set(UREAD, 3, kit_pte(mfn(base.n - 1), KIT_RO)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(set(UREAD, 0, 0), 0);
    CU_ASSERT_EQUAL(frame_refs(frame_of(m)), 1);
    ubc_check();
    ubc_end();
}

/* An account with devices has its choice of memory types, but not for what others map too: by entry, as a whole
 * table, and by who names the owner. */
static void memory_types(void)
{
    const uint64_t types = PTE_PCD | PTE_PWT | PTE_PAT;
    struct table_change c = {.from = ud[UREAD].account->id};
    mfn_t m, table, own;

    start();
    m = mfn(base.n + 5);
    ud[UREAD].account->maps_io = ud[UPUB].account->maps_io = true;
    own = ud[UREAD].space.data[1];
    CU_ASSERT_EQUAL(set(UREAD, 0, kit_pte(own, KIT_RO | types)), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0), kit_pte(own, KIT_RO | types));
    CU_ASSERT_EQUAL(set(UREAD, 0, kit_pte(m, KIT_RO | types)), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0), kit_pte(m, KIT_RO));
    CU_ASSERT_EQUAL(set(UREAD, 0, kit_pte(m, KIT_RO | PTE_PCD)), 0); /* other flags only */
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0), kit_pte(m, KIT_RO));
    CU_ASSERT_EQUAL(set(UREAD, 0, kit_pte(m, KIT_RW | types)), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0), kit_pte(m, KIT_RO));
    c.entry = kit_pte(m, KIT_RO | types); /* the control domain, for the reader */
    CU_ASSERT_EQUAL(table_update(ud[UPUB].account, ud[UPUB].space.l1[0], KIT_DATA, &c), 0);
    CU_ASSERT_EQUAL(ubc_pte(UPUB, 0), kit_pte(m, KIT_RO));
    table = kit_frame(ud[UREAD].account);
    *kit_entry(table, 0) = kit_pte(m, KIT_RO | types);
    CU_ASSERT_TRUE(frame_get(table, ud[UREAD].account->id));
    CU_ASSERT_EQUAL(type_get(table, TYPE_L1), 0);
    CU_ASSERT_EQUAL(*kit_entry(table, 0), kit_pte(m, KIT_RO));
    type_put(table);
    frame_put(table);
    ubc_check();
    ubc_end();
}

/* A table that comes into use as a whole; and one that is refused, with an entry that asks for writing. */
static void whole_tables(void)
{
    struct account *a;
    mfn_t table, bad;

    start();
    a = ud[UREAD].account;
    table = kit_frame(a);
    bad = kit_frame(a);
    for (unsigned n = 0; n < BLOCKS; n++) {
        *kit_entry(table, n) = kit_pte(mfn(base.n + n), n % 2 ? KIT_RW : KIT_RO);
        *kit_entry(bad, n) = *kit_entry(table, n);
    }
    *kit_entry(bad, BLOCKS) = kit_pte(ud[UREAD].space.l4, KIT_RW);
    CU_ASSERT_TRUE(frame_get(table, a->id) && frame_get(bad, a->id));
    CU_ASSERT_EQUAL(type_get(table, TYPE_L1), 0);
    CU_ASSERT_NOT_EQUAL(type_get(bad, TYPE_L1), 0);
    for (unsigned n = 0; n < BLOCKS; n++) {
        CU_ASSERT_EQUAL(*kit_entry(table, n), kit_pte(mfn(base.n + n), KIT_RO));
        CU_ASSERT_EQUAL(frame_refs(frame_of(mfn(base.n + n))), 2);
    }
    CU_ASSERT_EQUAL(mm_audit(), 0);
    CU_ASSERT_EQUAL(ubc_audit(), 0);
    /* Rights that end in between leave nothing writable. */
    CU_ASSERT_EQUAL(ubc_give(volume, UREAD, 0, 0), 0);
    CU_ASSERT_NOT_EQUAL(type_get(bad, TYPE_L1), 0);
    type_put(table);
    CU_ASSERT_NOT_EQUAL(type_get(table, TYPE_L1), 0);
    frame_put(table);
    frame_put(bad);
    ubc_check();
    ubc_end();
}

static void other_uses(void)
{
    struct account *a;
    uint32_t tag, h;

    start();
    a = ud[UREAD].account;
    CU_ASSERT_FALSE(frame_get(base, a->id));
    CU_ASSERT_NOT_EQUAL(frame_get_writable(base, a->id), 0);
    CU_ASSERT_NOT_EQUAL(frame_get_writable(base, DOMID_COW), 0);
    CU_ASSERT_NOT_EQUAL(table_pin(a, base, 1), 0);
    *kit_entry(ud[UREAD].space.data[0], 0) = 0;
    CU_ASSERT_EQUAL(do_read_tag(UREAD, volume, 36, &tag), 0);
    CU_ASSERT_EQUAL(tag, 1);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, volume, 37, &tag), -XEN_ENOENT);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 0, &h), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(do_insert(UCONTROL, volume, 1, 1, 1), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(do_invalidate(UCONTROL, volume, 1, 1, NULL), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(do_revoke(UCONTROL, volume, 1, 1, 0), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(do_renew(UCONTROL, &volume, 2, 1), -XEN_EBUSY);
    CU_ASSERT_EQUAL(ubc_give(volume, UPUB, LAGAN_UBC_PUBLISH, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ubc_reclaim(1), 0);
    ubc_check();
    ubc_end();
}

/* A window that is destroyed while it is mapped: the frames go with the entries, the number after them. */
static void destroyed(void)
{
    uint64_t old, free;
    uint32_t tag;
    mfn_t at, got;
    uint64_t blocks;

    start();
    old = volume;
    CU_ASSERT_EQUAL(set(UREAD, 0, kit_pte(mfn(base.n + 3), KIT_RO)), 0);
    CU_ASSERT_TRUE(ubc_sees(UREAD, 0, 3, &tag));
    CU_ASSERT_TRUE(ubc_window_of(ud[UREAD].account, 0, &at, &blocks));
    CU_ASSERT(at.n == base.n && blocks == BLOCKS);
    CU_ASSERT_FALSE(ubc_window_of(ud[UREAD].account, 1, &at, &blocks));
    CU_ASSERT_FALSE(ubc_window_of(ud[UREAD2].account, 0, &at, &blocks));
    free = heap_free_pages();
    CU_ASSERT_EQUAL(do_destroy(old), 0);
    CU_ASSERT_EQUAL(heap_free_pages(), free + BLOCKS - 1 + 1); /* and the reader's handles' page */
    CU_ASSERT_TRUE(ubc_sees(UREAD, 0, 3, &tag));
    CU_ASSERT_EQUAL(set(UREAD, 1, kit_pte(mfn(base.n + 3), KIT_RO)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ubc_engine.windows, 1);
    got = base;
    make_window(1); /* the name is free, another number is taken */
    CU_ASSERT_EQUAL(ubc_engine.windows, 3);
    CU_ASSERT_EQUAL(ubc_give(volume, UREAD2, LAGAN_UBC_READ, 0), 0);
    CU_ASSERT_EQUAL(set(UREAD2, 0, kit_pte(mfn(got.n + 3), KIT_RO)), -XEN_EINVAL);
    ubc_kill(UREAD);
    CU_ASSERT_EQUAL(ubc_engine.windows, 2);
    ubc_check();
    ubc_end();
}

static void as_many(void)
{
    uint64_t v[WINDOWS_MAX + 1];
    uint8_t id[16] = {0};
    unsigned n;

    ubc_start();
    for (n = 0; n <= WINDOWS_MAX; n++) {
        void *run = page_alloc_run(1);

        id[0] = (uint8_t)n;
        if (ubc_window_create(id, arch_frame_of(run), 1, &v[n])) {
            page_free_run(run, 1);
            break;
        }
        CU_ASSERT_EQUAL(ubc_give(v[n], UREAD, LAGAN_UBC_READ, 0), 0);
    }
    CU_ASSERT_EQUAL(n, WINDOWS_MAX);
    ubc_check();
    ubc_end();
}

static const struct test_case cases[] = {{"mapped as one's own", map_by_entries},
                                         {"memory types", memory_types},
                                         {"whole tables", whole_tables},
                                         {"other uses", other_uses},
                                         {"destroyed while it is mapped", destroyed},
                                         {"as many as there can be", as_many},
                                         {NULL, NULL}};
const struct suite suite_ubc_window = {"ubc_window", cases, NULL, NULL};
