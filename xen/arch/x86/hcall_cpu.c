/* SPDX-License-Identifier: MIT
 *
 * Decoders of small calls about the CPU: I/O privilege (of physdev_op), fpu_taskswitch, stack_switch, set_segment_base.
 */
#include "xen/hypercall.h"

#include <xen/xen.h>
#include <xen/physdev.h>

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/hcall_physdev.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_msr_policy.h"
#include "xen/domain.h"
#include "xen/guest_access.h"

#define IO_PORTS 65536

/* ---- I/O privilege ---- */

int64_t physdev_set_iopl(guest_ptr_t arg)
{
    struct physdev_set_iopl op;
    int rc = copy_from_guest(&op, arg, sizeof(op));

    if (rc)
        return rc;
    if (op.iopl > 3)
        return -XEN_EINVAL;
    current_vcpu()->arch.iopl = (uint8_t)op.iopl;
    return 0;
}

/* The bitmap is read at each access, from guest memory: only its place is kept. */
int64_t physdev_set_io_bitmap(guest_ptr_t arg)
{
    struct vcpu *v = current_vcpu();
    struct physdev_set_iobitmap op;
    int rc = copy_from_guest(&op, arg, sizeof(op));
    guest_ptr_t bitmap;

    if (rc)
        return rc;
    bitmap = guest_ptr((uint64_t)op.bitmap.p);
    if (op.nr_ports > IO_PORTS || !guest_range_ok(bitmap, (op.nr_ports + 7) / 8))
        return -XEN_EINVAL;
    v->arch.io_bitmap = bitmap;
    v->arch.io_bitmap_ports = op.nr_ports;
    return 0;
}

/* ---- calls without pointers ---- */

int64_t hcall_fpu_taskswitch(const struct hypercall_args *args)
{
    fpu_set_ts(current_vcpu(), (int)args->a[0] != 0);
    return 0;
}

/* The selector is for the guest's records only: bounce frames use the flat one. A stack pointer
 * that cannot be used shows when a frame is pushed there. */
int64_t hcall_stack_switch(const struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();

    v->arch.kernel_ss = (args->a[0] & 0xffff) | 3;
    v->arch.kernel_sp = args->a[1];
    return 0;
}

/* The caller is a guest kernel: GS_BASE is the kernel's, KERNEL_GS_BASE the user's (pv_msr.c). */
int64_t hcall_set_segment_base(const struct hypercall_args *args)
{
    static const uint32_t msr[] = {
        [SEGBASE_FS] = MSR_FS_BASE,
        [SEGBASE_GS_USER] = MSR_KERNEL_GS_BASE,
        [SEGBASE_GS_KERNEL] = MSR_GS_BASE,
    };
    uint32_t which = (uint32_t)args->a[0];
    uint64_t base = args->a[1];

    if (which == SEGBASE_GS_USER_SEL) {
        pv_load_user_gs((uint16_t)base);
        return 0;
    }
    if (which >= ARRAY_SIZE(msr) || !address_canonical(base))
        return -XEN_EINVAL;
    wrmsr(msr[which], base);
    return 0;
}
