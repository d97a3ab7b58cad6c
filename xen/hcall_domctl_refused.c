/* SPDX-License-Identifier: MIT
 *
 * domctl: rights that no guest of this hypervisor is given, and operations for guests that it does
 * not run. Each has the error that tells a toolstack so.
 *
 * Devices belong to the control domain (docs/dom0.md): to take a right away from a guest succeeds, for
 * it never has one; to give it one does not.
 */
#include "xen/control.h"

#define PORTS 0x10000U
#define PIRQS 1024U

static int port_right(const struct xen_domctl *op)
{
    const struct xen_domctl_ioport_permission *p = &op->u.ioport_permission;

    if (p->nr_ports == 0 || p->first_port >= PORTS || p->nr_ports > PORTS - p->first_port)
        return -XEN_EINVAL;
    return p->allow_access ? -XEN_EPERM : 0;
}

static int memory_right(const struct xen_domctl *op)
{
    const struct xen_domctl_iomem_permission *p = &op->u.iomem_permission;

    if (p->nr_mfns == 0 || p->first_mfn + p->nr_mfns - 1 < p->first_mfn)
        return -XEN_EINVAL;
    return p->allow_access ? -XEN_EPERM : 0;
}

static int irq_right(const struct xen_domctl *op)
{
    if (op->u.irq_permission.pirq >= PIRQS)
        return -XEN_EINVAL;
    return op->u.irq_permission.allow_access ? -XEN_EPERM : 0;
}

int control_refused(const struct domain *d, const struct xen_domctl *op)
{
    if (d->privileged &&
        (op->cmd == XEN_DOMCTL_ioport_permission || op->cmd == XEN_DOMCTL_iomem_permission ||
         op->cmd == XEN_DOMCTL_irq_permission))
        return -XEN_EPERM; /* it has them all, and keeps them */
    switch (op->cmd) {
    case XEN_DOMCTL_ioport_permission:
        return port_right(op);
    case XEN_DOMCTL_iomem_permission:
        return memory_right(op);
    case XEN_DOMCTL_irq_permission:
        return irq_right(op);
    case XEN_DOMCTL_settimeoffset: /* a guest's wall clock is the host's */
        return op->u.settimeoffset.time_offset_seconds ? -XEN_EOPNOTSUPP : 0;
    case XEN_DOMCTL_setdebugging:
    case XEN_DOMCTL_gdbsx_guestmemio:
    case XEN_DOMCTL_gdbsx_pausevcpu:
    case XEN_DOMCTL_gdbsx_unpausevcpu:
    case XEN_DOMCTL_gdbsx_domstatus:
    case XEN_DOMCTL_debug_op:
        return -XEN_EOPNOTSUPP; /* no debugger from outside */
    case XEN_DOMCTL_shadow_op:
    case XEN_DOMCTL_set_ext_vcpucontext:
    case XEN_DOMCTL_get_ext_vcpucontext:
    case XEN_DOMCTL_setvcpuextstate:
    case XEN_DOMCTL_getvcpuextstate:
    case XEN_DOMCTL_get_vcpu_msrs:
    case XEN_DOMCTL_set_vcpu_msrs:
        return -XEN_EOPNOTSUPP; /* no migration */
    case XEN_DOMCTL_assign_device:
    case XEN_DOMCTL_test_assign_device:
    case XEN_DOMCTL_deassign_device:
    case XEN_DOMCTL_get_device_group:
        return -XEN_EOPNOTSUPP; /* no IOMMU */
    case XEN_DOMCTL_gethvmcontext:
    case XEN_DOMCTL_sethvmcontext:
    case XEN_DOMCTL_gethvmcontext_partial:
    case XEN_DOMCTL_memory_mapping:
    case XEN_DOMCTL_ioport_mapping:
    case XEN_DOMCTL_bind_pt_irq:
    case XEN_DOMCTL_unbind_pt_irq:
    case XEN_DOMCTL_set_target:
    case XEN_DOMCTL_subscribe:
    case XEN_DOMCTL_soft_reset:
        return -XEN_EINVAL; /* only for guests of other kinds */
    case XEN_DOMCTL_setvnumainfo:
    case XEN_DOMCTL_set_virq_handler:
    case XEN_DOMCTL_vm_event_op:
    case XEN_DOMCTL_monitor_op:
    case XEN_DOMCTL_psr_cmt_op:
    case XEN_DOMCTL_psr_alloc:
    case XEN_DOMCTL_vmtrace_op:
    case XEN_DOMCTL_get_paging_mempool_size:
    case XEN_DOMCTL_set_paging_mempool_size:
        return -XEN_EOPNOTSUPP;
    default:
        return -XEN_ENOSYS;
    }
}
