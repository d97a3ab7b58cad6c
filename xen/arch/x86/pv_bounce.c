/* SPDX-License-Identifier: MIT
 *
 * Bounce frames: how an exception, an event or a system call enters the guest kernel.
 *
 * The frame that is pushed on the guest kernel's stack, lowest address first (Linux's and the ABI's
 * documentation agree; measured against Xen 4.17):
 *
 *     RCX, R11, [failsafe only: DS, ES, FS, GS], [error code], RIP, CS | saved mask << 32, RFLAGS,
 * RSP, SS
 *
 * CS has RPL 0 when the guest kernel was interrupted and 3 when guest user mode was; RFLAGS.IF is
 * the inverse of the saved upcall mask. The stack is aligned down to 16 before the first push. The
 * guest is then entered by SYSRET, hence RCX and R11 in the frame.
 *
 * A guest whose stack cannot be written, or that has no handler for what must be told, is crashed:
 * nobody else is touched.
 */
#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_bounce.h"
#include "xen/arch/x86/segment.h"
#include "xen/guest_access.h"

/* RCX, R11, four selectors, error code, and the five of IRET. */
#define BOUNCE_WORDS 12

struct bounce {
    uint64_t handler;
    bool mask_events;
    bool has_error_code;
    bool failsafe;
    uint32_t error_code;
};

/* What RFLAGS bits a guest kernel does not inherit from what was interrupted. DF is among them, as a machine's
 * SYSCALL clears it: Linux's entry of system calls has no CLD, and a user program could make its kernel copy
 * backwards, over what lies below (measured: it falls over, also on Xen 4.17, which hands the flag on). */
#define FLAGS_CLEARED_ON_ENTRY                                                       \
    (X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT | X86_EFLAGS_RF | X86_EFLAGS_VM | \
     X86_EFLAGS_AC | X86_EFLAGS_IOPL)

void pv_toggle_mode(struct vcpu *v)
{
    v->arch.kernel_mode = !v->arch.kernel_mode;
    swapgs();
    write_cr3((v->arch.kernel_mode ? v->arch.l4_kernel : v->arch.l4_user).n << PAGE_SHIFT);
}

static uint64_t flags_image(const struct vcpu *v, uint64_t rflags, uint8_t saved_mask)
{
    rflags &= ~(uint64_t)(X86_EFLAGS_IF | X86_EFLAGS_IOPL);
    if (!saved_mask)
        rflags |= X86_EFLAGS_IF;
    if (v->domain->vm_assist & (UINT64_C(1) << VMASST_TYPE_architectural_iopl))
        rflags |= (uint64_t)v->arch.iopl << 12;
    return rflags;
}

/* What lies below the error code of a failsafe frame, whose lowest word is *at. */
static uint64_t *failsafe_selectors(uint64_t *at, const struct cpu_user_regs *regs)
{
    *--at = regs->gs;
    *--at = regs->fs;
    *--at = regs->es;
    *--at = regs->ds;
    return at;
}

/* Pushes the frame and points regs at the handler. */
static void bounce(struct vcpu *v, struct cpu_user_regs *regs, const struct bounce *b)
{
    uint64_t frame[BOUNCE_WORDS],
        *at = frame + BOUNCE_WORDS; /* filled from its end, as a push does */
    bool from_user = !v->arch.kernel_mode;
    uint8_t saved_mask = v->info->evtchn_upcall_mask;
    uint64_t bytes, sp;

    if (!is_canonical(b->handler)) {
        domain_crash(v->domain, "handler at non-canonical address %#lx", b->handler);
        return;
    }
    if (from_user)
        pv_toggle_mode(v);
    *--at = regs->ss;
    *--at = regs->rsp;
    *--at = flags_image(v, regs->rflags, saved_mask);
    *--at = (regs->cs & ~3u) | (from_user ? 3u : 0u) | (uint64_t)saved_mask << 32;
    *--at = regs->rip;
    if (b->has_error_code)
        *--at = b->error_code;
    if (unlikely(b->failsafe))
        at = failsafe_selectors(at, regs);
    *--at = regs->r11;
    *--at = regs->rcx;

    bytes = (uint64_t)((char *)(frame + BOUNCE_WORDS) - (char *)at);
    sp = ((from_user ? v->arch.kernel_sp : regs->rsp) & ~UINT64_C(15)) - bytes;
    if (copy_to_guest(guest_ptr(sp), at, bytes)) {
        domain_crash(v->domain, "cannot write the kernel stack at %#lx", sp);
        return;
    }
    if (b->mask_events)
        v->info->evtchn_upcall_mask = 1;
    regs->rip = b->handler;
    regs->rsp = sp;
    regs->cs = GUEST_CS64;
    regs->ss = GUEST_DS;
    regs->rflags = (regs->rflags & ~(uint64_t)FLAGS_CLEARED_ON_ENTRY) | X86_EFLAGS_IF;
    regs->entry_vector = ENTRY_SYSCALL;
}

static void bounce_callback(struct vcpu *v, struct cpu_user_regs *regs,
                            const struct pv_callback *callback)
{
    struct bounce b = {.handler = callback->address, .mask_events = callback->mask_events};

    bounce(v, regs, &b);
}

static bool has_error_code(unsigned vector)
{
    const uint32_t vectors =
        1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17;

    return vector < 32 && (vectors >> vector & 1);
}

void pv_inject_exception(struct cpu_user_regs *regs, unsigned vector, uint32_t error_code)
{
    struct vcpu *v = current_vcpu();
    const struct pv_trap *trap = &v->arch.traps[vector];
    struct bounce b = {.handler = trap->address,
                       .mask_events = trap->mask_events,
                       .has_error_code = has_error_code(vector),
                       .error_code = error_code};

    if (!trap->address) {
        domain_crash(v->domain, "exception %u (error code %#x) without a handler", vector,
                     error_code);
        return;
    }
    bounce(v, regs, &b);
}

void pv_inject_page_fault(struct cpu_user_regs *regs, uint64_t address, uint32_t error_code)
{
    struct vcpu *v = current_vcpu();

    v->arch.ctrlreg[2] = address;
    v->info->arch.cr2 = address;
    /* Hardware always says "user", as all of a guest runs in ring 3. */
    error_code &= ~(uint32_t)PF_USER;
    if (!v->arch.kernel_mode)
        error_code |= PF_USER;
    pv_inject_exception(regs, 14, error_code);
}

void pv_inject_event(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    struct pv_callback event = v->arch.event;

    event.mask_events = true;
    bounce_callback(v, regs, &event);
}

void pv_inject_nmi(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    struct pv_callback nmi = v->arch.nmi;

    if (!nmi.address)
        nmi = (struct pv_callback){.address = v->arch.traps[2].address, .mask_events = true};
    if (!nmi.address)
        return;
    v->arch.nmi_masked = true;
    bounce_callback(v, regs, &nmi);
}

void pv_inject_failsafe(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    struct bounce b = {.handler = v->arch.failsafe.address,
                       .mask_events = v->arch.failsafe.mask_events,
                       .failsafe = true};

    bounce(v, regs, &b);
}

static void inject_syscall(struct cpu_user_regs *regs, const struct pv_callback *callback)
{
    struct vcpu *v = current_vcpu();

    if (!callback->address) {
        regs->rip -= 2; /* #UD points at the instruction */
        pv_inject_exception(regs, 6, 0);
        return;
    }
    bounce_callback(v, regs, callback);
}

void pv_inject_syscall(struct cpu_user_regs *regs)
{
    inject_syscall(regs, &current_vcpu()->arch.syscall);
}

void pv_inject_syscall32(struct cpu_user_regs *regs)
{
    inject_syscall(regs, &current_vcpu()->arch.syscall32);
}
