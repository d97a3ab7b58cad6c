/* SPDX-License-Identifier: MIT
 *
 * The CPUID policy as tables. A guest may see a feature only if
 *   - it works in ring 3 on this hypervisor without our help, or the emulator provides it, and
 *   - what the guest kernel then does about it is right for a paravirtual kernel. PSE is the vital
 *     example: a kernel that sees it maps 2 MiB pages, which guests may not have.
 * So the tables list what is shown; a feature that we never heard of stays hidden. The names, and
 * which of them suit a paravirtual guest at all, come from the public header
 * arch-x86/cpufeatureset.h.
 *
 * Left out although they would work: features whose MSRs we do not virtualise (speculation control,
 * ARCH_CAPABILITIES, debug extensions, performance counters, transactional memory), and everything
 * that describes cores and threads: each vCPU is a processor of its own, with an APIC id of its
 * own.
 *
 * User space executes CPUID natively and sees the machine itself. What matters most to it, the
 * state components it may use, it learns from OSXSAVE and XGETBV, and these tell the truth
 * (pv_cpuid.c).
 *
 * INV-CPUID-1: guest features are a subset of the machine's, but for HYPERVISOR.
 * INV-CPUID-2: no leaf or register comes through that no table names.
 * INV-CPUID-3: a vector feature is shown only if the XSAVE state that it needs is, too.
 */
#include "xen/arch/x86/pv_cpuid_policy.h"

#include <lagan/string.h>
#include <xen/arch-x86/cpufeatureset.h>

#define F(name) CPUID_BIT(name)

#define ALL UINT32_MAX

/* Registers of leaves 0x80000001.edx and 1.edx that AMD reports twice. */
#define SHARED_EDX UINT32_C(0x0183f3ff)

#define LEAF1_EDX                                                                              \
    (F(FPU) | F(DE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) | F(APIC) | F(SEP) | F(MCA) | \
     F(CMOV) | F(PAT) | F(CLFLUSH) | F(MMX) | F(FXSR) | F(SSE) | F(SSE2) | F(SS))
#define LEAF1_ECX                                                                              \
    (F(SSE3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(SSE4_1) | F(SSE4_2) | F(MOVBE) | \
     F(POPCNT) | F(AESNI) | F(XSAVE) | F(AVX) | F(F16C) | F(RDRAND))
#define LEAF7_EBX                                                                               \
    (F(FSGSBASE) | F(BMI1) | F(AVX2) | F(FDP_EXCP_ONLY) | F(BMI2) | F(ERMS) | F(NO_FPU_SEL) |   \
     F(AVX512F) | F(AVX512DQ) | F(RDSEED) | F(ADX) | F(AVX512_IFMA) | F(CLFLUSHOPT) | F(CLWB) | \
     F(AVX512PF) | F(AVX512ER) | F(AVX512CD) | F(SHA) | F(AVX512BW) | F(AVX512VL))
#define LEAF7_ECX                                                                            \
    (F(PREFETCHWT1) | F(AVX512_VBMI) | F(AVX512_VBMI2) | F(GFNI) | F(VAES) | F(VPCLMULQDQ) | \
     F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) | F(RDPID) | F(CLDEMOTE))
#define LEAF7_EDX \
    (F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(FSRM) | F(MD_CLEAR) | F(SERIALIZE) | F(AVX512_FP16))
#define LEAF7_1_EAX (F(AVX_VNNI) | F(AVX512_BF16) | F(FZRM) | F(FSRS) | F(FSRCS))
#define LEAFD_1_EAX (F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1))
#define EXT1_ECX \
    (F(LAHF_LM) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(XOP) | F(FMA4) | F(TBM))
#define EXT1_EDX \
    (F(SYSCALL) | F(NX) | F(MMXEXT) | F(FFXSR) | F(RDTSCP) | F(LM) | F(3DNOWEXT) | F(3DNOW))
#define EXT8_EBX  (F(CLZERO) | F(RSTR_FP_ERR_PTRS) | F(SSB_NO) | F(BTC_NO))
#define EXT21_EAX (F(LFENCE_DISPATCH) | F(VERW_CLEAR) | F(NSCB) | F(SRSO_NO))

struct keep {
    uint32_t leaf, subleaf;
    struct cpuid_leaf mask;
};

/* The bits of each leaf that come through; leaf 0xd is derived from the states in derive_xsave().
 */
static const struct keep keep[] = {
    {0x0, 0, {ALL, ALL, ALL, ALL}},                    /* highest leaf (limited below), vendor */
    {0x1, 0, {ALL, 0x0000ff00, LEAF1_ECX, LEAF1_EDX}}, /* EBX: line size of CLFLUSH */
    {0x2, 0, {ALL, ALL, ALL, ALL}},                    /* caches */
    {0x4, 0, {0x000003ff, ALL, ALL, ALL}},             /* EAX: kind and level, no sharing */
    {0x4, 1, {0x000003ff, ALL, ALL, ALL}},
    {0x4, 2, {0x000003ff, ALL, ALL, ALL}},
    {0x4, 3, {0x000003ff, ALL, ALL, ALL}},
    {0x4, 4, {0x000003ff, ALL, ALL, ALL}},
    {0x7, 0, {ALL, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX}},
    {0x7, 1, {LEAF7_1_EAX, 0, 0, 0}},
    {0x7, 2, {0, 0, 0, F(MCDT_NO)}},
    {0xd, 0, {ALL, ALL, ALL, ALL}},
    {0xd, 1, {LEAFD_1_EAX, 0, 0, 0}},
    {0xd, 2, {ALL, ALL, 2, 0}}, /* size, offset, "aligned when compacted" */
    {0xd, 5, {ALL, ALL, 2, 0}},
    {0xd, 6, {ALL, ALL, 2, 0}},
    {0xd, 7, {ALL, ALL, 2, 0}},
    {0x80000000, 0, {ALL, ALL, ALL, ALL}},
    {0x80000001, 0, {ALL, 0, EXT1_ECX, EXT1_EDX | SHARED_EDX}},
    {0x80000002, 0, {ALL, ALL, ALL, ALL}}, /* brand */
    {0x80000003, 0, {ALL, ALL, ALL, ALL}},
    {0x80000004, 0, {ALL, ALL, ALL, ALL}},
    {0x80000005, 0, {ALL, ALL, ALL, ALL}}, /* caches */
    {0x80000006, 0, {ALL, ALL, ALL, ALL}},
    {0x80000007, 0, {0, 0, 0, F(ITSC)}},
    {0x80000008, 0, {0x0000ffff, EXT8_EBX, 0, 0}}, /* EAX: address widths */
    {0x80000021, 0, {EXT21_EAX, 0, 0, 0}},
};

/* Features that are useless, or fault, without their XSAVE state. */
static const struct {
    uint64_t needs;
    uint32_t leaf, subleaf;
    struct cpuid_leaf bits;
} state_features[] = {
    {XSTATE_AVX, 0x1, 0, {0, 0, F(AVX) | F(FMA) | F(F16C), 0}},
    {XSTATE_AVX, 0x7, 0, {0, F(AVX2), F(VAES) | F(VPCLMULQDQ), 0}},
    {XSTATE_AVX, 0x7, 1, {F(AVX_VNNI), 0, 0, 0}},
    {XSTATE_AVX, 0x80000001, 0, {0, 0, F(XOP) | F(FMA4), 0}},
    {XSTATE_AVX512,
     0x7,
     0,
     {0,
      F(AVX512F) | F(AVX512DQ) | F(AVX512_IFMA) | F(AVX512PF) | F(AVX512ER) | F(AVX512CD) |
          F(AVX512BW) | F(AVX512VL),
      F(AVX512_VBMI) | F(AVX512_VBMI2) | F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ),
      F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(AVX512_FP16)}},
    {XSTATE_AVX512, 0x7, 1, {F(AVX512_BF16), 0, 0, 0}},
};

struct cpuid_leaf *cpuid_policy_find(struct cpuid_policy *p, uint32_t leaf, uint32_t subleaf)
{
    if (leaf == 0x4)
        return subleaf < CPUID_CACHE_COUNT ? &p->cache[subleaf] : NULL;
    if (leaf == 0x7)
        return subleaf < CPUID_FEATURE_COUNT ? &p->feature[subleaf] : NULL;
    if (leaf == 0xd)
        return subleaf < CPUID_XSAVE_COUNT ? &p->xsave[subleaf] : NULL;
    if (leaf < CPUID_BASIC_COUNT)
        return &p->basic[leaf];
    if (leaf - CPUID_EXTENDED_FIRST < CPUID_EXTENDED_COUNT)
        return &p->extended[leaf - CPUID_EXTENDED_FIRST];
    return NULL;
}

static bool vendor_is(const struct cpuid_policy *p, uint32_t b, uint32_t d, uint32_t c)
{
    return p->basic[0].b == b && p->basic[0].d == d && p->basic[0].c == c;
}

bool cpuid_policy_is_amd(const struct cpuid_policy *p)
{
    return vendor_is(p, 0x68747541, 0x69746e65, 0x444d4163) || /* AuthenticAMD */
           vendor_is(p, 0x6f677948, 0x6e65476e, 0x656e6975);   /* HygonGenuine */
}

bool cpuid_policy_is_intel(const struct cpuid_policy *p)
{
    return vendor_is(p, 0x756e6547, 0x49656e69, 0x6c65746e); /* GenuineIntel */
}

bool xcr0_valid(uint64_t xcr0, uint64_t allowed)
{
    uint64_t avx512 = xcr0 & XSTATE_AVX512;

    if ((xcr0 & ~allowed) || !(xcr0 & XSTATE_X87))
        return false;
    if ((xcr0 & XSTATE_AVX) && !(xcr0 & XSTATE_SSE))
        return false;
    return !avx512 || (avx512 == XSTATE_AVX512 && (xcr0 & XSTATE_AVX));
}

LAGAN_INIT uint64_t cpuid_policy_xcr0(const struct cpuid_policy *p)
{
    uint64_t offered = ((uint64_t)p->xsave[0].d << 32 | p->xsave[0].a) & XSTATE_KNOWN;

    if (!(p->basic[1].c & F(XSAVE)))
        return 0;
    if ((offered & XSTATE_AVX512) != XSTATE_AVX512 || !(offered & XSTATE_AVX))
        offered &= ~XSTATE_AVX512;
    return offered | XSTATE_X87 | XSTATE_SSE;
}

uint32_t cpuid_policy_xsave_bytes(const struct cpuid_policy *p, uint64_t xcr0, bool compact)
{
    uint32_t bytes = 512 + 64; /* legacy region and header */

    for (unsigned i = 2; i < CPUID_XSAVE_COUNT; i++) {
        const struct cpuid_leaf *l = &p->xsave[i];

        if (!(xcr0 >> i & 1))
            continue;
        if (compact)
            bytes = (l->c & 2 ? (bytes + 63) & ~UINT32_C(63) : bytes) + l->a;
        else if (l->b + l->a > bytes)
            bytes = l->b + l->a;
    }
    return bytes;
}

static LAGAN_INIT struct cpuid_leaf leaf_and(struct cpuid_leaf x, struct cpuid_leaf mask)
{
    return (struct cpuid_leaf){x.a & mask.a, x.b & mask.b, x.c & mask.c, x.d & mask.d};
}

static LAGAN_INIT void leaf_clear(struct cpuid_leaf *x, struct cpuid_leaf bits)
{
    *x = (struct cpuid_leaf){x->a & ~bits.a, x->b & ~bits.b, x->c & ~bits.c, x->d & ~bits.d};
}

static LAGAN_INIT void apply_keep(struct cpuid_policy *p)
{
    struct cpuid_policy machine = *p;

    memset(p, 0, sizeof(*p));
    for (size_t i = 0; i < ARRAY_SIZE(keep); i++) {
        const struct keep *k = &keep[i];

        *cpuid_policy_find(p, k->leaf, k->subleaf) =
            leaf_and(*cpuid_policy_find(&machine, k->leaf, k->subleaf), k->mask);
    }
}

static LAGAN_INIT void derive_xsave(struct cpuid_policy *p, uint64_t xcr0)
{
    p->xsave[0].a = (uint32_t)xcr0;
    p->xsave[0].d = (uint32_t)(xcr0 >> 32);
    for (unsigned i = 2; i < CPUID_XSAVE_COUNT; i++)
        if (!(xcr0 >> i & 1))
            p->xsave[i] = (struct cpuid_leaf){0};
    p->xsave[0].b = p->xsave[0].c = xcr0 ? cpuid_policy_xsave_bytes(p, xcr0, false) : 0;
    if (!xcr0)
        p->xsave[1].a = 0;
    for (size_t i = 0; i < ARRAY_SIZE(state_features); i++)
        if ((xcr0 & state_features[i].needs) != state_features[i].needs)
            leaf_clear(cpuid_policy_find(p, state_features[i].leaf, state_features[i].subleaf),
                       state_features[i].bits);
}

static LAGAN_INIT void limit(uint32_t *value, uint32_t highest)
{
    if (*value > highest)
        *value = highest;
}

LAGAN_INIT void cpuid_policy_derive(struct cpuid_policy *p)
{
    struct cpuid_leaf *ext1 = &p->extended[1], *ext8 = &p->extended[8];
    uint64_t xcr0 = cpuid_policy_xcr0(p);

    apply_keep(p);
    derive_xsave(p, xcr0);
    limit(&p->basic[0].a, CPUID_BASIC_COUNT - 1);
    limit(&p->feature[0].a, CPUID_FEATURE_COUNT - 1);
    limit(&p->extended[0].a, CPUID_EXTENDED_FIRST + CPUID_EXTENDED_COUNT - 1);

    /* SYSENTER does not exist in AMD's long mode. */
    if (!cpuid_policy_is_intel(p))
        p->basic[1].d &= ~F(SEP);
    p->basic[1].c |= F(HYPERVISOR);
    ext1->d &= EXT1_EDX | (p->basic[1].d & SHARED_EDX);

    /* Guests have four levels of page tables, whatever the machine could. */
    if ((ext8->a >> 8 & 0xff) > 48)
        ext8->a = (ext8->a & 0xff) | 48 << 8;
}
