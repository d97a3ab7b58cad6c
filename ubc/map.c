/* SPDX-License-Identifier: MIT
 *
 * Looking blocks up, mapping them by handle, reading them by copy.
 *
 * All of it is done with the volume locked, so that a block that is invalidated at the same time is either
 * mapped before, and then the entry is taken, or not found.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/nospec.h>
#include "mm/pte.h"
#include "mm/tlbclock.h"
#include "mm/type.h"
#include "mm/window.h"
#include "ubc/ubc_int.h"

#define MAP_FLAGS (LAGAN_UBC_PTE | LAGAN_UBC_EXEC | LAGAN_UBC_LOOK | LAGAN_UBC_WANT)

/* ---- entries and handles ---- */

static int find_place(mfn_t l4, const struct lagan_ubc_map *op, mfn_t *table, unsigned *slot)
{
    if (op->flags & LAGAN_UBC_PTE) {
        *table = mfn(op->address >> PAGE_SHIFT);
        *slot = pte_slot(op->address);
        return op->address % sizeof(uint64_t) || table->n > UINT32_MAX ? -XEN_EINVAL : 0;
    }
    *slot = pte_index(op->address, 1);
    return op->address & ~PAGE_MASK ? -XEN_EINVAL : table_walk_l1(l4, op->address, table);
}

static void begin_mapping(struct ubc_volume *v, struct ubc_mapping *m, struct ubc_page *p)
{
    if (list_empty(&p->mappings))
        v->stats.mapped++;
    list_add_tail(&p->mappings, &m->link);
    m->page = p;
    m->block = key_number(p->key);
    m->state = MAPPING_USED;
    v->stats.mappings++;
}

void ubc_mapping_leave(struct ubc_volume *v, struct ubc_mapping *m)
{
    struct ubc_page *p = m->page;

    list_del(&m->link);
    v->stats.mappings--;
    if (!p->dead && p->frame && list_empty(&p->mappings)) {
        v->stats.mapped--;
        ubc_page_rest(p);
    }
}

int ubc_mapping_end(struct ubc_volume *v, struct ubc_mapping *m)
{
    struct ubc_page *p = m->page;
    int rc = ubc_entry_cut(m->reader->client->account, mfn(m->table), m->slot,
                           mfn(m->copy ? m->copy : p->frame));

    if (rc)
        return rc;
    p->stamp = tlb_clock_now();
    ubc_mapping_leave(v, m);
    m->page = NULL;
    m->state = MAPPING_GONE;
    if (p->dead)
        v->stats.taken++;
    if (m->copy)
        ubc_copy_end(p, m);
    return 0;
}

static int map_page(struct ubc_volume *v, struct ubc_reader *r, struct ubc_page *p, mfn_t l4,
                    struct lagan_ubc_map *op)
{
    uint32_t handle = ubc_handle_alloc(r);
    struct ubc_mapping *m;
    unsigned slot = 0;
    mfn_t table;
    int rc;

    if (handle == UBC_HANDLE_NONE)
        return -XEN_ENOMEM;
    m = ubc_mapping_at(r, handle);
    rc = find_place(l4, op, &table, &slot) ? -XEN_EINVAL : ubc_page_busy(v, p);
    if (rc) {
        ubc_handle_free(r, m);
        return rc;
    }
    rc = ubc_entry_make(r->client->account, table, slot, mfn(p->frame), op->flags & LAGAN_UBC_EXEC);
    if (rc) {
        ubc_handle_free(r, m);
        ubc_page_rest(p);
        return rc == -XEN_ERESTART ? rc : -XEN_EINVAL;
    }
    m->table = (uint32_t)table.n;
    m->slot = (uint16_t)slot;
    begin_mapping(v, m, p);
    op->handle = handle;
    return 0;
}

static int look_and_map(struct ubc_volume *v, struct ubc_reader *r, mfn_t l4,
                        struct lagan_ubc_map *op)
{
    struct ubc_page *p;

    if (v->is_window)
        return -XEN_EOPNOTSUPP;
    p = ubc_page_find(v, key_of(0, op->block));
    if (!p)
        return op->flags & LAGAN_UBC_WANT ? ubc_want(v, r, op->block) : -XEN_ENOENT;
    if (op->flags & LAGAN_UBC_LOOK)
        return 0;
    if (ubc_is_taken(v))
        return -XEN_EAGAIN;
    return r->used < r->limit ? map_page(v, r, p, l4, op) : -XEN_ENOBUFS;
}

int ubc_map(const struct ubc_ref *ref, mfn_t l4, struct lagan_ubc_map *op)
{
    struct ubc_reader *r;
    int rc;

    if ((op->flags & ~MAP_FLAGS) || op->reserved0 || op->block >= LAGAN_UBC_BLOCKS_MAX)
        return -XEN_EINVAL;
    rc = ubc_enter(ref, LAGAN_UBC_READ, &r);
    if (rc)
        return rc;
    rc = look_and_map(ref->volume, r, l4, op);
    ubc_leave(ref->volume);
    return rc;
}

int ubc_unmap(const struct ubc_ref *ref, uint32_t handle)
{
    struct ubc_mapping *m;
    struct ubc_reader *r;
    int rc = ubc_enter(ref, LAGAN_UBC_READ, &r);

    if (rc)
        return rc;
    m = ubc_mapping_at(r, handle);
    if (!m || m->state == MAPPING_FREE)
        rc = -XEN_ENOENT;
    else if (m->state == MAPPING_USED)
        rc = ubc_mapping_end(ref->volume, m);
    if (rc == 0) {
        r->stamp = tlb_clock_now();
        ubc_handle_free(r, m);
    }
    ubc_leave(ref->volume);
    return rc;
}

/* For the reader's own sake: what it maps next at these addresses it is to see there. */
void ubc_unmap_finish(const struct ubc_ref *ref)
{
    struct account *a = ref->client->account;
    struct ubc_reader *r;
    uint32_t stamp = 0;

    spin_lock(&ref->volume->lock);
    r = ubc_reader_find(ref->volume, ref->client);
    if (r)
        stamp = r->stamp; /* which stays: another of its CPUs is to wait for the same flush */
    spin_unlock(&ref->volume->lock);
    tlb_flush_stale(TLB_FREE, 1, stamp,
                    cpumask_and((cpumask_t){atomic_load(&a->tlb_cpus)}, arch_online_cpus()));
}

/* ---- reading by copy ---- */

/* With a reference, so that the frame stays if the window ends meanwhile. */
static int hold_window(struct ubc_volume *v, uint64_t block, struct ubc_held *h)
{
    mfn_t m = mfn(v->base.n + index_nospec(block, v->blocks));

    if (block >= v->blocks || !frame_get(m, WINDOW_OWNER))
        return -XEN_ENOENT;
    h->data = arch_map_frame(m);
    return 0;
}

static int hold(struct ubc_volume *v, uint64_t block, struct ubc_held *h)
{
    struct ubc_page *p;
    int rc;

    *h = (struct ubc_held){NULL, NULL};
    if (v->is_window)
        return hold_window(v, block, h);
    p = ubc_page_find(v, key_of(0, block));
    if (!p)
        return -XEN_ENOENT;
    rc = ubc_page_hold(v, p);
    if (rc)
        return rc;
    *h = (struct ubc_held){p, arch_map_frame(mfn(p->frame))};
    return 0;
}

int ubc_hold(const struct ubc_ref *ref, uint64_t block, struct ubc_held *h)
{
    struct ubc_reader *r;
    int rc;

    if (block >= LAGAN_UBC_BLOCKS_MAX)
        return -XEN_EINVAL;
    rc = ubc_enter(ref, LAGAN_UBC_READ, &r);
    if (rc)
        return rc;
    rc = hold(ref->volume, block, h);
    ubc_leave(ref->volume);
    return rc;
}

int ubc_release(const struct ubc_ref *ref, struct ubc_held *h)
{
    struct ubc_volume *v = ref->volume;
    struct ubc_page *p = h->page;
    int rc = 0;

    if (!p) { /* of a window: it does not change */
        frame_put(arch_frame_of(h->data));
        return 0;
    }
    spin_lock(&v->lock);
    ubc_page_unhold(p);
    if (p->dead) {
        rc = -XEN_EAGAIN;
        (void)!ubc_drain(v); /* frees it; what else is to be done others do */
    }
    spin_unlock(&v->lock);
    return rc;
}
