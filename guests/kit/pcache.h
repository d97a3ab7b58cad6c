/* SPDX-License-Identifier: MIT
 *
 * The guest's side of the page cache: single pages by copy, by id and by key, frames by exchange,
 * and batches as the ABI has them. A page is any page of the image; what was evicted under an id is had
 * back under it once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kit/hypercall.h"
#include "lagan/pcache.h"

static inline long hv_pcache(unsigned command, void *argument, unsigned count)
{
    return hypercall3(LAGAN_HYPERVISOR_pcache_op, command, ptr_arg(argument), count);
}

/* Is there a cache? Domains on other hypervisors, and where it is off, do without. */
bool pcache_there(void);

/* Copies the page into the cache, `name` telling what it holds (0: nothing said). The id, or 0: not kept;
 * *kept says which, as the cache may name what it did not keep. */
uint64_t pcache_put(const void *page, uint64_t name, bool *kept);
/* The same and, in the same call, copies what `old` names into the page. True: it was there. */
bool pcache_swap(void *page, uint64_t name, uint64_t *id, uint64_t old, uint64_t old_name);
/* Copies what `id` names into the page and forgets it. False: it is not there, the page is as it was. */
bool pcache_get(void *page, uint64_t id, uint64_t name);
/* Forgets it. Returns how many pages that were: 0 or 1. */
uint64_t pcache_flush(uint64_t id);

/* pcache_swap() without copying: the page's frame goes, and another comes to the same address. `put`
 * false: the content of the page is of no interest; `old` 0: nothing is wanted. */
bool pcache_exchange(void *page, bool put, uint64_t name, uint64_t *id, uint64_t old,
                     uint64_t old_name);

/* By key. A pool's number or an error. */
long pcache_pool_new(unsigned kind);
long pcache_pool_destroy(unsigned pool);
/* Status as the ABI has it. */
int32_t pcache_put_key(unsigned pool, uint64_t key, const void *page);
int32_t pcache_get_key(unsigned pool, uint64_t key, void *page);
uint64_t pcache_flush_keys(unsigned pool, uint64_t first, uint64_t keys);

/* Our own figures. Ends the guest where they cannot be had. */
struct lagan_pcache_stats pcache_info(void);
