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
#include "xen/arch/x86/crash.h"
#include "xen/arch/x86/interrupt.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/trap_hv.h"
#include "xen/arch/x86/watchdog.h"

enum vector { TRAP_DB = 1, TRAP_NMI = 2, TRAP_DF = 8, TRAP_PF = 14, TRAP_MC = 18 };

struct ex_entry {
    int32_t fault, fixup; /* each relative to itself */
};

extern const struct ex_entry ex_table_start[], ex_table_end[];

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

/* Debug exceptions of ours come from breakpoints that a guest set: they are not for us. */
static void ignore_debug(void)
{
    __asm__ volatile("mov %0, %%dr6" : : "r"(0xffff0ff0UL));
}

static bool guest_ldt_fault(const struct cpu_user_regs *regs, uint64_t address)
{
    (void)regs;
    return address >> 39 == VA_PERDOMAIN >> 39 && current_vcpu() &&
           pv_ldt_fault(current_vcpu(), address);
}

void hv_trap(struct cpu_user_regs *regs)
{
    uint64_t cr2 = read_cr2();

    if (regs->entry_vector == TRAP_DB) {
        ignore_debug();
        return;
    }
    if (regs->entry_vector == TRAP_PF && guest_ldt_fault(regs, cr2))
        return;
    if (trap_fixup(regs))
        return;
    crash_trap(regs, cr2);
}

void hv_interrupt(struct cpu_user_regs *regs)
{
    interrupt(regs->entry_vector);
}

/* Reads and clears the banks; false when one says that this CPU cannot go on. */
static bool machine_check_banks(uint64_t *status, unsigned *bank)
{
    const uint64_t valid = UINT64_C(1) << 63, uncorrected = UINT64_C(1) << 61;
    const uint64_t corrupt = UINT64_C(1) << 57;
    unsigned bank_count = (unsigned)(rdmsr(MSR_MCG_CAP) & 0xff);

    for (*bank = 0; *bank < bank_count; (*bank)++) {
        uint32_t msr = MSR_MC0_CTL + *bank * 4 + 1;

        *status = rdmsr(msr);
        if ((*status & valid) && (*status & (uncorrected | corrupt)))
            return false;
        wrmsr(msr, 0);
    }
    return true;
}

static void machine_check(struct cpu_user_regs *regs)
{
    const uint64_t can_return = 1, in_progress = 4;
    uint64_t mcg = rdmsr(MSR_MCG_STATUS), status = 0;
    unsigned bank = 0;

    if (!machine_check_banks(&status, &bank) || !(mcg & can_return)) {
        crash_note("machine check: MCG_STATUS %#lx, bank %u status %#lx\n", mcg, bank, status);
        crash_trap(regs, 0);
    }
    wrmsr(MSR_MCG_STATUS, mcg & ~in_progress);
}

void hv_trap_small_stack(struct cpu_user_regs *regs)
{
    switch (regs->entry_vector) {
    case TRAP_NMI:
        crash_stop_if_asked(regs);
        watchdog_nmi(regs);
        return;
    case TRAP_MC:
        machine_check(regs);
        return;
    default:
        crash_trap(regs, read_cr2());
    }
}
