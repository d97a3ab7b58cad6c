/* SPDX-License-Identifier: MIT
 *
 * Pages: the copying form of gets and puts, and what the exchanging form shares with it.
 *
 * A get takes the page out of everybody's reach, lets go of the lock, has it copied, and only then
 * decides: it leaves, stays, or is as it was if the guest's page could not be written. A put likewise fills a
 * frame that nobody can find yet. So no lock is held while guest memory is touched, and a page that a flush or
 * another put meets in the middle of a get is marked as doomed and goes when the get is over.
 *
 *   put:  (nothing) --pcache_put()--> SLOT_FILLING --pcache_put_end()--> SLOT_KEPT
 *   get:  SLOT_KEPT --pcache_get()--> SLOT_READ --pcache_get_end()--> (gone) or SLOT_KEPT
 *
 * Coherence: a put under a key first ends what was there, whatever becomes of the put; so never is an older
 * content found after a newer one was offered. Where a guest's own calls overlap, either order counts.
 */
#include <lagan/arch.h>
#include "mm/account.h"
#include "mm/heap.h"
#include "mm/pcache_state.h"
#include "mm/spare.h"

#define ROOM_TURNS 64   /* puts after which the ghost tier is told of the room there is */
#define KEYED_COLD 4096 /* keys from which on the index is hardly in the processor's caches */

/* ---- finding ---- */

/* What was dropped is settled now: the ghost tier is to know of it when it is told of the miss. */
static struct slot *unless_dropped(struct pcache *pc, struct slot *s)
{
    if (likely(!s || s->state != SLOT_DROPPED))
        return s;
    page_settle(pc, s);
    return NULL;
}

struct slot *page_find_key(struct pcache *pc, unsigned pool, uint64_t key)
{
    return unless_dropped(pc, index_find(pc, pool, key));
}

struct slot *page_find(struct pcache *pc, const struct pcache_name *n)
{
    struct slot *s;

    if (n->pool)
        return n->pool < PCACHE_POOLS ? page_find_key(pc, n->pool, n->key) : NULL;
    s = slot_at(pc, (uint32_t)n->key & ((UINT32_C(1) << PCACHE_SLOT_BITS) - 1));
    if (!s || s->id != n->key || s->pool || s->doomed || s->state == SLOT_FREE ||
        s->state == SLOT_FILLING)
        return NULL;
    return unless_dropped(pc, s);
}

mfn_t page_flush(struct pcache *pc, struct slot *s)
{
    bool persistent = s->persistent;
    mfn_t m = MFN_INVALID;

    if (!persistent) {
        pc->count.flushed++;
        pcache_ghost_forget_kept(pc->ghost, s->mark);
    }
    if (s->state == SLOT_READ) {
        if (s->pool)
            index_remove(pc, s);
        s->doomed = true;
        return MFN_INVALID;
    }
    m = page_remove(pc, s);
    if (persistent)
        return m;
    pcache_quota_out(&pc->quota);
    stock_put(pc, m);
    return MFN_INVALID;
}

/* ---- getting ---- */

/* Another get is under way with which this one cannot be. A persistent page must not be missed, as the other get may
 * come to nothing, and nobody waits for other vCPUs here: so gets of one meet, and each has the content. There are
 * never more of them than CPUs. */
static bool is_taken(const struct slot *s, bool stays)
{
    if (s->persistent || s->state != SLOT_READ)
        return false;
    return !stays || s->readers >= READER_ALONE - 1;
}

/* Takes a page out of reach. NULL: it is not there, or another get has it. */
static struct slot *get_begin(struct pcache *pc, const struct pcache_name *n, bool stays)
{
    struct slot *s = page_find(pc, n);

    if (!s || is_taken(s, stays))
        return NULL;
    if (s->state == SLOT_KEPT && !s->persistent)
        slot_unlink(pc, &pc->kept, s);
    s->state = SLOT_READ;
    s->readers = stays || s->persistent ? s->readers + 1 : READER_ALONE;
    return s;
}

void count_miss(struct pcache *pc, const struct pcache_name *n)
{
    uint64_t key = n->pool ? n->key : n->name, now = pcache_now_ms();
    uint64_t name = ghost_name(pc, n->pool, key, n->key);
    uint16_t cause;

    if (name && pcache_ghost_miss(pc->ghost, name, now, &cause))
        pcache_quota_would_hit(&pcache.quota, &pc->quota, cause, now);
}

/* The client's puts and gets so far; a page's frame has it of when it came, or was had last. */
static uint32_t event_now(const struct pcache *pc)
{
    return (uint32_t)(pc->count.puts + pc->count.gets);
}

void count_hit(struct pcache *pc, struct slot *s, bool leaves)
{
    struct frame *f = frame_of(mfn(s->frame));
    uint64_t name = ghost_name(pc, s->pool, s->key, s->id), now = pcache_now_ms();

    pc->count.hits++;
    if (s->persistent)
        return;
    pc->count.left += leaves;
    pcache_ghost_hit(pc->ghost, name, s->mark, now);
    if (!leaves) /* as if it came back at once */
        (void)pcache_ghost_put(pc->ghost, name, name, now, &s->mark);
    pcache_quota_hit(&pcache.quota, &pc->quota, event_now(pc) - f->next, leaves, now);
    f->next = event_now(pc);
}

bool pcache_get(struct pcache *pc, const struct pcache_name *n, bool stays, struct pcache_held *h)
{
    struct slot *s;

    pcache_ghost_prefetch(pc->ghost, ghost_name(pc, n->pool, n->pool ? n->key : n->name, n->key));
    pcache_lock(pc);
    pc->count.gets++;
    s = get_begin(pc, n, stays);
    pages_settle(pc, SETTLE_TURN);
    if (s)
        *h = (struct pcache_held){.frame = mfn(s->frame),
                                  .slot = slot_number(s),
                                  .id = s->id,
                                  .stays = stays,
                                  .persistent = s->persistent};
    else
        count_miss(pc, n);
    pcache_unlock(pc);
    if (s)
        __builtin_prefetch(frame_of(h->frame),
                           1); /* for pcache_get_end(), while the caller copies */
    return s != NULL;
}

/* The last reader is done, and the page goes. */
static void end_page(struct pcache *pc, struct slot *s, bool persistent)
{
    bool doomed = s->doomed;
    mfn_t m = page_remove(pc, s);

    if (persistent)
        return;
    if (doomed)
        pcache_quota_out(&pc->quota);
    stock_put(pc, m);
}

void pcache_get_end(struct pcache *pc, struct pcache_held *h, bool copied)
{
    bool leaves = copied && !h->stays, goes = false;
    struct slot *s;

    pcache_lock(pc);
    s = slot_at(pc, h->slot);
    ASSERT(s && s->state == SLOT_READ && s->id == h->id && s->readers > 0);
    if (copied) {
        pc->count.copied++;
        count_hit(pc, s, leaves && !s->doomed); /* one that was flushed meanwhile is counted so */
    }
    s->readers = h->stays || h->persistent ? s->readers - 1 : 0;
    if (s->readers && leaves && !s->doomed)
        (void)page_flush(pc, s); /* others read it still: the last of them takes it away */
    if (s->readers == 0) {
        goes = leaves || s->doomed;
        if (goes) {
            end_page(pc, s, h->persistent);
        } else {
            s->state = SLOT_KEPT;
            if (!h->persistent)
                slot_push(pc, &pc->kept, s);
        }
    }
    pcache_unlock(pc);
    if (goes && h->persistent)
        persist_free(pc, h->frame);
}

/* ---- putting ---- */

/* The ghost tier's choice depends on the size that the client's part can have. */
static void tell_room(struct pcache *pc)
{
    uint64_t held = spare_pages(), there = heap_free_pages() + spare_kept();
    uint64_t room = atomic_load(&pc->quota.pages) + (there > held ? there - held : 0);

    room = max_u64(room, atomic_load(&pc->quota.floor));
    pcache_ghost_set_room(pc->ghost, min_u64(room, atomic_load(&pc->quota.ceiling)));
}

static void count_no_room(struct pcache *pc, uint64_t name, uint32_t mark)
{
    pcache_ghost_dropped(pc->ghost, name, mark, pc->account->id);
    tell_remembered(pc);
    pc->count.no_room++;
}

void put_no_room(struct pcache *pc, struct slot *s)
{
    count_no_room(pc, ghost_name(pc, s->pool, s->key, s->id), s->mark);
    slot_give(pc, s);
}

/* The ghost tier is asked before anything is taken: most of what guests put is refused. */
static bool ask_ghost(struct pcache *pc, uint64_t name, bool stable, uint32_t *mark)
{
    if (pc->count.puts % ROOM_TURNS == 1)
        tell_room(pc);
    if (likely(pcache_ghost_put(pc->ghost, name, stable ? name : 0, pcache_now_ms(), mark)))
        return true;
    tell_remembered(pc);
    pc->count.refused++;
    return false;
}

struct slot *put_admit(struct pcache *pc, const struct pcache_name *n, struct pcache_held *h)
{
    bool stable = n->pool || n->key; /* else the page is known by the id that it is issued now */
    uint64_t name;
    uint32_t mark;
    struct slot *s;

    pc->count.puts++;
    room_trim(pc);
    pages_settle(pc, SETTLE_TURN);
    h->id = n->pool ? 0 : slot_vain_id(pc);
    if (pc->dying || pc->frozen || atomic_load(&pcache.frozen) ||
        !atomic_load(&pc->quota.ceiling)) {
        pc->count.no_room++;
        return NULL;
    }
    name = ghost_name(pc, n->pool, n->key, h->id);
    if (!ask_ghost(pc, name, stable, &mark))
        return NULL;
    s = slot_reserve(pc, n->pool != 0, h->id);
    if (!s || pc->dying) {
        count_no_room(pc, name, mark);
        if (s)
            slot_give(pc, s);
        return NULL;
    }
    s->pool = (uint8_t)n->pool;
    s->key = n->key;
    s->mark = mark;
    h->id = n->pool ? 0 : s->id;
    h->slot = slot_number(s);
    return s;
}

bool put_publish(struct pcache *pc, struct slot *s, mfn_t m)
{
    struct slot *other;

    /* The pool may have ended meanwhile, and its number be another's: whose pages are no concern of ours. */
    if (pc->dying || pc->pool[s->pool] != POOL_EPHEMERAL)
        return false;
    other = s->pool ? page_find_key(pc, s->pool, s->key) : NULL;
    if (other)
        (void)page_flush(pc, other); /* a put beside this one */
    if (s->pool && !index_add(pc, s))
        return false;
    s->frame = (uint32_t)m.n;
    s->state = SLOT_KEPT;
    frame_of(m)->prev = slot_number(s);
    frame_of(m)->next = event_now(pc);
    slot_push(pc, &pc->kept, s);
    pc->count.kept++;
    return true;
}

static bool put_begin(struct pcache *pc, const struct pcache_name *n, struct pcache_held *h)
{
    struct slot *s = put_admit(pc, n, h);

    if (!s)
        return false;
    h->frame = room_find(pc, false);
    if (h->frame.n == MFN_INVALID.n) {
        put_no_room(pc, s);
        return false;
    }
    pcache_quota_in(&pc->quota);
    return true;
}

bool pcache_put(struct pcache *pc, const struct pcache_name *n, struct pcache_held *h, int *rc)
{
    mfn_t old = MFN_INVALID;
    bool ok = false;

    *h = (struct pcache_held){.frame = MFN_INVALID};
    *rc = -XEN_ENOENT;
    pcache_lock(pc);
    if (n->pool < PCACHE_POOLS &&
        (pc->pool[n->pool] == POOL_EPHEMERAL || pc->pool[n->pool] == POOL_PERSISTENT)) {
        struct slot *s;

        if (pc->keyed >= KEYED_COLD) /* two cold looks at once */
            pcache_ghost_prefetch(pc->ghost, ghost_name(pc, n->pool, n->key, 0));
        s = n->pool ? page_find(pc, n) : NULL;
        *rc = 0;
        if (s)
            old = page_flush(pc, s);
        h->persistent = pc->pool[n->pool] == POOL_PERSISTENT;
        if (!h->persistent)
            ok = put_begin(pc, n, h);
    }
    pcache_unlock(pc);
    if (old.n != MFN_INVALID.n)
        persist_free(pc, old);
    return h->persistent ? persist_put(pc, n, h, rc) : ok;
}

bool pcache_put_end(struct pcache *pc, struct pcache_held *h, bool filled)
{
    struct slot *s;
    bool ok;

    if (h->persistent)
        return persist_put_end(pc, h, filled);
    pcache_lock(pc);
    s = slot_at(pc, h->slot);
    ASSERT(s && s->state == SLOT_FILLING);
    ok = filled && put_publish(pc, s, h->frame);
    if (ok) {
        pc->count.copied++;
    } else {
        pcache_quota_out(&pc->quota);
        put_no_room(pc, s);
        frames_give(pc, &h->frame, 1); /* it may hold anything */
    }
    pcache_unlock(pc);
    return ok;
}
