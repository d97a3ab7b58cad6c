/* SPDX-License-Identifier: MIT
 *
 * physdev_op: I/O privilege, which every guest sets for itself, and the machine's interrupts and PCI
 * functions, which are the control domain's alone: -XEN_EPERM for any other, whatever it asks.
 *
 * Numbers of physical interrupts are pirq.h's. Linux gives each pin its GSI as number, and lets us
 * choose those of messages.
 */
#include "xen/hypercall.h"

#include <xen/physdev.h>

#include "xen/arch/x86/hcall_physdev.h"
#include "xen/arch/x86/io_guard.h"
#include "xen/arch/x86/pirq.h"
#include "xen/arch/x86/vectors.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "arch_current.h"

STATIC_ASSERT(sizeof(struct physdev_map_pirq) == 40);

static struct domain *caller(void)
{
    return current_vcpu()->domain;
}

/* ---- pins and messages ---- */

/* Only the control domain has devices; whose the interrupts are to be is checked for the sake of a
 * toolstack that would give one away. */
static int check_target(domid_t id)
{
    return id == DOMID_SELF || id == caller()->id ? 0 : -XEN_EOPNOTSUPP;
}

/* What of the arguments names a function. Old callers leave the segment out. */
static struct pci_function function_of(const struct physdev_map_pirq *op)
{
    uint16_t segment = op->type == MAP_PIRQ_TYPE_MSI ? 0 : (uint16_t)((uint32_t)op->bus >> 16);

    return (struct pci_function){segment, (uint8_t)op->bus, (uint8_t)op->devfn};
}

static int map_messages(const struct physdev_map_pirq *op)
{
    bool multi = op->type == MAP_PIRQ_TYPE_MULTI_MSI;
    struct pirq_messages m = {.function = function_of(op), .count = 1};

    if (op->entry_nr < 0 || (multi && (op->entry_nr == 0 || op->entry_nr > VECTOR_BLOCK_MAX)))
        return -XEN_EINVAL;
    if (multi) {
        while (m.count <
               (unsigned)op->entry_nr) /* a function sends a power of two, or fewer of them */
            m.count *= 2;
    } else {
        m.msix = op->table_base != 0;
        m.index = m.msix ? (unsigned)op->entry_nr : 0;
        m.table = op->table_base;
    }
    return pirq_map_messages(caller(), &m);
}

/* The number that results, which for a pin has to be the one asked for. */
static int map_any(const struct physdev_map_pirq *op)
{
    int rc;

    switch (op->type) {
    case MAP_PIRQ_TYPE_GSI:
        if (op->index < 0 || (op->pirq >= 0 && op->pirq != op->index))
            return -XEN_EINVAL;
        rc = pirq_map_gsi(caller(), (unsigned)op->index);
        return rc ? rc : op->index;
    case MAP_PIRQ_TYPE_MSI:
    case MAP_PIRQ_TYPE_MSI_SEG:
    case MAP_PIRQ_TYPE_MULTI_MSI:
        return map_messages(op);
    default:
        return -XEN_EINVAL;
    }
}

static int64_t map_pirq(guest_ptr_t arg)
{
    struct physdev_map_pirq op;
    int rc, number;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    rc = check_target(op.domid);
    if (rc)
        return rc;
    number = map_any(&op);
    if (number < 0)
        return number;
    op.pirq = number;
    if (copy_to_guest(arg, &op, sizeof(op)) == 0)
        return 0;
    (void)pirq_unmap(caller(), (unsigned)number); /* -XEN_EINVAL: it has unmapped it itself */
    return -XEN_EFAULT;
}

static int64_t unmap_pirq(guest_ptr_t arg)
{
    struct physdev_unmap_pirq op;
    int rc;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    rc = check_target(op.domid);
    if (rc)
        return rc;
    return op.pirq < 0 ? -XEN_EINVAL : pirq_unmap(caller(), (unsigned)op.pirq);
}

static int64_t setup_gsi(guest_ptr_t arg)
{
    struct physdev_setup_gsi op;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    if (op.gsi < 0 || op.triggering > 1 || op.polarity > 1)
        return -XEN_EINVAL;
    return pirq_setup_gsi((unsigned)op.gsi, op.triggering, op.polarity);
}

static int64_t eoi(guest_ptr_t arg)
{
    struct physdev_eoi op;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    return pirq_eoi(caller(), op.irq);
}

static int64_t irq_status(guest_ptr_t arg)
{
    struct physdev_irq_status_query op;
    struct pirq_status status;
    int rc;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    rc = pirq_status(caller(), op.irq, &status);
    if (rc)
        return rc;
    op.flags =
        (status.needs_eoi ? XENIRQSTAT_needs_eoi : 0) | (status.shared ? XENIRQSTAT_shared : 0);
    return copy_to_guest(arg, &op, sizeof(op));
}

/* Vectors are the hypervisor's affair. Callers go on if they get some number. */
static int64_t alloc_vector(guest_ptr_t arg)
{
    struct physdev_irq op;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    if (op.irq >= PIRQ_COUNT)
        return -XEN_EINVAL;
    op.vector = op.irq;
    return copy_to_guest(arg, &op, sizeof(op));
}

static int64_t eoi_page(guest_ptr_t arg, bool auto_unmask)
{
    struct physdev_pirq_eoi_gmfn op;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    return pirq_set_eoi_page(caller(), mfn(op.gmfn), auto_unmask);
}

static int64_t free_pirq(guest_ptr_t arg)
{
    struct physdev_get_free_pirq op;
    int number;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    number = pirq_find_free();
    if (number < 0)
        return number;
    op.pirq = (uint32_t)number;
    return copy_to_guest(arg, &op, sizeof(op));
}

/* ---- PCI functions ---- */

/* Where extended configuration space is, the firmware's tables have said; a debug port of USB is not in
 * use, and may be reset. */
static int64_t just_read(guest_ptr_t arg, size_t bytes)
{
    uint8_t ignored[64];

    ASSERT(bytes <= sizeof(ignored));
    return copy_from_guest(ignored, arg, bytes);
}

/* A function is there, or its driver begins or ends: where it keeps its messages is guarded. */
static int64_t guard_function(guest_ptr_t arg)
{
    struct physdev_pci_device op; /* what newer structs begin with */

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    io_guard_function((struct pci_function){op.seg, op.bus, op.devfn}, 0);
    return 0;
}

static int64_t forget_function(guest_ptr_t arg)
{
    struct physdev_pci_device op;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    io_guard_forget((struct pci_function){op.seg, op.bus, op.devfn});
    return 0;
}

/* The same in the words of old callers, who know segment 0 only. */
static int64_t old_function(guest_ptr_t arg, bool goes)
{
    struct physdev_manage_pci op; /* what the extended struct begins with */
    struct pci_function f;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    f = (struct pci_function){0, op.bus, op.devfn};
    if (goes)
        io_guard_forget(f);
    else
        io_guard_function(f, 0);
    return 0;
}

STATIC_ASSERT(offsetof(struct physdev_pci_device_add, devfn) ==
              offsetof(struct physdev_pci_device, devfn));
STATIC_ASSERT(offsetof(struct physdev_manage_pci_ext, devfn) ==
              offsetof(struct physdev_manage_pci, devfn));

static int64_t restore_messages(guest_ptr_t arg, bool has_segment)
{
    struct physdev_pci_device op = {0};
    struct physdev_restore_msi old;

    if (has_segment ? copy_from_guest(&op, arg, sizeof(op))
                    : copy_from_guest(&old, arg, sizeof(old)))
        return -XEN_EFAULT;
    if (!has_segment) {
        op.bus = old.bus;
        op.devfn = old.devfn;
    }
    return pirq_restore_messages(caller(), (struct pci_function){op.seg, op.bus, op.devfn});
}

static int64_t control_op(uint32_t cmd, guest_ptr_t arg)
{
    switch (cmd) {
    case PHYSDEVOP_map_pirq:
        return map_pirq(arg);
    case PHYSDEVOP_unmap_pirq:
        return unmap_pirq(arg);
    case PHYSDEVOP_setup_gsi:
        return setup_gsi(arg);
    case PHYSDEVOP_irq_status_query:
        return irq_status(arg);
    case PHYSDEVOP_alloc_irq_vector:
        return alloc_vector(arg);
    case PHYSDEVOP_pirq_eoi_gmfn_v1:
    case PHYSDEVOP_pirq_eoi_gmfn_v2:
        return eoi_page(arg, cmd == PHYSDEVOP_pirq_eoi_gmfn_v1);
    case PHYSDEVOP_get_free_pirq:
        return free_pirq(arg);
    case PHYSDEVOP_apic_read:
    case PHYSDEVOP_apic_write:
        return physdev_apic_access(arg, cmd == PHYSDEVOP_apic_write);
    case PHYSDEVOP_manage_pci_add:
    case PHYSDEVOP_manage_pci_add_ext:
    case PHYSDEVOP_manage_pci_remove:
        return old_function(arg, cmd == PHYSDEVOP_manage_pci_remove);
    case PHYSDEVOP_pci_device_add:
    case PHYSDEVOP_prepare_msix:
    case PHYSDEVOP_release_msix:
        return guard_function(arg);
    case PHYSDEVOP_pci_device_remove:
        return forget_function(arg);
    case PHYSDEVOP_pci_mmcfg_reserved:
        return just_read(arg, sizeof(struct physdev_pci_mmcfg_reserved));
    case PHYSDEVOP_restore_msi:
    case PHYSDEVOP_restore_msi_ext:
        return restore_messages(arg, cmd == PHYSDEVOP_restore_msi_ext);
    case PHYSDEVOP_dbgp_op:
        return just_read(arg, sizeof(struct physdev_dbgp_op));
    default:
        return -XEN_ENOSYS;
    }
}

int64_t hcall_physdev_op(const struct hypercall_args *args)
{
    guest_ptr_t arg = guest_ptr(args->a[1]);
    uint32_t cmd = (uint32_t)args->a[0];

    switch (cmd) {
    case PHYSDEVOP_eoi: /* the frequent one; a domain without interrupts has none to end */
        return caller()->privileged ? eoi(arg) : -XEN_EPERM;
    case PHYSDEVOP_set_iopl:
        return physdev_set_iopl(arg);
    case PHYSDEVOP_set_iobitmap:
        return physdev_set_io_bitmap(arg);
    default:
        return caller()->privileged ? control_op(cmd, arg) : -XEN_EPERM;
    }
}
