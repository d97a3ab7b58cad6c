/* SPDX-License-Identifier: MIT
 *
 * HYPERVISOR_iret: how a guest kernel leaves an exception, an event or a system call.
 *
 * The guest's stack holds struct iret_context. A CS with RPL 3 means guest user mode; the upcall
 * mask becomes the inverse of RFLAGS.IF. With VGCF_in_syscall the guest does not need RCX and R11
 * back (SYSRET); otherwise all registers are restored exactly, by IRETQ. Values that cannot be
 * loaded fault there, not here.
 */
#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_bounce.h"
#include "xen/arch/x86/pv_vcpu.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"

/* All but IOPL, VM, VIF, VIP and what is reserved. */
#define FLAGS_GUEST_MAY_LOAD UINT64_C(0x254dd5)

uint64_t pv_real_flags(uint64_t rflags)
{
    return (rflags & FLAGS_GUEST_MAY_LOAD) | X86_EFLAGS_IF | X86_EFLAGS_MBS;
}

static void load_frame(struct vcpu *v, struct cpu_user_regs *regs, const struct iret_context *iret)
{
    regs->rip = iret->rip;
    regs->cs = (uint16_t)(iret->cs | 3);
    regs->rflags = pv_real_flags(iret->rflags);
    regs->rsp = iret->rsp;
    regs->ss = (uint16_t)(iret->ss | 3);
    if (iret->flags & VGCF_in_syscall) {
        regs->entry_vector = ENTRY_SYSCALL;
    } else {
        regs->entry_vector = 0;
        regs->r11 = iret->r11;
        regs->rcx = iret->rcx;
    }
    if (v->domain->vm_assist & (UINT64_C(1) << VMASST_TYPE_architectural_iopl))
        v->arch.iopl = (uint8_t)(iret->rflags >> 12 & 3);
    v->info->evtchn_upcall_mask = !(iret->rflags & X86_EFLAGS_IF);
}

int64_t hcall_iret(const struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    struct cpu_user_regs *regs = &cpu_info()->guest_regs;
    struct iret_context iret;

    (void)args;
    if (copy_from_guest(&iret, guest_ptr(regs->rsp), sizeof(iret))) {
        domain_crash(v->domain, "iret: no frame at %#lx", (uint64_t)regs->rsp);
        return 0;
    }
    if ((iret.cs & 3) == 3) {
        if (v->arch.l4_user.n == MFN_INVALID.n) {
            domain_crash(v->domain, "iret to user mode without user page tables");
            return 0;
        }
        pv_toggle_mode(v);
    }
    load_frame(v, regs, &iret);
    v->arch.nmi_masked = false;
    if (v->arch.nmi_pending)
        v->exit_work = 1;
    return (int64_t)iret.rax;
}
