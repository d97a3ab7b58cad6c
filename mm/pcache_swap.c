/* SPDX-License-Identifier: MIT
 *
 * The exchanging form: the guest's frame itself goes into the cache, and another comes for it, with
 * the content that was wanted, or blank. No byte is copied.
 *
 * The frame that is given is withdrawn first (exchange.h): nobody uses it, and nobody can begin to. The account and
 * the cache then swap frames, so neither has more of them than before, and the number of lent ones stays. The
 * account's CPUs may still have translations of the frame that went, which is of no harm to anybody as long as
 * what the cache keeps in it is the same account's; the stamp tells until when they may have got them, and whoever
 * takes the frame out of the cache for others flushes (INV-ROOM-1). A frame that comes back to its account
 * brings its type and its stamp along, so that the type system knows whether a TLB may know it as writable. But
 * one that was a page table last is flushed at once: data will be written to it, through which a CPU that
 * remembers the table would walk.
 *
 * What comes to the guest is a frame that it has had before, as it left it (or as the content that it
 * wanted), or a clear one.
 *
 * Swapping mixes the frames of the cache with those of domains, so that no large block can be had back any
 * more. So a frame in one of the last runs that are lent altogether is not swapped: contents are copied instead,
 * in one step of the same kind for the guest.
 */
#include <lagan/arch.h>
#include <lagan/nospec.h>
#include "mm/account.h"
#include "mm/exchange.h"
#include "mm/pcache_state.h"
#include "mm/spare.h"
#include "mm/type.h"

/* An exchange under way. */
struct swap {
    mfn_t given, taken; /* taken: what the guest is to have; MFN_INVALID: nothing */
    struct slot *s;     /* for what is put, or NULL */
    struct pcache_held h;
    bool hit;
};

static bool pool_ok(const struct pcache *pc, unsigned pool, int *rc)
{
    unsigned kind = pool < PCACHE_POOLS ? pc->pool[pool] : POOL_NONE;

    *rc = 0;
    if (kind != POOL_EPHEMERAL)
        *rc = kind == POOL_PERSISTENT ? -XEN_EINVAL : -XEN_ENOENT;
    return *rc == 0;
}

static int withdraw(struct pcache *pc, mfn_t m)
{
    const struct frame *f;

    if (!arch_mfn_valid(m))
        return -XEN_EPERM;
    f = frame_of(mfn(index_nospec(m.n, arch_max_mfn())));
    if (frame_state(f) != FRAME_OWNED || frame_owner(f) != pc->account->id)
        return -XEN_EPERM;
    if (account_withdraw(pc->account, m))
        return -XEN_EBUSY;
    account_make_plain(pc->account, m);
    return 0;
}

/* The page that is wanted leaves its slot. */
static void take_wanted(struct pcache *pc, const struct pcache_name *n, struct swap *w)
{
    struct slot *s = page_find(pc, n);

    pc->count.gets++;
    if (!s || s->state != SLOT_KEPT) {
        count_miss(pc, n);
        return;
    }
    count_hit(pc, s, true);
    w->taken = page_remove(pc, s);
    w->hit = true;
}

/* Where a hit makes the room, no room was asked for, and what it made may be gone meanwhile: others put pages, and the
 * ceiling may be another. Then one more of the client's own makes way (INV-PC-4). */
static bool may_have_another(struct pcache *pc, const struct swap *w)
{
    return !w->hit || pcache_quota_may_grow(&pc->quota) || room_make_own(pc);
}

/* A slot for the page that is given, and, if nothing was found, a frame that comes for it. */
static void make_room(struct pcache *pc, const struct pcache_name *n, struct swap *w)
{
    struct slot *old = n->pool ? page_find(pc, n) : NULL;

    if (old)
        (void)page_flush(pc, old);
    w->s = put_admit(pc, n, &w->h);
    if (!w->s)
        return;
    if (!w->hit)
        w->taken = room_find(pc, true);
    if (w->taken.n != MFN_INVALID.n && may_have_another(pc, w)) {
        pcache_quota_in(&pc->quota);
        return;
    }
    put_no_room(pc, w->s);
    w->s = NULL;
}

static void swap_contents(mfn_t a, mfn_t b)
{
    uint64_t *p = arch_map_frame(a), *q = arch_map_frame(b);

    for (unsigned i = 0; i < PAGE_SIZE / sizeof(uint64_t); i++) {
        uint64_t x = p[i];

        p[i] = q[i];
        q[i] = x;
    }
}

/* The contents change places instead: the frame that was given is the guest's still. */
static void copy_instead(struct swap *w)
{
    if (w->hit && w->s)
        swap_contents(w->given, w->taken);
    else if (w->hit)
        arch_copy_page(arch_map_frame(w->given), arch_map_frame(w->taken));
    else
        arch_copy_page(arch_map_frame(w->taken), arch_map_frame(w->given));
}

static uint64_t client_word(const struct pcache *pc)
{
    return spare_word(SPARE_PCACHE, (uint16_t)pc->index);
}

/* It was not kept after all, and the guest has a blank frame: then it gets the content, too. The frame is the account's,
 * which may have done anything with it meanwhile: it may not be written as what it is now. */
static bool copy_back(struct pcache *pc, mfn_t to, mfn_t from)
{
    if (frame_get_writable(to, pc->account->id))
        return false;
    arch_copy_page(arch_map_frame(to), arch_map_frame(from));
    frame_put_writable(to);
    return true;
}

/* The frame in the cache's hands, `m`, becomes the page that was put, or an empty one. */
static void settle(struct pcache *pc, struct swap *w, mfn_t m, struct pcache_answer *r)
{
    bool done = m.n != MFN_INVALID.n;

    pcache_lock(pc);
    if (!r->exchanged)
        atomic_store(&frame_of(w->taken)->use, client_word(pc));
    if (done) {
        *(r->exchanged ? &pc->count.exchanged : &pc->count.copied) += 1;
        if (w->s && put_publish(pc, w->s, m)) {
            r->kept = true;
            r->id = w->h.id;
            pcache_unlock(pc);
            return;
        }
    }
    if (w->s) {
        pcache_quota_out(&pc->quota);
        put_no_room(pc, w->s);
    }
    if (r->exchanged && r->blank) {
        pcache_unlock(pc);
        r->blank = !copy_back(pc, w->taken, m);
        pcache_lock(pc);
    }
    if (done)
        stock_put(pc, m);
    else
        frames_give(pc, &w->taken, 1);
    pcache_unlock(pc);
}

static void commit(struct pcache *pc, struct swap *w, struct pcache_answer *r)
{
    if (!spare_may_swap(w->taken)) {
        copy_instead(w);
        settle(pc, w, w->taken, r);
        account_reinstate(pc->account, w->given);
        r->hit = w->hit;
        return;
    }
    r->exchanged = account_swap(pc->account, w->given, w->taken, client_word(pc));
    if (r->exchanged) {
        r->frame = w->taken;
        r->hit = w->hit;
        r->blank = !w->hit;
        settle(pc, w, w->given, r);
    } else { /* the account dies, and with it what was wanted */
        settle(pc, w, MFN_INVALID, r);
        account_reinstate(pc->account, w->given);
    }
}

int pcache_exchange(struct pcache *pc, mfn_t given, const struct pcache_query *q,
                    struct pcache_answer *r)
{
    struct swap w = {.given = given, .taken = MFN_INVALID};
    int rc = withdraw(pc, given);

    *r = (struct pcache_answer){.frame = given};
    pcache_lock(pc);
    if (rc || (q->get && !pool_ok(pc, q->get_name.pool, &rc)) ||
        (q->put && !pool_ok(pc, q->put_name.pool, &rc))) {
        bool withdrawn = rc != -XEN_EPERM && rc != -XEN_EBUSY;

        pcache_unlock(pc);
        if (withdrawn)
            account_reinstate(pc->account, given);
        return rc;
    }
    if (q->get)
        take_wanted(pc, &q->get_name, &w);
    if (q->put)
        make_room(pc, &q->put_name, &w);
    if (w.taken.n != MFN_INVALID.n)
        atomic_store(&frame_of(w.taken)->use, IN_HAND);
    pcache_unlock(pc);
    r->id = w.h.id;
    if (w.taken.n != MFN_INVALID.n)
        commit(pc, &w, r);
    else
        account_reinstate(pc->account, given);
    return 0;
}
