/* SPDX-License-Identifier: MIT
 *
 * Idle pages are free memory: whoever wants memory has it at once, in whatever blocks; in one order of worth with
 * other lenders; and the books are right at each moment.
 */
#include <string.h>

#include "mm/spare.h"
#include "mm/window.h"
#include "unittests/ubc_kit.h"

/* Blocks 1.. until some have gone again; returns the first that was not inserted. */
static uint64_t fill_up(void)
{
    uint64_t n = 1;

    while (!do_stats(ubc_one).reclaimed)
        ubc_bring(n++, 1);
    return n;
}

/* ---- counts ---- */

static void free_memory(void)
{
    uint64_t before;
    uint32_t h, tag;

    ubc_start_with(100);
    ubc_bring(0, 1); /* with what a first page needs */
    before = heap_free_pages();
    ubc_bring(1, 20);
    CU_ASSERT_EQUAL(heap_free_pages(), before); /* 42 names are in a page of small objects */
    CU_ASSERT_EQUAL(spare_pages(), 21);
    CU_ASSERT_EQUAL(spare_held(SPARE_UBC), 21);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, ubc_one, 3, &tag), 0);
    CU_ASSERT_EQUAL(spare_pages(), 21);
    CU_ASSERT_EQUAL(do_map_block(UREAD, ubc_one, 3, 0, &h), 0); /* and its handle */
    CU_ASSERT_EQUAL(heap_free_pages(), before - 2);
    CU_ASSERT_EQUAL(spare_pages(), 20);
    ubc_check();
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, ubc_one, h), 0);
    CU_ASSERT_EQUAL(heap_free_pages(), before - 1);
    CU_ASSERT_EQUAL(spare_pages(), 21);
    ubc_check();
    ubc_end();
}

/* What is mapped leaves a reserve, and what is claimed. */
static void reserve(void)
{
    uint32_t h, tag;

    ubc_start_with(100);
    ubc_bring(1, 1);
    ubc_engine.reserve = heap_free_pages();
    ubc_bring(2, 1); /* it costs nothing: it is free memory */
    CU_ASSERT_EQUAL(do_map_block(UREAD, ubc_one, 2, 0, &h), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, ubc_one, 2, &tag), 0);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 2);
    ubc_check();
    ubc_engine.reserve = 0;
    CU_ASSERT_EQUAL(do_map_block(UREAD, ubc_one, 2, 0, &h), 0);
    ubc_check();
    ubc_end();
}

/* ---- all of memory is lent ---- */

static void take_all_singles(void)
{
    enum { PAGES = 2000 };
    static void *page[PAGES];
    unsigned count = 0;

    while (count < PAGES && (page[count] = page_alloc(0, HEAP_CLEAR)) != NULL)
        count++;
    CU_ASSERT_EQUAL(count, PAGES);
    ubc_check();
    while (count > 0)
        page_free(page[--count], 0);
}

/* The largest that are asked of lenders: there have to be runs without anything else in them. */
static void take_runs(void)
{
    enum { RUNS = 8 };
    void *run[RUNS];

    for (unsigned i = 0; i < RUNS; i++) {
        run[i] = page_alloc(SPARE_RUN_ORDER, HEAP_ANY);
        CU_ASSERT_PTR_NOT_NULL(run[i]);
    }
    ubc_check();
    for (unsigned i = 0; i < RUNS; i++)
        page_free(run[i], SPARE_RUN_ORDER);
}

static void full(void)
{
    uint64_t free, last;
    uint32_t h, tag;

    ubc_start_with(1 << 20);
    ubc_bring(0, 1);
    CU_ASSERT_EQUAL(do_map_block(UREAD, ubc_one, 0, 0, &h), 0);
    free = heap_free_pages();
    last = fill_up();
    ubc_bring(last, 300);
    last += 300;
    CU_ASSERT(ubc_idle_pages() > free - free / 16);
    CU_ASSERT(heap_free_pages() >= free - free / 16);                   /* but for their names */
    CU_ASSERT_EQUAL(do_read_tag(UREAD, ubc_one, 1, &tag), -XEN_ENOENT); /* the oldest made way */
    CU_ASSERT_EQUAL(do_read_tag(UREAD, ubc_one, last - 1, &tag), 0);
    ubc_check();
    take_runs();
    take_all_singles();
    CU_ASSERT_TRUE(ubc_sees(UREAD, 0, 0, &tag)); /* what is mapped stayed */
    CU_ASSERT_EQUAL(tag, 7);
    ubc_bring(1, 1);
    ubc_end();
}

/* A new domain has what is said to be free, to the page, and may claim it. */
static void new_domain(void)
{
    uint64_t count = 0, free;
    struct account a;
    mfn_t m;

    ubc_start_with(1 << 20);
    (void)fill_up();
    while (ubc_housekeep())
        ;
    CU_ASSERT_EQUAL_FATAL(account_init(&a, 77, UINT64_MAX), 0);
    free = heap_free_pages();
    CU_ASSERT(free > 7000);
    while (account_alloc(&a, 0, HEAP_ANY, &m) == 0)
        count++;
    CU_ASSERT_EQUAL(count, free);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 0);
    CU_ASSERT_EQUAL(heap_free_pages(), 0);
    while (ubc_housekeep()) /* the names of all those pages: memory again */
        ;
    CU_ASSERT(heap_free_pages() > free / 64);
    ubc_check();
    kit_relinquish(&a);
    account_destroy(&a);
    ubc_end();
}

/* ---- names without pages ---- */

static unsigned works;

static void note_work(void)
{
    works++;
}

static void housekeeping(void)
{
    uint64_t free;

    ubc_start_with(4000);
    ubc_set_work(note_work, NULL);
    works = 0;
    ubc_bring(0, 2000);
    free = heap_free_pages();
    CU_ASSERT_EQUAL(ubc_reclaim(1990), 1990);
    CU_ASSERT_EQUAL(works, 1); /* asked for once, until somebody comes */
    CU_ASSERT_EQUAL(do_stats(ubc_one).pages, 10);
    ubc_check();
    CU_ASSERT(ubc_housekeep() > 0);
    CU_ASSERT_EQUAL(ubc_reclaim(1), 1);
    CU_ASSERT_EQUAL(works, 2);
    while (ubc_housekeep())
        ;
    CU_ASSERT(heap_free_pages() >= free + 1990 / 64 - 1);
    CU_ASSERT_EQUAL(do_stats(ubc_one).reclaimed, 1991);
    CU_ASSERT_EQUAL(ubc_housekeep(), 0);
    ubc_check();
    ubc_set_work(NULL, NULL);
    ubc_end();
}

/* Whatever finds one before the housekeeper treats it as not there. */
static void hollow_pages(void)
{
    uint64_t epoch;
    uint32_t h, tag;

    ubc_start_with(100);
    ubc_bring(0, 10);
    CU_ASSERT_EQUAL(ubc_reclaim(10), 10);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, ubc_one, 1, &tag), -XEN_ENOENT);
    ubc_bring(0, 5);
    CU_ASSERT_EQUAL(ubc_reclaim(5), 5);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, ubc_one, 0, 10, &epoch), 0);
    CU_ASSERT_EQUAL(do_stats(ubc_one).invalidated, 0); /* there was none any more */
    CU_ASSERT_EQUAL(do_insert(UPUB, ubc_one, 1, epoch, 9), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD, ubc_one, 1, 0, &h), 0);
    CU_ASSERT_EQUAL(ubc_reclaim(1), 0);
    CU_ASSERT_EQUAL(do_stats(ubc_one).pages, 1);
    ubc_check();
    for (uint64_t n = 5; n < 95; n++) /* more than are taken out of the index by the way */
        CU_ASSERT_EQUAL(do_insert(UPUB, ubc_one, n, epoch, 7), 0);
    CU_ASSERT_EQUAL(ubc_reclaim(90), 90);
    CU_ASSERT_EQUAL(do_insert(UPUB, ubc_one, 94, epoch, 7), 0);
    CU_ASSERT_EQUAL(ubc_reclaim(1), 1);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, ubc_one, h), 0);
    CU_ASSERT_EQUAL(ubc_reclaim(1), 1);
    CU_ASSERT_EQUAL(do_revoke(UPUB, ubc_one, 0, 10, 0), 0);
    CU_ASSERT_EQUAL(do_stats(ubc_one).revoked, 0);
    ubc_end();
}

/* ---- pages that cannot be had at the moment ---- */

static void *all_runs;

static void held(void)
{
    struct ubc_ref ref;
    struct ubc_held a, b;
    uint32_t h;

    ubc_start_with(10);
    ubc_bring(0, 2);
    CU_ASSERT_EQUAL_FATAL(ubc_get(&ud[UREAD].client, false, ubc_one, &ref), 0);
    CU_ASSERT_EQUAL_FATAL(ubc_hold(&ref, 0, &a), 0);
    CU_ASSERT_EQUAL_FATAL(ubc_hold(&ref, 0, &b), 0);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 1);
    CU_ASSERT_EQUAL(spare_pages(), 2); /* its frame is lent, and in our hands */
    CU_ASSERT_EQUAL(ubc_reclaim(5), 1);
    CU_ASSERT_EQUAL(*(const uint64_t *)a.data, UINT64_C(7) << 32);
    CU_ASSERT_EQUAL(ubc_release(&ref, &a), 0);
    CU_ASSERT_EQUAL(ubc_reclaim(5), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD, ubc_one, 0, 0, &h), 0); /* mapped while it is read */
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, ubc_one, h), 0);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 0);
    CU_ASSERT_EQUAL(ubc_release(&ref, &b), 0);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 1);
    CU_ASSERT_EQUAL_FATAL(ubc_hold(&ref, 0, &a), 0); /* and invalidated */
    CU_ASSERT_EQUAL(do_invalidate(UPUB, ubc_one, 0, 1, NULL), 0);
    CU_ASSERT_EQUAL(spare_pages(), 1);
    CU_ASSERT_EQUAL(ubc_release(&ref, &a), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(spare_pages(), 0);
    ubc_put(&ref);
    ubc_check();
    ubc_end();
}

/* Large blocks are made around a frame that somebody reads, and a frame that somebody is about to insert. */
static void in_hands(void)
{
    struct ubc_ref ref;
    struct ubc_held h;
    unsigned runs = 0;
    mfn_t own;

    ubc_start_with(1 << 20);
    (void)fill_up();
    CU_ASSERT_TRUE_FATAL(ubc_frame_get(&own));
    memset(arch_map_frame(own), 0x5c, PAGE_SIZE);
    CU_ASSERT_EQUAL_FATAL(ubc_get(&ud[UREAD].client, false, ubc_one, &ref), 0);
    CU_ASSERT_EQUAL_FATAL(ubc_hold(&ref, 4000, &h), 0);
    ubc_put(&ref);
    for (void *last = NULL, *p; (p = page_alloc(SPARE_RUN_ORDER, HEAP_ANY)) != NULL; runs++) {
        memset(p, 0xee, PAGE_SIZE << SPARE_RUN_ORDER);
        *(void **)p = last; /* a chain of them */
        last = p;
        all_runs = p;
    }
    CU_ASSERT(runs >= 8);
    CU_ASSERT_EQUAL(*(const uint64_t *)h.data, UINT64_C(7) << 32 | 4000);
    CU_ASSERT_EQUAL(*(const uint8_t *)arch_map_frame(own), 0x5c);
    while (all_runs) {
        void *next = *(void **)all_runs;

        page_free(all_runs, SPARE_RUN_ORDER);
        all_runs = next;
    }
    CU_ASSERT_EQUAL_FATAL(ubc_get(&ud[UREAD].client, false, ubc_one, &ref), 0);
    CU_ASSERT_EQUAL(ubc_release(&ref, &h), 0);
    ubc_put(&ref);
    ubc_frame_put(own);
    ubc_check();
    ubc_end();
}

/* Somebody has a reference for a moment, who will be refused. */
static void stuck(void)
{
    uint32_t h;
    mfn_t m;

    ubc_start_with(10);
    ubc_bring(0, 2);
    for (unsigned round = 0; round < 3; round++) {
        CU_ASSERT_EQUAL(do_map_block(UREAD, ubc_one, 0, 0, &h), 0);
        m = mfn(ubc_page_of(0)->frame);
        CU_ASSERT_TRUE(frame_get(m, WINDOW_OWNER));
        CU_ASSERT_EQUAL(do_unmap_handle(UREAD, ubc_one, h), 0);
        CU_ASSERT_EQUAL(ubc_idle_pages(), 1);
        CU_ASSERT_EQUAL(page_state(ubc_page_of(0)), PAGE_STUCK);
        if (round == 0) { /* mapped again */
            CU_ASSERT_EQUAL(do_map_block(UREAD, ubc_one, 0, 0, &h), 0);
            frame_put(m);
            CU_ASSERT_EQUAL(do_unmap_handle(UREAD, ubc_one, h), 0);
        } else if (round == 1) { /* the heap asks */
            CU_ASSERT_EQUAL(ubc_reclaim(1), 1);
            ubc_bring(1, 1);
            frame_put(m);
            CU_ASSERT_EQUAL(ubc_reclaim(1), 1); /* block 1: that one was idle before */
            CU_ASSERT_EQUAL(page_state(ubc_page_of(0)), PAGE_IDLE);
            ubc_bring(1, 1);
        } else { /* invalidated */
            CU_ASSERT_EQUAL(do_invalidate(UPUB, ubc_one, 0, 1, NULL), 0);
            frame_put(m);
        }
        ubc_check();
    }
    ubc_end();
}

/* The same, and it is read: then nobody lends it, even if it could be lent. */
static void stuck_and_read(void)
{
    struct ubc_held held;
    struct ubc_ref ref;
    uint32_t h;
    mfn_t m;

    ubc_start_with(10);
    ubc_bring(0, 1);
    CU_ASSERT_EQUAL(do_map_block(UREAD, ubc_one, 0, 0, &h), 0);
    m = mfn(ubc_page_of(0)->frame);
    CU_ASSERT_TRUE(frame_get(m, WINDOW_OWNER));
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, ubc_one, h), 0);
    CU_ASSERT_EQUAL(page_state(ubc_page_of(0)), PAGE_STUCK);
    CU_ASSERT_EQUAL_FATAL(ubc_get(&ud[UREAD].client, false, ubc_one, &ref), 0);
    CU_ASSERT_EQUAL_FATAL(ubc_hold(&ref, 0, &held), 0);
    frame_put(m);
    CU_ASSERT_EQUAL(ubc_reclaim(1), 0);
    CU_ASSERT_EQUAL(*(const uint64_t *)held.data, UINT64_C(7) << 32);
    CU_ASSERT_EQUAL(ubc_release(&ref, &held), 0);
    ubc_put(&ref);
    ubc_check();
    CU_ASSERT_EQUAL(page_state(ubc_page_of(0)), PAGE_IDLE);
    CU_ASSERT_EQUAL(ubc_reclaim(1), 1);
    ubc_check();
    ubc_end();
}

/* The frame goes to somebody else: a reader's TLB has forgotten it by then (ubc_check()). */
static void remembered(void)
{
    struct account a;
    uint32_t h, tag;
    mfn_t m;

    ubc_start_with(10);
    ubc_bring(0, 1);
    CU_ASSERT_EQUAL(do_map_block(UREAD, ubc_one, 0, 0, &h), 0);
    CU_ASSERT_TRUE(ubc_sees(UREAD, 0, 0, &tag));
    m = mfn(ubc_page_of(0)->frame);
    {
        struct ubc_ref ref;

        CU_ASSERT_EQUAL_FATAL(ubc_get(&ud[UREAD].client, false, ubc_one, &ref), 0);
        CU_ASSERT_EQUAL(ubc_unmap(&ref, h), 0); /* and nobody has flushed yet */
        ubc_put(&ref);
    }
    CU_ASSERT_EQUAL(ubc_reclaim(1), 1);
    CU_ASSERT_EQUAL_FATAL(account_init(&a, 77, UINT64_MAX), 0);
    for (mfn_t got = mfn(0); got.n != m.n;)
        CU_ASSERT_EQUAL_FATAL(account_alloc(&a, 0, HEAP_ANY, &got), 0);
    CU_ASSERT_FALSE(host_touch(UREAD, ubc_va(0), false, &m));
    ubc_check();
    kit_relinquish(&a);
    account_destroy(&a);
    ubc_end();
}

/* ---- one order of worth ---- */

static uint64_t other_worth;
static unsigned other_asked;

static uint64_t other_worst(void)
{
    return other_worth;
}

static unsigned other_drop(unsigned count, const struct account *a)
{
    (void)count;
    (void)a;
    other_asked++;
    return 0;
}

static bool other_drop_frame(mfn_t m, const struct account *a)
{
    (void)m;
    (void)a;
    return false;
}

/* For a page that comes in, as the lists were empty. */
static bool makes_room(void)
{
    static mfn_t all[1 << 15];
    unsigned count = 0;
    mfn_t m;
    bool ok;

    while (spare_borrow(SPARE_PCACHE, 0, SPARE_LAST, &all[count]))
        count++;
    ok = ubc_frame_get(&m);
    if (ok)
        ubc_frame_put(m);
    spare_return(all, count);
    return ok;
}

/* Who is worth least is asked first: one hit a page is 2^20, and time passes. */
static void worth(void)
{
    static const struct spare_lender other = {
        .worst = other_worst, .drop = other_drop, .drop_frame = other_drop_frame};
    uint32_t tag;

    host_set_time(0);
    ubc_start_with(100);
    spare_register(SPARE_PCACHE, &other);
    ubc_bring(0, 9);
    for (unsigned n = 0; n < 9; n++)
        CU_ASSERT_EQUAL(do_read_tag(UREAD, ubc_one, n, &tag), 0);
    other_worth = (9 << 20) / 10 + 1; /* more than ours */
    other_asked = 0;
    CU_ASSERT_TRUE(makes_room());
    CU_ASSERT_EQUAL(other_asked, 0);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 0);
    ubc_bring(0, 9);
    other_worth = (9 << 20) / 10 - 1;
    CU_ASSERT_TRUE(makes_room()); /* it has none after all, so we are asked then */
    CU_ASSERT(other_asked > 0);
    ubc_bring(0, 9);
    host_set_time(UINT64_C(4000000000)); /* an eighth, or a little more, of our hits is forgotten */
    other_worth = (7 << 20) / 10 + 1;
    other_asked = 0;
    CU_ASSERT_TRUE(makes_room());
    CU_ASSERT_EQUAL(other_asked, 0);
    ubc_bring(0, 9);
    host_set_time(UINT64_C(4000000000000000));
    other_worth = 1;
    CU_ASSERT_TRUE(makes_room());
    CU_ASSERT_EQUAL(other_asked, 0);
    ubc_end();
    host_set_time(0);
}

static const struct test_case cases[] = {{"idle pages are free memory", free_memory},
                                         {"what is mapped leaves a reserve", reserve},
                                         {"a host full of pages", full},
                                         {"a new domain on a host full of pages", new_domain},
                                         {"housekeeping", housekeeping},
                                         {"names without pages", hollow_pages},
                                         {"pages that are read", held},
                                         {"frames in somebody's hands", in_hands},
                                         {"pages that are stuck", stuck},
                                         {"pages that are stuck, and read", stuck_and_read},
                                         {"TLBs forget what is given back", remembered},
                                         {"one order of worth", worth},
                                         {NULL, NULL}};
const struct suite suite_ubc_lender = {"ubc_lender", cases, NULL, NULL};
