/* SPDX-License-Identifier: MIT
 *
 * CPU features.
 *
 * The boot CPU decides once which of them are used; other CPUs are set up alike, and one that lacks
 * a feature in use is refused by smp.c. The numbers of bits are those of the manuals' CPUID tables.
 */
#include <lagan/arch.h>
#include <lagan/printk.h>

#include "xen/arch/x86/feature.h"
#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/layout.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pti.h"
#include "xen/arch/x86/sections.h"
#include "xen/arch/x86/smap.h"
#include "xen/options.h"

#define CPUID_7_D_ARCH_CAPABILITIES 29
#define ARCH_CAPABILITIES_RDCL_NO   1

static struct {
    bool rdtscp, xsave, fsgsbase, smap, smep, umip;
    unsigned phys_bits;
    uint64_t cr4;
} feature;

extern const uint64_t smap_sites_start[], smap_sites_end[];
extern const uint8_t smap_kind_start[];

/* A sub-leaf of CPUID if the CPU has it, zeroes otherwise. */
static struct cpuid_regs leaf(uint32_t n, uint32_t sub)
{
    if (cpuid(n & 0x80000000, 0).a < n)
        return (struct cpuid_regs){0};
    return cpuid(n, sub);
}

static bool bit(uint32_t word, unsigned n)
{
    return (word >> n) & 1;
}

LAGAN_INIT void smap_enable(void)
{
    for (const uint64_t *site = smap_sites_start; site < smap_sites_end; site++) {
        uint8_t *code = (uint8_t *)*site;

        code[0] = 0x0f;
        code[1] = 0x01;
        code[2] = smap_kind_start[site - smap_sites_start]; /* CLAC or STAC */
    }
}

static LAGAN_INIT uint64_t wanted_cr4(void)
{
    uint64_t cr4 = CR4_PAE | CR4_MCE | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    /* Without it the global bit of our mappings has no meaning: a write to CR3 drops them too. */
    cr4 |= pti_used() ? 0 : CR4_PGE;
    cr4 |= feature.xsave ? CR4_OSXSAVE : 0;
    cr4 |= feature.fsgsbase ? CR4_FSGSBASE : 0;
    cr4 |= feature.smep ? CR4_SMEP : 0;
    cr4 |= feature.smap ? CR4_SMAP : 0;
    cr4 |= feature.umip ? CR4_UMIP : 0;
    return cr4;
}

/* What this CPU has of what the options allow. */
static LAGAN_INIT void detect(void)
{
    struct cpuid_regs basic = leaf(1, 0), structured = leaf(7, 0), extended = leaf(0x80000001, 0);
    uint32_t address_sizes = leaf(0x80000008, 0).a;

    feature.xsave = bit(basic.c, 26) && options.xsave;
    feature.fsgsbase = bit(structured.b, 0);
    feature.smep = bit(structured.b, 7) && options.smep;
    feature.smap = bit(structured.b, 20) && options.smap;
    feature.umip = bit(structured.c, 2) && options.umip;
    feature.rdtscp = bit(extended.d, 27);
    feature.phys_bits = address_sizes ? address_sizes & 0xff : 36;
    if (feature.phys_bits > 52)
        feature.phys_bits = 52;
}

LAGAN_INIT void feature_init(void)
{
    detect();
    pti_choose();
    feature.cr4 = wanted_cr4();
    if (feature.smap)
        smap_enable();
}

bool feature_cpu_ok(void)
{
    struct cpuid_regs basic = leaf(1, 0), structured = leaf(7, 0), extended = leaf(0x80000001, 0);

    return (bit(basic.c, 26) || !feature.xsave) && (bit(structured.b, 0) || !feature.fsgsbase) &&
           (bit(structured.b, 7) || !feature.smep) && (bit(structured.b, 20) || !feature.smap) &&
           (bit(structured.c, 2) || !feature.umip) && (bit(extended.d, 27) || !feature.rdtscp);
}

/* SYSCALL: ring 0 by HV_CS; SYSRET: ring 3 by GUEST_CS32 + 16 for 64-bit code. Flags that must not
 * follow the guest in: TF, IF, DF, NT, AC, IOPL and RF. */
static void syscall_init(void)
{
    wrmsr(MSR_STAR, (uint64_t)GUEST_CS32 << 48 | (uint64_t)HV_CS << 32);
    wrmsr(MSR_SYSCALL_MASK, 0x00057700);
}

STATIC_ASSERT(GUEST_CS32 + 16 == GUEST_CS64 && GUEST_CS32 + 8 == GUEST_DS);
STATIC_ASSERT(HV_CS + 8 == HV_DS);

void feature_cpu_init(void)
{
    write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
    write_cr4(feature.cr4);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | EFER_NX);
    wrmsr(MSR_PAT, PAT_VALUE);
    syscall_init();
}

bool cpu_says_rdcl_no(void)
{
    return bit(leaf(7, 0).d, CPUID_7_D_ARCH_CAPABILITIES) &&
           (rdmsr(MSR_ARCH_CAPABILITIES) & ARCH_CAPABILITIES_RDCL_NO);
}

uint64_t feature_cr4(void)
{
    return feature.cr4;
}

bool cpu_has_rdtscp(void)
{
    return feature.rdtscp;
}

bool cpu_has_xsave(void)
{
    return feature.xsave;
}

bool cpu_has_fsgsbase(void)
{
    return feature.fsgsbase;
}

bool cpu_has_smap(void)
{
    return feature.smap;
}

unsigned arch_phys_bits(void)
{
    return feature.phys_bits;
}
