/* SPDX-License-Identifier: MIT
 *
 * CPUID and CR4 for guests: the policy applied on this machine.
 *
 * A paravirtual kernel asks through the forced-emulation prefix and gets the policy; its user space
 * executes CPUID natively and gets the machine. The two must agree on OSXSAVE: since the hypervisor
 * itself switches state with XSAVE, the real CR4.OSXSAVE is set and user space sees it. So guests
 * see it too, before they ever set it in their CR4, and XCR0 is the guest's own at all times:
 * XGETBV then tells user space the truth whatever the guest kernel does.
 */
#include "xen/arch/x86/pv.h"

#include <lagan/arch.h>
#include <xen/arch-x86/cpufeatureset.h>
#include <xen/arch-x86/cpuid.h>

#include "xen/arch/x86/feature.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/time.h"

#define XEN_LEAF   UINT32_C(0x40000000)
#define LAGAN_LEAF UINT32_C(0x40000100)
#define LAGAN_ABI  1 /* of the additions: leaf LAGAN_LEAF + 1, EAX */

/* CR4 as guests see it: what is always on, whatever they write, and what they may choose. */
#define CR4_GUEST_ALWAYS (CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT)
#define CR4_GUEST_REAL   (CR4_TSD | CR4_DE | CR4_FSGSBASE) /* of these the real bit follows */

static struct {
    struct cpuid_policy machine; /* [c] */
    struct cpuid_policy guest;   /* [c] */
    uint64_t cr4_settable;       /* [c] */
} policy;

static LAGAN_INIT void read_machine(struct cpuid_policy *p, uint32_t first, uint32_t count)
{
    uint32_t last = cpuid(first, 0).a;

    for (uint32_t leaf = first; leaf < first + count && leaf <= last; leaf++) {
        struct cpuid_leaf *l;

        for (uint32_t sub = 0; (l = cpuid_policy_find(p, leaf, sub)) != NULL; sub++) {
            struct cpuid_regs r = cpuid(leaf, sub);

            *l = (struct cpuid_leaf){r.a, r.b, r.c, r.d};
            if (leaf != 0x4 && leaf != 0x7 && leaf != 0xd)
                break;
        }
    }
}

LAGAN_INIT void pv_cpuid_init(void)
{
    const struct cpuid_policy *g = &policy.guest;

    read_machine(&policy.machine, 0, CPUID_BASIC_COUNT);
    read_machine(&policy.machine, CPUID_EXTENDED_FIRST, CPUID_EXTENDED_COUNT);
    if (!cpu_has_xsave()) /* not used: then nobody may, since its state would not be switched */
        policy.machine.basic[1].c &= ~CPUID_BIT(XSAVE);
    policy.guest = policy.machine;
    cpuid_policy_derive(&policy.guest);

    policy.cr4_settable = CR4_TSD | CR4_DE;
    if (g->feature[0].b & CPUID_BIT(FSGSBASE))
        policy.cr4_settable |= CR4_FSGSBASE;
    if (g->basic[1].c & CPUID_BIT(XSAVE))
        policy.cr4_settable |= CR4_OSXSAVE;
}

const struct cpuid_policy *pv_cpuid_machine(void)
{
    return &policy.machine;
}

const struct cpuid_policy *pv_cpuid_guest(void)
{
    return &policy.guest;
}

/* Leaf 0x40000003: the TSC is never emulated; with an invariant TSC we promise so for good. */
static struct cpuid_leaf time_leaf(uint32_t subleaf)
{
    const struct cpuid_policy *g = &policy.guest;
    bool invariant = g->extended[7].d & CPUID_BIT(ITSC);
    uint32_t khz = (uint32_t)time_tsc_khz();
    struct time_scale scale;

    switch (subleaf) {
    case 0:
        return (struct cpuid_leaf){
            .a = (invariant ? 2 : 0) | (g->extended[1].d & CPUID_BIT(RDTSCP) ? 4 : 0),
            .b = invariant ? 2 : 0,
            .c = khz,
        };
    case 1:
        time_get_scale(&scale);
        return (struct cpuid_leaf){.c = scale.mul, .d = (uint32_t)scale.shift};
    case 2:
        return (struct cpuid_leaf){.a = khz};
    default:
        return (struct cpuid_leaf){0};
    }
}

static struct cpuid_leaf hypervisor_leaf(uint32_t leaf, uint32_t subleaf)
{
    switch (leaf) {
    case XEN_LEAF:
        return (struct cpuid_leaf){XEN_LEAF + XEN_CPUID_MAX_NUM_LEAVES, XEN_CPUID_SIGNATURE_EBX,
                                   XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX};
    case XEN_LEAF + 1:
        return (struct cpuid_leaf){.a = 4 << 16 | 17};
    case XEN_LEAF + 2:
        return (struct cpuid_leaf){
            .a = 1, .b = XEN_LEAF, .c = XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD};
    case XEN_LEAF + 3:
        return time_leaf(subleaf);
    case XEN_LEAF + 5:
        return (struct cpuid_leaf){.b = subleaf == 0 ? arch_phys_bits() : 0};
    case LAGAN_LEAF: /* "LaganLaganLa" */
        return (struct cpuid_leaf){LAGAN_LEAF + 1, 0x6167614c, 0x67614c6e, 0x614c6e61};
    case LAGAN_LEAF + 1:
        return (struct cpuid_leaf){.a = LAGAN_ABI};
    default:
        return (struct cpuid_leaf){0};
    }
}

struct cpuid_leaf pv_cpuid(const struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_policy *g = v->domain->arch.cpuid ? v->domain->arch.cpuid : &policy.guest;
    const struct cpuid_leaf *found;
    struct cpuid_leaf r;

    if (leaf >> 16 == XEN_LEAF >> 16)
        return hypervisor_leaf(leaf, subleaf);
    found = cpuid_policy_find(g, leaf, subleaf);
    if (!found)
        return (struct cpuid_leaf){0};
    r = *found;
    if (leaf == 1) {
        r.b |=
            (v->id * 2) << 24; /* APIC id: even, so that no two vCPUs look like threads of a core */
        if (read_cr4() & CR4_OSXSAVE)
            r.c |= CPUID_BIT(OSXSAVE);
    } else if (leaf == 0xd && subleaf == 0) {
        r.b = r.a ? cpuid_policy_xsave_bytes(g, v->arch.xcr0, false) : 0;
    } else if (leaf == 0xd && subleaf == 1 && (r.a & CPUID_BIT(XSAVEC))) {
        r.b = cpuid_policy_xsave_bytes(g, v->arch.xcr0, true);
    }
    return r;
}

uint64_t pv_cr4_guest_settable(void)
{
    return policy.cr4_settable;
}

uint64_t pv_real_cr4(const struct vcpu *v)
{
    uint64_t only_guests = CR4_GUEST_REAL & ~feature_cr4();

    return (read_cr4() & ~only_guests) | (v->arch.ctrlreg[4] & CR4_GUEST_REAL);
}

uint64_t pv_read_cr4(const struct vcpu *v)
{
    return (v->arch.ctrlreg[4] & policy.cr4_settable) | CR4_GUEST_ALWAYS;
}

void pv_write_cr4(struct vcpu *v, uint64_t value)
{
    v->arch.ctrlreg[4] = (value & policy.cr4_settable) | CR4_GUEST_ALWAYS;
    write_cr4(pv_real_cr4(v));
}
