/* SPDX-License-Identifier: MIT
 *
 * Blocks that go: invalidated at once, or wanted back by a time.
 *
 * An invalidate raises the epoch first, so that whatever was read before cannot come in any more, and then
 * kills the pages that are there, those that are wanted back too, and drains them: when it returns 0 nobody can read
 * them. What is inserted while it is preempted was read after it began.
 *
 * A revocation is a range and a time, and it is about the pages that were there when it began. A pass through the range, a
 * step at a time, takes them out of the index: what nobody maps dies at once; what is mapped stays where only further passes find
 * it, and its readers are told. Nobody maps such a page anew, so they only become fewer. What is left when the time is
 * over is taken.
 *
 * Nothing is said of the blocks: one that somebody wants meanwhile is not there, and may come in and be mapped like any
 * other, beside the page that is wanted back. Were it refused, who waits for it could be what keeps its guest from letting
 * go of another (linux/ubc_slot.c: he waits inside the lock whose users have to be waited for), and two guests that
 * wait for what the other has mapped would wait until the time is over. The price: a block that is mapped may have two
 * pages then, until the older is let go of. It never has three (INV-UBC-10): a page whose block has an older one that is
 * still wanted back, by a revocation that was given up, stays in the index until that has gone.
 *
 * If who began it does not go on, or he has no rights any more, nothing is taken; what is wanted back stays so until
 * its readers let go of it, or another revocation of the range has its time over. The time is bounded, since a
 * volume has one revocation at a time, and the control domain's takes the place of another's.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "ubc/ubc_int.h"

static int check_range(const struct ubc_volume *v, const struct lagan_ubc_range *in)
{
    if (in->count == 0 || in->first >= v->blocks || in->count > v->blocks - in->first)
        return -XEN_EINVAL;
    return v->is_window ? -XEN_EOPNOTSUPP : 0;
}

/* ---- invalidate ---- */

static void raise_epoch(struct ubc_volume *v, uint64_t first, uint64_t count)
{
    v->epoch++;
    for (uint64_t i = 0; i < min_u64(count, UBC_BUCKETS); i++)
        v->invalidated[(first + i) % UBC_BUCKETS] = v->epoch;
}

/* What readers have of these blocks that nobody finds by looking them up. */
static int kill_hidden(struct ubc_volume *v, uint64_t first, uint64_t last)
{
    uint64_t at = first, copies = 0;
    int rc = ubc_kill_range(v, COPIES, &at, last, &copies);

    if (rc)
        return rc;
    at = first;
    return ubc_kill_range(v, REVOKED, &at, last, &v->stats.invalidated);
}

static int invalidate(struct ubc_volume *v, struct lagan_ubc_range *io)
{
    uint64_t last = io->first + io->count - 1, first = io->first;
    int rc, drained;

    raise_epoch(v, io->first, io->count);
    io->epoch = v->epoch;
    rc = kill_hidden(v, first, last);
    if (rc) {
        (void)!ubc_drain(v);
        return rc;
    }
    rc = ubc_kill_range(v, 0, &first, last, &v->stats.invalidated);
    drained = ubc_drain(v);
    if (rc && first <= last) {
        io->first = first;
        io->count = last - first + 1;
        return rc;
    }
    io->first = last; /* none of it is left but what is dead */
    io->count = 1;
    return drained;
}

int ubc_invalidate(const struct ubc_ref *ref, struct lagan_ubc_range *io)
{
    struct ubc_volume *v = ref->volume;
    struct ubc_reader *r;
    int rc = ubc_enter(ref, LAGAN_UBC_PUBLISH, &r);

    if (rc)
        return rc;
    rc = v->has_tree ? -XEN_EOPNOTSUPP : check_range(v, io);
    if (!rc)
        rc = io->timeout_ns ? -XEN_EINVAL : invalidate(v, io);
    ubc_leave(v);
    return rc;
}

/* ---- revoke ---- */

static bool is_under_way(const struct ubc_volume *v)
{
    return v->revocation.end && arch_time_ns() < v->revocation.end;
}

static void begin(struct ubc_volume *v, const struct ubc_client *by,
                  const struct lagan_ubc_range *in)
{
    v->revocation = (struct ubc_revocation){.first = in->first,
                                            .last = in->first + in->count - 1,
                                            .end = max_u64(arch_time_ns() + in->timeout_ns, 1),
                                            .by = by,
                                            .born = v->stats.inserts,
                                            .cursor = in->first};
}

static void list_readers(const struct ubc_volume *v, struct ubc_tell *tell)
{
    const struct list *l;

    list_for_each (l, &v->readers) {
        const struct ubc_reader *r = list_entry(l, struct ubc_reader, link);

        if (r->used)
            tell->id[tell->count++] = r->client->account->id;
    }
}

/* A step of a pass through a level. -XEN_ERESTART, and -XEN_EAGAIN if it is over and some were left. */
static int pass(struct ubc_volume *v, unsigned level, bool force)
{
    struct ubc_revocation *n = &v->revocation;

    for (unsigned left = UBC_STEP; left > 0; left--) {
        struct ubc_page *p = ubc_index_next(&v->index[level], n->cursor);

        if (!p || key_number(p->key) > n->last) {
            bool missed = n->missed;

            n->missed = false;
            n->cursor = n->first;
            return missed ? -XEN_EAGAIN : 0;
        }
        n->cursor = key_number(p->key) + 1;
        if (p->born > n->born)
            continue;
        if (force || list_empty(&p->mappings))
            v->stats.revoked += ubc_page_kill(v, p);
        else if (level == 0 && ubc_page_take_out(v, p))
            n->taken_out = true;
        else
            n->missed = true;
    }
    return -XEN_ERESTART;
}

/* Through what is found, until none of it is left there. */
static int pass_index(struct ubc_volume *v, bool force, struct ubc_tell *tell)
{
    struct ubc_revocation *n = &v->revocation;
    int rc = pass(v, 0, force);

    if (rc == -XEN_ERESTART)
        return rc;
    if (n->taken_out || !n->told)
        list_readers(v, tell);
    n->told = true;
    n->taken_out = false;
    n->through = rc == 0;
    return rc;
}

static int revoke(struct ubc_volume *v, const struct ubc_ref *ref, const struct lagan_ubc_range *in,
                  struct ubc_tell *tell)
{
    struct ubc_revocation *n = &v->revocation;
    bool same = n->end && n->first == in->first && n->last == in->first + in->count - 1, force;
    int rc, drained;

    if (!same && is_under_way(v) && !ref->control)
        return -XEN_EBUSY;
    if (!same)
        begin(v, ref->client, in);
    force = !is_under_way(v);
    rc = n->through ? 0 : pass_index(v, force, tell);
    if (n->through)
        rc = pass(v, REVOKED, force);
    drained = ubc_drain(v);
    if (rc == 0 && drained == 0)
        *n = (struct ubc_revocation){0};
    return rc ? rc : drained;
}

int ubc_revoke(const struct ubc_ref *ref, const struct lagan_ubc_range *in, struct ubc_tell *tell)
{
    struct ubc_volume *v = ref->volume;
    struct ubc_reader *r;
    int rc = ubc_enter(ref, LAGAN_UBC_PUBLISH, &r);

    tell->count = 0;
    if (rc)
        return rc;
    rc = in->timeout_ns > LAGAN_UBC_TIMEOUT_MAX ? -XEN_EINVAL : check_range(v, in);
    if (!rc)
        rc = revoke(v, ref, in, tell);
    ubc_leave(v);
    return rc;
}

/* ---- for readers ---- */

#define LOOK_STEP 512 /* handles */

static int status_of(const struct ubc_volume *v, const struct ubc_mapping *m)
{
    if (m->state != MAPPING_USED)
        return m->state == MAPPING_GONE ? LAGAN_UBC_GONE : 0;
    if (m->copy)
        return LAGAN_UBC_COPIED;
    return ubc_page_is_wanted(m->page) || atomic_load(&((struct ubc_volume *)v)->pressed)
               ? LAGAN_UBC_WANTED
               : 0;
}

static int next_revoked(const struct ubc_volume *v, const struct ubc_reader *r,
                        struct lagan_ubc_unmap *io)
{
    for (unsigned left = LOOK_STEP; io->handle < r->count; io->handle++) {
        const struct ubc_mapping *m = ubc_mapping_at(r, io->handle);

        if (left-- == 0)
            return -XEN_ERESTART;
        io->status = status_of(v, m);
        io->block = m->block;
        if (io->status)
            return 0;
    }
    return -XEN_ENOENT;
}

int ubc_next_revoked(const struct ubc_ref *ref, struct lagan_ubc_unmap *io)
{
    struct ubc_reader *r;
    int rc = ubc_enter(ref, LAGAN_UBC_READ, &r);

    if (rc)
        return rc;
    rc = next_revoked(ref->volume, r, io);
    ubc_leave(ref->volume);
    return rc;
}

int ubc_stats(const struct ubc_ref *ref, struct lagan_ubc_stats *out)
{
    struct ubc_reader *r;
    int rc = ubc_enter(ref, LAGAN_UBC_PUBLISH, &r);

    if (rc)
        return rc;
    *out = ref->volume->stats;
    out->pages -= atomic_load(&ref->volume->hollow_count);
    out->reclaimed = atomic_load(&ref->volume->reclaimed);
    ubc_leave(ref->volume);
    return 0;
}
