/* SPDX-License-Identifier: MIT
 *
 * Pages in the order of their last use, found by number: what the caches of the replays are made of.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LRU_NONE UINT32_MAX

struct lru_node {
    uint64_t page;
    uint32_t prev, next; /* towards newer, older */
    uint32_t chain;
    uint32_t mark;
    uint64_t stamp, event;
};

struct lru {
    struct lru_node *node;
    uint32_t *bucket;
    uint32_t buckets, size; /* nodes that there are */
    uint32_t count;         /* in use */
    uint32_t newest, oldest, free;
};

/* Room for `size` pages; all are given at once. */
void lru_init(struct lru *l, uint32_t size);
void lru_fini(struct lru *l);
/* NULL: not there. */
struct lru_node *lru_find(struct lru *l, uint64_t page);
/* As the newest. It is not there, and there is room. */
struct lru_node *lru_add(struct lru *l, uint64_t page);
void lru_remove(struct lru *l, struct lru_node *n);
void lru_renew(struct lru *l, struct lru_node *n);
static inline struct lru_node *lru_oldest(struct lru *l)
{
    return l->oldest == LRU_NONE ? NULL : &l->node[l->oldest];
}
