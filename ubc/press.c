/* SPDX-License-Identifier: MIT
 *
 * The host wants memory back that readers have mapped.
 *
 * It begins when somebody is refused memory for want of it (ubc_lack()), and is the work of the housekeeper, a step at a
 * time, so that nobody who holds a page can hold it up:
 *
 *   NONE -----> TELL -----------> WAIT --------------> TAKE ------> NONE
 *       a lack      all readers       the grace is          enough,
 *                   have the event    over, and it is       or nothing
 *                                     not enough            is mapped
 *
 * While it goes on pages that are idle are not mapped, and while pages are taken no page of that volume is: nobody can
 * map faster than is taken. What a reader lets go by itself becomes idle, which is
 * free memory. What is taken becomes idle too, so nothing is lost but entries: each of them, the longest mapped page's
 * first, is exchanged for one of a copy, which is the reader's own and charged to it, if it may have so much more; and
 * otherwise emptied, and its handle says that it is gone. A copy gives the host nothing, so it goes on
 * for another page.
 *
 * A copy must not outlive what it is a copy of: it belongs to its handle, and ends with it; and the handles of a block's
 * copies hang on an entry of the index at a level of their own (COPIES), which dies with the block: what is true
 * of pages that are invalidated is true of them.
 *
 * INV-UBC-8: a mapping's copy is a frame of its reader's account, of which the mapping has a reference, so that it is
 *            no other frame whatever the guest does with it. What it hangs on is in the index at its block, PAGE_COPIES.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "mm/heap.h"
#include "mm/tlbclock.h"
#include "mm/type.h"
#include "ubc/ubc_int.h"

#define GRACE_NS  LAGAN_UBC_GRACE_NS
#define LOOK_NS   UINT64_C(50000000) /* whether readers have let go of enough */
#define SOON_NS   UINT64_C(1000000)
#define TAKE_STEP 128U /* mappings */
#define SHARE     256  /* at least such a part of the host is wanted: requests come in pieces */

/* ---- copies ---- */

/* Where mappings of the block's copies hang; or NULL: no memory. */
static struct ubc_page *copies_of(struct ubc_volume *v, uint64_t block)
{
    struct ubc_page *q = ubc_index_find(&v->index[COPIES], block);

    if (q)
        return q;
    q = ubc_page_prepare(v, key_of(COPIES, block));
    if (q) {
        atomic_store(&q->state, PAGE_COPIES);
        ubc_index_set(&v->index[COPIES], block, q);
    }
    return q;
}

static void end_if_empty(struct ubc_page *q)
{
    if (q->dead || !list_empty(&q->mappings))
        return;
    ubc_page_leave_index(q->volume, q);
    slab_free(q);
}

/* A frame of the account's that holds what the page does, with a reference of ours, or MFN_INVALID. The guest may have
 * guessed it before we have, given it back or made a table of it: it is written as a writable frame, or not at all. */
static mfn_t new_copy(struct account *a, mfn_t page)
{
    mfn_t m;

    if (account_alloc(a, 0, HEAP_TRY, &m))
        return MFN_INVALID;
    if (frame_get_writable(m, a->id)) {
        (void)!account_release(a, m);
        return MFN_INVALID;
    }
    arch_copy_page(arch_map_frame(m), arch_map_frame(page));
    type_put(m); /* the other reference stays */
    atomic_fetch_add(&ubc_engine.copies, 1);
    return m;
}

static void drop_frame(struct account *a, mfn_t m)
{
    (void)!account_release(a, m); /* unless the guest has */
    frame_put(m);
    atomic_fetch_sub(&ubc_engine.copies, 1);
}

void ubc_copy_end(struct ubc_page *q, struct ubc_mapping *m)
{
    mfn_t copy = mfn(m->copy);

    m->copy = 0;
    drop_frame(m->reader->client->account, copy);
    end_if_empty(q);
}

/* The mapping leaves its page for the copy. */
static void move(struct ubc_volume *v, struct ubc_mapping *m, struct ubc_page *q, mfn_t copy)
{
    m->page->stamp = tlb_clock_now();
    ubc_mapping_leave(v, m);
    m->page = q;
    m->copy = (uint32_t)copy.n;
    list_add_tail(&q->mappings, &m->link);
    v->stats.mappings++;
    v->stats.copied++;
}

/* 0: it maps a copy; -XEN_ERESTART; others: it cannot. */
static int exchange(struct ubc_volume *v, struct ubc_mapping *m)
{
    struct account *a = m->reader->client->account;
    mfn_t page = mfn(m->page->frame), copy;
    struct ubc_page *q;
    bool done = false;
    int rc;

    if (atomic_load(&m->reader->client->dying) || m->reader->leaving)
        return -XEN_EINVAL;
    copy = new_copy(a, page);
    if (copy.n == MFN_INVALID.n)
        return -XEN_ENOMEM;
    q = copies_of(v, m->block);
    if (!q) {
        drop_frame(a, copy);
        return -XEN_ENOMEM;
    }
    rc = ubc_entry_exchange(a, mfn(m->table), m->slot, page, copy, &done);
    if (done) {
        move(v, m, q, copy);
        return 0;
    }
    drop_frame(a, copy);
    end_if_empty(q);
    return rc ? rc : -XEN_EINVAL;
}

/* ---- taking ---- */

static int take_mapping(struct ubc_volume *v, struct ubc_mapping *m)
{
    int rc = exchange(v, m);

    if (rc == 0 || rc == -XEN_ERESTART)
        return rc;
    rc = ubc_mapping_end(v, m);
    v->stats.taken += rc == 0;
    return rc;
}

/* Who had something taken sees that when it looks next. */
static void flush(uint64_t cpus)
{
    if (cpus)
        tlb_flush_stale(TLB_FREE, 1, tlb_clock_now(),
                        cpumask_and((cpumask_t){cpus}, arch_online_cpus()));
}

/* A step's mappings, of the pages that have been mapped longest. Returns the CPUs that may remember one. */
static uint64_t take_step(struct ubc_volume *v)
{
    unsigned left = TAKE_STEP;
    uint64_t cpus = 0;

    while (left > 0 && !list_empty(&v->busy)) {
        struct ubc_page *p = list_entry(v->busy.next, struct ubc_page, link);

        if (list_empty(&p->mappings)) { /* it is only read: others first */
            list_del(&p->link);
            list_add_tail(&v->busy, &p->link);
            break;
        }
        for (; left > 0 && page_state(p) == PAGE_BUSY && !list_empty(&p->mappings); left--) {
            struct ubc_mapping *m = list_entry(p->mappings.next, struct ubc_mapping, link);
            struct account *a = m->reader->client->account;

            if (take_mapping(v, m))
                return cpus;
            cpus |= atomic_load(&a->tlb_cpus);
        }
    }
    return cpus;
}

/* ---- the host's side ---- */

void ubc_lack(uint64_t pages)
{
    struct ubc_press *n = &ubc_engine.press;
    uint64_t want = atomic_load(&n->want);

    if (!atomic_load(&ubc_engine.busy))
        return;
    while (want < pages && !atomic_compare_exchange_weak(&n->want, &want, pages))
        ;
    if (atomic_load(&n->phase) == PRESS_NONE)
        ubc_want_work();
}

static bool is_enough(const struct ubc_press *n)
{
    uint64_t want =
        max_u64(atomic_load(&((struct ubc_press *)n)->want), heap_total_pages() / SHARE);
    uint64_t copies = atomic_load(&ubc_engine.copies), more = 0;

    if (copies > n->copies)
        more = copies - n->copies;
    return atomic_load(&ubc_engine.busy) + more + want <= n->busy ||
           atomic_load(&ubc_engine.busy) == 0;
}

/* Who has something of the volume mapped. */
static void list_readers(struct ubc_volume *v, struct ubc_tell *tell)
{
    struct list *l;

    tell->count = 0;
    if (list_empty(&v->busy))
        return;
    atomic_store(&v->pressed, true);
    list_for_each (l, &v->readers) {
        const struct ubc_reader *r = list_entry(l, struct ubc_reader, link);

        if (r->used)
            tell->id[tell->count++] = r->client->account->id;
    }
}

static void tell_readers(struct ubc_volume *v)
{
    struct ubc_tell tell;

    spin_lock(&v->lock);
    list_readers(v, &tell);
    spin_unlock(&v->lock);
    for (unsigned i = 0; i < tell.count && ubc_engine.tell; i++)
        ubc_engine.tell(tell.id[i]);
}

bool ubc_is_taken(const struct ubc_volume *v)
{
    return unlikely(
               atomic_load_explicit(&((struct ubc_volume *)v)->pressed, memory_order_relaxed)) &&
           atomic_load(&ubc_engine.press.phase) == PRESS_TAKE;
}

static void take(struct ubc_volume *v, bool *more)
{
    spin_lock(&v->lock);
    flush(take_step(v));
    *more = !list_empty(&v->busy);
    spin_unlock(&v->lock);
}

/* A lack that is told meanwhile begins the next round: who tells it looks at the phase last, this at the want. */
static uint64_t finish(struct ubc_press *n, uint64_t now)
{
    for (unsigned i = 0; i < UBC_VOLUMES; i++) {
        struct ubc_volume *v = ubc_volume_at(i);

        if (!v)
            continue;
        atomic_store(&v->pressed, false);
        ubc_volume_put(v);
    }
    atomic_store(&n->want, 0);
    atomic_store(&n->phase, PRESS_NONE);
    return atomic_load(&n->want) ? now + SOON_NS : 0;
}

/* The next volume of the round, with a reference, or NULL: the round is over. */
static struct ubc_volume *next_volume(struct ubc_press *n)
{
    struct ubc_volume *v = NULL;

    while (n->slot < UBC_VOLUMES && !(v = ubc_volume_at(n->slot)))
        n->slot++;
    return v;
}

static uint64_t tell_step(struct ubc_press *n, uint64_t now)
{
    struct ubc_volume *v = next_volume(n);

    if (!v) {
        n->end = now + GRACE_NS;
        atomic_store(&n->phase, PRESS_WAIT);
        return now + LOOK_NS;
    }
    tell_readers(v);
    ubc_volume_put(v);
    n->slot++;
    return now + SOON_NS;
}

static uint64_t take_round(struct ubc_press *n, uint64_t now)
{
    struct ubc_volume *v = next_volume(n);
    bool more;

    if (!v)
        return finish(n, now);
    take(v, &more);
    ubc_volume_put(v);
    n->slot += !more;
    return now + SOON_NS;
}

uint64_t ubc_press_step(void)
{
    struct ubc_press *n = &ubc_engine.press;
    uint64_t now = arch_time_ns();

    switch (atomic_load(&n->phase)) {
    case PRESS_NONE:
        if (!atomic_load(&n->want))
            return 0;
        n->slot = 0;
        n->busy = atomic_load(&ubc_engine.busy);
        n->copies = atomic_load(&ubc_engine.copies);
        atomic_store(&n->phase, PRESS_TELL);
        return now + SOON_NS;
    case PRESS_TELL:
        return tell_step(n, now);
    case PRESS_WAIT:
        if (is_enough(n))
            return finish(n, now);
        if (now < n->end)
            return min_u64(now + LOOK_NS, n->end);
        n->slot = 0;
        atomic_store(&n->phase, PRESS_TAKE);
        return now + SOON_NS;
    case PRESS_TAKE:
        return is_enough(n) ? finish(n, now) : take_round(n, now);
    }
    return 0;
}
