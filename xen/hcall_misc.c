/* SPDX-License-Identifier: MIT
 *
 * Decoders of small calls: console_io, vm_assist, physdev_op, fpu_taskswitch, stack_switch,
 * set_segment_base.
 */
#include "xen/hypercall.h"

#include <lagan/arch.h>
#include <xen/physdev.h>

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_msr_policy.h"
#include "xen/console.h"
#include "xen/domain.h"
#include "xen/guest_access.h"

#define CONSOLE_CHUNK 128 /* bytes copied at a time, on the stack */
#define IO_PORTS      65536

/* ---- console_io(cmd, count, buffer) ---- */

/* A long text is written in chunks; what is left is continued with moved arguments, so that the
 * call holds nobody up. */
static int64_t guest_write(struct domain *d, uint32_t count, guest_ptr_t from)
{
    while (count) {
        char chunk[CONSOLE_CHUNK];
        uint32_t n = count < CONSOLE_CHUNK ? count : CONSOLE_CHUNK;
        int rc = copy_from_guest(chunk, from, n);

        if (rc)
            return rc;
        console_guest_write(d, chunk, n);
        count -= n;
        from = guest_ptr_add(from, n);
        if (count && arch_preempt_pending())
            return hypercall_continue(
                &(struct hypercall_args){.a = {CONSOLEIO_write, count, from.va}});
    }
    return 0;
}

/* Bytes read; fewer than asked for, or 0, when no more have been typed. At most one chunk a call,
 * so that a fault loses no more than that. */
static int64_t guest_read(struct domain *d, uint32_t count, guest_ptr_t to)
{
    char chunk[CONSOLE_CHUNK];
    size_t n = console_guest_read(d, chunk, count < CONSOLE_CHUNK ? count : CONSOLE_CHUNK);
    int rc = copy_to_guest(to, chunk, n);

    return rc ? rc : (int64_t)n;
}

int64_t hcall_console_io(const struct hypercall_args *args)
{
    struct domain *d = current_vcpu()->domain;
    guest_ptr_t buffer = guest_ptr(args->a[2]);
    uint32_t count = (uint32_t)args->a[1];

    if (count > INT_MAX)
        return -XEN_EINVAL;
    if (!guest_range_ok(buffer, count))
        return -XEN_EFAULT;
    switch ((uint32_t)args->a[0]) {
    case CONSOLEIO_write:
        return guest_write(d, count, buffer);
    case CONSOLEIO_read:
        return guest_read(d, count, buffer);
    default:
        return -XEN_ENOSYS;
    }
}

/* ---- vm_assist(cmd, type) ---- */

/* m2p_strict is missing: the table is visible to guest user space, and we do not pretend otherwise.
 */
#define ASSISTS                                                                                    \
    (UINT64_C(1) << VMASST_TYPE_4gb_segments | UINT64_C(1) << VMASST_TYPE_4gb_segments_notify |    \
     UINT64_C(1) << VMASST_TYPE_writable_pagetables |                                              \
     UINT64_C(1) << VMASST_TYPE_pae_extended_cr3 | UINT64_C(1) << VMASST_TYPE_architectural_iopl | \
     UINT64_C(1) << VMASST_TYPE_runstate_update_flag)

int64_t hcall_vm_assist(const struct hypercall_args *args)
{
    struct domain *d = current_vcpu()->domain;
    uint32_t cmd = (uint32_t)args->a[0], type = (uint32_t)args->a[1];

    if (type >= 64 || !(ASSISTS >> type & 1))
        return -XEN_EINVAL;
    if (cmd != VMASST_CMD_enable && cmd != VMASST_CMD_disable)
        return -XEN_ENOSYS;
    spin_lock(&d->lock);
    if (cmd == VMASST_CMD_enable)
        d->vm_assist |= UINT64_C(1) << type;
    else
        d->vm_assist &= ~(UINT64_C(1) << type);
    spin_unlock(&d->lock);
    return 0;
}

/* ---- physdev_op(cmd, arg): what a guest without devices needs ---- */

static int64_t set_iopl(struct vcpu *v, guest_ptr_t arg)
{
    struct physdev_set_iopl op;
    int rc = copy_from_guest(&op, arg, sizeof(op));

    if (rc)
        return rc;
    if (op.iopl > 3)
        return -XEN_EINVAL;
    v->arch.iopl = (uint8_t)op.iopl;
    return 0;
}

/* The bitmap is read at each access, from guest memory: only its place is kept. */
static int64_t set_io_bitmap(struct vcpu *v, guest_ptr_t arg)
{
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

int64_t hcall_physdev_op(const struct hypercall_args *args)
{
    guest_ptr_t arg = guest_ptr(args->a[1]);

    switch ((uint32_t)args->a[0]) {
    case PHYSDEVOP_set_iopl:
        return set_iopl(current_vcpu(), arg);
    case PHYSDEVOP_set_iobitmap:
        return set_io_bitmap(current_vcpu(), arg);
    default:
        return -XEN_ENOSYS;
    }
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
