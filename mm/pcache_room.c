/* SPDX-License-Identifier: MIT
 *
 * Where a page finds its frame, and who gives one up.
 *
 * A put takes, in this order: an empty frame of its client's stock; a free frame of the host, if the client may
 * grow; otherwise the page of whom pcache_quota.c names: the client's own oldest, whose frame it gets at once, or
 * other clients' oldest, or what another lender has that is worth less; these go to the heap, from where it is taken. The
 * lock of the client is let go meanwhile, so that nobody ever holds two of them. The quota's choice holds for a few puts, if it is the client itself: who
 * has the host to itself asks nobody.
 *
 * The other way round the heap asks for frames: pcache_lender.c.
 *
 * A client whose floor is more than what it has never needs to ask in vain: what is kept for floors is off the
 * heap's count of what is available (spare.h), so that if the lists have nothing, somebody has more than its floor.
 *
 * The quota's table is read without a lock. Each CPU says that it reads; who changes the table first says so and
 * waits until none does.
 *
 * INV-ROOM-1: a frame goes to the heap only when no CPU that may have run its client since the frame was
 * given by it has a translation of it (its stamp).
 * INV-ROOM-2: a page that is given to others has no frame from then on, counts for nothing, and its id and key are
 * misses. What remains to be done of it, the dear part, is its client's affair: its slot is on the list `dropped` until
 * the client's next calls, or a CPU with nothing to do, tell the ghost tier and free it (page_settle()).
 */
#include <lagan/arch.h>
#include "mm/account.h"
#include "mm/pcache_state.h"
#include "mm/spare.h"
#include "mm/tlbclock.h"

#define STOCK_MAX 32U /* empty frames of a client */
#define GIVE_MAX  64U /* pages dropped under one lock */
#define BATCH     16U /* pages of another client's that are dropped at a time; turns of one's own */

struct pcache_all pcache;

uint64_t pcache_now_ms(void)
{
    return arch_time_ns() / 1000000;
}

uint64_t ghost_name(const struct pcache *pc, unsigned pool, uint64_t key, uint64_t id)
{
    return pool || key ? pcache_ghost_name(pc->ghost, pool, key) : id;
}

/* ---- the quota's table ---- */

static struct {
    struct {
        _Atomic bool reading;
    } LAGAN_ALIGNED(64) cpu[MAX_CPUS];
    _Atomic bool changing;
} table;

static void table_read(void)
{
    _Atomic bool *reading = &table.cpu[arch_cpu()].reading;

    for (;;) {
        atomic_store(reading, true);
        if (likely(!atomic_load(&table.changing)))
            return;
        atomic_store(reading, false);
        while (atomic_load(&table.changing))
            arch_relax();
    }
}

static void table_read_end(void)
{
    atomic_store_explicit(&table.cpu[arch_cpu()].reading, false, memory_order_release);
}

static void table_change(void)
{
    bool idle;

    do
        idle = false;
    while (!atomic_compare_exchange_weak(&table.changing, &idle, true));
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
        while (atomic_load(&table.cpu[cpu].reading))
            arch_relax();
}

static void table_change_end(void)
{
    atomic_store(&table.changing, false);
}

int quota_join(struct pcache *pc)
{
    int rc;

    table_change();
    rc = pcache_quota_join(&pcache.quota, &pc->quota, pc->account->id, pcache_now_ms());
    table_change_end();
    return rc;
}

void quota_leave(struct pcache *pc)
{
    table_change();
    pcache_quota_leave(&pcache.quota, &pc->quota);
    table_change_end();
}

bool quota_worst(unsigned *index, uint64_t *worth)
{
    struct pcache_client *c;

    table_read();
    c = pcache_quota_reclaim(&pcache.quota, pcache_now_ms(), worth);
    if (c)
        *index = container_of(c, struct pcache, quota)->index;
    table_read_end();
    return c != NULL;
}

/* ---- frames ---- */

static struct frame *lent_frame(const struct pcache *pc, uint32_t n)
{
    struct frame *f = frame_of(mfn(n));

    ASSERT(atomic_load_explicit(&f->use, memory_order_relaxed) ==
           spare_word(SPARE_PCACHE, (uint16_t)pc->index));
    (void)pc;
    return f;
}

void frame_flush(const struct pcache *pc, const struct frame *f)
{
    cpumask_t cpus = {atomic_load(&pc->account->tlb_cpus)};

    if (f->stamp)
        tlb_flush_stale(TLB_FREE, 1, f->stamp, cpumask_and(cpus, arch_online_cpus()));
}

void frames_give(struct pcache *pc, const mfn_t *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        frame_flush(pc, lent_frame(pc, (uint32_t)list[i].n));
    spare_return(list, count);
}

void stock_put(struct pcache *pc, mfn_t m)
{
    struct frame *f = lent_frame(pc, (uint32_t)m.n);

    if (pc->stock_count >= STOCK_MAX || pc->dying) {
        frames_give(pc, &m, 1);
        return;
    }
    f->prev = 0;
    f->next = pc->stock;
    pc->stock = (uint32_t)m.n;
    pc->stock_count++;
}

mfn_t stock_get(struct pcache *pc)
{
    mfn_t m = mfn(pc->stock);
    struct frame *f;

    if (!pc->stock)
        return MFN_INVALID;
    f = lent_frame(pc, pc->stock);
    pc->stock = f->next;
    pc->stock_count--;
    f->next = 0;
    return m;
}

bool stock_remove(struct pcache *pc, mfn_t m)
{
    struct frame *before = NULL;

    for (uint32_t n = pc->stock; n; n = frame_of(mfn(n))->next) {
        struct frame *f = lent_frame(pc, n);

        if (n == m.n) {
            *(before ? &before->next : &pc->stock) = f->next;
            f->next = 0;
            pc->stock_count--;
            return true;
        }
        before = f;
    }
    return false;
}

/* ---- pages that go ---- */

void tell_remembered(struct pcache *pc)
{
    pcache_quota_remember(&pc->quota, pc->ghost->gone + pc->dropped.count);
}

mfn_t page_remove(struct pcache *pc, struct slot *s)
{
    mfn_t m = mfn(s->frame);

    if (!s->persistent) {
        if (s->state == SLOT_KEPT)
            slot_unlink(pc, &pc->kept, s);
        frame_of(m)->prev = 0;
    }
    pc->persistent -= s->persistent;
    if (s->pool && !s->doomed)
        index_remove(pc, s);
    slot_give(pc, s);
    return m;
}

mfn_t page_drop(struct pcache *pc, struct slot *s, uint16_t cause)
{
    pcache_ghost_dropped(pc->ghost, ghost_name(pc, s->pool, s->key, s->id), s->mark, cause);
    tell_remembered(pc);
    return page_remove(pc, s);
}

void page_settle(struct pcache *pc, struct slot *s)
{
    ASSERT(s->state == SLOT_DROPPED);
    slot_unlink(pc, &pc->dropped, s);
    atomic_fetch_sub_explicit(&pcache.dropped, 1, memory_order_relaxed);
    pcache_ghost_dropped(pc->ghost, ghost_name(pc, s->pool, s->key, s->id), s->mark, s->cause);
    tell_remembered(pc);
    if (s->pool)
        index_remove(pc, s);
    slot_give(pc, s);
}

void pages_settle(struct pcache *pc, unsigned most)
{
    while (unlikely(pc->dropped.oldest) && most-- > 0)
        page_settle(pc, slot_of(pc, pc->dropped.oldest));
}

/* The client's own oldest page makes way. */
static mfn_t drop_own(struct pcache *pc)
{
    if (!pc->kept.oldest)
        return MFN_INVALID;
    pc->count.dropped_self++;
    pcache_quota_dropped(&pc->quota, pc->account->id, false, 0);
    return page_drop(pc, slot_of(pc, pc->kept.oldest), pc->account->id);
}

void count_dropped(struct pcache *pc, unsigned pages, uint16_t cause, bool host, uint64_t worth)
{
    if (!pages)
        return;
    pcache_quota_dropped_some(&pc->quota, pages, cause, host, worth);
    *(host ? &pc->count.dropped_host : &pc->count.dropped_cache) += pages;
    atomic_fetch_add_explicit(&pcache.dropped, pages, memory_order_relaxed);
    tell_remembered(pc);
}

unsigned pages_give(struct pcache *pc, unsigned count, uint64_t keep, uint16_t cause, bool host)
{
    uint64_t worth = pcache_quota_worth(&pcache.quota, &pc->quota, pcache_now_ms());
    uint64_t pages = atomic_load(&pc->quota.pages);
    struct slot_part part = {.count = 0};
    mfn_t list[GIVE_MAX];
    unsigned n = 0, dropped = 0;

    count = count < GIVE_MAX ? count : GIVE_MAX;
    while (n < count && pc->stock)
        list[n++] = stock_get(pc);
    for (uint32_t at = pc->kept.oldest; at && n < count && pages - dropped > keep; dropped++) {
        struct slot *s = slot_of(pc, at);

        list[n++] = page_put_off(pc, &part, s, at, cause);
        at = s->prev;
    }
    pages_put_off_end(pc, &part);
    count_dropped(pc, dropped, cause, host, worth);
    frames_give(pc, list, n);
    return n;
}

/* ---- a frame for a page ---- */

/* Another client gives some pages to the heap. It may be gone, or another, by the time it is locked: then it has
 * what may be taken all the same, or nothing. */
static void ask_other(unsigned index, const struct pcache_client *asker, uint16_t cause)
{
    struct pcache_seat *seat = &pcache.seat[index];

    spin_lock(&seat->lock);
    if (seat->pc && pcache_quota_may_give(&seat->pc->quota, asker))
        pages_give(seat->pc, BATCH, atomic_load(&seat->pc->quota.floor), cause, false);
    spin_unlock(&seat->lock);
}

/* Whom the quota names, and what a page of other lenders' must be worth less than to go instead: what the victim's are
 * worth; anything, if its floor is not filled and nobody else has a page; something, if nobody is named, or what
 * nobody uses would keep newcomers out. */
static bool find_victim(struct pcache *pc, unsigned *index, uint64_t *worth)
{
    uint64_t now = pcache_now_ms();
    struct pcache_client *c;

    table_read();
    c = pcache_quota_victim(&pcache.quota, &pc->quota, now);
    *index = c ? container_of(c, struct pcache, quota)->index : 0;
    *worth = c ? pcache_quota_worth(&pcache.quota, c, now) : 1;
    table_read_end();
    if ((!c || c == &pc->quota) && atomic_load(&pc->quota.pages) < atomic_load(&pc->quota.floor))
        *worth = UINT64_MAX;
    return c != NULL;
}

/* A frame that is nobody's, if the client may have a page more. */
static mfn_t take_free(struct pcache *pc, bool blank, unsigned flags)
{
    mfn_t m;

    if (!pcache_quota_may_grow(&pc->quota))
        return MFN_INVALID;
    m = stock_get(pc);
    if (m.n == MFN_INVALID.n && !spare_borrow(SPARE_PCACHE, (uint16_t)pc->index,
                                              flags | (blank ? SPARE_CLEAR : SPARE_ANY), &m))
        return MFN_INVALID;
    return m;
}

bool room_make_own(struct pcache *pc)
{
    mfn_t m = drop_own(pc);

    if (m.n == MFN_INVALID.n)
        return false;
    stock_put(pc, m);
    return pcache_quota_may_grow(&pc->quota);
}

/* A frame of other lenders', if they have what is worth less. Lets go of the lock in between. */
LAGAN_NO_TSA static mfn_t take_of_others(struct pcache *pc, bool blank, uint64_t worth)
{
    bool room;

    if (!pcache_quota_may_grow(&pc->quota))
        return MFN_INVALID;
    pcache_unlock(pc);
    room = spare_make_room_for(SPARE_PCACHE, worth);
    pcache_lock(pc);
    return room && !pc->dying ? take_free(pc, blank, SPARE_LAST) : MFN_INVALID;
}

/* Lets go of the lock in between. */
LAGAN_NO_TSA mfn_t room_find(struct pcache *pc, bool blank)
{
    mfn_t m = take_free(pc, blank, SPARE_ANY);
    unsigned victim;
    uint64_t worth;
    bool found;

    if (m.n != MFN_INVALID.n)
        return m;
    if (pc->own_turns && pc->kept.oldest) {
        pc->own_turns--;
        return drop_own(pc);
    }
    found = find_victim(pc, &victim, &worth);
    m = take_of_others(pc, blank, worth);
    if (m.n != MFN_INVALID.n || !found || pc->dying)
        return m;
    if (victim == pc->index) {
        pc->own_turns = BATCH;
        return drop_own(pc);
    }
    pcache_unlock(pc);
    ask_other(victim, &pc->quota, pc->account->id);
    pcache_lock(pc);
    if (pc->dying)
        return MFN_INVALID;
    m = take_free(pc, blank, SPARE_LAST);
    return m.n != MFN_INVALID.n ? m : drop_own(pc);
}

void room_trim(struct pcache *pc)
{
    uint64_t ceiling = atomic_load(&pc->quota.ceiling);

    if (unlikely(atomic_load_explicit(&pc->quota.pages, memory_order_relaxed) > ceiling))
        (void)pages_give(pc, GIVE_MAX, ceiling, pc->account->id, false);
}

void room_init(void)
{
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
        table.cpu[cpu].reading = false;
    table.changing = false;
    lender_init();
}
