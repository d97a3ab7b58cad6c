// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hypercalls of the page cache, by keys that are block numbers.
 */
#include "cache_pool.h"

#include <lagan/pcache.h>

#include "lagan.h"

static long call(unsigned long command, const void *argument, unsigned long count)
{
    return lagan_call(LAGAN_HYPERVISOR_pcache_op, command, argument, count);
}

bool pool_service(void)
{
    struct lagan_pcache_stats s = {};

    return call(LAGAN_PCACHE_info, &s, 1) == 0;
}

int pool_new(void)
{
    struct lagan_pcache_pool p = {.kind = LAGAN_PCACHE_EPHEMERAL};

    return (int)call(LAGAN_PCACHE_pool_new, &p, 1);
}

void pool_destroy(int pool)
{
    struct lagan_pcache_pool p = {.pool = (u16)pool};

    call(LAGAN_PCACHE_pool_destroy, &p, 1);
}

/* The hypervisor takes the address of the page, not its frame: that may be another domain's, mapped here. */
static int query(int pool, struct pool_page *pages, unsigned int count, u16 flags)
{
    struct lagan_pcache_query q[POOL_BATCH];
    int done = flags & LAGAN_PCACHE_GET ? LAGAN_PCACHE_HIT : LAGAN_PCACHE_KEPT;
    long rc;

    for (unsigned int i = 0; i < count; i++)
        q[i] = (struct lagan_pcache_query){
            .flags = flags | (pages[i].stays ? LAGAN_PCACHE_STAY : 0),
            .pool = (u16)pool,
            .old = pages[i].block,
            .new = pages[i].block,
            .page = (u64)pages[i].page,
        };
    rc = call(LAGAN_PCACHE_query, q, count);
    for (unsigned int i = 0; i < count; i++)
        pages[i].done = rc == 0 && q[i].status > 0 && (q[i].status & done);
    return (int)rc;
}

int pool_get(int pool, struct pool_page *pages, unsigned int count)
{
    return query(pool, pages, count, LAGAN_PCACHE_GET | LAGAN_PCACHE_KEYED | LAGAN_PCACHE_VIRTUAL);
}

int pool_put(int pool, struct pool_page *pages, unsigned int count)
{
    return query(pool, pages, count, LAGAN_PCACHE_PUT | LAGAN_PCACHE_KEYED | LAGAN_PCACHE_VIRTUAL);
}

int pool_flush(int pool, u64 first, u64 count)
{
    struct lagan_pcache_flush f = {
        .what = LAGAN_PCACHE_FLUSH_KEYS, .pool = (u16)pool, .first = first, .keys = count};

    return (int)call(LAGAN_PCACHE_flush, &f, 1);
}

int pool_flush_all(int pool)
{
    struct lagan_pcache_flush f = {.what = LAGAN_PCACHE_FLUSH_POOL, .pool = (u16)pool};

    return (int)call(LAGAN_PCACHE_flush, &f, 1);
}
