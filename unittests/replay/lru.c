/* SPDX-License-Identifier: MIT
 *
 * A list through an array of nodes, and chains of a hash through the same nodes.
 */
#include "lru.h"

#include <stdlib.h>

static uint32_t *bucket_of(struct lru *l, uint64_t page)
{
    page = (page ^ page >> 29) * UINT64_C(0x9e3779b97f4a7c15);
    return &l->bucket[(page >> 32) & (l->buckets - 1)];
}

void lru_init(struct lru *l, uint32_t size)
{
    *l = (struct lru){.size = size, .buckets = 16, .newest = LRU_NONE, .oldest = LRU_NONE};
    while (l->buckets < size)
        l->buckets *= 2;
    l->node = calloc((size_t)size + 1, sizeof(*l->node));
    l->bucket = malloc(l->buckets * sizeof(*l->bucket));
    if (!l->node || !l->bucket)
        abort();
    for (uint32_t i = 0; i < l->buckets; i++)
        l->bucket[i] = LRU_NONE;
    for (uint32_t i = 0; i < size; i++)
        l->node[i].next = i + 1 < size ? i + 1 : LRU_NONE;
    l->free = size > 0 ? 0 : LRU_NONE;
}

void lru_fini(struct lru *l)
{
    free(l->node);
    free(l->bucket);
    *l = (struct lru){.size = 0};
}

struct lru_node *lru_find(struct lru *l, uint64_t page)
{
    for (uint32_t i = *bucket_of(l, page); i != LRU_NONE; i = l->node[i].chain) {
        if (l->node[i].page == page)
            return &l->node[i];
    }
    return NULL;
}

static void push(struct lru *l, struct lru_node *n)
{
    uint32_t i = (uint32_t)(n - l->node);

    n->prev = LRU_NONE;
    n->next = l->newest;
    if (l->newest != LRU_NONE)
        l->node[l->newest].prev = i;
    else
        l->oldest = i;
    l->newest = i;
}

static void unlink_node(struct lru *l, struct lru_node *n)
{
    if (n->prev != LRU_NONE)
        l->node[n->prev].next = n->next;
    else
        l->newest = n->next;
    if (n->next != LRU_NONE)
        l->node[n->next].prev = n->prev;
    else
        l->oldest = n->prev;
}

struct lru_node *lru_add(struct lru *l, uint64_t page)
{
    uint32_t i = l->free, *bucket = bucket_of(l, page);
    struct lru_node *n;

    if (i == LRU_NONE)
        abort();
    n = &l->node[i];
    l->free = n->next;
    *n = (struct lru_node){.page = page, .chain = *bucket};
    *bucket = i;
    push(l, n);
    l->count++;
    return n;
}

void lru_remove(struct lru *l, struct lru_node *n)
{
    uint32_t i = (uint32_t)(n - l->node), *at = bucket_of(l, n->page);

    while (*at != i)
        at = &l->node[*at].chain;
    *at = n->chain;
    unlink_node(l, n);
    n->next = l->free;
    l->free = i;
    l->count--;
}

void lru_renew(struct lru *l, struct lru_node *n)
{
    unlink_node(l, n);
    push(l, n);
}
