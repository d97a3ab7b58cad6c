/* SPDX-License-Identifier: MIT
 *
 * grant_table_op on a table as a whole: its size, its frames, its version. The control domain may
 * name another domain's.
 */
#include <lagan/arch.h>

#include "shmem/grant.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hcall_grant.h"
#include "arch_current.h"
#include "arch_inline.h"

/* The domain whose table is meant, with a reference; NULL, and why. */
static struct domain *find_target(domid_t id, int16_t *status)
{
    struct domain *self = current_vcpu()->domain, *d = domain_find_target(id);

    *status = GNTST_okay;
    if (!d) {
        *status = GNTST_bad_domain;
    } else if (d != self && !self->privileged) {
        *status = GNTST_permission_denied;
        domain_put(d);
        d = NULL;
    }
    return d;
}

/* ---- frames ---- */

static int write_frames(const struct grant_table *t, uint32_t count, bool status_words,
                        guest_ptr_t list)
{
    for (uint32_t i = 0; i < count; i++) {
        mfn_t m = status_words ? grant_status_frame(t, i) : grant_frame(t, i);

        if (copy_to_guest(guest_ptr_add(list, i * sizeof(m.n)), &m.n, sizeof(m.n)))
            return -XEN_EFAULT;
    }
    return 0;
}

static int64_t setup_table(guest_ptr_t arg)
{
    struct gnttab_setup_table op;
    struct domain *d;
    int rc = 0;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    d = find_target(op.dom, &op.status);
    if (d) {
        op.status = (int16_t)grant_table_grow(d->grants, op.nr_frames);
        if (op.status == GNTST_okay)
            rc = write_frames(d->grants, op.nr_frames, false, guest_ptr((uint64_t)op.frame_list.p));
        domain_put(d);
    }
    return rc ? rc : copy_to_guest(arg, &op, sizeof(op));
}

static int64_t get_status_frames(guest_ptr_t arg)
{
    struct gnttab_get_status_frames op;
    struct domain *d;
    int rc = 0;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    d = find_target(op.dom, &op.status);
    if (d) {
        if (op.nr_frames > grant_status_count(d->grants))
            op.status = GNTST_general_error;
        else
            rc = write_frames(d->grants, op.nr_frames, true, guest_ptr((uint64_t)op.frame_list.p));
        domain_put(d);
    }
    return rc ? rc : copy_to_guest(arg, &op, sizeof(op));
}

static int64_t query_size(guest_ptr_t arg)
{
    struct gnttab_query_size op;
    struct domain *d;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    d = find_target(op.dom, &op.status);
    if (d) {
        op.nr_frames = grant_frame_count(d->grants);
        op.max_nr_frames = grant_frame_limit(d->grants);
        domain_put(d);
    }
    return copy_to_guest(arg, &op, sizeof(op));
}

/* ---- versions ---- */

static int64_t set_version(guest_ptr_t arg)
{
    struct grant_table *t = current_vcpu()->domain->grants;
    struct gnttab_set_version op;
    int rc;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    rc = grant_set_version(t, op.version);
    op.version = grant_version(t);
    if (copy_to_guest(arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    return rc;
}

static int64_t get_version(guest_ptr_t arg)
{
    struct gnttab_get_version op;
    struct domain *d;
    int16_t status;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    d = find_target(op.dom, &status);
    if (!d)
        return status == GNTST_bad_domain ? -XEN_ESRCH : -XEN_EPERM;
    op.version = grant_version(d->grants);
    domain_put(d);
    return copy_to_guest(arg, &op, sizeof(op));
}

int64_t grant_table_call(unsigned cmd, guest_ptr_t arg, uint32_t count)
{
    switch (cmd) {
    case GNTTABOP_setup_table:
        return count == 1 ? setup_table(arg) : -XEN_EINVAL;
    case GNTTABOP_get_status_frames:
        return count == 1 ? get_status_frames(arg) : -XEN_EINVAL;
    case GNTTABOP_query_size:
        return count == 1 ? query_size(arg) : -XEN_EINVAL;
    case GNTTABOP_set_version:
        return set_version(arg);
    case GNTTABOP_get_version:
        return get_version(arg);
    default:
        return -XEN_ENOSYS;
    }
}
