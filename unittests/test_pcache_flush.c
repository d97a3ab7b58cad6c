/* SPDX-License-Identifier: MIT
 *
 * The page cache: what goes in large pieces. Ranges of keys, narrow ones by looking each key up and wide ones by walking
 * through all pages; pools while they are there and while they end; the end of a client. All of it also
 * where each question finds something else to do, as each step has to get somewhere all the same.
 */
#include <lagan/arch.h>
#include "mm/pcache_state.h"
#include "unittests/pcache_kit.h"

enum { PAGES = 1024, KEYS = 400, GAP = 1000, OTHER = 2, WIDE = 4096, ROUNDS = 1000 };

static struct pcache *pc;

static void start(void)
{
    pckit_start(PAGES, 1);
    pckit_keep_all(0);
    pc = kit_domain[0].pc;
}

/* The key of page i: far apart, from both ends of what a key can be. */
static uint64_t key_of(unsigned i)
{
    return i & 1 ? UINT64_MAX - (uint64_t)(i / 2) * GAP : (uint64_t)(i / 2) * GAP;
}

static void fill(void)
{
    for (unsigned i = 0; i < KEYS; i++)
        CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, key_of(i), i), 1);
}

/* Flushes keys first to last as long as it takes, and so often it was told to come again. */
static unsigned flush(uint64_t first, uint64_t keys, uint64_t *flushed)
{
    uint32_t cursor = 0;
    unsigned again = 0;
    int rc;

    *flushed = 0;
    do
        rc = pcache_flush_keys(pc, KIT_POOL, first, keys, &cursor, flushed);
    while (rc == -XEN_ERESTART && ++again < ROUNDS);
    CU_ASSERT_EQUAL(rc, 0);
    return again;
}

/* Exactly those from first to last are gone. */
static void check_gone(uint64_t first, uint64_t last, uint64_t flushed)
{
    uint64_t gone = 0;

    for (unsigned i = 0; i < KEYS; i++) {
        uint64_t key = key_of(i);
        int there = pckit_get_key(0, key, i, true);

        CU_ASSERT_EQUAL(there, key < first || key > last);
        gone += !there;
    }
    CU_ASSERT_EQUAL(gone, flushed);
}

static void flush_and_check(uint64_t first, uint64_t keys, uint64_t last, unsigned preempt)
{
    uint64_t flushed;
    unsigned again;

    fill();
    host_preempt_every(preempt);
    again = flush(first, keys, &flushed);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(again != 0, preempt != 0);
    check_gone(first, last, flushed);
    pckit_check();
}

static void test_ranges(void)
{
    start();
    for (unsigned preempt = 0; preempt < 3; preempt++) {
        flush_and_check(50 * GAP, 20 * GAP + 1, 70 * GAP, preempt);
        flush_and_check(50 * GAP + 1, 20 * GAP - 1, 70 * GAP - 1, preempt);
        /* Nothing wraps: what is over the end of all keys is not at their beginning. */
        flush_and_check(UINT64_MAX - 50 * GAP, UINT64_MAX, UINT64_MAX, preempt);
        flush_and_check(1, UINT64_MAX, UINT64_MAX, preempt);
        /* All but the last key, which no other call with a count reaches from 0. */
        flush_and_check(0, UINT64_MAX, UINT64_MAX - 1, preempt);
    }
    /* Around the size from which on pages are looked at instead of keys. */
    for (uint64_t keys = WIDE - 1; keys <= WIDE + 1; keys++) {
        flush_and_check(8 * GAP - (keys - 1), keys, 8 * GAP, 0);
        flush_and_check(8 * GAP - keys, keys, 8 * GAP - 1, 1);
    }
    flush_and_check(UINT64_MAX - 2, 100, UINT64_MAX, 0);
    flush_and_check(UINT64_MAX - 2 * GAP, 3 * GAP, UINT64_MAX, 1);
    pckit_end();
}

/* The same keys in another pool, and pages by id that are named alike, are not meant. */
static void test_other_pools(void)
{
    uint64_t flushed, id[20];

    start();
    CU_ASSERT_EQUAL(pcache_pool_new(pc, false), OTHER);
    for (uint64_t i = 0; i < 20; i++) {
        CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, i * GAP, i), 1);
        CU_ASSERT_EQUAL(pckit_put(0, OTHER, i * GAP, i), 1);
        id[i] = pckit_put(0, 0, i * GAP, i);
    }
    CU_ASSERT_EQUAL(flush(0, 20 * GAP, &flushed), 0);
    CU_ASSERT_EQUAL(flushed, 20);
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 40);
    for (uint64_t i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(pckit_get_id(0, id[i], i * GAP, i), 1);
    pckit_end();
}

static void test_pools(void)
{
    struct pcache_name n = {.pool = OTHER, .key = 1};
    uint32_t cursor = 0;
    uint64_t flushed = 0;
    struct pcache_held h;
    int rc, again = 0;

    start();
    for (unsigned pool = 0; pool < PCACHE_POOLS + 3; pool++) {
        CU_ASSERT_EQUAL(pcache_pool_there(pc, pool), pool == KIT_POOL);
        if (pool == KIT_POOL)
            continue;
        CU_ASSERT_EQUAL(pcache_flush_keys(pc, pool, 0, 1, &cursor, &flushed), -XEN_ENOENT);
        CU_ASSERT_EQUAL(pcache_flush_keys(pc, pool, 0, UINT64_MAX, &cursor, &flushed), -XEN_ENOENT);
        CU_ASSERT_EQUAL(pcache_flush_pool(pc, pool, &cursor, &flushed),
                        pool == 0 || pool == PCACHE_POOLS ? 0 : -XEN_ENOENT);
        cursor = 0;
    }
    CU_ASSERT_EQUAL(pcache_pool_destroy(pc, 0, &cursor), -XEN_ENOENT);
    CU_ASSERT_EQUAL(pcache_pool_destroy(pc, PCACHE_POOLS, &cursor), -XEN_ENOENT);
    CU_ASSERT_EQUAL(pcache_pool_new(pc, true), OTHER);
    CU_ASSERT_TRUE(pcache_pool_there(pc, OTHER));
    fill();
    /* While it ends, nothing can be put there any more. */
    host_preempt_every(1);
    while ((rc = pcache_pool_destroy(pc, KIT_POOL, &cursor)) == -XEN_ERESTART && ++again < ROUNDS) {
        CU_ASSERT_FALSE(pcache_pool_there(pc, KIT_POOL));
        n.pool = KIT_POOL;
        CU_ASSERT_FALSE(pcache_put(pc, &n, &h, &rc));
        CU_ASSERT_EQUAL(rc, -XEN_ENOENT);
    }
    host_preempt_every(0);
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_TRUE(again > 0);
    CU_ASSERT_FALSE(pcache_pool_there(pc, KIT_POOL));
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 0);
    CU_ASSERT_EQUAL(pcache_pool_new(pc, false), KIT_POOL);
    pckit_end();
}

/* A domain dies where something else is always to be done: in so many steps as there are pieces, and no more. */
static void test_busy_end(void)
{
    unsigned again = 0;
    uint64_t before;
    int rc;

    start();
    before = spare_pages();
    CU_ASSERT_EQUAL(pcache_pool_new(pc, true), OTHER);
    fill();
    for (uint64_t i = 0; i < KEYS; i++) {
        struct pcache_name n = {.pool = OTHER, .key = i};
        struct pcache_held h;

        CU_ASSERT_TRUE_FATAL(pcache_put(pc, &n, &h, &rc));
        CU_ASSERT_TRUE(pcache_put_end(pc, &h, true));
    }
    CU_ASSERT_EQUAL(pckit_stats(0).persistent, KEYS);
    host_preempt_every(1);
    while ((rc = pcache_relinquish(pc)) == -XEN_ERESTART && again < ROUNDS)
        again++;
    host_preempt_every(0);
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_TRUE(again > KEYS / 64 && again < 2 * KEYS);
    CU_ASSERT_EQUAL(pckit_stats(0).persistent, 0);
    CU_ASSERT_EQUAL(spare_pages(), before);
    pckit_end();
}

/* A page's record says that it has come back before, as the ghost tier does. */
static void test_known(void)
{
    const struct slot *s;

    pckit_start(PAGES, 1);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 5, 1), 1);
    CU_ASSERT_EQUAL(pckit_get_key(0, 5, 1, false), 1);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 5, 2), 1);
    s = index_find(kit_domain[0].pc, KIT_POOL, 5);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL(s->mark & 1, 1);
    pckit_end();
}

static const struct test_case cases[] = {
    {"ranges of keys", test_ranges},   {"other pools", test_other_pools},
    {"pools come and go", test_pools}, {"a busy end", test_busy_end},
    {"known pages", test_known},       {NULL, NULL}};

const struct suite suite_pcache_flush = {"pcache_flush", cases, NULL, NULL};
