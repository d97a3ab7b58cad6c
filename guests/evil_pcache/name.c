/* SPDX-License-Identifier: MIT
 *
 * Ids that were never issued, are over, or are another domain's; keys and pools that are not there.
 */
#include "evil_pcache/evil_pcache.h"

#define KEPT 64U

/* A get under a wrong id must leave the page as it is. */
static void misses(uint64_t id)
{
    fill(evil_page, 99);
    if (pcache_get(evil_page, id, 0)) {
        check_part(false, "id %lx brings a page of %lx...", id, evil_page[0]);
    }
    check_part(holds(evil_page, 99), "id %lx: a miss has changed the page", id);
}

static void comes_back(uint64_t id, uint64_t seed)
{
    check_part(pcache_get(evil_page, id, 0), "the page of id %lx is lost", id);
    check_part(holds(evil_page, seed), "the page of id %lx is wrong", id);
}

/* Every id one bit off a good one, and what is near it: other slots, generations and owners. */
static void forged_ids(void)
{
    uint64_t good[KEPT];

    for (unsigned i = 0; i < KEPT; i++) {
        good[i] = put_for_sure(i + 1);
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t forged = good[0] ^ 1UL << bit;
        bool own = false;

        for (unsigned i = 0; i < KEPT; i++) {
            own = own || good[i] == forged;
        }
        if (!own) {
            misses(forged);
        }
    }
    for (unsigned i = 0; i < 2000; i++) {
        misses(draw());
        misses(good[i % KEPT] ^ (draw() & 0xffffffffffff0000UL));
    }
    misses(0);
    misses(~0UL);
    for (unsigned i = 0; i < KEPT; i++) {
        comes_back(good[i], i + 1);
    }
}

/* An id is good once; then whatever has its slot now is not found under it. */
static void stale_ids(void)
{
    uint64_t old[KEPT];

    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < KEPT; i++) {
            old[i] = put_for_sure(i + 1);
            comes_back(old[i], i + 1);
        }
        for (unsigned i = 0; i < KEPT; i++) {
            (void)put_for_sure(1000 + i);
        }
        for (unsigned i = 0; i < KEPT; i++) {
            misses(old[i]);
        }
    }
}

static void flushed_ids(void)
{
    uint64_t id = put_for_sure(5);

    check_part(pcache_flush(id) == 1, "not flushed");
    misses(id);
    check_part(pcache_flush(id) == 0, "flushed twice");
    for (unsigned i = 0; i < 1000; i++) {
        check_part(pcache_flush(draw()) == 0, "a wild id was flushed");
    }
}

/* The same id twice in a batch: one of them has the page. */
static void twice_in_a_batch(void)
{
    struct lagan_pcache_query q[2] = {{0}};
    unsigned hits = 0;

    fill(evil_page, 99);
    fill(evil_other, 98);
    q[0].flags = q[1].flags = LAGAN_PCACHE_GET | LAGAN_PCACHE_VIRTUAL;
    q[0].old = q[1].old = put_for_sure(7);
    q[0].page = ptr_arg(evil_page);
    q[1].page = ptr_arg(evil_other);
    check_part(hv_pcache(LAGAN_PCACHE_query, q, 2) == 0, "batch");
    for (unsigned i = 0; i < 2; i++) {
        hits += q[i].status == LAGAN_PCACHE_HIT;
    }
    check_part(hits == 1 && holds(evil_page, 7) && holds(evil_other, 98), "%u hits", hits);
}

/* ---- keys and pools ---- */

static void no_such_pool(void)
{
    struct lagan_pcache_query q = {.flags = LAGAN_PCACHE_GET | LAGAN_PCACHE_KEYED |
                                            LAGAN_PCACHE_VIRTUAL};

    q.page = ptr_arg(evil_page);
    for (unsigned pool = 0; pool < 0x10000; pool = pool < 40 ? pool + 1 : pool * 2 + 1) {
        q.pool = (uint16_t)pool;
        query_gives(&q, -XEN_ENOENT, "get");
        check_part(pcache_put_key(pool, 1, evil_page) == -XEN_ENOENT, "put in pool %u", pool);
        check_part(pcache_pool_destroy(pool) < 0, "pool %u destroyed", pool);
        check_part(pcache_flush_keys(pool, 0, ~0UL) == 0, "pool %u flushed", pool);
    }
    q.flags = LAGAN_PCACHE_GET | LAGAN_PCACHE_VIRTUAL;
    q.pool = 1;
    query_gives(&q, -XEN_EINVAL, "a pool for an id");
    check_part(pcache_pool_new(2) == -XEN_EINVAL, "a pool of kind 2");
}

static void too_many_pools(void)
{
    unsigned pools = 0;
    long pool;

    while ((pool = pcache_pool_new(LAGAN_PCACHE_EPHEMERAL)) > 0 && pools < 100) {
        pools++;
    }
    check_part(pools == 15 && pool == -XEN_ENOSPC, "%u pools, then %ld", pools, pool);
    for (unsigned i = 1; i <= pools; i++) {
        check_part(pcache_pool_destroy(i) == 0, "pool %u is not destroyed", i);
    }
    check_part(pcache_pool_destroy(1) == -XEN_ENOENT, "destroyed twice");
}

/* Keys at the ends, ranges that wrap, and a pool's number that is used again. */
static void keys_at_the_ends(void)
{
    static const uint64_t key[] = {0, 1, ~0UL, ~0UL - 1, 1UL << 63};
    unsigned pool = (unsigned)pcache_pool_new(LAGAN_PCACHE_PERSISTENT);

    for (unsigned i = 0; i < 5; i++) {
        fill(evil_page, key[i]);
        check_part(pcache_put_key(pool, key[i], evil_page) == LAGAN_PCACHE_KEPT, "put %lx", key[i]);
    }
    check_part(pcache_flush_keys(pool, ~0UL - 1, 4) <= 4, "a range that wraps");
    check_part(pcache_flush_keys(pool, 2, (1UL << 63) - 2) == 0, "keys that are not there");
    fill(evil_page, 99);
    check_part(pcache_get_key(pool, 1UL << 63, evil_page) == LAGAN_PCACHE_HIT &&
                   holds(evil_page, 1UL << 63),
               "get");
    check_part(pcache_flush_keys(pool, 0, ~0UL) <= 5, "all");
    check_part(pcache_pool_destroy(pool) == 0, "destroy");
    check_part(pcache_pool_new(LAGAN_PCACHE_EPHEMERAL) == (long)pool, "another number");
    for (unsigned i = 0; i < 5; i++) {
        check_part(pcache_get_key(pool, key[i], evil_page) == 0, "key %lx of the old pool", key[i]);
    }
    check_part(pcache_pool_destroy(pool) == 0, "destroy");
}

/* Persistent pages are the domain's own memory: more than that is not to be had. */
static void persistent_without_end(void)
{
    unsigned pool = (unsigned)pcache_pool_new(LAGAN_PCACHE_PERSISTENT);
    uint64_t kept = 0;
    int32_t status;

    while ((status = pcache_put_key(pool, kept, evil_page)) == LAGAN_PCACHE_KEPT &&
           kept < 1UL << 20) {
        kept++;
    }
    kit_printf("%lu persistent pages, then %d\n", kept, status);
    check_part(status == -XEN_ENOMEM, "status %d", status);
    check_part(pcache_info().persistent == kept, "%lu by its figures", pcache_info().persistent);
    check_part(pcache_pool_destroy(pool) == 0, "destroy");
    check_part(pcache_info().persistent == 0, "%lu are left", pcache_info().persistent);
}

const struct attack evil_pcache_names[] = {
    {"forged-ids", forged_ids, false},
    {"stale-ids", stale_ids, false},
    {"flushed-ids", flushed_ids, false},
    {"twice-in-a-batch", twice_in_a_batch, false},
    {"no-such-pool", no_such_pool, false},
    {"too-many-pools", too_many_pools, false},
    {"keys-at-the-ends", keys_at_the_ends, false},
    {"persistent-without-end", persistent_without_end, false},
    {NULL, NULL, false}};
