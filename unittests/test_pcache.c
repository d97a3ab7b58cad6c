/* SPDX-License-Identifier: MIT
 *
 * The page cache: puts, gets, ids, keys, flushing, quotas, recall, exchange.
 */
#include <stdlib.h>
#include <string.h>

#include <lagan/arch.h>
#include "mm/pte.h"
#include "mm/type.h"
#include "unittests/pcache_kit.h"

enum { PAGES = 1024 };

static void test_by_id(void)
{
    uint64_t id[3], before;

    pckit_start(PAGES, 2);
    before = heap_free_pages();
    for (unsigned i = 0; i < 3; i++) {
        id[i] = pckit_put(0, 0, 100 + i, i);
        CU_ASSERT_NOT_EQUAL(id[i], 0);
    }
    CU_ASSERT_EQUAL(spare_pages(), 3);
    /* A page of records came; the pages themselves are free. */
    CU_ASSERT_EQUAL(heap_free_pages(), before - 2);
    CU_ASSERT_EQUAL(pckit_get_id(0, id[1], 101, 1), 1);
    CU_ASSERT_EQUAL(pckit_get_id(0, id[1], 101, 1), 0);             /* served once */
    CU_ASSERT_EQUAL(pckit_get_id(1, id[0], 100, 0), 0);             /* another's */
    CU_ASSERT_EQUAL(pckit_get_id(0, id[0] ^ 1, 100, 0), 0);         /* forged: another slot */
    CU_ASSERT_EQUAL(pckit_get_id(0, id[0] + (1 << 24), 100, 0), 0); /* another generation */
    CU_ASSERT_EQUAL(pckit_get_id(0, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(pckit_get_id(0, UINT64_MAX, 0, 0), 0);
    CU_ASSERT_EQUAL(pckit_get_id(0, id[0], 100, 0), 1);
    CU_ASSERT_EQUAL(pckit_get_id(0, id[2], 102, 2), 1);
    CU_ASSERT_EQUAL(pckit_stats(0).hits, 3);
    pckit_check();
    pckit_end();
}

/* Ids of what another client has in the same slot, or this one had in it before, are misses. */
static void test_stale(void)
{
    uint64_t mine, theirs, old;

    pckit_start(PAGES, 2);
    mine = pckit_put(0, 0, 1, 1);
    theirs = pckit_put(1, 0, 2, 2);
    CU_ASSERT_EQUAL(mine & 0xffffff, theirs & 0xffffff); /* the same slot, each its own */
    CU_ASSERT_EQUAL(pckit_get_id(0, theirs, 2, 2), 0);
    CU_ASSERT_EQUAL(pckit_get_id(0, mine, 1, 1), 1);
    old = mine;
    mine = pckit_put(0, 0, 3, 3);
    CU_ASSERT_EQUAL(mine & 0xffffff, old & 0xffffff);
    CU_ASSERT_EQUAL(pckit_get_id(0, old, 1, 1), 0);
    CU_ASSERT_EQUAL(pckit_get_id(0, mine, 3, 3), 1);
    pckit_domain_end(1);
    pckit_domain_start(1); /* the same number, another domain */
    CU_ASSERT_NOT_EQUAL(pckit_put(1, 0, 4, 4), 0);
    CU_ASSERT_EQUAL(pckit_get_id(1, theirs, 2, 2), 0);
    pckit_end();
}

static void test_by_key(void)
{
    struct pcache_name n = {.pool = KIT_POOL, .key = 7};

    pckit_start(PAGES, 2);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 7, 1), 1);
    CU_ASSERT_EQUAL(pckit_put(1, KIT_POOL, 7, 9), 1);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 7, 2), 1); /* the newest counts */
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 1);
    CU_ASSERT_EQUAL(pckit_get_key(0, 7, 2, true), 1);
    CU_ASSERT_EQUAL(pckit_get_key(0, 7, 2, true), 1); /* it stayed */
    CU_ASSERT_EQUAL(pckit_get_key(0, 7, 2, false), 1);
    CU_ASSERT_EQUAL(pckit_get_key(0, 7, 2, false), 0);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 7, 3), 1);
    CU_ASSERT_TRUE(pcache_flush(kit_domain[0].pc, &n));
    CU_ASSERT_FALSE(pcache_flush(kit_domain[0].pc, &n));
    CU_ASSERT_EQUAL(pckit_get_key(0, 7, 3, false), 0);
    CU_ASSERT_EQUAL(pckit_get_key(1, 7, 9, false), 1);
    pckit_check();
    pckit_end();
}

/* A put that is refused, or given up, ends what was there. */
static void test_refused_put(void)
{
    struct pcache_name n = {.pool = KIT_POOL, .key = 5};
    struct pcache_held h;
    int rc;

    pckit_start(PAGES, 1);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 5, 1), 1);
    pcache_freeze(kit_domain[0].pc, true);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 6, 1), 0);
    CU_ASSERT_EQUAL(pckit_get_key(0, 5, 1, true), 1); /* frozen, but there */
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 5, 2), 0);
    CU_ASSERT_EQUAL(pckit_get_key(0, 5, 1, true), 0);
    pcache_freeze(kit_domain[0].pc, false);
    pcache_freeze(NULL, true);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 5, 2), 0);
    pcache_freeze(NULL, false);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 5, 3), 1);
    CU_ASSERT_TRUE_FATAL(pcache_put(kit_domain[0].pc, &n, &h, &rc));
    CU_ASSERT_FALSE(pcache_put_end(kit_domain[0].pc, &h, false));
    CU_ASSERT_EQUAL(pckit_get_key(0, 5, 3, true), 0);
    n.pool = 2;
    CU_ASSERT_FALSE(pcache_put(kit_domain[0].pc, &n, &h, &rc));
    CU_ASSERT_EQUAL(rc, -XEN_ENOENT);
    n.pool = 99;
    CU_ASSERT_FALSE(pcache_put(kit_domain[0].pc, &n, &h, &rc));
    CU_ASSERT_EQUAL(rc, -XEN_ENOENT);
    CU_ASSERT_FALSE(pcache_get(kit_domain[0].pc, &n, false, &h));
    pckit_check();
    pckit_end();
}

/* What overlaps with a get: a flush, another get, a put; and a get that fails. */
static void test_overlap(void)
{
    struct pcache_name n = {.pool = KIT_POOL, .key = 5};
    struct pcache_held h, h2;
    struct pcache *pc;
    int rc;

    pckit_start(PAGES, 1);
    pc = kit_domain[0].pc;
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 5, 1), 1);
    CU_ASSERT_TRUE_FATAL(pcache_get(pc, &n, false, &h));
    CU_ASSERT_FALSE(pcache_get(pc, &n, false, &h2));
    CU_ASSERT_FALSE(pcache_get(pc, &n, true, &h2));
    pcache_get_end(pc, &h, false); /* the guest's page could not be written */
    CU_ASSERT_TRUE_FATAL(pcache_get(pc, &n, true, &h));
    CU_ASSERT_TRUE_FATAL(pcache_get(pc, &n, true, &h2));
    CU_ASSERT_TRUE(pcache_flush(pc, &n));
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 5, 2), 1);
    pcache_get_end(pc, &h, true);
    CU_ASSERT_TRUE(pckit_holds(h2.frame, 0, 5, 1)); /* not reused under a reader */
    pcache_get_end(pc, &h2, false);
    CU_ASSERT_EQUAL(pckit_get_key(0, 5, 2, false), 1);
    /* Two puts at a time: the last to end counts. */
    CU_ASSERT_TRUE_FATAL(pcache_put(pc, &n, &h, &rc));
    CU_ASSERT_TRUE_FATAL(pcache_put(pc, &n, &h2, &rc));
    pckit_fill(h.frame, 0, 5, 10);
    pckit_fill(h2.frame, 0, 5, 11);
    CU_ASSERT_TRUE(pcache_put_end(pc, &h2, true));
    CU_ASSERT_TRUE(pcache_put_end(pc, &h, true));
    CU_ASSERT_EQUAL(pckit_get_key(0, 5, 10, false), 1);
    pckit_check();
    pckit_end();
}

/* As many as fit: the oldest go, and the host's own requests are served at once. */
static void test_full(void)
{
    uint64_t free, puts = 4 * PAGES;
    struct lagan_pcache_stats s;
    mfn_t list[64];

    pckit_start(PAGES, 1);
    pckit_keep_all(0);
    free = heap_free_pages();
    for (uint64_t i = 0; i < puts; i++)
        (void)pckit_put(0, KIT_POOL, i, i);
    s = pckit_stats(0);
    CU_ASSERT_TRUE(s.pages > free * 9 / 10 && s.pages <= free);
    CU_ASSERT_EQUAL(pckit_get_key(0, 0, 0, true), 0); /* the oldest is gone */
    CU_ASSERT_TRUE(heap_free_pages() + 2 * PAGES / 32 > free);
    pckit_check();
    for (unsigned i = 0; i < 64; i++)
        CU_ASSERT_TRUE_FATAL(heap_alloc(0, HEAP_CLEAR, &list[i]));
    for (unsigned i = 0; i < 64; i++) {
        CU_ASSERT_EQUAL(*(uint64_t *)arch_map_frame(list[i]), 0);
        heap_free(list[i], 0);
    }
    pckit_check();
    pckit_end();
}

/* All that is free can be had although it is all lent; and not a page more. */
static void test_recall_all(void)
{
    uint64_t count = 0, available;
    mfn_t m, *list = calloc(2 * PAGES, sizeof(*list));

    pckit_start(PAGES, 2);
    pckit_keep_all(0);
    pckit_keep_all(1);
    for (uint64_t i = 0; i < 4 * PAGES; i++)
        (void)pckit_put(i & 1, KIT_POOL, i, i);
    available = heap_free_pages();
    CU_ASSERT_TRUE(spare_pages() > available * 9 / 10);
    while (count < 2 * PAGES && heap_alloc(0, HEAP_ANY, &m))
        list[count++] = m;
    CU_ASSERT_TRUE(count >= available);
    CU_ASSERT_EQUAL(heap_free_pages(), 0);
    CU_ASSERT_EQUAL(spare_pages(), 0);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 1, 1), 0); /* there is nothing to be lent */
    pckit_check();
    while (count > 0)
        heap_free(list[--count], 0);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 1, 1), 1);

    free((void *)list);
    pckit_end();
}

static const struct test_case cases[] = {{"by id", test_by_id},
                                         {"stale ids", test_stale},
                                         {"by key", test_by_key},
                                         {"refused puts", test_refused_put},
                                         {"what overlaps", test_overlap},
                                         {"a full cache", test_full},
                                         {"all recalled", test_recall_all},
                                         {NULL, NULL}};

const struct suite suite_pcache = {"pcache", cases, NULL, NULL};
