/* SPDX-License-Identifier: MIT
 *
 * The engine of the replays: what mm/pcache*.c does with frames, done with numbers.
 */
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include <lagan/assert.h>

/* References of the first guest in a second of the replay's time. */
#define REFS_A_MS 4
#define WINDOW_MS 4000
#define ROOM_PUTS 32

void rig_init(struct rig *r, enum rig_manner manner, uint32_t frames)
{
    memset(r, 0, sizeof(*r));
    r->manner = manner;
    r->frames = frames;
    pcache_quota_init(&r->q, WINDOW_MS);
}

struct rig_guest *rig_add(struct rig *r, uint32_t own_size, uint32_t ghosts)
{
    struct rig_guest *g = &r->guest[r->guests++];

    lru_init(&g->own, own_size + 1);
    lru_init(&g->cache, r->frames + 1);
    g->own_size = own_size;
    g->table = calloc((size_t)ghosts + 1, GHOST_ENTRY_BYTES);
    if (!g->table || pcache_quota_join(&r->q, &g->c, (uint16_t)r->guests, r->now) != 0)
        abort();
    pcache_ghost_init(&g->g, g->table, ghosts, r->guests, r->now);
    pcache_ghost_set_room(&g->g, r->frames);
    return g;
}

void rig_fini(struct rig *r)
{
    for (unsigned i = 0; i < r->guests; i++) {
        lru_fini(&r->guest[i].own);
        lru_fini(&r->guest[i].cache);
        free(r->guest[i].table);
    }
}

static struct rig_guest *guest_of(struct pcache_client *c)
{
    return container_of(c, struct rig_guest, c);
}

/* `cause` NULL: the host. */
static void drop(struct rig *r, struct rig_guest *g, const struct rig_guest *cause)
{
    struct lru_node *n = lru_oldest(&g->cache);
    uint16_t id = cause ? cause->c.id : DOMID_XEN;

    BUG_ON(r->manner != RIG_GLOBAL && !pcache_quota_may_give(&g->c, cause ? &cause->c : NULL));
    pcache_quota_dropped(&g->c, id, !cause, pcache_quota_worth(&r->q, &g->c, r->now));
    pcache_ghost_dropped(&g->g, n->page, n->mark, id);
    pcache_quota_remember(&g->c, g->g.gone);
    lru_remove(&g->cache, n);
    r->used--;
}

static struct rig_guest *oldest_of_all(struct rig *r)
{
    struct rig_guest *who = NULL;
    uint64_t oldest = UINT64_MAX;

    for (unsigned i = 0; i < r->guests; i++) {
        struct lru_node *n = lru_oldest(&r->guest[i].cache);

        if (n && n->stamp < oldest) {
            oldest = n->stamp;
            who = &r->guest[i];
        }
    }
    return who;
}

static bool make_room(struct rig *r, struct rig_guest *g)
{
    struct rig_guest *who;
    struct pcache_client *victim;

    if (r->used < r->frames && pcache_quota_may_grow(&g->c))
        return true;
    if (r->manner == RIG_GLOBAL) {
        who = oldest_of_all(r);
    } else {
        victim = pcache_quota_victim(&r->q, &g->c, r->now);
        who = victim ? guest_of(victim) : NULL;
    }
    if (!who)
        return false;
    drop(r, who, g);
    return true;
}

static void put(struct rig *r, struct rig_guest *g, uint64_t page)
{
    struct lru_node *n;
    uint32_t mark;
    bool keep;

    g->puts++;
    g->events++;
    if (g->puts % ROOM_PUTS == 0)
        pcache_ghost_set_room(&g->g, pcache_quota_room(&r->q, &g->c, r->frames - r->used, r->now));
    keep = pcache_ghost_put(&g->g, page, page, r->now, &mark);
    pcache_quota_remember(&g->c, g->g.gone);
    if (!keep && r->manner == RIG_OURS)
        return;
    if (!make_room(r, g)) {
        pcache_ghost_dropped(&g->g, page, mark, g->c.id);
        return;
    }
    n = lru_add(&g->cache, page);
    n->mark = mark;
    n->stamp = r->refs;
    n->event = g->events;
    pcache_quota_in(&g->c);
    r->used++;
    g->kept++;
}

static bool get(struct rig *r, struct rig_guest *g, uint64_t page)
{
    struct lru_node *n = lru_find(&g->cache, page);
    uint16_t cause;

    g->events++;
    if (n) {
        pcache_ghost_hit(&g->g, page, n->mark, r->now);
        pcache_quota_hit(&r->q, &g->c, g->events - n->event, true, r->now);
        lru_remove(&g->cache, n);
        r->used--;
        return true;
    }
    if (pcache_ghost_miss(&g->g, page, r->now, &cause))
        pcache_quota_would_hit(&r->q, &g->c, cause, r->now);
    return false;
}

static void flush(struct rig *r, struct rig_guest *g, uint64_t page)
{
    struct lru_node *n = lru_find(&g->cache, page);

    if (!n) {
        pcache_ghost_forget(&g->g, page);
        return;
    }
    pcache_ghost_forget_kept(&g->g, n->mark);
    lru_remove(&g->cache, n);
    pcache_quota_out(&g->c);
    r->used--;
}

void rig_ref(struct rig *r, struct rig_guest *g, uint64_t page, bool write)
{
    struct lru_node *n;

    page++; /* 0 is no name */
    n = lru_find(&g->own, page);
    r->refs++;
    g->reads += !write;
    if (n) {
        g->own_hits += !write;
        lru_renew(&g->own, n);
        return;
    }
    if (write)
        flush(r, g, page);
    else if (get(r, g, page))
        g->cache_hits++;
    else
        g->misses++;
    (void)lru_add(&g->own, page);
    if (g->own.count > g->own_size) {
        n = lru_oldest(&g->own);
        put(r, g, n->page);
        lru_remove(&g->own, n);
    }
}

void rig_reclaim(struct rig *r, unsigned count)
{
    struct pcache_client *victim;
    uint64_t worth;

    while (count-- > 0 && (victim = pcache_quota_reclaim(&r->q, r->now, &worth)))
        drop(r, guest_of(victim), NULL);
}

void rig_forget_all(struct rig *r, struct rig_guest *g)
{
    while (g->cache.count > 0) {
        lru_remove(&g->cache, lru_oldest(&g->cache));
        pcache_quota_out(&g->c);
        r->used--;
    }
    pcache_ghost_forget_all(&g->g);
}

void rig_audit(struct rig *r)
{
    uint64_t used = 0;

    pcache_quota_audit(&r->q);
    for (unsigned i = 0; i < r->guests; i++) {
        pcache_ghost_audit(&r->guest[i].g);
        BUG_ON(r->guest[i].c.pages != r->guest[i].cache.count);
        used += r->guest[i].cache.count;
    }
    BUG_ON(used != r->used || used > r->frames);
}

uint64_t one_lru(const struct trace *t, uint32_t size)
{
    uint64_t misses = 0;
    struct lru l;

    lru_init(&l, size + 1);
    for (size_t i = 0; i < t->count; i++) {
        struct lru_node *n = lru_find(&l, t->ref[i].page);

        if (n) {
            lru_renew(&l, n);
            continue;
        }
        misses += !t->ref[i].write;
        (void)lru_add(&l, t->ref[i].page);
        if (l.count > size)
            lru_remove(&l, lru_oldest(&l));
    }
    lru_fini(&l);
    return misses;
}

static uint64_t replay(const struct trace *t, enum rig_manner manner, uint32_t own, uint32_t frames,
                       uint32_t tenths, struct rig_guest *counts)
{
    struct rig *r = malloc(sizeof(*r));
    struct rig_guest *g, *scanner = NULL;
    uint64_t fresh = 1, owed = 0, misses;

    if (!r)
        abort();
    rig_init(r, manner, frames);
    g = rig_add(r, own, frames * 2);
    if (tenths > 0)
        scanner = rig_add(r, own, frames * 2);
    for (size_t i = 0; i < t->count; i++) {
        r->now = i / REFS_A_MS;
        rig_ref(r, g, t->ref[i].page, t->ref[i].write);
        for (owed += tenths; owed >= 10; owed -= 10)
            rig_ref(r, scanner, fresh++, false);
    }
    rig_audit(r);
    misses = g->misses;
    if (counts)
        *counts = *g;
    rig_fini(r);
    free(r);
    return misses;
}

uint64_t rig_alone(const struct trace *t, enum rig_manner manner, uint32_t own, uint32_t frames,
                   struct rig_guest *counts)
{
    return replay(t, manner, own, frames, 0, counts);
}

uint64_t rig_beside_scanner(const struct trace *t, enum rig_manner manner, uint32_t own,
                            uint32_t frames, uint32_t tenths, struct rig_guest *counts)
{
    return replay(t, manner, own, frames, tenths, counts);
}
