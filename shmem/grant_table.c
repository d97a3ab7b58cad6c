/* SPDX-License-Identifier: MIT
 *
 * The shape of a grant table: how many frames it has, of which version, and its life.
 *
 * A table begins without a frame and grows when the domain asks, or by its first use. Frames are
 * ours, lent to the domain to map. Beside each lie two pages of our own side of the entries
 * (struct grant_pins); version 2 has frames of status words as well. All are reached by arrays of
 * the size of the limit: they never move, and a count that is raised last makes a new frame seen,
 * so that growth disturbs nobody.
 *
 * A change of version gives all entries another size and meaning. It happens while the table is
 * frozen and nobody inside (grant.c), with no grant in use; the reserved entries are carried over.
 *
 * The end: grant_table_relinquish() gives up what the domain maps and lets nobody pin anything of
 * it; its own pages stay until others let go of them, which the account's count of pages shows.
 * grant_table_withdraw() takes the frames back, and grant_table_destroy() frees it all.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/string.h>
#include "mm/heap.h"
#include "shmem/grant_int.h"

/* ---- arrays ---- */

static unsigned order_for(size_t bytes)
{
    unsigned order = 0;

    while ((PAGE_SIZE << order) < bytes)
        order++;
    return order;
}

static void *array_alloc(size_t bytes)
{
    return bytes <= SLAB_MAX ? slab_alloc(bytes) : page_alloc(order_for(bytes), HEAP_CLEAR);
}

static void array_free(void *p, size_t bytes)
{
    if (bytes <= SLAB_MAX)
        slab_free(p);
    else
        page_free(p, order_for(bytes));
}

static size_t shared_bytes(const struct grant_table *t)
{
    return t->frame_limit * sizeof(t->shared[0]);
}

static size_t status_bytes(const struct grant_table *t)
{
    return status_frames_for(t->frame_limit) * sizeof(t->status[0]);
}

static size_t pins_bytes(const struct grant_table *t)
{
    return 2 * t->frame_limit * sizeof(t->pins[0]);
}

static void free_arrays(struct grant_table *t)
{
    array_free(t->shared, shared_bytes(t));
    array_free(t->status, status_bytes(t));
    array_free(t->pins, pins_bytes(t));
}

/* ---- growth ---- */

void *grant_lend_page(struct grant_table *t)
{
    void *page = page_alloc(0, HEAP_CLEAR);

    if (page && account_share(t->account, arch_frame_of(page)))
        BUG();
    return page;
}

/* 0, or -XEN_EBUSY: somebody maps it. */
static int take_back(struct grant_table *t, void *page)
{
    return account_unshare(t->account, arch_frame_of(page));
}

bool grant_status_grow(struct grant_table *t, unsigned frames)
{
    for (unsigned i = t->status_count; i < status_frames_for(frames); i++) {
        t->status[i] = grant_lend_page(t);
        if (!t->status[i])
            return false;
        atomic_store(&t->status_count, i + 1);
    }
    return true;
}

/* All or nothing. */
int grant_status_shrink(struct grant_table *t)
{
    unsigned n = t->status_count;

    for (unsigned i = 0; i < n; i++) {
        int rc = take_back(t, t->status[i]);

        if (rc == 0)
            continue;
        while (i-- > 0)
            BUG_ON(account_share(t->account, arch_frame_of(t->status[i])) != 0);
        return rc;
    }
    atomic_store(&t->status_count, 0);
    for (unsigned i = 0; i < n; i++) {
        page_free(t->status[i], 0);
        t->status[i] = NULL;
    }
    return 0;
}

static bool grow_by_one(struct grant_table *t) LAGAN_REQUIRES(t->lock)
{
    unsigned n = t->frame_count;

    for (unsigned i = 2 * n; i < 2 * n + 2; i++)
        if (!t->pins[i])
            t->pins[i] = page_alloc(0, HEAP_CLEAR);
    if (!t->pins[2 * n] || !t->pins[2 * n + 1])
        return false; /* what there is waits for the next attempt */
    if (t->version == 2 && !grant_status_grow(t, n + 1))
        return false;
    t->shared[n] = grant_lend_page(t);
    if (!t->shared[n])
        return false;
    atomic_store_explicit(&t->frame_count, n + 1, memory_order_release);
    return true;
}

int grant_table_grow(struct grant_table *t, unsigned frames)
{
    bool ok = frames <= t->frame_limit;

    if (ok && frames <= t->frame_count)
        return GNTST_okay;
    spin_lock(&t->lock);
    ok = ok && !t->dying;
    while (ok && t->frame_count < frames)
        ok = grow_by_one(t);
    spin_unlock(&t->lock);
    return ok ? GNTST_okay : GNTST_general_error;
}

/* ---- looking ---- */

unsigned grant_frame_count(const struct grant_table *t)
{
    return atomic_load_explicit(&((struct grant_table *)t)->frame_count, memory_order_acquire);
}

unsigned grant_frame_limit(const struct grant_table *t)
{
    return t->frame_limit;
}

mfn_t grant_frame(const struct grant_table *t, unsigned i)
{
    return i < grant_frame_count(t) ? arch_frame_of(t->shared[i]) : MFN_INVALID;
}

unsigned grant_status_count(const struct grant_table *t)
{
    return atomic_load_explicit(&((struct grant_table *)t)->status_count, memory_order_acquire);
}

mfn_t grant_status_frame(const struct grant_table *t, unsigned i)
{
    return i < grant_status_count(t) ? arch_frame_of(t->status[i]) : MFN_INVALID;
}

unsigned grant_status_frames(unsigned frames)
{
    return status_frames_for(frames);
}

unsigned grant_frames_for_status(unsigned status_frames)
{
    return status_frames ? (unsigned)((status_frames - 1) * STATUS_PER_FRAME / V2_PER_FRAME) + 1
                         : 0;
}

unsigned grant_version(const struct grant_table *t)
{
    return t->version;
}

/* ---- before the domain runs ---- */

int grant_seed(struct grant_table *t, grant_ref_t ref, domid_t who, mfn_t m)
{
    int status = grant_table_grow(t, 1);

    if (status)
        return status;
    ASSERT(t->version == 1);
    if (ref >= V1_PER_FRAME || m.n > UINT32_MAX)
        return GNTST_bad_gntref;
    *grant_v1(t, ref) =
        (grant_entry_v1_t){.domid = who, .frame = (uint32_t)m.n, .flags = GTF_permit_access};
    return GNTST_okay;
}

/* ---- life ---- */

int grant_table_create(struct account *a, const struct grant_limits *limits, unsigned lanes,
                       struct grant_table **out)
{
    struct grant_table *t;
    int rc = -XEN_ENOMEM;

    if (limits->frames < 1 || limits->frames > UINT32_MAX / PAGE_SIZE || limits->version < 1 ||
        limits->version > 2)
        return -XEN_EINVAL;
    t = slab_alloc(sizeof(*t));
    if (!t)
        return -XEN_ENOMEM;
    t->account = a;
    spin_init(&t->lock, LK_GRANT);
    t->version = 1;
    t->version_max = limits->version;
    t->frame_limit = limits->frames;
    t->shared = array_alloc(shared_bytes(t));
    t->status = array_alloc(status_bytes(t));
    t->pins = array_alloc(pins_bytes(t));
    if (!t->shared || !t->status || !t->pins)
        goto no_arrays;
    rc = maptrack_create(&t->maptrack, limits->maptrack_frames, lanes);
    if (rc)
        goto no_arrays;
    rc = grant_register(t);
    if (rc)
        goto no_place;
    *out = t;
    return 0;

no_place:
    maptrack_destroy(&t->maptrack);
no_arrays:
    free_arrays(t);
    slab_free(t);
    return rc;
}

int grant_table_withdraw(struct grant_table *t)
{
    int rc = 0;

    if (t->withdrawn)
        return 0;
    grant_wait_for_all(); /* a transitive grant may still be followed: it holds no page */
    spin_lock(&t->lock);
    ASSERT(t->dying);
    rc = grant_status_shrink(t);
    if (!rc && t->empty)
        rc = take_back(t, t->empty);
    if (!rc) {
        page_free(t->empty, 0);
        t->empty = NULL;
    }
    /* From the last on: the count says how many are still lent. */
    while (!rc && t->frame_count) {
        rc = take_back(t, t->shared[t->frame_count - 1]);
        if (!rc)
            atomic_fetch_sub(&t->frame_count, 1);
    }
    t->withdrawn = !rc;
    spin_unlock(&t->lock);
    return rc ? -XEN_ERESTART : 0;
}

void grant_table_destroy(struct grant_table *t)
{
    grant_unregister(t);
    BUG_ON(t->frame_count || t->status_count);
    for (unsigned i = 0; i < t->frame_limit; i++)
        page_free(t->shared[i], 0);
    for (unsigned i = 0; i < status_frames_for(t->frame_limit); i++)
        page_free(t->status[i], 0);
    for (unsigned i = 0; i < 2 * t->frame_limit; i++)
        page_free(t->pins[i], 0);
    maptrack_destroy(&t->maptrack);
    grant_forget_revocations(t);
    free_arrays(t);
    slab_free(t);
}
