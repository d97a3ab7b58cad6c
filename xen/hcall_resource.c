/* SPDX-License-Identifier: MIT
 *
 * memory_op: frames of another domain's resources, by their kind and number, for the control domain to map. Of
 * paravirtual guests there is one kind: the grant table, which a toolstack fills in before the domain runs, and its
 * status words. The frames are the hypervisor's, lent to the domain: whoever maps one keeps the domain's end waiting
 * until he lets go of it.
 */
#include <lagan/arch.h>

#include <xen/memory.h>

#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hcall_memory.h"
#include "arch_current.h"

static bool is_status(const struct xen_mem_acquire_resource *in)
{
    return in->id == XENMEM_resource_grant_table_id_status;
}

/* How many frames there may be of it. */
static unsigned size_of(const struct grant_table *t, const struct xen_mem_acquire_resource *in)
{
    unsigned limit = grant_frame_limit(t);

    return is_status(in) ? grant_status_frames(limit) : limit;
}

/* The table grows up to the frame that is asked for, as by the domain's own first use. */
static int frame_number(struct grant_table *t, const struct xen_mem_acquire_resource *in,
                        uint64_t frame, uint64_t *n)
{
    unsigned up_to = (unsigned)frame + 1;
    mfn_t m;

    if (is_status(in) && grant_version(t) != 2)
        return -XEN_EINVAL;
    if (grant_table_grow(t, is_status(in) ? grant_frames_for_status(up_to) : up_to))
        return -XEN_ENOMEM;
    grant_enter(); /* its version, and with it the status words, stay as they are */
    m = is_status(in) ? grant_status_frame(t, (unsigned)frame) : grant_frame(t, (unsigned)frame);
    grant_leave();
    if (m.n == MFN_INVALID.n)
        return -XEN_EINVAL;
    *n = m.n;
    return 0;
}

/* *done: so many were listed before; and are now. */
static int list_frames(struct domain *d, const struct xen_mem_acquire_resource *in, uint64_t *done,
                       bool *again)
{
    guest_ptr_t list = guest_ptr((uint64_t)in->frame_list.p);
    uint64_t size = size_of(d->grants, in);

    if (in->frame > size || in->nr_frames > size - in->frame || *done > in->nr_frames)
        return -XEN_EINVAL;
    for (uint64_t first = *done; *done < in->nr_frames; ++*done) {
        uint64_t n;
        int rc;

        *again = *done > first && arch_preempt_pending();
        if (*again)
            return 0;
        rc = frame_number(d->grants, in, in->frame + *done, &n);
        if (rc)
            return rc;
        if (copy_to_guest(guest_ptr_add(list, *done * sizeof(n)), &n, sizeof(n)))
            return -XEN_EFAULT;
    }
    return 0;
}

static int tell_size(const struct domain *d, const struct xen_mem_acquire_resource *in,
                     guest_ptr_t arg)
{
    uint32_t size = size_of(d->grants, in);

    if (in->frame_list.p)
        return -XEN_EINVAL;
    return copy_to_guest(guest_ptr_add(arg, offsetof(struct xen_mem_acquire_resource, nr_frames)),
                         &size, sizeof(size));
}

int64_t memory_acquire_resource(uint64_t *done, guest_ptr_t arg, bool *again)
{
    struct xen_mem_acquire_resource in;
    struct domain *d;
    int rc;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    if (in.pad)
        return -XEN_EINVAL;
    if (in.domid == DOMID_SELF)
        return -XEN_ESRCH;
    if (in.domid == current_vcpu()->domain->id)
        return -XEN_EPERM;
    rc = memory_target(in.domid, &d);
    if (rc)
        return rc;
    if (in.type != XENMEM_resource_grant_table)
        rc = -XEN_EOPNOTSUPP;
    else if (in.id > XENMEM_resource_grant_table_id_status)
        rc = -XEN_EINVAL;
    else if (in.nr_frames == 0)
        rc = tell_size(d, &in, arg);
    else
        rc = list_frames(d, &in, done, again);
    domain_put(d);
    return rc;
}
