/* SPDX-License-Identifier: MIT
 *
 * Clients that would rather not let go: what they hold must not cost others their coherence, nor the host
 * more memory than they have a right to.
 */
#include "mm/tlbclock.h"
#include "mm/window.h"
#include "unittests/ubc_kit.h"

static uint64_t volume;

static void start(uint64_t blocks)
{
    ubc_start();
    volume = ubc_make_shared(1, blocks);
    for (uint64_t b = 0; b < blocks && b < 10; b++)
        CU_ASSERT_EQUAL(do_insert(UPUB, volume, b, 1, (uint32_t)b + 100), 0);
}

static bool no_dead_pages(void)
{
    return list_empty(&ubc_engine.slot[volume % UBC_VOLUMES]->dead);
}

/* Somebody has a reference of the page just then, as who asks in vain to map it (mm/window.c): it cannot be
 * freed, but when the invalidate returns no TLB has it. */
static void flushed_though_held(void)
{
    uint32_t h, tag;
    mfn_t m;

    start(10);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 0, &h), 0);
    CU_ASSERT_TRUE(ubc_sees(UREAD, 0, 1, &tag));
    m = pte_frame(ubc_pte(UREAD, 0));
    CU_ASSERT_TRUE_FATAL(frame_get(m, DOMID_COW));
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 1, 1, NULL), 0);
    CU_ASSERT_FALSE(ubc_sees(UREAD, 0, 1, &tag));
    frame_put(m);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 1, 1, NULL), 0);
    CU_ASSERT_TRUE(no_dead_pages());
    ubc_check();
    ubc_end();
}

/* A table half way out of use cannot come back: an entry above the point where that stopped is for a page of
 * the cache too. What is below the point has to be taken all the same. */
static void half_way_for_good(void)
{
    struct account *a;
    struct table_change c;
    uint32_t low, high, other, tag;
    mfn_t table;
    int rc;

    start(10);
    a = ud[UREAD].account;
    table = ud[UREAD].space.l1[0];
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 0, &low), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 2, 490 - KIT_DATA, &high), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD2, volume, 1, 0, &other), 0);
    CU_ASSERT_TRUE(ubc_sees(UREAD2, 0, 1, &tag));
    for (unsigned n = 440; n < 490; n++) { /* a step ends between them */
        c = (struct table_change){.entry = kit_pte(ud[UREAD].space.data[0], KIT_RO), .from = a->id};
        CU_ASSERT_EQUAL(table_update(a, table, n, &c), 0);
    }
    CU_ASSERT_TRUE(frame_get(table, a->id));
    CU_ASSERT_EQUAL(type_get(table, TYPE_L1), 0);
    c = (struct table_change){.from = a->id};
    CU_ASSERT_EQUAL(table_update(a, ud[UREAD].space.l2, 0, &c), 0);
    arch_tlb_flush(cpumask_of(UREAD));
    host_preempt_every(1);
    rc = type_put_preemptible(table);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(rc, -XEN_ERESTART);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, high), 0);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 1, 2, NULL), 0);
    CU_ASSERT_FALSE(ubc_sees(UREAD2, 0, 1, &tag));
    CU_ASSERT_TRUE(no_dead_pages());
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, low), 0);
    CU_ASSERT_EQUAL(ubc_audit(), 0);
    while (type_put_preemptible(table) == -XEN_ERESTART)
        ;
    frame_put(table);
    ubc_check();
    ubc_end();
}

/* Blocks far from each other: the index has a node for each, which goes with its last page, and is not left by
 * what comes to nothing. */
static void nodes_go(void)
{
    uint64_t before;

    start(UINT64_C(1) << 30);
    slab_trim();
    before = heap_free_pages();
    for (uint64_t b = 1; b < 20; b++)
        CU_ASSERT_EQUAL(do_donate(UPUB, volume, b << 18, 1, mfn(0)), -XEN_EINVAL);
    slab_trim();
    CU_ASSERT_EQUAL(heap_free_pages(), before);
    for (uint64_t b = 1; b < 20; b++)
        CU_ASSERT_EQUAL(do_insert(UPUB, volume, b << 18, 1, 1), 0);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 1 << 18, 20 << 18, NULL), 0);
    slab_trim();
    CU_ASSERT_EQUAL(heap_free_pages(), before);
    CU_ASSERT_EQUAL(do_stats(volume).pages, 10);
    ubc_check();
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 0, 10, NULL), 0);
    slab_trim();
    CU_ASSERT(heap_free_pages() >= before + 1); /* slabs; the pages themselves were free before */
    ubc_check();
    ubc_end();
}

/* Who may not read any more has nothing mapped. */
static void reading_forbidden(void)
{
    uint32_t h;

    start(10);
    CU_ASSERT_EQUAL(ubc_give(volume, UREAD, LAGAN_UBC_READ | LAGAN_UBC_PUBLISH, 10), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 0, &h), 0);
    CU_ASSERT_EQUAL(ubc_give(volume, UREAD, LAGAN_UBC_PUBLISH, 10), -XEN_EBUSY);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    CU_ASSERT_EQUAL(ubc_give(volume, UREAD, LAGAN_UBC_PUBLISH, 10), 0);
    ubc_check();
    ubc_end();
}

/* Two of a reader's CPUs unmap: one comes while the other's flush is on its way, and must not go before it. What
 * it waits by is the time of the unmap, which the other leaves. */
static void two_unmap(void)
{
    struct ubc_ref ref;
    struct ubc_reader *r;
    uint32_t h;

    start(10);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 1, 0, &h), 0);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    CU_ASSERT_EQUAL_FATAL(ubc_get(&ud[UREAD].client, false, volume, &ref), 0);
    r = ubc_reader_find(ref.volume, &ud[UREAD].client);
    CU_ASSERT_NOT_EQUAL(r->stamp, 0);
    CU_ASSERT(cpumask_empty(tlb_stale_cpus(r->stamp, cpumask_of(UREAD))));
    ubc_put(&ref);
    ubc_end();
}

/* The end of a large window, of which a reader has had each page in a TLB, is done in steps: by who ends it, or by
 * domains that end. */
static void long_end(void)
{
    enum { BLOCKS = 100 };
    struct ubc_ref ref;
    uint64_t free;
    mfn_t base;
    void *run;

    start(10);
    run = page_alloc_run(BLOCKS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(run);
    base = arch_frame_of(run);
    CU_ASSERT_EQUAL_FATAL(ubc_window_create((uint8_t[16]){2}, base, BLOCKS, &volume), 0);
    CU_ASSERT_EQUAL(ubc_give(volume, UREAD, LAGAN_UBC_READ, 0), 0);
    CU_ASSERT_EQUAL_FATAL(ubc_get(&ud[UCONTROL].client, true, volume, &ref), 0);
    free = heap_free_pages();
    CU_ASSERT_EQUAL(ubc_destroy(&ref), -XEN_ERESTART);
    CU_ASSERT(heap_free_pages() > free && heap_free_pages() < free + BLOCKS);
    ubc_put(&ref);
    ubc_check();
    ubc_kill(UREAD2);
    CU_ASSERT(heap_free_pages() >= free + BLOCKS);
    CU_ASSERT_PTR_NULL(ubc_engine.slot[volume % UBC_VOLUMES]);
    ubc_check();
    ubc_end();
}

/* A read of a window is under way when that ends: the page stays what it is. */
static void read_at_the_end(void)
{
    struct ubc_held h;
    struct ubc_ref ref;
    mfn_t base;
    void *run;

    start(10);
    run = page_alloc_run(4);
    CU_ASSERT_PTR_NOT_NULL_FATAL(run);
    base = arch_frame_of(run);
    CU_ASSERT_EQUAL_FATAL(ubc_window_create((uint8_t[16]){2}, base, 4, &volume), 0);
    CU_ASSERT_EQUAL(ubc_give(volume, UREAD, LAGAN_UBC_READ, 0), 0);
    CU_ASSERT_EQUAL_FATAL(ubc_get(&ud[UREAD].client, false, volume, &ref), 0);
    CU_ASSERT_EQUAL(ubc_hold(&ref, 4, &h), -XEN_ENOENT);
    CU_ASSERT_EQUAL(ubc_hold(&ref, 3, &h), 0);
    CU_ASSERT_EQUAL(do_destroy(volume), 0);
    CU_ASSERT_FALSE(window_has(mfn(base.n + 2)));
    CU_ASSERT_TRUE(window_has(mfn(base.n + 3)));
    CU_ASSERT_EQUAL(ubc_release(&ref, &h), 0);
    ubc_put(&ref);
    CU_ASSERT_EQUAL(ubc_help(), 0);
    CU_ASSERT_FALSE(window_has(mfn(base.n + 3)));
    ubc_check();
    ubc_end();
}

static const struct test_case cases[] = {
    {"a page that is held is flushed all the same", flushed_though_held},
    {"a table half way out of use for good", half_way_for_good},
    {"nodes go with the last page", nodes_go},
    {"who may not read any more has nothing mapped", reading_forbidden},
    {"two CPUs unmap", two_unmap},
    {"a window's end is done in steps", long_end},
    {"a window that ends while it is read", read_at_the_end},
    {NULL, NULL}};
const struct suite suite_ubc_hostile = {"ubc_hostile", cases, NULL, NULL};
