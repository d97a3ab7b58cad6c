/* SPDX-License-Identifier: MIT
 *
 * Pages of volumes: in the index, then dead, then gone. What a page is while it is in the index, see idle.c.
 *
 * A page that is wanted back (revoke.c) leaves its place in the index for another, REVOKED, where only an invalidate, the end
 * of the volume and the revocation look for it: its readers' entries stay for the moment. With the last of them it is idle, as any
 * other page, but that nobody finds it.
 *
 * Dead pages are out of the index: what was put there after them is another page. Whoever killed them goes on
 * until no entry for a dead page is left and all TLBs have been flushed of them (ubc_drain()), which is when
 * nobody can read them any more; a read by copy that is under way finds that its page is dead, and says so.
 *
 * A TLB may hold a translation of a page from before its handle ended: nobody flushes then, as the page is still
 * what it was. So the page remembers when its last entry ended, and when it dies, or its frame goes, those
 * processors flush that have not done so since: mostly, none.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "mm/spare.h"
#include "mm/tlbclock.h"
#include "mm/type.h"
#include "ubc/ubc_int.h"

static struct ubc_index *index_of(struct ubc_volume *v, uint64_t key)
{
    return &v->index[key_level(key)];
}

struct ubc_page *ubc_page_at(struct ubc_volume *v, uint64_t key)
{
    struct ubc_page *p = ubc_index_find(index_of(v, key), key_number(key));

    if (p && page_state(p) == PAGE_HOLLOW) {
        ubc_page_reap(v, p);
        return NULL;
    }
    return p;
}

struct ubc_page *ubc_page_find(struct ubc_volume *v, uint64_t key)
{
    struct ubc_page *p = ubc_page_at(v, key);

    *(p ? &v->stats.hits : &v->stats.misses) += 1;
    return p;
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
    p->volume = v;
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
    p->frame = (uint32_t)frame.n;
    ubc_index_set(index_of(v, p->key), key_number(p->key), p);
    v->stats.pages++;
    p->born = ++v->stats.inserts;
    ubc_idle_begin(v, p, ubc_want_met(v, p->key) || key_level(p->key) > 0);
}

/* ---- death ---- */

#define SWEEPS 2U /* passes for one drain: an entry may have been made while the first began */

void ubc_page_leave_index(struct ubc_volume *v, struct ubc_page *p)
{
    ubc_index_set(index_of(v, p->key), key_number(p->key), NULL);
    ubc_index_trim(index_of(v, p->key), key_number(p->key));
    v->stats.pages -= key_level(p->key) != COPIES;
}

bool ubc_page_kill(struct ubc_volume *v, struct ubc_page *p)
{
    ASSERT(!p->dead);
    if (!ubc_idle_kill(v, p)) {
        ubc_page_reap(v, p);
        return false;
    }
    ubc_page_leave_index(v, p);
    ubc_slot_condemn(p);
    p->dead = true;
    if (!list_empty(&p->mappings) && p->frame)
        v->stats.mapped--;
    list_add_tail(&v->dead, &p->link);
    return true;
}

bool ubc_page_take_out(struct ubc_volume *v, struct ubc_page *p)
{
    uint64_t block = key_number(p->key);
    struct ubc_index *x = &v->index[REVOKED];
    struct ubc_page *older = ubc_index_find(x, block);

    ASSERT(key_level(p->key) == 0 && !p->dead && !list_empty(&p->mappings));
    if (older && !list_empty(&older->mappings))
        return false;
    if (older)
        v->stats.revoked += ubc_page_kill(v, older);
    if (!ubc_index_reserve(x, block)) {
        ubc_index_trim(x, block);
        return false;
    }
    ubc_index_set(&v->index[0], block, NULL);
    ubc_index_trim(&v->index[0], block);
    p->key = key_of(REVOKED, block);
    ubc_index_set(x, block, p);
    return true;
}

/* Its frame goes to the heap. False: somebody tries to map it at this moment, and will be refused. */
static bool give_frame(struct ubc_page *p)
{
    mfn_t m = mfn(p->frame);

    if (!p->frame) { /* copies: their readers' */
        tlb_flush_stale(TLB_FREE, 1, p->stamp, arch_online_cpus());
        return true;
    }
    if (p->lent) {
        tlb_flush_stale(TLB_FREE, 1, p->stamp, arch_online_cpus());
        spare_return(&m, 1);
        return true;
    }
    if (p->volume->slot_count)
        p->stamp = tlb_clock_now(); /* an entry may have ended at any time */
    if (account_unshare_since(&ubc_engine.account, m, p->stamp))
        return false;
    ubc_slot_close(p);
    page_free(arch_map_frame(m), 0);
    return true;
}

/* Nothing maps it any more, and no TLB after this. If somebody reads it, it is freed next time, but flushed now. */
static void bury(struct ubc_page *p)
{
    if (p->holds || !give_frame(p)) {
        tlb_flush_stale(TLB_FREE, 1, p->stamp, arch_online_cpus());
        return;
    }
    list_del(&p->link);
    slab_free(p);
}

/* Dead pages that only entries of readers' own keep. True: they are being looked for. After the second pass what is
 * left are transfers under way, of devices' (mm/validate.c), and the page goes when they are over. */
static bool sweep_dead(struct ubc_volume *v)
{
    const struct list *l;
    bool used = false;

    list_for_each (l, &v->dead)
        used = used || ubc_slot_is_used(list_entry(l, struct ubc_page, link));
    if (used && v->sweeps < SWEEPS) {
        v->sweep = ubc_sweep_order();
        v->sweeps++;
        return true;
    }
    v->sweeps = 0;
    if (used)
        ubc_want_work();
    return false;
}

static bool is_swept(struct ubc_volume *v)
{
    if (v->sweep && !ubc_sweep_is_over(v->sweep))
        return false;
    v->sweep = 0;
    return true;
}

void ubc_bury_dead(struct ubc_volume *v)
{
    struct list *l, *next;

    list_for_each_safe (l, next, &v->dead) {
        struct ubc_page *p = list_entry(l, struct ubc_page, link);

        if (list_empty(&p->mappings) && !p->holds)
            bury(p);
    }
}

int ubc_drain(struct ubc_volume *v)
{
    struct list *l, *next;
    unsigned left = UBC_STEP;

    if (!is_swept(v))
        return -XEN_ERESTART;
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
    return v->slot_count && sweep_dead(v) ? -XEN_ERESTART : 0;
}

int ubc_kill_range(struct ubc_volume *v, unsigned level, uint64_t *first, uint64_t last,
                   uint64_t *killed)
{
    for (unsigned left = UBC_STEP; left > 0; left--) {
        struct ubc_page *p = ubc_index_next(&v->index[level], *first);

        if (!p || key_number(p->key) > last)
            return 0;
        *first = key_number(p->key) + 1;
        *killed += ubc_page_kill(v, p);
    }
    return -XEN_ERESTART;
}

int ubc_purge(struct ubc_volume *v)
{
    uint64_t unused = 0;
    int rc = 0;

    for (unsigned level = 0; level < INDEXES && !rc; level++) {
        uint64_t first = 0;

        rc = ubc_kill_range(v, level, &first, UINT64_MAX,
                            level == COPIES ? &unused : &v->stats.invalidated);
    }
    if (rc) {
        (void)!ubc_drain(v); /* so that the list of the dead does not grow */
        return rc;
    }
    rc = ubc_drain(v);
    for (unsigned level = 0; level < INDEXES && !rc; level++)
        ubc_index_free(&v->index[level]);
    return rc;
}
