/* SPDX-License-Identifier: MIT
 *
 * The page cache: clients, and the copying form of puts and gets.
 *
 * A get takes the page out of everybody's reach, lets go of the lock, has it copied, and only then
 * decides: it leaves, stays, or is as it was if the guest's page could not be written. A put likewise fills a
 * frame that nobody can find yet. So no lock is held while guest memory is touched, and what a flush or
 * another put meets in the middle of a get is marked as doomed and goes when the get is over.
 *
 *   put:  (nothing) --pcache_put()--> SLOT_FILLING --pcache_put_end()--> SLOT_KEPT
 *   get:  SLOT_KEPT --pcache_get()--> SLOT_READ --pcache_get_end()--> (gone) or SLOT_KEPT
 *
 * Coherence: a put under a key first ends what was there, whatever becomes of the put; so never is an older
 * content found after a newer one was offered. Where a guest's own calls overlap, either order counts.
 */
#include <lagan/arch.h>
#include <lagan/string.h>
#include "mm/account.h"
#include "mm/heap.h"
#include "mm/pcache_state.h"
#include "mm/spare.h"

#define WINDOW_MS         4000 /* in which use loses an eighth of its weight */
#define GHOST_ORDER_MAX   10   /* pages of a client's table of names: 256 entries each */
#define GHOST_SHARE_SHIFT 10   /* one page of it for so many of the host */

/* ---- clients ---- */

void pcache_init(void)
{
    memset(&pcache, 0, sizeof(pcache));
    for (unsigned i = 0; i < PCACHE_CLIENTS; i++)
        spin_init(&pcache.seat[i].lock, LK_PCACHE);
    pcache_quota_init(&pcache.quota, WINDOW_MS);
    pcache.generation = 1;
    room_init();
}

static bool take_seat(struct pcache *pc)
{
    for (pc->index = 0; pc->index < PCACHE_CLIENTS; pc->index++) {
        struct pcache_seat *seat = &pcache.seat[pc->index];
        bool mine;

        spin_lock(&seat->lock);
        mine = !seat->pc;
        if (mine)
            seat->pc = pc;
        spin_unlock(&seat->lock);
        if (mine)
            return true;
    }
    return false;
}

static void leave_seat(struct pcache *pc)
{
    struct pcache_seat *seat = &pcache.seat[pc->index];

    spin_lock(&seat->lock);
    seat->pc = NULL;
    spin_unlock(&seat->lock);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static unsigned ghost_struct_order(void)
{
    unsigned order = 0;

    while (PAGE_SIZE << order < sizeof(struct pcache_ghost))
        order++;
    return order;
}

static void count_books(struct pcache *pc, uint64_t pages)
{
    pc->books += pages;
    atomic_fetch_add(&pcache.books, pages);
}

static void free_parts(struct pcache *pc)
{
    page_free(pc->ghost_table, pc->ghost_order);
    page_free(pc->ghost, ghost_struct_order());
    atomic_fetch_sub(&pcache.books, pc->books);
    page_free(pc, 0);
}

/* A smaller table where memory is in pieces: it remembers less. */
static bool alloc_parts(struct pcache *pc)
{
    uint64_t share = heap_total_pages() >> GHOST_SHARE_SHIFT;

    pc->ghost = page_alloc(ghost_struct_order(), HEAP_CLEAR | HEAP_FOR(HEAP_PCACHE));
    if (!pc->ghost)
        return false;
    pc->ghost_order = GHOST_ORDER_MAX + 1;
    while (!pc->ghost_table && pc->ghost_order-- > 0)
        if (pc->ghost_order == 0 || UINT64_C(1) << pc->ghost_order <= share)
            pc->ghost_table = page_alloc(pc->ghost_order, HEAP_FOR(HEAP_PCACHE));
    if (!pc->ghost_table)
        return false;
    count_books(pc, 1 + (UINT64_C(1) << ghost_struct_order()) + (UINT64_C(1) << pc->ghost_order));
    return true;
}

int pcache_create(struct account *a, struct pcache **out)
{
    struct pcache *pc = page_alloc(0, HEAP_CLEAR | HEAP_FOR(HEAP_PCACHE));
    uint64_t seed = mix(arch_time_ns() ^ (uintptr_t)pc << 20 ^ (uint64_t)a->id << 48);
    int rc = -XEN_ENOSPC;

    if (!pc)
        return -XEN_ENOMEM;
    pc->account = a;
    pc->pool[0] = POOL_EPHEMERAL;
    pc->secret[0] = mix(seed + 1);
    pc->secret[1] = mix(seed + 2);
    if (!alloc_parts(pc)) {
        free_parts(pc);
        return -XEN_ENOMEM;
    }
    pcache_ghost_init(pc->ghost, pc->ghost_table,
                      (uint32_t)((PAGE_SIZE << pc->ghost_order) / GHOST_ENTRY_BYTES), mix(seed + 3),
                      pcache_now_ms());
    if (take_seat(pc)) {
        rc = quota_join(pc);
        if (!rc) {
            *out = pc;
            return 0;
        }
        leave_seat(pc);
    }
    free_parts(pc);
    return rc;
}

int pcache_relinquish(struct pcache *pc)
{
    uint64_t count = 0;
    unsigned given;
    bool left;
    int rc;

    pcache_lock(pc);
    pc->dying = true;
    pcache_unlock(pc);
    do {
        pcache_lock(pc);
        given = pages_give(pc, UINT32_MAX, 0, pc->account->id, false);
        pcache_unlock(pc);
        if (given && arch_preempt_pending())
            return -XEN_ERESTART;
    } while (given);
    rc = pcache_flush_pool(pc, PCACHE_POOLS, &pc->end_cursor, &count); /* what is persistent */
    if (rc)
        return rc;
    pcache_lock(pc);
    /* In the hands of a call that ends, or dropped for another's good meanwhile. */
    left = pc->persistent || atomic_load(&pc->quota.pages) || pc->dropped.count;
    pcache_unlock(pc);
    pc->end_cursor = 0;
    return left ? -XEN_ERESTART : 0;
}

void pcache_destroy(struct pcache *pc)
{
    if (!pc)
        return;
    BUG_ON(!pc->dying || pc->persistent || pc->kept.count || pc->dropped.count || pc->stock);
    index_end(pc);
    slots_end(pc);
    BUG_ON(pcache_set_quota(pc, 0, 0, 1) != 0); /* gives back the floor */
    quota_leave(pc);
    leave_seat(pc);
    free_parts(pc);
}
