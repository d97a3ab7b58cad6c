/* SPDX-License-Identifier: MIT
 *
 * The MSR table. What it does not list is #GP to the guest, as on a CPU without that MSR: Linux
 * probes with fix-ups and copes. Listed are those that kernels touch without looking (measured on
 * Linux as a guest of Xen), and those whose values make the guest take the right turn.
 */
#include "xen/arch/x86/pv_msr_policy.h"

#include "xen/arch/x86/msr.h"

/* WB, WT, UC-, UC, WC, WP, UC, UC: guest PTEs carry these indices to the hardware unmodified (ABI).
 */
#define PV_PAT UINT64_C(0x0000050100070406)

#define MISC_ENABLE_FAST_STRING (UINT64_C(1) << 0)
#define MISC_ENABLE_NO_BTS      (UINT64_C(1) << 11)
#define MISC_ENABLE_NO_PEBS     (UINT64_C(1) << 12)
#define MCE_BANKS               2

/* Searched from the top: first those that Linux reads at each switch of processes. */
static const struct msr_rule rules[] = {
    {MSR_KERNEL_GS_BASE, MSR_KERNEL_GS_BASE, MSR_KIND_KERNEL_GS_BASE, MSR_ANY, 0},
    {MSR_GS_BASE, MSR_GS_BASE, MSR_KIND_GS_BASE, MSR_ANY, 0},
    {MSR_FS_BASE, MSR_FS_BASE, MSR_KIND_FS_BASE, MSR_ANY, 0},
    {MSR_TSC, MSR_TSC, MSR_KIND_TSC, MSR_ANY, 0},
    {0x17, 0x17, MSR_KIND_CONSTANT, MSR_INTEL, 0}, /* platform id */
    {MSR_APIC_BASE, MSR_APIC_BASE, MSR_KIND_APIC_BASE, MSR_ANY, 0},
    {0x3a, 0x3a, MSR_KIND_FIXED, MSR_INTEL, 1}, /* feature control: locked */
    {MSR_BIOS_SIGN_ID, MSR_BIOS_SIGN_ID, MSR_KIND_CONSTANT, MSR_ANY, 0}, /* microcode revision */
    {0xce, 0xce, MSR_KIND_CONSTANT, MSR_INTEL, 0},                       /* platform info */
    {MSR_MCG_CAP, MSR_MCG_CAP, MSR_KIND_FIXED, MSR_ANY, MCE_BANKS},
    {MSR_MCG_STATUS, MSR_MCG_STATUS, MSR_KIND_CONSTANT, MSR_ANY, 0},
    {MSR_MISC_ENABLE, MSR_MISC_ENABLE, MSR_KIND_CONSTANT, MSR_INTEL,
     MISC_ENABLE_FAST_STRING | MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS},
    {MSR_DEBUGCTL, MSR_DEBUGCTL, MSR_KIND_FIXED, MSR_ANY, 0},
    {MSR_PAT, MSR_PAT, MSR_KIND_FIXED, MSR_ANY, PV_PAT},
    {MSR_MC0_CTL, MSR_MC0_CTL + 4 * MCE_BANKS - 1, MSR_KIND_CONSTANT, MSR_ANY, 0},
    {MSR_EFER, MSR_EFER, MSR_KIND_EFER, MSR_ANY, 0},
    {MSR_TSC_AUX, MSR_TSC_AUX, MSR_KIND_TSC_AUX, MSR_ANY, 0},
    {0xc0010000, 0xc0010007, MSR_KIND_CONSTANT, MSR_AMD, 0}, /* performance counters */
    {0xc0010010, 0xc0010010, MSR_KIND_CONSTANT, MSR_AMD, 0}, /* SYSCFG */
    {0xc0010015, 0xc0010015, MSR_KIND_CONSTANT, MSR_AMD, 0}, /* HWCR */
    {0xc0011029, 0xc0011029, MSR_KIND_CONSTANT, MSR_AMD, 2}, /* DE_CFG: LFENCE serialises */
};

const struct msr_rule *msr_rule_find(uint32_t msr, enum msr_vendor vendor)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct msr_rule *r = &rules[i];

        if (msr >= r->first && msr <= r->last && (r->vendor == MSR_ANY || r->vendor == vendor))
            return r;
    }
    return NULL;
}
