/* SPDX-License-Identifier: MIT
 *
 * The buffer cache as a lender (mm/spare.h): what its idle pages are worth, which of them go when the heap or another
 * lender asks, and where the frame of a new page comes from.
 *
 * What an idle page is worth is the page cache's measure: hits for each page, of which an eighth is forgotten in
 * each window. Within a volume the longest unused goes first.
 *
 * A page for which a reader waits, or that vouches for others (a block of a tree), is not worth nothing because nobody has
 * used it yet: its reader comes in a moment. If it made way for the pages that come in behind it, or for another
 * cache's, that reader would ask for it again, and the next time would be as this one: on a host that is full of pages that
 * are worth more he would never get it. So it is AWAITED: it stands on a list of its own, and goes only when nobody,
 * here or elsewhere, has anything else; a new page never takes its frame. When it is used it is as any other. There are
 * AWAITED_MAX of them at most in a volume, as many as can be asked for at a time; the oldest becomes as any other.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "mm/spare.h"
#include "mm/tlbclock.h"
#include "ubc/ubc_int.h"

#define GIVE_MAX    32U
#define WINDOW_NS   UINT64_C(4000000000)
#define FADED       256U /* windows, after which nothing is left */
#define AWAITED_MAX 128U

/* ---- worth; locked (idle_lock) ---- */

static uint64_t hits_of(struct ubc_volume *v)
{
    uint64_t now = arch_time_ns(), windows;

    if (likely(now < v->aged + WINDOW_NS))
        return v->hits;
    windows = (now - v->aged) / WINDOW_NS;
    v->aged += windows * WINDOW_NS;
    for (windows = min_u64(windows, FADED); windows > 0 && v->hits > 0; windows--)
        v->hits -= (v->hits + 7) / 8;
    return v->hits;
}

void ubc_count_hit(struct ubc_volume *v)
{
    v->hits = hits_of(v) + 1;
}

static uint64_t worth_of(struct ubc_volume *v)
{
    return (hits_of(v) << 20) / (v->idle_count + 1);
}

/* Of volumes with pages that nobody waits for; or NULL, and *worth is UINT64_MAX. */
static struct ubc_volume *find_worst(uint64_t *worth)
{
    struct ubc_volume *worst = NULL;
    struct list *l;

    *worth = UINT64_MAX;
    list_for_each (l, &ubc_engine.lending) {
        struct ubc_volume *v = list_entry(l, struct ubc_volume, lending);
        uint64_t w = worth_of(v);

        if (w < *worth && !list_empty(&v->idle)) {
            *worth = w;
            worst = v;
        }
    }
    return worst;
}

/* ---- awaited pages; locked (idle_lock) ---- */

void ubc_awaited_enter(struct ubc_page *p)
{
    struct ubc_volume *v = p->volume;

    list_add_tail(&v->awaited, &p->link);
    if (v->awaited_count++ < AWAITED_MAX)
        return;
    p = list_entry(v->awaited.next, struct ubc_page, link);
    list_del(&p->link);
    ubc_awaited_leave(p);
    p->awaited = false;
    list_add_tail(&v->idle, &p->link);
}

void ubc_awaited_leave(const struct ubc_page *p)
{
    ASSERT(p->awaited && p->volume->awaited_count > 0);
    p->volume->awaited_count--;
}

/* ---- the lender ---- */

static uint64_t worst(void)
{
    uint64_t worth;

    spin_lock(&ubc_engine.idle_lock);
    ubc_lend_stuck();
    (void)find_worst(&worth);
    spin_unlock(&ubc_engine.idle_lock);
    return worth;
}

static void give(const mfn_t *list, const uint32_t *stamp, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (stamp[i])
            tlb_flush_stale(TLB_FREE, 1, stamp[i], arch_online_cpus());
    spare_return(list, count);
    if (count)
        ubc_want_work();
}

/* Of a list of idle pages. The frames are to be given. Locked (idle_lock). */
struct taken {
    mfn_t list[GIVE_MAX];
    uint32_t stamp[GIVE_MAX];
    unsigned count;
};

static void take_from(struct list *pages, unsigned most, struct taken *t)
{
    while (t->count < GIVE_MAX && t->count < most && !list_empty(pages)) {
        struct ubc_page *p = list_entry(pages->next, struct ubc_page, link);

        t->list[t->count] = mfn(p->frame);
        t->stamp[t->count++] = p->stamp;
        ubc_make_hollow(p);
    }
}

static void take_idle(unsigned most, struct taken *t)
{
    uint64_t worth;
    struct ubc_volume *v;

    ubc_lend_stuck();
    v = find_worst(&worth);
    if (v)
        take_from(&v->idle, most, t);
}

/* Of the first volume that has any: when somebody needs memory there is no order in this. */
static void take_awaited(unsigned most, struct taken *t)
{
    struct list *l, *next;

    list_for_each_safe (l, next, &ubc_engine.lending)
        if (!t->count)
            take_from(&list_entry(l, struct ubc_volume, lending)->awaited, most, t);
}

/* `others`: it is not for a page of our own. */
static unsigned drop_some(unsigned count, bool others)
{
    struct taken t = {.count = 0};

    spin_lock(&ubc_engine.idle_lock);
    take_idle(count, &t);
    if (!t.count && others)
        take_awaited(count, &t);
    spin_unlock(&ubc_engine.idle_lock);
    give(t.list, t.stamp, t.count);
    return t.count;
}

static unsigned drop(unsigned count, const struct account *a)
{
    (void)a;
    return drop_some(count, true);
}

static bool drop_frame(mfn_t m, const struct account *a)
{
    struct frame *f = frame_of(m);
    struct ubc_page *p = NULL;
    uint32_t stamp = 0;

    (void)a;
    spin_lock(&ubc_engine.idle_lock);
    if (atomic_load(&f->use) == spare_word(SPARE_UBC, 0))
        p = ubc_idle_page(f); /* NULL: in somebody's hands */
    if (p) {
        stamp = p->stamp;
        ubc_make_hollow(p);
    }
    spin_unlock(&ubc_engine.idle_lock);
    if (p)
        give(&m, &stamp, 1);
    return p != NULL;
}

uint64_t ubc_idle_pages(void)
{
    return atomic_load(&ubc_engine.idle);
}

uint64_t ubc_reclaim(uint64_t want)
{
    uint64_t freed = 0;
    unsigned n;

    do {
        n = drop((unsigned)min_u64(want - freed, GIVE_MAX), NULL);
        freed += n;
    } while (n > 0 && freed < want);
    return freed;
}

/* ---- frames for new pages ---- */

/* Others make room if what they have is worth no more than what we have, or we have nothing. */
static bool make_room(void)
{
    uint64_t own = worst();

    return spare_make_room_for(SPARE_UBC, own < UINT64_MAX ? own + 1 : own) ||
           drop_some(GIVE_MAX, false);
}

bool ubc_frame_get(mfn_t *m)
{
    if (spare_borrow(SPARE_UBC, 0, SPARE_ANY, m))
        return true;
    return make_room() && spare_borrow(SPARE_UBC, 0, SPARE_LAST, m);
}

void ubc_frame_put(mfn_t m)
{
    spare_return(&m, 1);
}

static const struct spare_lender lender = {.worst = worst, .drop = drop, .drop_frame = drop_frame};

void ubc_lender_init(void)
{
    spare_register(SPARE_UBC, &lender);
}
