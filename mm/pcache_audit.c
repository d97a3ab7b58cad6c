/* SPDX-License-Identifier: MIT
 *
 * The auditor of the page cache: every slot, every frame, every sum. Nothing else is at work.
 */
#include <lagan/printk.h>
#include "mm/account.h"
#include "mm/pcache_state.h"
#include "mm/spare.h"

static unsigned faults;

static bool check(bool ok, const char *what, uint64_t n)
{
    if (!ok && faults++ < 16)
        log_err("pcache_audit: %s (%#lx)\n", what, (unsigned long)n);
    return ok;
}

struct sums {
    uint64_t pages, persistent, keyed, dropped;
};

static void audit_frame(const struct pcache *pc, uint32_t n, uint32_t slot)
{
    const struct frame *f = frame_of(mfn(n));

    check(f->use == spare_word(SPARE_PCACHE, (uint16_t)pc->index),
          "INV-PC-1: a frame that is not the client's", n);
    check(f->prev == slot, "INV-PC-1: a frame that knows another slot", n);
}

static void audit_slot(struct pcache *pc, struct slot *s, struct sums *sum)
{
    check(s->state == SLOT_KEPT || s->state == SLOT_DROPPED, "a call is under way", slot_number(s));
    check(!s->doomed && (s->state == SLOT_DROPPED || !s->readers), "left doomed or read",
          slot_number(s));
    check(pc->pool[s->pool] == (s->persistent ? POOL_PERSISTENT : POOL_EPHEMERAL) ||
              pc->pool[s->pool] == POOL_CLOSING,
          "a page of no pool", slot_number(s));
    if (s->pool) {
        check(index_find(pc, s->pool, s->key) == s, "INV-PC-2: not found by its key",
              slot_number(s));
        sum->keyed++;
    }
    if (s->state == SLOT_DROPPED) {
        check(!s->persistent && !s->frame, "INV-ROOM-2: dropped, but not without a frame",
              slot_number(s));
        sum->dropped++;
    } else if (s->persistent) {
        const struct frame *f = frame_of(mfn(s->frame));

        check(frame_state(f) == FRAME_OWNED && frame_owner(f) == pc->account->id,
              "a persistent page that is not its account's", s->frame);
        sum->persistent++;
    } else {
        audit_frame(pc, s->frame, slot_number(s));
        sum->pages++;
    }
}

/* The slots of a leaf's numbers; how many are in use. */
static void audit_slots(struct pcache *pc, struct sums *sum)
{
    for (uint32_t leaf = 0; leaf < pc->leaf_count; leaf++)
        for (uint32_t place = 1; place < LEAF_SLOTS; place++) {
            struct slot *s = slot_at(pc, leaf << LEAF_SHIFT | place);

            if (!s)
                break;
            check(slot_number(s) == (leaf << LEAF_SHIFT | place), "a slot's number", s->id);
            if (s->state != SLOT_FREE)
                audit_slot(pc, s, sum);
        }
}

static void audit_list(const struct pcache *pc, const struct slot_list *l, enum slot_state state,
                       uint64_t pages)
{
    uint64_t count = 0;
    uint32_t prev = 0;

    for (uint32_t n = l->newest; n; prev = n, n = slot_at(pc, n)->next, count++) {
        if (!check(slot_at(pc, n) && slot_at(pc, n)->prev == prev &&
                       slot_at(pc, n)->state == state && count <= pages,
                   "a list's links", n))
            return;
    }
    check(prev == l->oldest && count == pages && l->count == pages, "a list's length", count);
}

static void audit_counts(const struct pcache *pc)
{
    const struct counts *c = &pc->count;

    check(c->puts == c->kept + c->refused + c->no_room, "INV-PC-5: puts", c->puts);
    check(c->gets >= c->hits, "INV-PC-5: gets", c->gets);
    check(c->kept == atomic_load(&pc->quota.pages) + c->left + c->flushed + c->dropped_self +
                         c->dropped_cache + c->dropped_host,
          "INV-PC-5: pages that were kept", c->kept);
}

static uint64_t audit_client(struct pcache *pc, uint64_t *dropped)
{
    uint64_t stock = 0;
    struct sums sum = {0};

    audit_slots(pc, &sum);
    audit_list(pc, &pc->kept, SLOT_KEPT, sum.pages);
    audit_list(pc, &pc->dropped, SLOT_DROPPED, sum.dropped);
    audit_counts(pc);
    for (uint32_t n = pc->stock; n; n = frame_of(mfn(n))->next, stock++)
        audit_frame(pc, n, 0);
    check(stock == pc->stock_count, "the stock's count", stock);
    check(sum.pages == atomic_load(&pc->quota.pages), "INV-PC-4: pages", sum.pages);
    check(sum.persistent == pc->persistent, "persistent pages", sum.persistent);
    check(sum.keyed == pc->keyed, "keys in the index", sum.keyed);
    pcache_ghost_audit(pc->ghost);
    *dropped += sum.dropped;
    return sum.pages + stock;
}

unsigned pcache_audit(void)
{
    uint64_t frames = 0, floors = 0, books = 0, persistent = 0, dropped = 0;

    faults = 0;
    for (unsigned i = 0; i < PCACHE_CLIENTS; i++) {
        struct pcache *pc = pcache.seat[i].pc;

        if (!pc)
            continue;
        frames += audit_client(pc, &dropped);
        floors += atomic_load(&pc->quota.floor);
        books += pc->books;
        persistent += pc->persistent;
    }
    check(frames == spare_held(SPARE_PCACHE), "INV-PC-1: frames that nobody has", frames);
    check(floors == spare_kept(), "floors that are not kept", floors);
    check(books == atomic_load(&pcache.books), "pages of records", books);
    check(persistent == atomic_load(&pcache.persistent), "all persistent pages", persistent);
    check(dropped == atomic_load(&pcache.dropped), "INV-ROOM-2: slots to be settled", dropped);
    pcache_quota_audit(&pcache.quota);
    return faults;
}
