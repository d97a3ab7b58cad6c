/* SPDX-License-Identifier: MIT
 *
 * What happens when ring 3 is left: by SYSCALL, by an exception, by an interrupt. And what is
 * looked after before it is entered again.
 *
 * A guest's exception is either ours to emulate (privileged instructions, the forced-emulation
 * prefix, LDT pages mapped on first use) or is bounced into the guest kernel. None of them can be
 * our fault: ring 3 cannot make the hypervisor's own code fault but through guest_access and the
 * way back (iret_fault).
 */
#include <stdatomic.h>

#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/cpuctl.h"
#include "xen/arch/x86/interrupt.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_bounce.h"
#include "xen/arch/x86/pv_ptwr.h"
#include "xen/arch/x86/pv_trap.h"
#include "xen/guest_access.h"
#include "xen/softirq.h"

enum vector {
    VECTOR_DB = 1,
    VECTOR_BP = 3,
    VECTOR_OF = 4,
    VECTOR_UD = 6,
    VECTOR_NM = 7,
    VECTOR_GP = 13,
    VECTOR_PF = 14
};

#define ERROR_CODE_IDT 2 /* of a selector error code: it names an IDT gate */

void guest_syscall(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();

    if (!v->arch.kernel_mode)
        pv_inject_syscall(v, regs);
    else if (regs->rax == __HYPERVISOR_iret) /* the most frequent, and it takes no arguments */
        pv_iret(v, regs);
    else
        hypercall(regs);
}

void guest_syscall32(struct cpu_user_regs *regs)
{
    pv_inject_syscall32(regs);
}

/* INT n through a gate of a lower privilege level ends as #GP. The vector is taken from the
 * instruction, not from the error code, which QEMU 7.2 gets wrong. True if the guest may raise it,
 * and it was. */
static bool software_interrupt(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint8_t insn[2];
    const struct pv_trap *trap;

    if (copy_from_guest(insn, guest_ptr(regs->rip), sizeof(insn)) || insn[0] != 0xcd)
        return false;
    trap = &v->arch.traps[insn[1]];
    if (!trap->address || trap->dpl < (v->arch.kernel_mode ? 1 : 3)) {
        pv_inject_exception(regs, VECTOR_GP, insn[1] * 8u + ERROR_CODE_IDT);
        return true;
    }
    regs->rip += sizeof(insn);
    pv_inject_exception(regs, insn[1], 0);
    return true;
}

static void general_protection(struct vcpu *v, struct cpu_user_regs *regs)
{
    if (regs->error_code & ERROR_CODE_IDT) {
        if (software_interrupt(v, regs))
            return;
    } else if (regs->error_code == 0 && pv_emulate_privileged(regs) != EMUL_UNHANDLED) {
        return;
    }
    pv_inject_exception(regs, VECTOR_GP, regs->error_code);
}

/* A selector load reads the LDT with the rights of ring 0, which tells it from a guest that touches
 * the hypervisor's part by itself. */
static void page_fault(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address)
{
    uint64_t ldt_bytes = v->arch.ldt_entry_count * UINT64_C(8);

    if (unlikely(!(regs->error_code & PF_USER)) && address - pv_ldt_va(v) < ldt_bytes) {
        if (pv_ldt_fault(v, address))
            return;
        address += v->arch.ldt_base - pv_ldt_va(v); /* where the guest has its table */
    } else if (pv_ptwr_fault(v, regs, address)) {
        return;
    }
    pv_inject_page_fault(regs, address, regs->error_code);
}

static void debug_exception(struct vcpu *v, struct cpu_user_regs *regs)
{
    v->arch.debugreg[6] = read_dr6();
    write_dr6(DR6_DEFAULT);
    pv_inject_exception(regs, VECTOR_DB, 0);
}

/* The guest set TS: it hears of the first use of the FPU, and TS is clear again (public ABI,
 * fpu_taskswitch). */
static void device_not_available(struct vcpu *v, struct cpu_user_regs *regs)
{
    fpu_set_ts(v, false);
    pv_inject_exception(regs, VECTOR_NM, 0);
}

/* All but page faults. */
static LAGAN_NOINLINE void guest_exception(struct vcpu *v, struct cpu_user_regs *regs,
                                           unsigned vector)
{
    switch (vector) {
    case VECTOR_DB:
        debug_exception(v, regs);
        break;
    case VECTOR_UD:
        if (pv_emulate_forced_cpuid(regs) == EMUL_UNHANDLED)
            pv_inject_exception(regs, VECTOR_UD, 0);
        break;
    case VECTOR_NM:
        device_not_available(v, regs);
        break;
    case VECTOR_GP:
        general_protection(v, regs);
        break;
    default:
        pv_inject_exception(regs, vector, regs->error_code);
        break;
    }
}

void guest_trap(struct cpu_user_regs *regs)
{
    unsigned vector = regs->entry_vector;

    if (likely(vector == VECTOR_PF)) {
        uint64_t cr2 = read_cr2();

        interrupts_on();
        page_fault(current_vcpu(), regs, cr2);
    } else if (vector >= VECTOR_FIRST) {
        interrupt(vector);
    } else {
        interrupts_on();
        guest_exception(current_vcpu(), regs, vector);
    }
}

/* A page fault can only come from the LDT: if its page can be mapped now, the IRETQ is tried again.
 */
void pv_iret_fault(struct cpu_user_regs *regs, uint64_t cr2)
{
    unsigned vector = regs->entry_vector;

    regs->entry_vector = 0;
    if (vector == VECTOR_PF)
        page_fault(current_vcpu(), regs, cr2);
    else
        pv_inject_exception(regs, vector, regs->error_code);
}

/* A sender sets nmi_pending, then exit_work (hcall_vcpu.c). Cleared here in the other order: an NMI
 * that comes in between finds exit_work set again. One that is masked waits for iret, which sets
 * exit_work. */
static void deliver_nmi(struct vcpu *v, struct cpu_user_regs *regs)
{
    atomic_store(&v->exit_work, 0);
    if (v->arch.nmi_masked || !atomic_exchange(&v->arch.nmi_pending, false))
        return;
    pv_inject_nmi(regs);
}

static bool event_to_deliver(const struct vcpu *v)
{
    return event_upcall_due(v->info) && v->arch.event.address;
}

/* What came before interrupts are off is found here, what comes later interrupts the guest:
 *
 *      sender                               this CPU
 *      upcall_pending = 1                   no event is due
 *      poke: interrupt                      takes it: its handler does nothing
 *                                           interrupts off: looks again
 *
 * Without the last look the event would lie until the guest is next interrupted. */
void guest_exit_work(void)
{
    struct cpu_info *info = cpu_info();
    struct vcpu *v = info->current;

    do {
        interrupts_on();
        if (softirq_pending())
            softirq_run();
        if (v->exit_work)
            deliver_nmi(v, &info->guest_regs);
        if (event_to_deliver(v))
            pv_inject_event(&info->guest_regs);
        interrupts_off();
    } while (softirq_pending() || v->exit_work || event_to_deliver(v));
}
