/* SPDX-License-Identifier: MIT
 *
 * Readers: who has which rights to a volume, and the handles that they have.
 *
 * Handles come in pages, as they are needed, and stay until the reader goes. A reader whose rights are taken
 * away, or whose domain ends, `leaves`: it can do nothing any more, what it has mapped is taken a step at a
 * time, then it goes.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/nospec.h>
#include "mm/tlbclock.h"
#include "ubc/ubc_int.h"

void ubc_client_init(struct ubc_client *c, struct account *a)
{
    *c = (struct ubc_client){.account = a};
}

/* Who was asked for last is found first. */
struct ubc_reader *ubc_reader_find(struct ubc_volume *v, const struct ubc_client *c)
{
    struct list *l;

    list_for_each (l, &v->readers) {
        struct ubc_reader *r = list_entry(l, struct ubc_reader, link);

        if (r->client == c) {
            list_del(l);
            list_add(&v->readers, l);
            return r;
        }
    }
    return NULL;
}

/* ---- handles ---- */

struct ubc_mapping *ubc_mapping_at(const struct ubc_reader *r, uint32_t handle)
{
    if (handle >= r->count)
        return NULL;
    handle = (uint32_t)index_nospec(handle, r->count);
    return &r->leaf[handle / MAPPINGS_PER_PAGE][handle % MAPPINGS_PER_PAGE];
}

static bool grow(struct ubc_reader *r)
{
    struct ubc_mapping *page;

    if (r->count / MAPPINGS_PER_PAGE >= (PAGE_SIZE << r->leaf_order) / sizeof(void *))
        return false;
    page = page_alloc(0, HEAP_CLEAR | HEAP_TRY);
    if (!page)
        return false;
    for (uint32_t i = 0; i < MAPPINGS_PER_PAGE; i++) {
        page[i].reader = r;
        page[i].number = r->count + i;
        list_add_tail(&r->free, &page[i].link);
    }
    r->leaf[r->count / MAPPINGS_PER_PAGE] = page;
    r->count += MAPPINGS_PER_PAGE;
    return true;
}

uint32_t ubc_handle_alloc(struct ubc_reader *r)
{
    struct ubc_mapping *m;

    if (list_empty(&r->free) && !grow(r))
        return UBC_HANDLE_NONE;
    m = list_entry(r->free.next, struct ubc_mapping, link);
    list_del(&m->link);
    m->state = MAPPING_GONE;
    r->used++;
    return m->number;
}

void ubc_handle_free(struct ubc_reader *r, struct ubc_mapping *m)
{
    ASSERT(m->state != MAPPING_FREE && !m->page && r->used > 0);
    m->state = MAPPING_FREE;
    r->used--;
    list_add(&r->free, &m->link);
}

void ubc_reader_flush(const struct ubc_reader *r, uint32_t stamp)
{
    const struct account *a = r->client->account;

    tlb_flush_stale(TLB_FREE, 1, stamp,
                    cpumask_and((cpumask_t){atomic_load(&((struct account *)a)->tlb_cpus)},
                                arch_online_cpus()));
}

/* ---- rights ---- */

static unsigned leaf_order_for(unsigned limit)
{
    uint64_t bytes = (limit / MAPPINGS_PER_PAGE + 1) * sizeof(struct ubc_mapping *);
    unsigned order = 0;

    while (PAGE_SIZE << order < bytes)
        order++;
    return order;
}

/* Room for so many handles. */
static int make_room(struct ubc_reader *r, unsigned limit)
{
    unsigned order = leaf_order_for(limit);
    struct ubc_mapping **leaf;

    if (r->leaf && order <= r->leaf_order)
        return 0;
    leaf = page_alloc(order, HEAP_CLEAR | HEAP_TRY);
    if (!leaf)
        return -XEN_ENOMEM;
    for (uint32_t i = 0; i < r->count / MAPPINGS_PER_PAGE; i++)
        leaf[i] = r->leaf[i];
    page_free(r->leaf, r->leaf_order);
    r->leaf = leaf;
    r->leaf_order = order;
    return 0;
}

static int add_reader(struct ubc_volume *v, struct ubc_client *c, struct ubc_reader **out)
{
    struct ubc_reader *r;

    if (v->reader_count >= LAGAN_UBC_READERS_MAX)
        return -XEN_ENOSPC;
    r = slab_alloc(sizeof(*r));
    if (!r)
        return -XEN_ENOMEM;
    r->client = c;
    list_init(&r->free);
    if (make_room(r, 0)) {
        slab_free(r);
        return -XEN_ENOMEM;
    }
    list_add(&v->readers, &r->link);
    v->reader_count++;
    *out = r;
    return 0;
}

/* Its handles have ended. */
static void remove_reader(struct ubc_volume *v, struct ubc_reader *r)
{
    for (uint32_t i = 0; i < r->count / MAPPINGS_PER_PAGE; i++)
        page_free(r->leaf[i], 0);
    page_free(r->leaf, r->leaf_order);
    list_del(&r->link);
    v->reader_count--;
    if (v->revocation.by == r->client)
        v->revocation = (struct ubc_revocation){0};
    ubc_want_forget(v, r->client);
    if (v->is_window || v->has_slots)
        ubc_window_allow(v, r->client->account, false);
    slab_free(r);
}

/* Entries that it has made itself go with its rights, if it goes on living and the pages do. */
static bool is_swept(struct ubc_volume *v, struct ubc_reader *r)
{
    if (!v->has_slots || atomic_load(&v->dying) || atomic_load(&r->client->dying))
        return true;
    if (!r->sweep) {
        ubc_window_allow(v, r->client->account, false);
        r->sweep = ubc_sweep_order();
    }
    return ubc_sweep_is_over(r->sweep);
}

/* A step. */
static int end_reader(struct ubc_volume *v, struct ubc_reader *r)
{
    for (unsigned left = UBC_STEP; r->cursor < r->count; r->cursor++) {
        struct ubc_mapping *m = ubc_mapping_at(r, r->cursor);
        int rc;

        if (m->state != MAPPING_USED)
            continue;
        if (left-- == 0)
            return -XEN_ERESTART;
        rc = ubc_mapping_end(v, m);
        if (rc)
            return rc;
        r->stamp = tlb_clock_now();
    }
    if (!is_swept(v, r))
        return -XEN_ERESTART;
    if (r->sweep)
        r->stamp = tlb_clock_now();
    ubc_reader_flush(r, r->stamp); /* with its rights its translations go, of copies too */
    remove_reader(v, r);
    return 0;
}

int ubc_readers_sweep(struct ubc_volume *v)
{
    struct list *l, *next;

    list_for_each_safe (l, next, &v->readers) {
        struct ubc_reader *r = list_entry(l, struct ubc_reader, link);
        int rc = r->leaving ? end_reader(v, r) : 0;

        if (rc)
            return rc;
    }
    return 0;
}

static int allow(struct ubc_volume *v, struct ubc_client *c, unsigned rights, unsigned limit)
{
    struct ubc_reader *r;
    int rc = ubc_readers_sweep(v);

    if (rc)
        return rc;
    r = ubc_reader_find(v, c);
    if (!rights) {
        if (!r)
            return 0;
        r->leaving = true;
        return ubc_readers_sweep(v);
    }
    if (atomic_load(&c->dying))
        return -XEN_ESRCH;
    if (r && r->used > (rights & LAGAN_UBC_READ ? limit : 0))
        return -XEN_EBUSY;
    if (!r)
        rc = add_reader(v, c, &r);
    if (!rc)
        rc = make_room(r, limit);
    if (rc) {
        if (r && !r->rights)
            remove_reader(v, r);
        return rc;
    }
    r->rights = rights;
    r->limit = limit;
    if (v->is_window || v->has_slots)
        ubc_window_allow(v, c->account, rights & LAGAN_UBC_READ);
    return 0;
}

int ubc_allow(const struct ubc_ref *ref, struct ubc_client *c, unsigned rights, unsigned limit)
{
    struct ubc_volume *v = ref->volume;
    struct ubc_reader *r;
    int rc;

    if ((rights & ~(LAGAN_UBC_READ | LAGAN_UBC_PUBLISH)) || limit > LAGAN_UBC_LIMIT_MAX)
        return -XEN_EINVAL;
    if (!ref->control)
        return -XEN_EPERM;
    rc = ubc_enter(ref, LAGAN_UBC_PUBLISH, &r);
    if (rc)
        return rc;
    rc = v->is_window && (rights & LAGAN_UBC_PUBLISH) ? -XEN_EINVAL : allow(v, c, rights, limit);
    ubc_leave(v);
    return rc;
}
