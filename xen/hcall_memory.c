/* SPDX-License-Identifier: MIT
 *
 * memory_op: the way to its parts, and what a domain may ask about memory.
 */
#include <lagan/arch.h>

#include <xen/memory.h>

#include "mm/claim.h"
#include "xen/arch/x86/layout.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hcall_memory.h"
#include "xen/hypercall.h"
#include "xen/memory_map.h"
#include "arch_current.h"
#include "arch_inline.h"

int memory_target(domid_t id, struct domain **d)
{
    struct domain *self = current_vcpu()->domain;

    *d = domain_find_target(id);
    if (!*d)
        return -XEN_ESRCH;
    if (*d == self || self->privileged)
        return 0;
    domain_put(*d);
    return -XEN_EPERM;
}

/* Counts of frames: of a domain, its limit, and its highest frame number, as it told us. */
static int64_t reservation(guest_ptr_t arg, unsigned op)
{
    struct domain *d;
    domid_t id;
    int64_t result;
    int rc;

    if (copy_from_guest(&id, arg, sizeof(id)))
        return -XEN_EFAULT;
    rc = memory_target(id, &d);
    if (rc)
        return rc;
    if (op == XENMEM_current_reservation)
        result = (int64_t)d->account.pages;
    else if (op == XENMEM_maximum_reservation)
        result = (int64_t)d->account.max_pages;
    else
        result = (int64_t)(d->shared_info->arch.max_pfn ? d->shared_info->arch.max_pfn - 1 : 0);
    domain_put(d);
    return result;
}

/* ---- the machine-to-physical table ---- */

static int64_t machphys_mapping(guest_ptr_t arg)
{
    struct xen_machphys_mapping map = {.v_start = MACH2PHYS_VIRT_START,
                                       .v_end = MACH2PHYS_VIRT_END,
                                       .max_mfn = MACH2PHYS_NR_ENTRIES - 1};

    return copy_to_guest(arg, &map, sizeof(map));
}

static int64_t machphys_mfn_list(guest_ptr_t arg)
{
    struct xen_machphys_mfn_list list;
    unsigned count, i;

    if (copy_from_guest(&list, arg, sizeof(list)))
        return -XEN_EFAULT;
    count = arch_m2p_extent_count();
    if (count > list.max_extents)
        count = list.max_extents;
    for (i = 0; i < count; i++) {
        guest_ptr_t entry = guest_ptr_add(guest_ptr((uint64_t)list.extent_start.p), i * 8UL);
        uint64_t first = arch_m2p_extent(i).n;

        if (copy_to_guest(entry, &first, sizeof(first)))
            return -XEN_EFAULT;
    }
    return copy_to_guest(guest_ptr_add(arg, offsetof(struct xen_machphys_mfn_list, nr_extents)), &i,
                         sizeof(i));
}

/* ---- claims ---- */

static int64_t claim_pages_op(guest_ptr_t arg)
{
    struct xen_memory_reservation in;
    struct domain *d;
    int64_t rc;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    if (!current_vcpu()->domain->privileged)
        return -XEN_EPERM;
    if (in.extent_start.p || in.extent_order || in.mem_flags)
        return -XEN_EINVAL;
    d = domain_find(in.domid);
    if (!d)
        return -XEN_EINVAL;
    rc = claim_set(&d->account, in.nr_extents);
    domain_put(d);
    return rc;
}

/* ---- calls that may take long ---- */

/* The command's low bits are the operation; above them a restarted call carries how far it got. */
#define OP_BITS 6

static int64_t change_reservation(const struct hypercall_args *args, unsigned op)
{
    bool again = false;
    int64_t done = memory_reservation(op, args->a[0] >> OP_BITS, guest_ptr(args->a[1]), &again);
    struct hypercall_args rest = *args;

    rest.a[0] = op | (uint64_t)done << OP_BITS;
    return again ? hypercall_continue(&rest) : done;
}

static int64_t acquire_resource(const struct hypercall_args *args, unsigned op)
{
    bool again = false;
    uint64_t done = args->a[0] >> OP_BITS;
    int64_t rc = memory_acquire_resource(&done, guest_ptr(args->a[1]), &again);
    struct hypercall_args rest = *args;

    rest.a[0] = op | done << OP_BITS;
    return again ? hypercall_continue(&rest) : rc;
}

static int64_t exchange(const struct hypercall_args *args)
{
    bool again = false;
    int64_t rc = memory_exchange(guest_ptr(args->a[1]), &again);

    return again ? hypercall_continue(args) : rc;
}

int64_t hcall_memory_op(const struct hypercall_args *args)
{
    unsigned op = (unsigned)args->a[0] & ((1u << OP_BITS) - 1);
    guest_ptr_t arg = guest_ptr(args->a[1]);

    switch (op) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
        return change_reservation(args, op);
    case XENMEM_claim_pages:
        return claim_pages_op(arg);
    case XENMEM_exchange:
        return exchange(args);
    case XENMEM_acquire_resource:
        return acquire_resource(args, op);
    case XENMEM_maximum_ram_page:
        return (int64_t)arch_max_mfn(); /* one more than the highest: so does Xen */
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
        return reservation(arg, op);
    case XENMEM_machphys_mapping:
        return machphys_mapping(arg);
    case XENMEM_machphys_mfn_list:
        return machphys_mfn_list(arg);
    case XENMEM_memory_map:
        return memory_map_get(arg);
    case XENMEM_machine_memory_map:
        return memory_map_machine(arg);
    case XENMEM_set_memory_map:
        return memory_map_set(arg);
    default:
        return memory_refused(op, arg);
    }
}
