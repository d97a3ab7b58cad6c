/* SPDX-License-Identifier: MIT
 *
 * The page cache when hardly a frame is left, and calls that overlap with the end of a pool: what a guest with
 * several vCPUs and all of the host's free memory can bring about.
 */
#include <stdlib.h>
#include <unistd.h>

#include <lagan/arch.h>
#include "mm/heap_lists.h"
#include "mm/pcache_state.h"
#include "unittests/pcache_kit.h"

enum { PAGES = 1024, PATIENCE_S = 60 };

static mfn_t taken[2 * PAGES];
static unsigned taken_count;

/* Takes frames until so many are left. A request that waits for ever ends the program. */
static void take_all_but(uint64_t left)
{
    (void)alarm(PATIENCE_S);
    while (heap_free_pages() > left && taken_count < 2 * PAGES &&
           heap_alloc(0, HEAP_ANY, &taken[taken_count]))
        taken_count++;
    (void)alarm(0);
}

static void give_all(void)
{
    while (taken_count > 0)
        heap_free(taken[--taken_count], 0);
}

/* Empty frames of clients that have no more than their floors are free memory like any other. */
static void test_stock_only(void)
{
    uint64_t flushed = 0;
    uint32_t cursor = 0;

    pckit_start(PAGES, 2);
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[0].pc, 10, UINT32_MAX, 256), 0);
    for (unsigned d = 0; d < 2; d++) {
        pckit_keep_all(d);
        for (uint64_t i = 0; i < 40; i++)
            CU_ASSERT_EQUAL(pckit_put(d, KIT_POOL, i, 1), 1);
        cursor = 0;
        CU_ASSERT_EQUAL(pcache_flush_pool(kit_domain[d].pc, KIT_POOL, &cursor, &flushed), 0);
    }
    CU_ASSERT_EQUAL(flushed, 80);
    CU_ASSERT_TRUE(spare_pages() > 10);
    take_all_but(0);
    CU_ASSERT_EQUAL(heap_free_pages(), 0);
    CU_ASSERT_TRUE(spare_pages() <= 10);
    pckit_check();
    give_all();
    pckit_end();
}

/* The last free frame is in the hands of the call that now wants memory for its records: it must not wait
 * for itself. */
static void test_last_in_hand(void)
{
    struct pcache_name x = {.pool = KIT_POOL, .key = 1}, y = {.pool = KIT_POOL, .key = 2};
    struct pcache_held get, put;
    struct pcache *pc;
    int rc;

    pckit_start(PAGES, 1);
    pckit_keep_all(0);
    pc = kit_domain[0].pc;
    CU_ASSERT_EQUAL(pcache_pool_new(pc, true), 2);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, x.key, 1), 1);
    for (uint64_t i = 0; pc->leaf_open; i++) /* until there is no free slot */
        CU_ASSERT_EQUAL(pckit_put(0, 2, i, 1), 1);
    heap_drain_cpu_cache();
    take_all_but(1);
    CU_ASSERT_EQUAL(spare_pages(), 1);
    CU_ASSERT_TRUE_FATAL(pcache_get(pc, &x, false, &get));
    (void)alarm(PATIENCE_S);
    CU_ASSERT_FALSE(pcache_put(pc, &y, &put, &rc));
    (void)alarm(0);
    CU_ASSERT_TRUE(pckit_holds(get.frame, 0, 1, 1));
    pcache_get_end(pc, &get, true);
    CU_ASSERT_EQUAL(heap_free_pages(), 1);
    pckit_check();
    give_all();
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, y.key, 1), 1);
    pckit_end();
}

/* While a put is under way its pool ends, and its number is a pool of the other kind: neither meets the
 * other's pages. */
static void pool_changes(bool persistent)
{
    struct pcache_name n = {.pool = 2, .key = 7};
    struct pcache_held h;
    uint32_t cursor = 0;
    struct pcache *pc;
    uint64_t pages;
    int rc;

    pckit_start(PAGES, 1);
    pckit_keep_all(0);
    pc = kit_domain[0].pc;
    pages = kit_domain[0].account.pages;
    CU_ASSERT_EQUAL(pcache_pool_new(pc, persistent), 2);
    CU_ASSERT_TRUE_FATAL(pcache_put(pc, &n, &h, &rc));
    pckit_fill(h.frame, 0, 7, 1);
    CU_ASSERT_EQUAL(pcache_pool_destroy(pc, 2, &cursor), 0);
    CU_ASSERT_EQUAL(pcache_pool_new(pc, !persistent), 2);
    CU_ASSERT_EQUAL(pckit_put(0, 2, 7, 2), 1);
    CU_ASSERT_FALSE(pcache_put_end(pc, &h, true));
    pckit_check();
    CU_ASSERT_TRUE_FATAL(pcache_get(pc, &n, false, &h)); /* it was promised to be kept */
    CU_ASSERT_TRUE(pckit_holds(h.frame, 0, 7, 2));
    pcache_get_end(pc, &h, true);
    CU_ASSERT_EQUAL(kit_domain[0].account.pages, pages);
    pckit_end();
}

static void test_pool_changes(void)
{
    pool_changes(false);
    pool_changes(true);
}

/* Gets of one persistent page at a time: none waits for another, none misses it, and the last takes it away. */
static void test_overlapping_gets(void)
{
    struct pcache_name n = {.pool = 2, .key = 7};
    struct pcache_held stays, first, second, failed;
    struct pcache *pc;
    uint64_t pages;

    pckit_start(PAGES, 1);
    pc = kit_domain[0].pc;
    CU_ASSERT_EQUAL(pcache_pool_new(pc, true), 2);
    pages = kit_domain[0].account.pages;
    CU_ASSERT_EQUAL(pckit_put(0, 2, 7, 1), 1);
    (void)alarm(PATIENCE_S);
    CU_ASSERT_TRUE_FATAL(pcache_get(pc, &n, true, &stays));
    CU_ASSERT_TRUE_FATAL(pcache_get(pc, &n, false, &failed));
    pcache_get_end(pc, &failed,
                   false); /* its guest's page could not be written: nothing happened */
    CU_ASSERT_TRUE_FATAL(pcache_get(pc, &n, false, &first));
    CU_ASSERT_TRUE_FATAL(pcache_get(pc, &n, false, &second));
    pcache_get_end(pc, &first, true);
    CU_ASSERT_FALSE(pcache_get(pc, &n, true, &failed)); /* had */
    CU_ASSERT_TRUE(pckit_holds(second.frame, 0, 7, 1) && pckit_holds(stays.frame, 0, 7, 1));
    CU_ASSERT_EQUAL(pckit_put(0, 2, 7, 2), 1); /* the next of that key is another page */
    pcache_get_end(pc, &second, true);
    CU_ASSERT_EQUAL(kit_domain[0].account.pages, pages + 2);
    CU_ASSERT_TRUE(pckit_holds(stays.frame, 0, 7, 1));
    pcache_get_end(pc, &stays, true);
    (void)alarm(0);
    CU_ASSERT_EQUAL(kit_domain[0].account.pages, pages + 1);
    pckit_check();
    CU_ASSERT_TRUE_FATAL(pcache_get(pc, &n, false, &first));
    CU_ASSERT_TRUE(pckit_holds(first.frame, 0, 7, 2));
    pcache_get_end(pc, &first, true);
    CU_ASSERT_EQUAL(kit_domain[0].account.pages, pages);
    pckit_end();
}

static const struct test_case cases[] = {{"empty frames only", test_stock_only},
                                         {"the last frame is in hand", test_last_in_hand},
                                         {"a pool becomes another", test_pool_changes},
                                         {"gets of one page at a time", test_overlapping_gets},
                                         {NULL, NULL}};

const struct suite suite_pcache_last = {"pcache_last", cases, NULL, NULL};
