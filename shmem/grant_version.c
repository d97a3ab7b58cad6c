/* SPDX-License-Identifier: MIT
 *
 * What a domain does with its own table as a whole: another version of it, and entries that change
 * places.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/string.h>
#include "mm/heap.h"
#include "shmem/grant_int.h"

/* ---- versions ---- */

/* Entries above the reserved ones must not be in use; those may be, and keep their place. */
static bool is_idle(const struct grant_table *t)
{
    for (grant_ref_t ref = GNTTAB_NR_RESERVED_ENTRIES; ref < grant_entry_count(t); ref++)
        if (grant_in_use(grant_pins_of(t, ref)))
            return false;
    return true;
}

static void clear_frames(const struct grant_table *t)
{
    for (unsigned i = 0; i < t->frame_count; i++)
        arch_clear_page(t->shared[i]);
    for (unsigned i = 0; i < t->status_count; i++)
        arch_clear_page(t->status[i]);
}

#define IN_USE (GTF_reading | GTF_writing)

static void write_v2(const struct grant_table *t, const grant_entry_v1_t *saved)
{
    for (grant_ref_t ref = 0; ref < GNTTAB_NR_RESERVED_ENTRIES; ref++) {
        union grant_entry_v2 *e = grant_v2(t, ref);

        e->full_page.frame = saved[ref].frame;
        e->hdr.domid = saved[ref].domid;
        *grant_status(t, ref) = saved[ref].flags & IN_USE;
        e->hdr.flags = saved[ref].flags & (uint16_t)~IN_USE;
    }
}

static void save_v1(const struct grant_table *t, grant_entry_v1_t *saved)
{
    for (grant_ref_t ref = 0; ref < GNTTAB_NR_RESERVED_ENTRIES; ref++)
        saved[ref] = *grant_v1(t, ref);
}

/* The other way. -XEN_EINVAL: an entry that version 1 has no words for. */
static int save_v2(const struct grant_table *t, grant_entry_v1_t *saved)
{
    for (grant_ref_t ref = 0; ref < GNTTAB_NR_RESERVED_ENTRIES; ref++) {
        union grant_entry_v2 e = *grant_v2(t, ref);
        unsigned type = e.hdr.flags & GTF_type_mask;

        saved[ref] = (grant_entry_v1_t){0};
        if (type == GTF_invalid)
            continue;
        if (type != GTF_permit_access || (e.hdr.flags & GTF_sub_page) ||
            e.full_page.frame > UINT32_MAX)
            return -XEN_EINVAL;
        saved[ref].frame = (uint32_t)e.full_page.frame;
        saved[ref].domid = e.hdr.domid;
        saved[ref].flags = e.hdr.flags | *grant_status(t, ref);
    }
    return 0;
}

/* Those that come while it is frozen are told to come again; two that race for another version
 * would make it the same, or change it back: one of them hears that it is busy. */
static int to_version_2(struct grant_table *t) LAGAN_REQUIRES(t->lock)
{
    grant_entry_v1_t saved[GNTTAB_NR_RESERVED_ENTRIES];

    if (!grant_status_grow(t, t->frame_count))
        return -XEN_ENOMEM;
    if (!t->frame_count) {
        t->version = 2;
        return 0;
    }
    save_v1(t, saved);
    clear_frames(t);
    t->version = 2;
    write_v2(t, saved);
    return 0;
}

static int to_version_1(struct grant_table *t) LAGAN_REQUIRES(t->lock)
{
    grant_entry_v1_t saved[GNTTAB_NR_RESERVED_ENTRIES];
    int rc = t->frame_count ? save_v2(t, saved) : 0;

    if (rc == 0)
        rc = grant_status_shrink(t);
    if (rc)
        return rc;
    t->version = 1;
    clear_frames(t);
    for (grant_ref_t ref = 0; t->frame_count && ref < GNTTAB_NR_RESERVED_ENTRIES; ref++)
        *grant_v1(t, ref) = saved[ref];
    return 0;
}

/* Nobody pins while the table is frozen, but who has pinned a reserved entry may let go of it at any
 * time: he must find either version, not the way from one to the other. */
static void lock_reserved(struct grant_table *t) LAGAN_REQUIRES(t->lock)
{
    if (!t->frame_count)
        return;
    grant_entry_lock(grant_pins_of(t, 0));
    for (grant_ref_t ref = 1; ref < GNTTAB_NR_RESERVED_ENTRIES; ref++)
        grant_entry_lock_second(grant_pins_of(t, ref));
}

static void unlock_reserved(struct grant_table *t) LAGAN_REQUIRES(t->lock)
{
    for (grant_ref_t ref = GNTTAB_NR_RESERVED_ENTRIES; t->frame_count && ref > 0; ref--)
        grant_entry_unlock(grant_pins_of(t, ref - 1));
}

int grant_set_version(struct grant_table *t, unsigned version)
{
    int rc;

    if (version < 1 || version > 2)
        return -XEN_EINVAL;
    if (version > t->version_max)
        return -XEN_ENOSYS;
    if (t->version == version)
        return 0;
    if (atomic_exchange(&t->frozen, true))
        return -XEN_EBUSY;
    /* Without the lock: those inside may want it, for more handles. */
    grant_wait_for_all();
    spin_lock(&t->lock);
    if (t->dying || !is_idle(t)) {
        rc = -XEN_EBUSY;
    } else {
        lock_reserved(t);
        rc = version == 2 ? to_version_2(t) : to_version_1(t);
        unlock_reserved(t);
    }
    spin_unlock(&t->lock);
    atomic_store(&t->frozen, false);
    return rc;
}

/* ---- swapping ---- */

static void swap_v1(grant_entry_v1_t *a, grant_entry_v1_t *b)
{
    grant_entry_v1_t saved = *a;

    *a = *b;
    *b = saved;
}

static void swap_v2(union grant_entry_v2 *a, union grant_entry_v2 *b)
{
    union grant_entry_v2 saved = *a;

    *a = *b;
    *b = saved;
}

int grant_swap(struct grant_table *t, grant_ref_t a, grant_ref_t b)
{
    struct grant_pins *first, *second;
    uint32_t count = grant_entry_count(t);
    int status = GNTST_okay;

    if (unlikely(atomic_load(&t->frozen)))
        return -XEN_ERESTART;
    if (a >= count || b >= count)
        return GNTST_bad_gntref;
    if (a == b)
        return GNTST_okay;
    a = (grant_ref_t)index_nospec(a, count);
    b = (grant_ref_t)index_nospec(b, count);
    first = grant_pins_of(t, a < b ? a : b);
    second = grant_pins_of(t, a < b ? b : a);
    grant_entry_lock(first);
    grant_entry_lock_second(second);
    if (grant_in_use(first) || grant_in_use(second))
        status = GNTST_eagain;
    else if (t->version == 1)
        swap_v1(grant_v1(t, a), grant_v1(t, b));
    else
        swap_v2(grant_v2(t, a), grant_v2(t, b));
    grant_entry_unlock(second);
    grant_entry_unlock(first);
    return status;
}
