/* SPDX-License-Identifier: MIT
 *
 * Pools, and flushing: one page, keys in a row, or whatever is in a pool. Walks go from slot to slot, a
 * leaf of them under one lock, and can be interrupted between two.
 */
#include <lagan/arch.h>
#include "mm/pcache_state.h"

#define KEYS_STEP 64U   /* keys that are looked up between two looks at what else there is to do */
#define KEYS_WIDE 4096U /* for more, all pages are looked at instead of all keys */

/* What a walk takes: of one pool, the keys of a range; or of any, PCACHE_POOLS. */
struct choice {
    unsigned pool;
    uint64_t first, last;
};

int pcache_pool_new(struct pcache *pc, bool persistent)
{
    int pool;

    pcache_lock(pc);
    for (pool = 1; pool < PCACHE_POOLS && pc->pool[pool] != POOL_NONE; pool++)
        ;
    if (pool == PCACHE_POOLS)
        pool = -XEN_ENOSPC;
    else if (pc->dying)
        pool = -XEN_EINVAL;
    else
        pc->pool[pool] = persistent ? POOL_PERSISTENT : POOL_EPHEMERAL;
    pcache_unlock(pc);
    return pool;
}

bool pcache_flush(struct pcache *pc, const struct pcache_name *n)
{
    mfn_t m = MFN_INVALID;
    struct slot *s;

    pcache_lock(pc);
    s = page_find(pc, n);
    if (s)
        m = page_flush(pc, s);
    else if (n->pool < PCACHE_POOLS)
        pcache_ghost_forget(pc->ghost, ghost_name(pc, n->pool, n->pool ? n->key : n->name, n->key));
    pcache_unlock(pc);
    if (m.n != MFN_INVALID.n)
        persist_free(pc, m);
    return s != NULL;
}

static bool chosen(const struct choice *c, const struct slot *s)
{
    if ((s->state != SLOT_KEPT && s->state != SLOT_READ) || s->doomed)
        return false;
    return c->pool == PCACHE_POOLS ||
           (s->pool == c->pool && (c->pool == 0 || (s->key >= c->first && s->key <= c->last)));
}

/* What is chosen in one leaf; how many. */
static unsigned flush_leaf(struct pcache *pc, const struct choice *c, uint32_t first)
{
    mfn_t list[LEAF_SLOTS];
    unsigned count = 0, flushed = 0;

    pcache_lock(pc);
    for (uint32_t n = first + 1; n < first + LEAF_SLOTS; n++) {
        struct slot *s = slot_at(pc, n); /* the leaf may go with its last page */

        if (!s)
            break;
        if (s->state == SLOT_DROPPED) {
            page_settle(pc, s);
            continue;
        }
        if (!chosen(c, s))
            continue;
        list[count] = page_flush(pc, s);
        count += list[count].n != MFN_INVALID.n;
        flushed++;
    }
    pcache_unlock(pc);
    while (count-- > 0)
        persist_free(pc, list[count]);
    return flushed;
}

static bool more_leaves(struct pcache *pc, uint32_t leaf)
{
    bool more;

    pcache_lock(pc);
    more = leaf < pc->leaf_count;
    pcache_unlock(pc);
    return more;
}

static int walk(struct pcache *pc, const struct choice *c, uint32_t *cursor, uint64_t *flushed)
{
    for (bool begun = false; more_leaves(pc, *cursor); ++*cursor, begun = true) {
        if (begun && arch_preempt_pending())
            return -XEN_ERESTART;
        *flushed += flush_leaf(pc, c, *cursor << LEAF_SHIFT);
    }
    return 0;
}

int pcache_flush_pool(struct pcache *pc, unsigned pool, uint32_t *cursor, uint64_t *flushed)
{
    struct choice c = {.pool = pool, .last = UINT64_MAX};
    int rc;

    if (pool > PCACHE_POOLS || (pool < PCACHE_POOLS && pc->pool[pool] == POOL_NONE))
        return -XEN_ENOENT;
    rc = walk(pc, &c, cursor, flushed);
    if (!rc && pool == PCACHE_POOLS) {
        pcache_lock(pc);
        pcache_ghost_forget_all(pc->ghost);
        pcache_unlock(pc);
    }
    return rc;
}

/* A guest that gives a cursor of its own, or puts meanwhile, only has to call again. */
int pcache_pool_destroy(struct pcache *pc, unsigned pool, uint32_t *cursor)
{
    uint64_t flushed = 0;
    bool left;
    int rc;

    if (pool == 0 || pool >= PCACHE_POOLS)
        return -XEN_ENOENT;
    pcache_lock(pc);
    if (pc->pool[pool] != POOL_NONE)
        pc->pool[pool] = POOL_CLOSING;
    pcache_unlock(pc);
    rc = pcache_flush_pool(pc, pool, cursor, &flushed);
    if (rc)
        return rc;
    pcache_lock(pc);
    left = pc->pool_pages[pool] != 0;
    if (!left)
        pc->pool[pool] = POOL_NONE;
    pcache_unlock(pc);
    *cursor = 0;
    return left ? -XEN_ERESTART : 0;
}

/* The cursor counts keys, or leaves. */
int pcache_flush_keys(struct pcache *pc, unsigned pool, uint64_t first, uint64_t keys,
                      uint32_t *cursor, uint64_t *flushed)
{
    struct choice c = {.pool = pool, .first = first};
    bool begun = false;

    if (pool == 0 || pool >= PCACHE_POOLS || pc->pool[pool] == POOL_NONE)
        return -XEN_ENOENT;
    c.last = keys - 1 > UINT64_MAX - first ? UINT64_MAX : first + (keys - 1);
    if (c.last - first >= KEYS_WIDE)
        return walk(pc, &c, cursor, flushed);
    while (*cursor <= c.last - first) {
        if (begun && *cursor % KEYS_STEP == 0 && arch_preempt_pending())
            return -XEN_ERESTART;
        *flushed += pcache_flush(pc, &(struct pcache_name){.pool = pool, .key = first + *cursor});
        ++*cursor;
        begun = true;
    }
    return 0;
}

bool pcache_pool_is_persistent(const struct pcache *pc, unsigned pool)
{
    return pool < PCACHE_POOLS && pc->pool[pool] == POOL_PERSISTENT;
}

bool pcache_pool_there(const struct pcache *pc, unsigned pool)
{
    return pool > 0 && pool < PCACHE_POOLS &&
           (pc->pool[pool] == POOL_EPHEMERAL || pc->pool[pool] == POOL_PERSISTENT);
}
