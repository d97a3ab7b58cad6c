/* SPDX-License-Identifier: MIT
 *
 * The page cache that a guest has of its own: blocks, of which the last used are in memory. It knows
 * each block that was ever asked for, and under which id the hypervisor may still have it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LRU_PAGES_MAX  6144U      /* 24 MiB */
#define LRU_BLOCKS_MAX (1U << 18) /* at most half as many different blocks */

struct block {
    uint64_t number;     /* + 1; 0: a free record */
    uint64_t id;         /* of the hypervisor's; 0: none */
    uint32_t generation; /* how often it was written */
    uint32_t slot;       /* + 1; 0: not in memory */
};

/* Empty, with so many pages. */
void lru_reset(unsigned pages);
/* From now on so many, which are not fewer. */
void lru_set_pages(unsigned pages);
/* The page of slot 0..LRU_PAGES_MAX - 1, whatever it holds. */
void *lru_page(unsigned slot);
/* The record of a block, a new one if need be; NULL: there are too many. */
struct block *lru_block(uint64_t number);
/* The page that holds the block, which is the last used now; NULL: it is not in memory. */
void *lru_find(const struct block *b);
/* A page for a block that is not in memory: one that is free, with *evicted NULL; or the one that was used
 * longest ago, whose block is *evicted and has none any more. */
void *lru_take(struct block *b, struct block **evicted);
