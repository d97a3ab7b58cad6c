/* SPDX-License-Identifier: MIT
 *
 * Copies between two pages, each named by a grant, or by its number if it is the caller's own.
 *
 * Both ends are pinned while the bytes move, so nobody has to map anything, and no TLB is touched.
 * Only here may a grant be for a part of a page, or transitive: an entry of A that names an entry of
 * B, which B made for A. Then both are pinned, A's in the caller's name and B's in A's; B's may not
 * be transitive again, so nothing can go round in circles.
 *
 * Nothing is written but the entries, their frames' counts, and the destination.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/string.h>
#include "mm/frame.h"
#include "mm/type.h"
#include "mm/window.h"
#include "shmem/grant_int.h"

/* One side of a copy, held. */
struct end {
    bool write;
    unsigned pins;              /* entries pinned: 0, 1, or 2 if it is transitive */
    struct grant_access pin[2]; /* the last of them has the frame */
    uint32_t offset, length;    /* the part of the frame that may be touched */
    mfn_t frame;                /* with references of its own, if pins is 0 */
};

static void put_pins(struct end *e)
{
    while (e->pins > 0) {
        e->pins--;
        grant_unpin(e->pin[e->pins].table, e->pin[e->pins].ref, e->write);
    }
}

static void put(struct end *e)
{
    if (e->pins)
        put_pins(e);
    else if (e->write)
        frame_put_writable(e->frame);
    else
        frame_put(e->frame);
}

/* The second entry of a transitive grant. GNTST_*; -XEN_ERESTART. */
static int follow(struct end *e)
{
    const struct grant_access *first = &e->pin[0];
    domid_t through = first->table->account->id;
    struct grant_table *t = first->via == through ? NULL : grant_find(first->via);
    int status = GNTST_general_error;

    if (t)
        status = grant_pin(t, first->via_ref, through, e->write, false, &e->pin[1]);
    if (status)
        return status;
    e->pins = 2;
    return e->pin[1].transitive ? GNTST_general_error : GNTST_okay;
}

static int get_by_ref(const struct grant_user *u, grant_ref_t ref, domid_t granter, struct end *e)
{
    domid_t self = u->table->account->id;
    struct grant_table *t = grant_find(granter == DOMID_SELF ? self : granter);
    int status;

    if (!t)
        return GNTST_bad_domain;
    status = grant_pin(t, ref, self, e->write, false, &e->pin[0]);
    if (status)
        return status;
    e->pins = 1;
    if (unlikely(e->pin[0].transitive))
        status = follow(e);
    if (status) {
        put_pins(e);
        return status;
    }
    e->frame = e->pin[e->pins - 1].frame;
    e->offset = e->pin[e->pins - 1].offset;
    e->length = e->pin[e->pins - 1].length;
    return GNTST_okay;
}

static int get_own(const struct grant_user *u, uint64_t frame, domid_t owner, struct end *e)
{
    domid_t self = u->table->account->id;
    int rc;

    if (owner != DOMID_SELF)
        return GNTST_permission_denied;
    e->frame = mfn(frame);
    e->offset = 0;
    e->length = PAGE_SIZE;
    if (e->write)
        rc = frame_get_writable(e->frame, self);
    else
        rc = frame_get(e->frame, self) || window_get(u->table->account, e->frame) ? 0 : -XEN_EINVAL;
    if (rc == 0 || rc == -XEN_ERESTART)
        return rc;
    return rc == -XEN_EINVAL ? GNTST_bad_page : GNTST_general_error;
}

static int get(const struct grant_user *u, const struct gnttab_copy_ptr *p, bool by_ref,
               struct end *e)
{
    return by_ref ? get_by_ref(u, p->u.ref, p->domid, e) : get_own(u, p->u.gmfn, p->domid, e);
}

static bool inside(const struct end *e, uint32_t offset, uint32_t length)
{
    return offset >= e->offset && offset + length <= e->offset + e->length;
}

static char *bytes_of(const struct end *e, uint32_t offset)
{
    return (char *)arch_map_frame(e->frame) + offset;
}

/* With the source held. */
static int copy_to(const struct grant_user *u, const struct gnttab_copy *op, const struct end *from)
{
    struct end to;
    int status;

    to.write = true;
    to.pins = 0;
    status = get(u, &op->dest, op->flags & GNTCOPY_dest_gref, &to);

    if (status)
        return status;
    if (inside(from, op->source.offset, op->len) && inside(&to, op->dest.offset, op->len))
        memmove(bytes_of(&to, op->dest.offset), bytes_of(from, op->source.offset), op->len);
    else
        status = GNTST_general_error;
    put(&to);
    return status;
}

int grant_copy(const struct grant_user *u, struct gnttab_copy *op)
{
    struct end from;
    int status;

    from.write = false;
    from.pins = 0;

    op->status = GNTST_bad_copy_arg;
    if ((uint32_t)op->source.offset + op->len > PAGE_SIZE ||
        (uint32_t)op->dest.offset + op->len > PAGE_SIZE)
        return 0;
    status = get(u, &op->source, op->flags & GNTCOPY_source_gref, &from);
    if (status == GNTST_okay) {
        status = copy_to(u, op, &from);
        put(&from);
    }
    if (status == -XEN_ERESTART)
        return status;
    op->status = (int16_t)status;
    return 0;
}
