/* SPDX-License-Identifier: MIT
 *
 * Idle pages: lent by the heap, which has them back when it needs memory (mm/spare.h).
 *
 *   insert          map: the host pays for it
 *   -------> IDLE ---------------------------------> BUSY (FRAME_SHARED, on the volume's list of such)
 *            | ^ |    <-----------------------------
 *       read | | |      the last entry is gone; at once, or STUCK until nobody looks at the frame
 *            v | |
 *            HELD | the heap asks
 *                 v
 *               HOLLOW: the frame is the heap's, the page's name still stands in the index
 *
 * The heap asks in the middle of anything, perhaps with this volume locked by the same CPU. So what it needs is
 * under a lock of its own, engine.idle_lock (LK_UBC_IDLE), which is taken last and inside of which only the heap's
 * counters are touched: the lists of idle pages, which volumes have any, their hits. Under it a page
 * loses its frame, and no more; whoever has the volume locked next takes hollow pages out of the index
 * (ubc_tidy()), and if nobody comes, ubc_housekeep() does.
 *
 * INV-UBC-7: a page is IDLE exactly while its frame is lent to us and it is on its volume's list of idle pages; the
 *            frame's entry names it then. A frame that is lent to us and names no page is in the hands of a call
 *            under way (an insert, a HELD page). From and to IDLE only under idle_lock.
 *
 * Who waits for memory may wait for a frame in such hands. So nothing that those hands may need meanwhile waits for
 * memory: under a volume's lock, and for small objects, requests are HEAP_TRY.
 *
 * A frame that somebody holds for a moment, who tries to map it and will be refused, cannot be lent: its page is
 * STUCK, and the next who looks tries again.
 *
 * What pages are worth, and which go when the heap asks: lender.c.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/string.h>
#include "mm/spare.h"
#include "mm/tlbclock.h"
#include "mm/type.h"
#include "mm/window.h"
#include "ubc/ubc_int.h"

#define HOUSEKEEP_STEP 512U
#define SOON_NS        UINT64_C(2000000)
#define TEND_NS        UINT64_C(100000000)
#define TEND_STEP      64U /* pages of a volume */

/* ---- lists of idle pages; locked (idle_lock) ---- */

static void set_page(struct frame *f, const struct ubc_page *p)
{
    f->next = (uint32_t)(uintptr_t)p;
    f->prev = (uint32_t)((uintptr_t)p >> 32);
}

struct ubc_page *ubc_idle_page(const struct frame *f)
{
    return (struct ubc_page *)((uintptr_t)f->prev << 32 | f->next);
}

bool ubc_idle_names(const struct ubc_page *p, bool name)
{
    struct frame *f = frame_of(mfn(p->frame));

    return atomic_load(&f->use) == spare_word(SPARE_UBC, 0) &&
           ubc_idle_page(f) == (name ? p : NULL);
}

static void set_state(struct ubc_page *p, enum page_state state)
{
    atomic_store(&p->state, (uint8_t)state);
}

/* Its frame is lent. */
static void enter(struct ubc_page *p)
{
    struct ubc_volume *v = p->volume;

    set_page(frame_of(mfn(p->frame)), p);
    set_state(p, PAGE_IDLE);
    if (unlikely(p->awaited))
        ubc_awaited_enter(p);
    else
        list_add_tail(&v->idle, &p->link);
    if (atomic_fetch_add(&v->idle_count, 1) == 0)
        list_add_tail(&ubc_engine.lending, &v->lending);
    atomic_fetch_add(&ubc_engine.idle, 1);
}

/* It stays lent, in our hands. */
static void leave(struct ubc_page *p, enum page_state state)
{
    struct ubc_volume *v = p->volume;

    set_page(frame_of(mfn(p->frame)), NULL);
    set_state(p, state);
    list_del(&p->link);
    if (unlikely(p->awaited))
        ubc_awaited_leave(p);
    if (atomic_fetch_sub(&v->idle_count, 1) == 1)
        list_del(&v->lending);
    atomic_fetch_sub(&ubc_engine.idle, 1);
}

void ubc_make_hollow(struct ubc_page *p)
{
    struct ubc_volume *v = p->volume;

    leave(p, PAGE_HOLLOW);
    list_add_tail(&v->hollow, &p->link);
    atomic_fetch_add(&v->hollow_count, 1);
    atomic_fetch_add(&v->reclaimed, 1);
}

/* TLBs may remember it: they flush before the frame is somebody else's (p->stamp). False: somebody is looking at
 * it at this moment. */
static bool lend(struct ubc_page *p)
{
    if (account_unshare_since(&ubc_engine.account, mfn(p->frame), 0))
        return false;
    ubc_slot_close(p);
    spare_offer(SPARE_UBC, 0, mfn(p->frame));
    enter(p);
    return true;
}

void ubc_lend_stuck(void)
{
    struct list *l, *next;

    list_for_each_safe (l, next, &ubc_engine.stuck) {
        struct ubc_page *p = list_entry(l, struct ubc_page, link);

        list_del(&p->link);
        if (!lend(p)) {
            list_add(&ubc_engine.stuck, &p->link);
            return;
        }
    }
}

/* ---- for who has the volume locked ---- */

void ubc_idle_begin(struct ubc_volume *v, struct ubc_page *p, bool awaited)
{
    ASSERT(p->volume == v);
    p->awaited = awaited;
    spin_lock(&ubc_engine.idle_lock);
    if (frame_state(frame_of(mfn(p->frame))) != FRAME_LENT)
        spare_offer(SPARE_UBC, 0, mfn(p->frame));
    enter(p);
    spin_unlock(&ubc_engine.idle_lock);
}

bool ubc_memory_is_spare(void)
{
    return heap_free_pages() > ubc_engine.reserve + heap_claimed_pages();
}

/* A page cannot be mapped, for so many pages. If what others have mapped is as much, it is wanted back (press.c): whoever tries
 * again has his turn. */
static void lack(void)
{
    uint64_t kept = ubc_engine.reserve + heap_claimed_pages() + 1, free = heap_free_pages();

    if (kept > free && kept - free <= atomic_load(&ubc_engine.busy))
        ubc_lack(kept - free);
}

/* Its frame, which is lent, becomes one that the host pays for. */
static int use_lent(struct ubc_volume *v, struct ubc_page *p)
{
    if (atomic_load(&ubc_engine.press.phase) != PRESS_NONE)
        return -XEN_ENOMEM;
    if (!ubc_memory_is_spare()) {
        lack();
        return -XEN_ENOMEM;
    }
    if (page_state(p) == PAGE_IDLE)
        leave(p, PAGE_HELD);
    if (!spare_withdraw(mfn(p->frame), WINDOW_OWNER)) {
        if (!p->holds)
            enter(p);
        return -XEN_ENOMEM;
    }
    set_state(p, PAGE_BUSY);
    p->awaited = false;
    ubc_count_hit(v);
    return 0;
}

static void enter_busy(struct ubc_volume *v, struct ubc_page *p)
{
    list_add_tail(&v->busy, &p->link);
    atomic_fetch_add(&ubc_engine.busy, 1);
}

static void leave_busy(struct ubc_page *p)
{
    list_del(&p->link);
    ubc_tighten(p);
    atomic_fetch_sub(&ubc_engine.busy, 1);
}

/* It may have been loose, or condemned. */
static void use_again(struct ubc_volume *v, struct ubc_page *p)
{
    if (p->is_loose) {
        list_del(&p->link);
        ubc_tighten(p);
        list_add_tail(&v->busy, &p->link);
    }
    ubc_slot_open(p);
}

/* It was to be lent, and is in use again before it could be. Locked (idle_lock). */
static void unstick(struct ubc_volume *v, struct ubc_page *p)
{
    list_del(&p->link);
    set_state(p, PAGE_BUSY);
    enter_busy(v, p);
}

int ubc_page_busy(struct ubc_volume *v, struct ubc_page *p)
{
    int rc = 0;

    if (page_state(p) == PAGE_BUSY) {
        use_again(v, p);
        return 0;
    }
    spin_lock(&ubc_engine.idle_lock);
    switch (page_state(p)) {
    case PAGE_STUCK:
        unstick(v, p);
        spin_unlock(&ubc_engine.idle_lock);
        return 0;
    case PAGE_HOLLOW:
        rc = -XEN_ENOENT;
        break;
    default:
        rc = use_lent(v, p);
    }
    spin_unlock(&ubc_engine.idle_lock);
    if (rc)
        return rc;
    enter_busy(v, p);
    rc = type_get(mfn(p->frame), TYPE_UBC); /* from here on nobody can write it: INV-UBC-1 */
    BUG_ON(rc);
    ubc_slot_open(p);
    return 0;
}

void ubc_page_rest(struct ubc_page *p)
{
    if (page_state(p) != PAGE_BUSY || p->dead || !list_empty(&p->mappings) || p->holds)
        return;
    leave_busy(p);
    spin_lock(&ubc_engine.idle_lock);
    if (!lend(p) && ubc_loosen(p->volume, p)) { /* it stays busy */
        atomic_fetch_add(&ubc_engine.busy, 1);
        ubc_want_work();
    } else if (page_state(p) == PAGE_BUSY) {
        set_state(p, PAGE_STUCK);
        list_add_tail(&ubc_engine.stuck, &p->link);
    }
    spin_unlock(&ubc_engine.idle_lock);
}

int ubc_page_hold(struct ubc_volume *v, struct ubc_page *p)
{
    int rc = 0;

    spin_lock(&ubc_engine.idle_lock);
    if (page_state(p) == PAGE_IDLE) {
        leave(p, PAGE_HELD);
        p->awaited = false;
        ubc_count_hit(v);
    }
    if (page_state(p) == PAGE_STUCK) /* who looks next would lend it, and the heap take it */
        unstick(v, p);
    if (page_state(p) == PAGE_HOLLOW)
        rc = -XEN_ENOENT;
    else
        p->holds++;
    spin_unlock(&ubc_engine.idle_lock);
    return rc;
}

void ubc_page_unhold(struct ubc_page *p)
{
    spin_lock(&ubc_engine.idle_lock);
    ASSERT(p->holds > 0);
    p->holds--;
    if (!p->holds && !p->dead && page_state(p) == PAGE_HELD)
        enter(p);
    spin_unlock(&ubc_engine.idle_lock);
    ubc_page_rest(p);
}

bool ubc_idle_kill(struct ubc_volume *v, struct ubc_page *p)
{
    bool ok = true;

    ASSERT(p->volume == v);
    spin_lock(&ubc_engine.idle_lock);
    switch (page_state(p)) {
    case PAGE_HOLLOW:
        ok = false;
        break;
    case PAGE_IDLE:
        leave(p, PAGE_BUSY);
        p->lent = true;
        break;
    case PAGE_HELD:
        p->lent = true;
        break;
    case PAGE_BUSY:
        leave_busy(p);
        break;
    case PAGE_STUCK:
    case PAGE_COPIES:
        list_del(&p->link);
    }
    if (ok)
        set_state(p, PAGE_BUSY);
    spin_unlock(&ubc_engine.idle_lock);
    return ok;
}

bool ubc_page_peek(const struct ubc_page *p, uint64_t offset, void *to, size_t bytes)
{
    bool there;

    spin_lock(&ubc_engine.idle_lock);
    there = page_state(p) != PAGE_HOLLOW;
    if (there)
        memcpy(to, (const uint8_t *)arch_map_frame(mfn(p->frame)) + offset, bytes);
    spin_unlock(&ubc_engine.idle_lock);
    return there;
}

/* ---- names without pages ---- */

void ubc_page_reap(struct ubc_volume *v, struct ubc_page *p)
{
    ASSERT(page_state(p) == PAGE_HOLLOW);
    ubc_page_leave_index(v, p);
    spin_lock(&ubc_engine.idle_lock);
    list_del(&p->link);
    atomic_fetch_sub(&v->hollow_count, 1);
    spin_unlock(&ubc_engine.idle_lock);
    slab_free(p);
}

static struct ubc_page *first_hollow(struct ubc_volume *v)
{
    struct ubc_page *p = NULL;

    if (!atomic_load(&v->hollow_count))
        return NULL;
    spin_lock(&ubc_engine.idle_lock);
    if (!list_empty(&v->hollow))
        p = list_entry(v->hollow.next, struct ubc_page, link);
    spin_unlock(&ubc_engine.idle_lock);
    return p;
}

bool ubc_tidy(struct ubc_volume *v, unsigned most)
{
    struct ubc_page *p;

    for (; (p = first_hollow(v)) != NULL; most--) {
        if (most == 0)
            return true;
        ubc_page_reap(v, p);
    }
    return false;
}

void ubc_set_work(void (*work)(void), void (*tell)(domid_t id))
{
    ubc_engine.work = work;
    ubc_engine.tell = tell;
}

/* A volume with hollow pages, with a reference, or NULL. */
static struct ubc_volume *find_untidy(void)
{
    struct ubc_volume *found = NULL;

    spin_lock(&ubc_engine.lock);
    for (unsigned i = 0; i < UBC_VOLUMES && !found; i++)
        if (ubc_engine.slot[i] && atomic_load(&ubc_engine.slot[i]->hollow_count))
            found = ubc_engine.slot[i];
    if (found)
        found->refs++;
    spin_unlock(&ubc_engine.lock);
    return found;
}

/* Loose pages, and dead ones that somebody looked at, are tried again. True: there are such. */
static bool tend(void)
{
    bool more = false;

    for (unsigned i = 0; i < UBC_VOLUMES; i++) {
        struct ubc_volume *v = ubc_volume_at(i);

        if (!v)
            continue;
        if (v->slot_count) {
            spin_lock(&v->lock);
            ubc_loose_rest(v, TEND_STEP);
            if (!v->sweep)
                ubc_bury_dead(v);
            more = more || !list_empty(&v->loose) || !list_empty(&v->dead);
            spin_unlock(&v->lock);
        }
        ubc_volume_put(v);
    }
    return more;
}

uint64_t ubc_housekeep(void)
{
    struct ubc_volume *v;
    uint64_t when;

    atomic_store(&ubc_engine.untidy, false);
    when = ubc_press_step();
    if (tend() && !when)
        when = arch_time_ns() + TEND_NS;
    v = find_untidy();
    if (!v)
        return when;
    spin_lock(&v->lock);
    (void)ubc_tidy(v, HOUSEKEEP_STEP);
    spin_unlock(&v->lock);
    ubc_volume_put(v);
    return arch_time_ns() + SOON_NS;
}

void ubc_want_work(void)
{
    if (ubc_engine.work && !atomic_exchange(&ubc_engine.untidy, true))
        ubc_engine.work();
}

void ubc_idle_init(void)
{
    spin_init(&ubc_engine.idle_lock, LK_UBC_IDLE);
    list_init(&ubc_engine.lending);
    list_init(&ubc_engine.stuck);
    ubc_lender_init();
}
