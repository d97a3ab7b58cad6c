// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes of a volume's blocks: cache_track.h has the theory.
 *
 * Stamps have 32 bits. A token is the sum of some: they only grow, so it is the same only if each is. A stamp is met again after
 * 2^32 writes, of those bits that a page keeps after 2^20; for a page to be taken for what it is not, as many writes of its
 * block (or its group's) have to fall between a write past the page cache and the page's end, which follows at once.
 */
#include "cache_track.h"

#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/spinlock.h>

#define GROUPS_MAX 32U

struct track_group {
    spinlock_t lock;
    bool filled;              /* something was put since the pool was empty */
    u32 stamp[TRACK_EXTENT];  /* how many writes have begun */
    u32 writes[TRACK_EXTENT]; /* how many of them have not ended */
};

struct track {
    u32 groups; /* a power of two */
    struct track_group group[];
};

struct track *track_new(u64 blocks)
{
    struct track *t;
    u32 groups = 1;

    while (groups < GROUPS_MAX && (u64)groups << TRACK_EXTENT_SHIFT < blocks)
        groups *= 2;
    t = kvzalloc(sizeof(*t) + groups * sizeof(t->group[0]), GFP_KERNEL);
    if (!t)
        return NULL;
    t->groups = groups;
    for (u32 i = 0; i < groups; i++)
        spin_lock_init(&t->group[i].lock);
    return t;
}

void track_free(struct track *t)
{
    kvfree(t);
}

size_t track_size(const struct track *t)
{
    return sizeof(*t) + t->groups * sizeof(t->group[0]);
}

static struct track_group *group_of(struct track *t, u64 block)
{
    return &t->group[(block >> TRACK_EXTENT_SHIFT) & (t->groups - 1)];
}

static u32 place_of(u64 block)
{
    return (u32)(block & (TRACK_EXTENT - 1));
}

/* What reaches beyond all groups concerns each of them once. */
static void narrow(const struct track *t, u64 *first, u64 *count)
{
    u64 all = (u64)t->groups << TRACK_EXTENT_SHIFT;

    if (*count >= all) {
        *first = 0;
        *count = all;
    }
}

/* How many of the blocks are in the extent of the first. */
static u32 in_extent(u64 first, u64 count)
{
    return (u32)min_t(u64, count, TRACK_EXTENT - place_of(first));
}

/* Writes of these blocks begin, or end. True: something of their groups is in the pool. */
static bool count_writes(struct track *t, u64 first, u64 count, bool begin)
{
    bool filled = false;

    narrow(t, &first, &count);
    while (count > 0) {
        struct track_group *g = group_of(t, first);
        u32 part = in_extent(first, count), at = place_of(first);
        unsigned long flags;

        spin_lock_irqsave(&g->lock, flags);
        for (u32 i = at; i < at + part; i++) {
            g->stamp[i] += begin;
            g->writes[i] += begin ? 1U : -1U;
        }
        filled |= g->filled;
        spin_unlock_irqrestore(&g->lock, flags);
        first += part;
        count -= part;
    }
    return filled;
}

bool track_write_begin(struct track *t, u64 first, u64 count)
{
    return count_writes(t, first, count, true);
}

void track_write_end(struct track *t, u64 first, u64 count)
{
    count_writes(t, first, count, false);
}

bool track_write_page(struct track *t, u64 block, u32 *stamp, bool *alone)
{
    struct track_group *g = group_of(t, block);
    u32 at = place_of(block);
    unsigned long flags;
    bool filled;

    spin_lock_irqsave(&g->lock, flags);
    *stamp = ++g->stamp[at];
    *alone = g->writes[at]++ == 0;
    filled = g->filled;
    spin_unlock_irqrestore(&g->lock, flags);
    return filled;
}

/* With the lock held: the sum of the stamps; false: one of the blocks is being written. */
static bool sum_stamps(const struct track_group *g, u32 at, u32 count, u64 *sum)
{
    u32 writes = 0;

    *sum = 0;
    for (u32 i = at; i < at + count; i++) {
        *sum += g->stamp[i];
        writes |= g->writes[i];
    }
    return writes == 0;
}

bool track_read_begin(struct track *t, u64 first, u32 count, u64 *token)
{
    struct track_group *g = group_of(t, first);
    unsigned long flags;
    bool quiet;

    spin_lock_irqsave(&g->lock, flags);
    quiet = sum_stamps(g, place_of(first), count, token);
    spin_unlock_irqrestore(&g->lock, flags);
    return quiet;
}

bool track_lock_read(struct track *t, u64 first, u32 count, u64 token, unsigned long *flags)
{
    struct track_group *g = group_of(t, first);
    u64 now;

    spin_lock_irqsave(&g->lock, *flags);
    if (sum_stamps(g, place_of(first), count, &now) && now == token)
        return true;
    spin_unlock_irqrestore(&g->lock, *flags);
    return false;
}

bool track_lock_page(struct track *t, u64 block, u32 stamp, u32 mask, unsigned long *flags)
{
    struct track_group *g = group_of(t, block);
    u32 at = place_of(block);

    spin_lock_irqsave(&g->lock, *flags);
    if (g->writes[at] == 0 && ((g->stamp[at] ^ stamp) & mask) == 0)
        return true;
    spin_unlock_irqrestore(&g->lock, *flags);
    return false;
}

void track_unlock(struct track *t, u64 block, unsigned long flags)
{
    spin_unlock_irqrestore(&group_of(t, block)->lock, flags);
}

u32 track_stamp(const struct track *t, u64 block)
{
    return group_of((struct track *)t, block)->stamp[place_of(block)];
}

void track_set_filled(struct track *t, u64 block)
{
    group_of(t, block)->filled = true;
}

void track_clear_filled(struct track *t)
{
    for (u32 i = 0; i < t->groups; i++)
        t->group[i].filled = false;
}
