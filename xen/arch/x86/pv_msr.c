/* SPDX-License-Identifier: MIT
 *
 * RDMSR and WRMSR by a guest kernel, by the table in pv_msr_policy.c. The vCPU is the current one.
 *
 * The segment bases of a running vCPU live in the hardware registers and nowhere else: GS_BASE has
 * the base of the present mode, KERNEL_GS_BASE that of the other mode; pv_toggle_mode() swaps them.
 */
#include "xen/arch/x86/pv.h"

#include <xen/arch-x86/cpufeatureset.h>

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pv_msr_policy.h"

#define APIC_BASE_ADDRESS UINT64_C(0xfee00000)
/* A guest sees that it runs in long mode with SYSCALL and NX, and no SVM. */
#define EFER_VISIBLE (EFER_SCE | EFER_LME | EFER_LMA | EFER_NX | EFER_FFXSR)

static enum msr_vendor vendor(void)
{
    const struct cpuid_policy *p = pv_cpuid_machine();

    return cpuid_policy_is_intel(p) ? MSR_INTEL : cpuid_policy_is_amd(p) ? MSR_AMD : MSR_ANY;
}

static bool has_tsc_aux(void)
{
    return pv_cpuid_machine()->extended[1].d & CPUID_BIT(RDTSCP);
}

int pv_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    const struct msr_rule *r = msr_rule_find(msr, vendor());

    ASSERT(v == current_vcpu());
    if (!r)
        return -XEN_EINVAL;
    switch (r->kind) {
    case MSR_KIND_CONSTANT:
    case MSR_KIND_FIXED:
        *value = r->value;
        return 0;
    case MSR_KIND_TSC:
        *value = rdtsc();
        return 0;
    case MSR_KIND_APIC_BASE:
        *value = APIC_BASE_ADDRESS | APIC_BASE_ENABLE | (v->id == 0 ? APIC_BASE_BSP : 0);
        return 0;
    case MSR_KIND_EFER:
        *value = rdmsr(MSR_EFER) & EFER_VISIBLE;
        return 0;
    case MSR_KIND_FS_BASE:
    case MSR_KIND_GS_BASE:
    case MSR_KIND_KERNEL_GS_BASE:
        *value = rdmsr(msr);
        return 0;
    case MSR_KIND_TSC_AUX:
        *value = v->arch.tsc_aux;
        return has_tsc_aux() ? 0 : -XEN_EINVAL;
    }
    return -XEN_EINVAL;
}

static int write_base(uint32_t msr, uint64_t value)
{
    if (!address_canonical(value)) /* WRMSR itself would fault, in ring 0 */
        return -XEN_EINVAL;
    wrmsr(msr, value);
    return 0;
}

static int write_tsc_aux(struct vcpu *v, uint64_t value)
{
    if (!has_tsc_aux() || value > UINT32_MAX)
        return -XEN_EINVAL;
    v->arch.tsc_aux = (uint32_t)value;
    wrmsr(MSR_TSC_AUX, value);
    return 0;
}

int pv_write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    const struct msr_rule *r = msr_rule_find(msr, vendor());

    ASSERT(v == current_vcpu());
    if (!r)
        return -XEN_EINVAL;
    switch (r->kind) {
    case MSR_KIND_CONSTANT:
    case MSR_KIND_TSC:
        return 0;
    case MSR_KIND_FIXED:
        return value == r->value ? 0 : -XEN_EINVAL;
    case MSR_KIND_APIC_BASE:
        return -XEN_EINVAL;
    case MSR_KIND_EFER:
        return value == (rdmsr(MSR_EFER) & EFER_VISIBLE) ? 0 : -XEN_EINVAL;
    case MSR_KIND_FS_BASE:
    case MSR_KIND_GS_BASE:
    case MSR_KIND_KERNEL_GS_BASE:
        return write_base(msr, value);
    case MSR_KIND_TSC_AUX:
        return write_tsc_aux(v, value);
    }
    return -XEN_EINVAL;
}
