/* SPDX-License-Identifier: MIT
 *
 * Machine checks.
 *
 * The CPU keeps its reports in banks. What was corrected is cleared and forgotten; what was not
 * means that data has been lost somewhere, and nothing can be promised to any domain after that:
 * the machine stops and shows the bank.
 */
#include <lagan/types.h>
#include <xen/arch-x86/xen.h>

#include "xen/arch/x86/crash.h"
#include "xen/arch/x86/mce.h"
#include "xen/arch/x86/msr.h"

#define CPUID_MCE (1u << 7)
#define CPUID_MCA (1u << 14)

#define MCG_CAP_CTL        (UINT64_C(1) << 8) /* there is a control register for all banks */
#define MCG_CTL            0x17b
#define MCG_RIP_VALID      (UINT64_C(1) << 0)
#define MCG_IN_PROGRESS    (UINT64_C(1) << 2)
#define STATUS_VALID       (UINT64_C(1) << 63)
#define STATUS_UNCORRECTED (UINT64_C(1) << 61)
#define STATUS_CORRUPT     (UINT64_C(1) << 57) /* the state of the CPU itself */

static bool has_banks(void)
{
    return (cpuid(1, 0).d & (CPUID_MCE | CPUID_MCA)) == (CPUID_MCE | CPUID_MCA);
}

static unsigned bank_count(void)
{
    return (unsigned)(rdmsr(MSR_MCG_CAP) & 0xff);
}

/* Of a bank's four registers: 0 control, 1 status, 2 address. */
static uint32_t bank_msr(unsigned bank, unsigned reg)
{
    return MSR_MC0_CTL + bank * 4 + reg;
}

void mce_cpu_init(void)
{
    if (!has_banks())
        return;
    if (rdmsr(MSR_MCG_CAP) & MCG_CAP_CTL)
        wrmsr(MCG_CTL, UINT64_MAX);
    for (unsigned bank = 0; bank < bank_count(); bank++) {
        wrmsr(bank_msr(bank, 0), UINT64_MAX);
        wrmsr(bank_msr(bank, 1), 0);
    }
}

/* Reads the banks and clears those with nothing serious; stops at one whose report is. */
static bool clear_banks(unsigned *bank, uint64_t *status)
{
    for (*bank = 0; *bank < bank_count(); (*bank)++) {
        *status = rdmsr(bank_msr(*bank, 1));
        if ((*status & STATUS_VALID) && (*status & (STATUS_UNCORRECTED | STATUS_CORRUPT)))
            return false;
        wrmsr(bank_msr(*bank, 1), 0);
    }
    return true;
}

void mce_handle(struct cpu_user_regs *regs)
{
    uint64_t mcg, status = 0;
    unsigned bank = 0;

    if (!has_banks())
        crash_trap(regs, 0);
    mcg = rdmsr(MSR_MCG_STATUS);
    if (!clear_banks(&bank, &status) || !(mcg & MCG_RIP_VALID)) {
        crash_note("Machine check: MCG_STATUS %#lx, bank %u, status %#lx\n", mcg, bank, status);
        crash_trap(regs, 0);
    }
    wrmsr(MSR_MCG_STATUS, mcg & ~MCG_IN_PROGRESS);
}
