/* SPDX-License-Identifier: MIT
 *
 * Quotas, figures, the ledger, the curve.
 */
#include <lagan/arch.h>
#include <lagan/string.h>
#include "include/public/lagan/pcache.h"
#include "mm/account.h"
#include "mm/pcache_state.h"
#include "mm/spare.h"

STATIC_ASSERT(QUOTA_OTHERS == DOMID_INVALID);
STATIC_ASSERT(LAGAN_PCACHE_CURVE_POINTS == 32 && CURVE_BUCKETS % LAGAN_PCACHE_CURVE_POINTS == 0);

/* A floor is kept before it is promised, and given up after it is not promised any more. */
int pcache_set_quota(struct pcache *pc, uint64_t floor, uint64_t ceiling, uint32_t weight)
{
    uint64_t before;
    int rc = 0;

    if (floor > ceiling || floor > QUOTA_PAGES_MAX)
        return -XEN_EINVAL;
    ceiling = min_u64(ceiling, QUOTA_PAGES_MAX);
    pcache_lock(pc);
    before = atomic_load(&pc->quota.floor);
    if (floor > before)
        rc = pc->dying ? -XEN_EINVAL : spare_keep((int64_t)(floor - before));
    if (!rc) {
        rc = pcache_quota_set(&pc->quota, floor, ceiling, weight);
        if (rc && floor > before)
            (void)!spare_keep((int64_t)(before - floor));
        else if (!rc && floor < before)
            (void)!spare_keep((int64_t)(floor - before));
    }
    pc->own_turns = 0;
    if (!rc)
        room_trim(pc);
    pcache_unlock(pc);
    return rc;
}

void pcache_freeze(struct pcache *pc, bool on)
{
    if (!pc) {
        atomic_store(&pcache.frozen, on);
        return;
    }
    pcache_lock(pc);
    pc->frozen = on;
    pcache_unlock(pc);
}

void pcache_no_stats(struct lagan_pcache_stats *s)
{
    *s = (struct lagan_pcache_stats){.domid = s->domid,
                                     .flags = atomic_load(&pcache.frozen) ? LAGAN_PCACHE_FROZEN : 0,
                                     .ceiling = QUOTA_PAGES_MAX,
                                     .weight = QUOTA_WEIGHT_USUAL};
}

void pcache_get_stats(struct pcache *pc, struct lagan_pcache_stats *s)
{
    const struct counts *c = &pc->count;
    domid_t id = s->domid;

    pcache_lock(pc);
    *s = (struct lagan_pcache_stats){
        .domid = id,
        .flags = pc->frozen || atomic_load(&pcache.frozen) ? LAGAN_PCACHE_FROZEN : 0,
        .floor = atomic_load(&pc->quota.floor),
        .ceiling = atomic_load(&pc->quota.ceiling),
        .weight = (uint32_t)atomic_load(&pc->quota.weight),
        .pages = atomic_load(&pc->quota.pages),
        .persistent = pc->persistent,
        .books = pc->books,
        .ghosts = pc->ghost->gone + pc->dropped.count,
        .puts = c->puts,
        .kept = c->kept,
        .refused = c->refused,
        .no_room = c->no_room,
        .gets = c->gets,
        .hits = c->hits,
        .exchanged = c->exchanged,
        .copied = c->copied,
        .flushed = c->flushed,
        .dropped_self = c->dropped_self,
        .dropped_cache = c->dropped_cache,
        .dropped_host = c->dropped_host,
        .worth = pcache_quota_worth(&pcache.quota, &pc->quota, pcache_now_ms()),
    };
    pcache_unlock(pc);
}

void pcache_get_host(struct lagan_pcache_host *h)
{
    struct spare_counts counts = spare_counts();

    *h = (struct lagan_pcache_host){.lent = spare_pages(),
                                    .whole_runs = spare_whole_runs(),
                                    .floors = spare_kept(),
                                    .persistent = atomic_load(&pcache.persistent),
                                    .books = atomic_load(&pcache.books),
                                    .recalled = counts.recalled,
                                    .recall_calls = counts.calls,
                                    .recall_looks = counts.looks,
                                    .flags = atomic_load(&pcache.frozen) ? LAGAN_PCACHE_FROZEN : 0};
    for (unsigned i = 0; i < PCACHE_CLIENTS; i++)
        h->clients += pcache.seat[i].pc != NULL;
}

unsigned pcache_get_ledger(struct pcache *pc, struct lagan_pcache_ledger *l, unsigned max)
{
    unsigned count = 0;

    pcache_lock(pc);
    for (unsigned i = 0; i <= QUOTA_LEDGER_ROWS; i++) {
        const struct quota_ledger_row *r = &pc->quota.row[i];

        if (i < QUOTA_LEDGER_ROWS ? i >= pc->quota.row_count : !(r->for_cache | r->for_host))
            continue;
        if (count < max)
            l[count] = (struct lagan_pcache_ledger){.domid = pc->account->id,
                                                    .other = r->cause,
                                                    .for_cache = r->for_cache,
                                                    .for_host = r->for_host,
                                                    .missed = r->missed,
                                                    .worth = r->worth};
        count++;
    }
    pcache_unlock(pc);
    return count;
}

void pcache_get_curve(struct pcache *pc, struct lagan_pcache_curve *c)
{
    const struct pcache_curve *curve = &pc->ghost->curve[GHOST_ALL];
    unsigned step = CURVE_BUCKETS / LAGAN_PCACHE_CURVE_POINTS;
    uint64_t now = pcache_now_ms(), gets;

    pcache_lock(pc);
    gets = pcache_curve_gets(curve);
    c->gets = gets >> 8;
    c->window_ns = (curve->time + (now > curve->now ? now - curve->now : 0)) * 1000000;
    c->points = LAGAN_PCACHE_CURVE_POINTS;
    for (unsigned i = 0; i < LAGAN_PCACHE_CURVE_POINTS; i++) {
        uint64_t pages = (uint64_t)curve->bucket_pages * step * (i + 1);

        c->point[i].pages = pages;
        c->point[i].misses = (gets - pcache_curve_hits(curve, pages)) >> 8;
    }
    pcache_unlock(pc);
}

const struct pcache_curve *pcache_curve_of(struct pcache *pc, uint64_t *pages, uint64_t *now_ms)
{
    *now_ms = pcache_now_ms();
    pcache_lock(pc);
    *pages = atomic_load(&pc->quota.pages);
    return &pc->ghost->curve[GHOST_ALL];
}

void pcache_curve_done(struct pcache *pc)
{
    pcache_unlock(pc);
}
