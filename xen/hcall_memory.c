/* SPDX-License-Identifier: MIT
 *
 * memory_op: what a domain may ask about memory.
 */
#include <lagan/arch.h>

#include <xen/memory.h>

#include "mm/account.h"
#include "xen/arch/x86/layout.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hcall_memory.h"
#include "xen/hypercall.h"
#include "arch_current.h"
#include "arch_inline.h"

/* One's own reservation, or any domain's for the control domain. */
static int64_t reservation(guest_ptr_t arg, unsigned op)
{
    struct domain *self = current_vcpu()->domain, *d;
    domid_t id;
    int64_t result;

    if (copy_from_guest(&id, arg, sizeof(id)))
        return -XEN_EFAULT;
    d = domain_find_target(id);
    if (!d)
        return -XEN_ESRCH;
    if (d != self && !self->privileged)
        result = -XEN_EPERM;
    else if (op == XENMEM_current_reservation)
        result = (int64_t)d->account.pages;
    else
        result = (int64_t)d->account.max_pages;
    domain_put(d);
    return result;
}

static int64_t machphys_mapping(guest_ptr_t arg)
{
    struct xen_machphys_mapping map = {.v_start = MACH2PHYS_VIRT_START,
                                       .v_end = MACH2PHYS_VIRT_END,
                                       .max_mfn = MACH2PHYS_NR_ENTRIES - 1};

    return copy_to_guest(arg, &map, sizeof(map));
}

/* The command's low bits are the operation; above them a restarted call carries how far it got. */
#define OP_BITS 6

static int64_t change_reservation(const struct hypercall_args *args, unsigned op)
{
    bool again = false;
    int64_t done = memory_reservation(op, args->a[0] >> OP_BITS, guest_ptr(args->a[1]), &again);
    struct hypercall_args rest = {{op | (uint64_t)done << OP_BITS, args->a[1]}};

    return again ? hypercall_continue(&rest) : done;
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
    case XENMEM_maximum_ram_page:
        return (int64_t)arch_max_mfn() - 1;
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
        return reservation(arg, op);
    case XENMEM_machphys_mapping:
        return machphys_mapping(arg);
    default:
        return -XEN_ENOSYS;
    }
}
