/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pool of the hypervisor's page cache, named by block numbers. All but the first two may be called with interrupts off.
 */
#ifndef LAGAN_CACHE_POOL_H
#define LAGAN_CACHE_POOL_H

#include <linux/types.h>

/* So many pages are asked for in one call: more save less than a hundredth of its cost, and want a stack or an allocation. */
#define POOL_BATCH 16

struct pool_page {
    u64 block;
    void *page; /* its address: 4096 bytes, aligned */
    bool stays; /* of a get: the pool keeps a copy */
    bool done;  /* of a get: found, and copied into the page; of a put: kept */
};

/* Is there a page cache at all? */
bool pool_service(void);
/* A new pool, empty; negative: an errno. */
int pool_new(void);
void pool_destroy(int pool);

/*
 * Up to POOL_BATCH pages. A put replaces what is in the pool under that number; what cannot be kept is gone. Negative: the whole call
 * has failed, and nothing is done.
 */
int pool_get(int pool, struct pool_page *pages, unsigned int count);
int pool_put(int pool, struct pool_page *pages, unsigned int count);
/* These blocks are not in the pool any more. Negative: the pool itself is not there, or cannot be trusted. */
int pool_flush(int pool, u64 first, u64 count);
int pool_flush_all(int pool);

#endif
