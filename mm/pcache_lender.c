/* SPDX-License-Identifier: MIT
 *
 * The page cache as a lender (spare.h): the allocator's way in.
 *
 * It asks for frames: pages above floors, of the client whose worst is worth least; or for those of certain
 * frames, for a block or a whole run. A page in the hands of a call under way cannot be dropped, but will be soon.
 *
 * Somebody waits for this memory: a new domain of a gigabyte for 262144 pages of it. So a page is only taken off its
 * client's list and marked as dropped; what goes with frames in a row is done once for all of them: the lock, the
 * quota's and the host's counts, the ledger, the way back to the heap. What would cost most, telling the ghost
 * tier and taking a key out of the index, does not need to be done now, and not by who needs the memory (INV-ROOM-2).
 * Until then records of dropped pages stay; a CPU with nothing to do, and the client's calls, see to them.
 */
#include <lagan/arch.h>
#include "mm/account.h"
#include "mm/pcache_state.h"
#include "mm/spare.h"

#define TIDY_STEP \
    64U /* slots that are settled under one lock, without a look at what else there is to do */

static uint64_t worst(void)
{
    unsigned index;
    uint64_t worth;

    return quota_worst(&index, &worth) ? worth : UINT64_MAX;
}

static uint16_t cause_of(const struct account *a)
{
    return a ? a->id : DOMID_XEN;
}

static unsigned give_from(unsigned index, unsigned count, const struct account *a)
{
    struct pcache_seat *seat = &pcache.seat[index];
    unsigned given = 0;

    spin_lock(&seat->lock);
    if (seat->pc)
        given = pages_give(seat->pc, count, atomic_load(&seat->pc->quota.floor), cause_of(a), true);
    spin_unlock(&seat->lock);
    return given;
}

/* Any client: when the one that was named has nothing after all, and for empty frames of those that are within
 * their floors. */
static unsigned give_from_any(unsigned count, const struct account *a)
{
    unsigned given = 0;

    for (unsigned i = 0; i < PCACHE_CLIENTS && !given; i++)
        if (pcache.seat[i].pc) /* a look without the lock */
            given = give_from(i, count, a);
    return given;
}

static unsigned drop(unsigned count, const struct account *a)
{
    unsigned index, given = 0;
    uint64_t worth;

    if (quota_worst(&index, &worth))
        given = give_from(index, count, a);
    return given ? given : give_from_any(count, a);
}

/* ---- by place ---- */

/* The client that has the frame, locked; or NULL, and nothing is locked. */
static LAGAN_NO_TSA struct pcache *lock_holder(mfn_t m)
{
    uint64_t use = atomic_load(&frame_of(m)->use);
    unsigned index = (uint16_t)(use >> 32);
    struct pcache *pc;

    if (use != spare_word(SPARE_PCACHE, (uint16_t)index) || index >= PCACHE_CLIENTS)
        return NULL;
    spin_lock(&pcache.seat[index].lock);
    pc = pcache.seat[index].pc;
    if (pc && atomic_load(&frame_of(m)->use) == use)
        return pc;
    spin_unlock(&pcache.seat[index].lock);
    return NULL;
}

static uint64_t above_floor(const struct pcache *pc)
{
    uint64_t pages = atomic_load(&pc->quota.pages), floor = atomic_load(&pc->quota.floor);

    return pages > floor ? pages - floor : 0;
}

static LAGAN_NO_TSA uint64_t worth_of(mfn_t m)
{
    struct pcache *pc = lock_holder(m);
    uint64_t worth = UINT64_MAX;

    if (!pc)
        return UINT64_MAX;
    if (above_floor(pc) >= SPARE_RUN)
        worth = pcache_quota_worth(&pcache.quota, &pc->quota, pcache_now_ms());
    pcache_unlock(pc);
    return worth;
}

static unsigned give_range(struct pcache *pc, mfn_t first, unsigned count, uint16_t cause)
{
    uint64_t use = spare_word(SPARE_PCACHE, (uint16_t)pc->index), may = above_floor(pc);
    uint64_t worth = pcache_quota_worth(&pcache.quota, &pc->quota, pcache_now_ms());
    struct slot_part part = {.count = 0};
    unsigned given = 0, dropped = 0;

    for (; given < count; given++) {
        struct frame *f = frame_of(mfn(first.n + given));
        struct slot *s;

        /* Acquire: a frame that has just come by an exchange has its links from before. */
        if (atomic_load_explicit(&f->use, memory_order_acquire) != use)
            break;
        if (unlikely(!f->prev)) {
            if (!stock_remove(pc, mfn(first.n + given)))
                break;
        } else {
            s = slot_of(pc, f->prev);
            if (s->state != SLOT_KEPT || dropped == may)
                break;
            (void)page_put_off(pc, &part, s, f->prev, cause);
            dropped++;
        }
        if (unlikely(f->stamp))
            frame_flush(pc, f);
    }
    pages_put_off_end(pc, &part);
    count_dropped(pc, dropped, cause, true, worth);
    if (given)
        spare_return_range(first, given);
    return given;
}

static LAGAN_NO_TSA unsigned drop_range(mfn_t m, unsigned count, const struct account *a)
{
    struct pcache *pc = lock_holder(m);
    unsigned given = 0;

    if (pc) {
        given = give_range(pc, m, count, cause_of(a));
        pcache_unlock(pc);
    }
    return given;
}

static bool drop_frame(mfn_t m, const struct account *a)
{
    return drop_range(m, 1, a) != 0;
}

/* ---- what was put off ---- */

bool pcache_tidy_pending(void)
{
    return atomic_load_explicit(&pcache.dropped, memory_order_relaxed) != 0;
}

void pcache_tidy(void)
{
    static _Atomic unsigned cursor;
    unsigned first = atomic_load_explicit(&cursor, memory_order_relaxed), left = TIDY_STEP;

    for (unsigned i = 0; i < PCACHE_CLIENTS && left; i++) {
        unsigned at = (first + i) % PCACHE_CLIENTS;
        struct pcache *pc;

        if (!pcache.seat[at].pc) /* a look without the lock */
            continue;
        spin_lock(&pcache.seat[at].lock);
        pc = pcache.seat[at].pc;
        if (pc && pc->dropped.count) {
            pages_settle(pc, left);
            atomic_store_explicit(&cursor, at, memory_order_relaxed);
            left = 0;
        }
        spin_unlock(&pcache.seat[at].lock);
    }
}

static const struct spare_lender lender = {
    .worst = worst,
    .drop = drop,
    .drop_frame = drop_frame,
    .worth = worth_of,
    .drop_range = drop_range,
};

void lender_init(void)
{
    spare_register(SPARE_PCACHE, &lender);
}
