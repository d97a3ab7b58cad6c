/* SPDX-License-Identifier: MIT
 *
 * Exceptions of the hypervisor.
 *
 * Some are expected: an access to guest memory, a selector or an IRETQ that is as the guest wants
 * it. Each such instruction is in the exception table, and execution goes on at its fix-up. A page
 * of a guest's LDT that is not mapped yet is mapped at the first touch, also when the touch is
 * ours. All others are our own mistakes, and stop the machine with a dump.
 *
 * An NMI may interrupt anything, including the holder of the console lock: its handler takes no
 * lock and prints only when the machine is about to stop.
 */
#include <stdatomic.h>

#include <lagan/printk.h>

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/cpuctl.h"
#include "xen/arch/x86/crash.h"
#include "xen/arch/x86/interrupt.h"
#include "xen/arch/x86/mce.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/trap_hv.h"
#include "xen/arch/x86/watchdog.h"

enum vector { TRAP_DB = 1, TRAP_NMI = 2, TRAP_DF = 8, TRAP_PF = 14, TRAP_MC = 18 };

#define FLAGS_TF UINT64_C(0x100)

struct ex_entry {
    int32_t fault, fixup; /* each relative to itself */
};

extern const struct ex_entry ex_table_start[], ex_table_end[];
extern const char guest_iretq[]; /* entry.S */

const char *trap_name(unsigned vector)
{
    static const char *const name[] = {
        "divide error",
        "debug",
        "NMI",
        "breakpoint",
        "overflow",
        "bound range",
        "invalid opcode",
        "no FPU",
        "double fault",
        "FPU overrun",
        "invalid TSS",
        "segment not present",
        "stack fault",
        "general protection",
        "page fault",
        "vector 15",
        "x87 error",
        "alignment check",
        "machine check",
        "SIMD error",
        "virtualization",
        "control protection",
    };

    if (vector < ARRAY_SIZE(name))
        return name[vector];
    return vector < 32 ? "reserved exception" : "interrupt";
}

/* The table is in link order, not sorted; it has a few dozen entries. */
bool trap_fixup(struct cpu_user_regs *regs)
{
    for (const struct ex_entry *e = ex_table_start; e < ex_table_end; e++) {
        if (regs->rip != (uint64_t)&e->fault + (uint64_t)(int64_t)e->fault)
            continue;
        regs->rip = (uint64_t)&e->fixup + (uint64_t)(int64_t)e->fixup;
        return true;
    }
    return false;
}

/* Debug exceptions of ours come from breakpoints that a guest set, or from its trap flag: they are
 * not for us. */
static void ignore_debug(struct cpu_user_regs *regs)
{
    write_dr6(DR6_DEFAULT);
    regs->rflags &= ~FLAGS_TF;
}

/* Mapping a page may make other CPUs drop translations, and wait for them: that takes interrupts.
 * Where they are off we only get from guest_iretq, whose fix-up turns them on and looks itself. */
static bool guest_ldt_fault(const struct cpu_user_regs *regs, uint64_t address)
{
    struct vcpu *v = current_vcpu();
    bool mapped;

    if (address >> 39 != VA_PERDOMAIN >> 39 || !v || !(regs->rflags & FLAGS_IF))
        return false;
    interrupts_on();
    mapped = pv_ldt_fault(v, address);
    interrupts_off();
    return mapped;
}

/* The exception's frame was pushed below guest_regs.rip, where RSP is at guest_iretq, but for the word
 * that aligns the stack: there guest_regs has vector and error code, and iret_fault finds them. */
static void note_iret_fault(const struct cpu_user_regs *regs, uint64_t from)
{
    struct cpu_user_regs *guest = &cpu_info()->guest_regs;

    if (from != (uint64_t)guest_iretq)
        return;
    guest->entry_vector = regs->entry_vector;
    guest->error_code = regs->error_code;
}

void hv_trap(struct cpu_user_regs *regs)
{
    uint64_t cr2 = read_cr2(), from = regs->rip;

    if (regs->entry_vector == TRAP_DB) {
        ignore_debug(regs);
        return;
    }
    if (regs->entry_vector == TRAP_PF && guest_ldt_fault(regs, cr2))
        return;
    if (trap_fixup(regs)) {
        note_iret_fault(regs, from);
        return;
    }
    crash_trap(regs, cr2);
}

void hv_interrupt(struct cpu_user_regs *regs)
{
    interrupt(regs->entry_vector);
}

void hv_trap_small_stack(struct cpu_user_regs *regs)
{
    switch (regs->entry_vector) {
    case TRAP_NMI:
        crash_stop_if_asked(regs);
        watchdog_nmi(regs);
        return;
    case TRAP_MC:
        mce_handle(regs);
        return;
    default:
        crash_trap(regs, read_cr2());
    }
}
