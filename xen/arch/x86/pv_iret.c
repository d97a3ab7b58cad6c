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
#include "xen/arch/x86/guest_words.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_bounce.h"
#include "xen/arch/x86/pv_mode.h"
#include "xen/arch/x86/pv_vcpu.h"
#include "xen/hypercall.h"

#define IRET_WORDS 9
STATIC_ASSERT(sizeof(struct iret_context) == IRET_WORDS * sizeof(uint64_t));
STATIC_ASSERT(offsetof(struct iret_context, rip) == 4 * sizeof(uint64_t));

/* All but IOPL, VM, VIF, VIP and what is reserved. */
#define FLAGS_GUEST_MAY_LOAD UINT64_C(0x254dd5)

uint64_t pv_real_flags(uint64_t rflags)
{
    return (rflags & FLAGS_GUEST_MAY_LOAD) | X86_EFLAGS_IF | X86_EFLAGS_MBS;
}

/* The frame at the guest's stack pointer, read once. */
static LAGAN_INLINE bool read_frame(uint64_t va, struct iret_context *iret)
{
    bool failed = false;
    uint64_t *at;

    if (!guest_words(va, IRET_WORDS, &at))
        return false;
    guest_words_begin();
    GUEST_LOAD(iret->rax, at + 0, failed);
    GUEST_LOAD(iret->r11, at + 1, failed);
    GUEST_LOAD(iret->rcx, at + 2, failed);
    GUEST_LOAD(iret->flags, at + 3, failed);
    GUEST_LOAD(iret->rip, at + 4, failed);
    GUEST_LOAD(iret->cs, at + 5, failed);
    GUEST_LOAD(iret->rflags, at + 6, failed);
    GUEST_LOAD(iret->rsp, at + 7, failed);
    GUEST_LOAD(iret->ss, at + 8, failed);
    guest_words_end();
    return !failed;
}

static LAGAN_INLINE void load_frame(struct vcpu *v, struct cpu_user_regs *regs,
                                    const struct iret_context *iret)
{
    regs->rax = iret->rax;
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

void pv_iret(struct vcpu *v, struct cpu_user_regs *regs)
{
    struct iret_context iret;

    if (!read_frame(regs->rsp, &iret)) {
        domain_crash(v->domain, "iret: no frame at %#lx", (uint64_t)regs->rsp);
        return;
    }
    if ((iret.cs & 3) == 3) {
        if (v->arch.l4_user.n == MFN_INVALID.n) {
            domain_crash(v->domain, "iret to user mode without user page tables");
            return;
        }
        pv_enter_mode(v, false);
    }
    load_frame(v, regs, &iret);
    v->arch.nmi_masked = false;
    if (v->arch.nmi_pending)
        v->exit_work = 1;
}

/* In a multicall; RAX becomes what it already is. */
int64_t hcall_iret(const struct hypercall_args *args)
{
    struct cpu_user_regs *regs = &cpu_info()->guest_regs;

    (void)args;
    pv_iret(current_vcpu(), regs);
    return (int64_t)regs->rax;
}
