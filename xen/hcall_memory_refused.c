/* SPDX-License-Identifier: MIT
 *
 * memory_op: operations for guests of other kinds than ours (translated memory, memory on demand,
 * paging, sharing, virtual nodes). Toolstacks and kernels try some of them and go on by the error
 * they get, so each has the one that Debian's Xen 4.17 answers for a paravirtual guest.
 */
#include <lagan/types.h>

#include <xen/memory.h>

#include "xen/guest_access.h"
#include "xen/hcall_memory.h"
#include "arch_current.h"

/* The answer for a domain that may be named, or why it may not. */
static int64_t answer(domid_t id, int64_t rc)
{
    struct domain *d;
    int no = memory_target(id, &d);

    if (no)
        return no;
    domain_put(d);
    return rc;
}

static int64_t add_to_physmap(guest_ptr_t arg)
{
    struct xen_add_to_physmap in;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    if (in.space == XENMAPSPACE_gmfn_foreign)
        return -XEN_ENOSYS;
    return answer(in.domid, -XEN_EACCES);
}

static int64_t add_to_physmap_batch(guest_ptr_t arg)
{
    struct xen_add_to_physmap_batch in;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    if (in.space == XENMAPSPACE_gmfn_range)
        return -XEN_EOPNOTSUPP;
    return answer(in.domid, -XEN_EACCES);
}

static int64_t remove_from_physmap(guest_ptr_t arg)
{
    struct xen_remove_from_physmap in;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    return answer(in.domid, -XEN_EACCES);
}

static int64_t pod_target(guest_ptr_t arg)
{
    struct xen_pod_target in;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    if (!current_vcpu()->domain->privileged)
        return -XEN_EPERM;
    return answer(in.domid, -XEN_EINVAL);
}

/* For another domain, which has no such thing; never for oneself. */
static int64_t access_op(guest_ptr_t arg)
{
    struct xen_mem_access_op in;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    if (in.domid == DOMID_SELF)
        return -XEN_ESRCH;
    if (in.domid == current_vcpu()->domain->id)
        return -XEN_EPERM;
    return answer(in.domid, -XEN_ENODEV);
}

static int64_t vnuma(guest_ptr_t arg)
{
    struct xen_vnuma_topology_info in;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    if (in.pad)
        return -XEN_EINVAL;
    return answer(in.domid, -XEN_EOPNOTSUPP);
}

/* There is no IOMMU, hence no region that one would have to leave alone. */
static int64_t reserved_device_memory(guest_ptr_t arg)
{
    struct xen_reserved_device_memory_map in;
    const unsigned none = 0;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    if (in.flags & ~(uint32_t)XENMEM_RDM_ALL)
        return -XEN_EINVAL;
    return copy_to_guest(
        guest_ptr_add(arg, offsetof(struct xen_reserved_device_memory_map, nr_entries)), &none,
        sizeof(none));
}

int64_t memory_refused(unsigned op, guest_ptr_t arg)
{
    switch (op) {
    case XENMEM_add_to_physmap:
        return add_to_physmap(arg);
    case XENMEM_add_to_physmap_batch:
        return add_to_physmap_batch(arg);
    case XENMEM_remove_from_physmap:
        return remove_from_physmap(arg);
    case XENMEM_set_pod_target:
    case XENMEM_get_pod_target:
        return pod_target(arg);
    case XENMEM_get_sharing_freed_pages:
    case XENMEM_get_sharing_shared_pages:
        return 0;
    case XENMEM_access_op:
        return access_op(arg);
    case XENMEM_machphys_compat_mfn_list:
        return -XEN_EOPNOTSUPP;
    case XENMEM_get_vnumainfo:
        return vnuma(arg);
    case XENMEM_reserved_device_memory_map:
        return reserved_device_memory(arg);
    default:
        return -XEN_ENOSYS; /* XENMEM_paging_op and XENMEM_sharing_op among them */
    }
}
