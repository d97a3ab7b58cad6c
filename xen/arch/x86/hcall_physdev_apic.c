/* SPDX-License-Identifier: MIT */
#include "xen/arch/x86/hcall_physdev.h"

#include <xen/xen.h>
#include <xen/physdev.h>

#include "xen/arch/x86/ioapic.h"
#include "xen/guest_access.h"

int64_t physdev_apic_access(guest_ptr_t arg, bool write)
{
    struct physdev_apic op;
    int rc;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    rc = ioapic_peek(op.apic_physbase, op.reg, &op.value);
    return rc || write ? rc : copy_to_guest(arg, &op, sizeof(op));
}
