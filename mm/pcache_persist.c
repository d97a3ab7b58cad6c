/* SPDX-License-Identifier: MIT
 *
 * Persistent pools: pages that are never dropped, and so must be somebody's. Each is a frame of the
 * client's own account, charged like any other and under the same limits. The guest was not told its number,
 * but may guess it: then it can map the frame, or give it up; so the cache holds a reference of its own,
 * as writable memory. The frame cannot become a page table, and is not free before the cache is done with it.
 */
#include <lagan/arch.h>
#include "mm/account.h"
#include "mm/heap.h"
#include "mm/pcache_state.h"
#include "mm/type.h"

static bool alloc(struct pcache *pc, mfn_t *m)
{
    if (account_alloc(pc->account, 0, HEAP_ANY, m))
        return false;
    if (frame_get_writable(*m, pc->account->id) == 0)
        return true;
    (void)!account_release(pc->account, *m);
    return false;
}

void persist_free(struct pcache *pc, mfn_t m)
{
    (void)!account_release(pc->account, m); /* unless the guest has done that */
    frame_put_writable(m);
    atomic_fetch_sub(&pcache.persistent, 1);
}

bool persist_put(struct pcache *pc, const struct pcache_name *n, struct pcache_held *h, int *rc)
{
    struct slot *s;

    *rc = -XEN_ENOMEM;
    if (!alloc(pc, &h->frame))
        return false;
    atomic_fetch_add(&pcache.persistent, 1);
    pcache_lock(pc);
    s = pc->dying ? NULL : slot_reserve(pc, true, 0);
    if (s) {
        s->pool = (uint8_t)n->pool;
        s->key = n->key;
        s->persistent = true;
        pc->persistent++;
        h->slot = slot_number(s);
        *rc = 0;
    }
    pcache_unlock(pc);
    if (!s)
        persist_free(pc, h->frame);
    return s != NULL;
}

/* What another call has put there meanwhile goes: its frame is returned. */
static bool publish(struct pcache *pc, struct slot *s, mfn_t m, mfn_t *old)
{
    struct slot *other;

    if (pc->dying || pc->pool[s->pool] != POOL_PERSISTENT)
        return false;
    other = page_find_key(pc, s->pool, s->key);
    if (other)
        *old = page_flush(pc, other);
    if (!index_add(pc, s))
        return false;
    s->frame = (uint32_t)m.n;
    s->state = SLOT_KEPT;
    return true;
}

bool persist_put_end(struct pcache *pc, struct pcache_held *h, bool filled)
{
    mfn_t old = MFN_INVALID;
    struct slot *s;
    bool ok;

    pcache_lock(pc);
    s = slot_at(pc, h->slot);
    ASSERT(s && s->state == SLOT_FILLING && s->persistent);
    ok = filled && publish(pc, s, h->frame, &old);
    if (!ok) {
        slot_give(pc, s);
        pc->persistent--;
    }
    pcache_unlock(pc);
    if (!ok)
        persist_free(pc, h->frame);
    if (old.n != MFN_INVALID.n)
        persist_free(pc, old);
    return ok;
}
