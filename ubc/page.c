/* SPDX-License-Identifier: MIT
 *
 * Pages of volumes: in the index, then dead, then free.
 *
 *               insert              map, read: it is busy
 *      (frame) --------> idle <-------------------------------> busy
 *                         |        the last of these ends         |
 *            reclaim      |                                       |  invalidate, renew, revoke
 *            (the longest |                                       v
 *             unused)     |                                     dead: entries are taken, a step at a time
 *                         v                                       |
 *                       free <------------------------------------+  TLBs flushed, nobody reads it
 *
 * Dead pages are out of the index: what was put there after them is another page. Whoever killed them goes on
 * until no entry for a dead page is left and all TLBs have been flushed of them (ubc_drain()), which is when
 * nobody can read them any more; a read by copy that is under way finds that its page is dead, and says so.
 *
 * A TLB may hold a translation of a page from before its handle ended: nobody flushes then, as the page is still
 * what it was. So the page remembers when its last entry ended, and when it dies those processors flush
 * that have not done so since: mostly, none.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "mm/tlbclock.h"
#include "mm/type.h"
#include "ubc/ubc_int.h"

static struct ubc_index *index_of(struct ubc_volume *v, uint64_t key)
{
    return &v->index[key_level(key)];
}

struct ubc_page *ubc_page_find(struct ubc_volume *v, uint64_t key)
{
    struct ubc_page *p = ubc_index_find(index_of(v, key), key_number(key));

    if (!p) {
        v->stats.misses++;
        return NULL;
    }
    v->stats.hits++;
    atomic_fetch_add_explicit(&v->worth, 1, memory_order_relaxed);
    if (list_empty(&p->mappings) && !p->holds) { /* idle, and not the longest unused any more */
        list_del(&p->link);
        list_add_tail(&v->idle, &p->link);
    }
    return p;
}

static bool is_idle(const struct ubc_page *p)
{
    return !p->dead && list_empty(&p->mappings) && !p->holds;
}

static void leave_idle(struct ubc_volume *v, struct ubc_page *p)
{
    list_del(&p->link);
    atomic_fetch_sub(&v->idle_count, 1);
    atomic_fetch_sub(&ubc_engine.idle, 1);
}

static void enter_idle(struct ubc_volume *v, struct ubc_page *p)
{
    list_add_tail(&v->idle, &p->link);
    atomic_fetch_add(&v->idle_count, 1);
    atomic_fetch_add(&ubc_engine.idle, 1);
}

void ubc_page_busy(struct ubc_volume *v, struct ubc_page *p)
{
    if (is_idle(p))
        leave_idle(v, p);
}

void ubc_page_rest(struct ubc_volume *v, struct ubc_page *p)
{
    if (is_idle(p))
        enter_idle(v, p);
}

/* ---- birth ---- */

struct ubc_page *ubc_page_prepare(struct ubc_volume *v, uint64_t key)
{
    struct ubc_page *p;

    p = ubc_index_reserve(index_of(v, key), key_number(key)) ? slab_alloc(sizeof(*p)) : NULL;
    if (!p) {
        ubc_index_trim(index_of(v, key), key_number(key));
        return NULL;
    }
    p->key = key;
    list_init(&p->link);
    list_init(&p->mappings);
    return p;
}

void ubc_page_cancel(struct ubc_volume *v, struct ubc_page *p)
{
    ubc_index_trim(index_of(v, p->key), key_number(p->key));
    slab_free(p);
}

void ubc_page_add(struct ubc_volume *v, struct ubc_page *p, mfn_t frame)
{
    int rc = account_share(&ubc_engine.account, frame);

    BUG_ON(rc);
    rc = type_get(frame, TYPE_UBC); /* from here on nobody can write it: INV-UBC-1 */
    BUG_ON(rc);
    p->frame = (uint32_t)frame.n;
    ubc_index_set(index_of(v, p->key), key_number(p->key), p);
    enter_idle(v, p);
    v->stats.pages++;
    v->stats.inserts++;
}

/* ---- death ---- */

void ubc_page_kill(struct ubc_volume *v, struct ubc_page *p)
{
    ASSERT(!p->dead);
    ubc_page_busy(v, p);
    ubc_index_set(index_of(v, p->key), key_number(p->key), NULL);
    ubc_index_trim(index_of(v, p->key), key_number(p->key));
    p->dead = true;
    if (!list_empty(&p->mappings))
        v->stats.mapped--;
    list_add_tail(&v->dead, &p->link);
    v->stats.pages--;
}

/* Nothing maps it any more, and no TLB after this. */
static void bury(struct ubc_page *p)
{
    mfn_t m = mfn(p->frame);

    /* Somebody reads it, or tries to map it at this moment, and will be refused: it is freed next time, but
     * flushed now. */
    if (p->holds || account_unshare_since(&ubc_engine.account, m, p->stamp)) {
        tlb_flush_stale(TLB_FREE, 1, p->stamp, arch_online_cpus());
        return;
    }
    list_del(&p->link);
    page_free(arch_map_frame(m), 0);
    slab_free(p);
}

int ubc_drain(struct ubc_volume *v)
{
    struct list *l, *next;
    unsigned left = UBC_STEP;

    list_for_each_safe (l, next, &v->dead) {
        struct ubc_page *p = list_entry(l, struct ubc_page, link);

        while (!list_empty(&p->mappings)) {
            int rc;

            if (left-- == 0)
                return -XEN_ERESTART;
            rc = ubc_mapping_end(v, list_entry(p->mappings.next, struct ubc_mapping, link));
            if (rc)
                return rc;
        }
        bury(p);
    }
    return 0;
}

int ubc_kill_range(struct ubc_volume *v, unsigned level, uint64_t *first, uint64_t last,
                   uint64_t *killed)
{
    for (unsigned left = UBC_STEP; left > 0; left--) {
        struct ubc_page *p = ubc_index_next(&v->index[level], *first);

        if (!p || key_number(p->key) > last)
            return 0;
        *first = key_number(p->key) + 1;
        ubc_page_kill(v, p);
        ++*killed;
    }
    return -XEN_ERESTART;
}

int ubc_purge(struct ubc_volume *v)
{
    int rc = 0;

    for (unsigned level = 0; level <= TREE_LEVELS && !rc; level++) {
        uint64_t first = 0;

        rc = ubc_kill_range(v, level, &first, UINT64_MAX, &v->stats.invalidated);
    }
    if (rc) {
        (void)!ubc_drain(v); /* so that the list of the dead does not grow */
        return rc;
    }
    rc = ubc_drain(v);
    for (unsigned level = 0; level <= TREE_LEVELS && !rc; level++)
        ubc_index_free(&v->index[level]);
    return rc;
}

/* ---- reclaim ---- */

uint64_t ubc_idle_pages(void)
{
    return atomic_load(&ubc_engine.idle);
}

/* Hits of late for each idle page of the volume, in 1/1024. */
static uint64_t worth_of(struct ubc_volume *v)
{
    return (atomic_load(&v->worth) << 10) / (atomic_load(&v->idle_count) + 1);
}

/* The volume whose idle pages are worth least, of those not in `skip`; with a reference. */
static struct ubc_volume *find_worst(const uint64_t *skip)
{
    struct ubc_volume *worst = NULL;

    if (!spin_trylock(&ubc_engine.lock))
        return NULL;
    for (unsigned i = 0; i < UBC_VOLUMES; i++) {
        struct ubc_volume *v = ubc_engine.slot[i];

        if (v && !(skip[i / 64] >> (i % 64) & 1) && atomic_load(&v->idle_count) &&
            (!worst || worth_of(v) < worth_of(worst)))
            worst = v;
    }
    if (worst)
        worst->refs++;
    spin_unlock(&ubc_engine.lock);
    return worst;
}

static uint64_t reclaim_from(struct ubc_volume *v, uint64_t want)
{
    uint64_t n = 0;

    while (n < want && n < UBC_STEP && !list_empty(&v->idle)) {
        struct ubc_page *p = list_entry(v->idle.next, struct ubc_page, link);

        ubc_page_kill(v, p);
        bury(p);
        v->stats.reclaimed++;
        n++;
    }
    atomic_store(&v->worth, atomic_load(&v->worth) / 2);
    return n;
}

uint64_t ubc_reclaim(uint64_t want)
{
    uint64_t skip[UBC_VOLUMES / 64] = {0}, freed = 0;
    struct ubc_volume *v;

    while (freed < want && (v = find_worst(skip)) != NULL) {
        uint64_t n = 0;

        if (spin_trylock(&v->lock)) {
            n = reclaim_from(v, want - freed);
            spin_unlock(&v->lock);
        }
        if (n == 0)
            skip[v->slot / 64] |= UINT64_C(1) << (v->slot % 64);
        freed += n;
        ubc_volume_put(v);
    }
    return freed;
}
