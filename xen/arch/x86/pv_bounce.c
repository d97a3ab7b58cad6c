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
#include "xen/arch/x86/guest_words.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_bounce.h"
#include "xen/arch/x86/pv_mode.h"

/* RCX, R11, and the five of IRET. */
#define FRAME_WORDS 7

/* What may lie between R11 and RIP, from above. */
enum frame_kind { FRAME_PLAIN, FRAME_ERROR_CODE, FRAME_FAILSAFE };

struct bounce {
    uint64_t handler;
    bool mask_events;
    bool from_user;
    /* 64-bit code's: CS, SS and entry_vector are those with which the kernel is entered, too. */
    bool by_syscall;
    enum frame_kind kind;
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
    pv_enter_mode(v, !v->arch.kernel_mode);
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

static LAGAN_INLINE unsigned extra_words(enum frame_kind kind)
{
    return kind == FRAME_FAILSAFE ? 4 : kind == FRAME_ERROR_CODE ? 1 : 0;
}

/* False: the guest's memory there cannot be written. Words below the one that could not be may be. */
static LAGAN_INLINE bool push_frame(const struct vcpu *v, const struct cpu_user_regs *regs,
                                    const struct bounce *b, uint64_t sp)
{
    unsigned extra = extra_words(b->kind);
    uint8_t saved_mask = v->info->evtchn_upcall_mask;
    uint64_t cs = b->by_syscall ? GUEST_CS64 : (regs->cs & ~3u) | (b->from_user ? 3u : 0u);
    uint64_t flags = flags_image(v, regs->rflags, saved_mask);
    uint64_t *at;

    if (!guest_words(sp, FRAME_WORDS + extra, &at))
        return false;
    guest_words_begin();
    GUEST_STORE(at + 0, regs->rcx, fault);
    GUEST_STORE(at + 1, regs->r11, fault);
    if (b->kind == FRAME_FAILSAFE) {
        GUEST_STORE(at + 2, regs->ds, fault);
        GUEST_STORE(at + 3, regs->es, fault);
        GUEST_STORE(at + 4, regs->fs, fault);
        GUEST_STORE(at + 5, regs->gs, fault);
    } else if (b->kind == FRAME_ERROR_CODE) {
        GUEST_STORE(at + 2, b->error_code, fault);
    }
    at += 2 + extra;
    GUEST_STORE(at + 0, regs->rip, fault);
    GUEST_STORE(at + 1, cs | (uint64_t)saved_mask << 32, fault);
    GUEST_STORE(at + 2, flags, fault);
    GUEST_STORE(at + 3, regs->rsp, fault);
    GUEST_STORE(at + 4, b->by_syscall ? GUEST_DS : regs->ss, fault);
    guest_words_end();
    return true;
fault:
    guest_words_end();
    return false;
}

/* Pushes the frame and points regs at the handler. Every kind of entry has a copy of its own, of which the
 * members of b that it knows beforehand are no part. */
static LAGAN_INLINE void bounce(struct vcpu *v, struct cpu_user_regs *regs, const struct bounce *b)
{
    uint64_t sp;

    if (!is_canonical(b->handler)) {
        domain_crash(v->domain, "handler at non-canonical address %#lx", b->handler);
        return;
    }
    if (b->from_user)
        pv_enter_mode(v, true);
    sp = ((b->from_user ? v->arch.kernel_sp : regs->rsp) & ~UINT64_C(15)) -
         (FRAME_WORDS + extra_words(b->kind)) * sizeof(uint64_t);
    if (!push_frame(v, regs, b, sp)) {
        domain_crash(v->domain, "cannot write the kernel stack at %#lx", sp);
        return;
    }
    if (b->mask_events)
        v->info->evtchn_upcall_mask = 1;
    regs->rip = b->handler;
    regs->rsp = sp;
    regs->rflags = (regs->rflags & ~(uint64_t)FLAGS_CLEARED_ON_ENTRY) | X86_EFLAGS_IF;
    if (b->by_syscall)
        return;
    regs->cs = GUEST_CS64;
    regs->ss = GUEST_DS;
    regs->entry_vector = ENTRY_SYSCALL;
}

static void bounce_callback(struct vcpu *v, struct cpu_user_regs *regs,
                            const struct pv_callback *callback)
{
    struct bounce b = {.handler = callback->address,
                       .mask_events = callback->mask_events,
                       .from_user = !v->arch.kernel_mode};

    bounce(v, regs, &b);
}

static void bounce_error_code(struct vcpu *v, struct cpu_user_regs *regs,
                              const struct pv_trap *trap, uint32_t error_code)
{
    struct bounce b = {.handler = trap->address,
                       .mask_events = trap->mask_events,
                       .from_user = !v->arch.kernel_mode,
                       .kind = FRAME_ERROR_CODE,
                       .error_code = error_code};

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

    if (!trap->address)
        domain_crash(v->domain, "exception %u (error code %#x) without a handler", vector,
                     error_code);
    else if (has_error_code(vector))
        bounce_error_code(v, regs, trap, error_code);
    else
        bounce_callback(v, regs, &(struct pv_callback){trap->address, trap->mask_events});
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
                       .from_user = !v->arch.kernel_mode,
                       .kind = FRAME_FAILSAFE};

    bounce(v, regs, &b);
}

/* No handler: as if the CPU had no such instruction, at which #UD points. */
static LAGAN_NOINLINE void inject_no_syscall(struct cpu_user_regs *regs)
{
    regs->rip -= 2;
    pv_inject_exception(regs, 6, 0);
}

void pv_inject_syscall(struct vcpu *v, struct cpu_user_regs *regs)
{
    struct bounce b = {.handler = v->arch.syscall.address,
                       .mask_events = v->arch.syscall.mask_events,
                       .from_user = true,
                       .by_syscall = true};

    ASSERT(regs->cs == GUEST_CS64 && regs->ss == GUEST_DS && regs->entry_vector == ENTRY_SYSCALL);

    if (likely(b.handler))
        bounce(v, regs, &b);
    else
        inject_no_syscall(regs);
}

void pv_inject_syscall32(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();

    if (v->arch.syscall32.address)
        bounce_callback(v, regs, &v->arch.syscall32);
    else
        inject_no_syscall(regs);
}
