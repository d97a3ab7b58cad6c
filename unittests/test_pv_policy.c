/* SPDX-License-Identifier: MIT
 *
 * CPUID, MSR and debug-register policy: pure functions of tables.
 */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include <xen/arch-x86/cpufeatureset.h>

#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pv_cpuid_policy.h"
#include "xen/arch/x86/pv_debugreg.h"
#include "xen/arch/x86/pv_msr_policy.h"

#define BIT(name) CPUID_BIT(name)

/* A machine with every bit of every leaf set, of a vendor; sizes of XSAVE states as real ones. */
static struct cpuid_policy full_machine(bool amd)
{
    struct cpuid_policy p;

    memset(&p, 0xff, sizeof(p));
    p.basic[0] = amd ? (struct cpuid_leaf){0x20, 0x68747541, 0x444d4163, 0x69746e65}
                     : (struct cpuid_leaf){0x20, 0x756e6547, 0x6c65746e, 0x49656e69};
    p.xsave[0] = (struct cpuid_leaf){XSTATE_KNOWN | 0x600 | 0x18, 0, 0, 0};
    p.xsave[2] = (struct cpuid_leaf){256, 576, 0, 0};
    p.xsave[3] = (struct cpuid_leaf){64, 960, 0, 0};
    p.xsave[4] = (struct cpuid_leaf){64, 1024, 0, 0};
    p.xsave[5] = (struct cpuid_leaf){64, 1088, 0, 0};
    p.xsave[6] = (struct cpuid_leaf){512, 1152, 2, 0};
    p.xsave[7] = (struct cpuid_leaf){1024, 1664, 2, 0};
    return p;
}

static struct cpuid_policy guest_of(struct cpuid_policy machine)
{
    cpuid_policy_derive(&machine);
    return machine;
}

/* The ABI's list of what a paravirtual kernel must never see, on the machine that has it all. */
static void test_hidden(void)
{
    static const struct {
        uint32_t leaf, subleaf;
        struct cpuid_leaf bits;
    } hidden[] = {
        {1, 0, {0, 0, 0, BIT(PSE) | BIT(PGE) | BIT(PSE36) | BIT(MTRR) | BIT(VME) | BIT(DS)}},
        {1, 0, {0, 0, BIT(X2APIC) | BIT(PCID) | BIT(MONITOR) | BIT(VMX) | BIT(TSC_DEADLINE), 0}},
        {1, 0, {0, 0, BIT(OSXSAVE) | BIT(PDCM) | BIT(SMX), 0}},
        {7, 0, {0, BIT(SMEP) | BIT(SMAP) | BIT(INVPCID) | BIT(TSC_ADJUST) | BIT(RTM), 0, 0}},
        {7, 0, {0, BIT(MPX) | BIT(PROC_TRACE) | BIT(SGX) | BIT(HLE), 0, 0}},
        {7, 0, {0, 0, BIT(UMIP) | BIT(PKU) | BIT(OSPKE) | BIT(CET_SS) | 1U << 16 /* LA57 */, 0}},
        {7, 0, {0, 0, 0, BIT(IBRSB) | BIT(STIBP) | BIT(ARCH_CAPS) | BIT(CET_IBT)}},
        {7, 0, {0, 0, 0, 7U << 22 & ~BIT(AVX512_FP16)}}, /* AMX */
        {0xd, 1, {BIT(XSAVES), ~0U, ~0U, ~0U}},
        {0xd, 0, {0x618, 0, 0, ~0U}}, /* MPX, PKRU, CET states */
        {0x80000001, 0, {0, 0, BIT(SVM) | BIT(SKINIT) | BIT(TOPOEXT) | 1U << 23, 0}},
        {0x80000001, 0, {0, 0, 0, BIT(PAGE1GB) | 1U << 3 | 1U << 13 | 1U << 17}},
        {0x80000008, 0, {0, BIT(IBPB) | BIT(AMD_STIBP), ~0U, ~0U}},
        {0x8000000a, 0, {~0U, ~0U, ~0U, ~0U}}, /* SVM */
        {0x8000001f, 0, {~0U, ~0U, ~0U, ~0U}}, /* SME */
        {0x5, 0, {~0U, ~0U, ~0U, ~0U}},
        {0x6, 0, {~0U, ~0U, ~0U, ~0U}},
        {0xa, 0, {~0U, ~0U, ~0U, ~0U}},
        {0xb, 0, {~0U, ~0U, ~0U, ~0U}},
    };

    for (int amd = 0; amd < 2; amd++) {
        struct cpuid_policy g = guest_of(full_machine(amd));

        for (size_t i = 0; i < ARRAY_SIZE(hidden); i++) {
            const struct cpuid_leaf *l = cpuid_policy_find(&g, hidden[i].leaf, hidden[i].subleaf);
            const struct cpuid_leaf *h = &hidden[i].bits;

            CU_ASSERT_FALSE(l->a & h->a || l->b & h->b || l->c & h->c || l->d & h->d);
        }
    }
}

static void test_shown(void)
{
    struct cpuid_policy amd = guest_of(full_machine(true));
    struct cpuid_policy intel = guest_of(full_machine(false));
    uint32_t need_d = BIT(FPU) | BIT(TSC) | BIT(MSR) | BIT(PAE) | BIT(CX8) | BIT(APIC) | BIT(PAT) |
                      BIT(CLFLUSH) | BIT(FXSR) | BIT(SSE2);
    uint32_t need_c = BIT(XSAVE) | BIT(AVX) | BIT(HYPERVISOR) | BIT(CX16) | BIT(SSE4_2);

    CU_ASSERT((amd.basic[1].d & need_d) == need_d && (amd.basic[1].c & need_c) == need_c);
    CU_ASSERT(amd.feature[0].b & BIT(FSGSBASE));
    CU_ASSERT(amd.feature[0].b & BIT(AVX512F));
    CU_ASSERT(amd.extended[1].d & BIT(NX) && amd.extended[1].d & BIT(SYSCALL));
    CU_ASSERT(!(amd.basic[1].d & BIT(SEP)) && intel.basic[1].d & BIT(SEP));
    CU_ASSERT_EQUAL(amd.basic[1].b, 0xff00); /* no APIC id, no siblings */
    CU_ASSERT_EQUAL(amd.basic[0].a, 0xd);
    CU_ASSERT_EQUAL(amd.feature[0].a, 2);
    CU_ASSERT_EQUAL(amd.extended[0].a, 0x80000021);
    CU_ASSERT_EQUAL(amd.extended[8].a & 0xff00, 48 << 8);
    CU_ASSERT_EQUAL(memcmp(&amd.extended[2], &full_machine(true).extended[2], 48), 0); /* brand */
    CU_ASSERT_PTR_NULL(cpuid_policy_find(&amd, 0xe, 0));
    CU_ASSERT_PTR_NULL(cpuid_policy_find(&amd, 0x80000022, 0));
    CU_ASSERT_PTR_NULL(cpuid_policy_find(&amd, 0x7, 3));
    CU_ASSERT_PTR_NULL(cpuid_policy_find(&amd, 0xd, 8));
    CU_ASSERT_PTR_NULL(cpuid_policy_find(&amd, 0x7fffffff, 0));
    /* A bit that AMD repeats is hidden in both places, and one that it does not have stays away. */
    CU_ASSERT_EQUAL(amd.extended[1].d & 0x0183f3ff, amd.basic[1].d & 0x0183f3ff);
}

/* INV-CPUID-1: on random machines, no guest bit without the machine's. */
static void test_subset(void)
{
    srandom((unsigned)test_seed);
    for (unsigned round = 0; round < 200; round++) {
        struct cpuid_policy machine = full_machine(round & 1), guest;

        for (size_t i = 0; i < sizeof(machine); i++)
            ((uint8_t *)&machine)[i] &= (uint8_t)random();
        guest = guest_of(machine);
        guest.basic[1].c &= ~BIT(HYPERVISOR);
        /* Derived numbers, not features: highest leaves, sizes, the x87 and SSE states, width. */
        guest.basic[0].a = guest.feature[0].a = guest.extended[0].a = guest.extended[8].a = 0;
        guest.xsave[0] = (struct cpuid_leaf){0};
        for (size_t i = 0; i < sizeof(guest); i++)
            CU_ASSERT_FALSE(((uint8_t *)&guest)[i] & ~((uint8_t *)&machine)[i]);
    }
}

static void test_xsave(void)
{
    struct cpuid_policy m = full_machine(true), g = guest_of(m);

    CU_ASSERT_EQUAL(cpuid_policy_xcr0(&m), XSTATE_KNOWN);
    CU_ASSERT_EQUAL(g.xsave[0].a, XSTATE_KNOWN);
    CU_ASSERT_EQUAL(g.xsave[0].c, 2688);
    CU_ASSERT_EQUAL(cpuid_policy_xsave_bytes(&g, 3, false), 576);
    CU_ASSERT_EQUAL(cpuid_policy_xsave_bytes(&g, 7, false), 832);
    CU_ASSERT_EQUAL(cpuid_policy_xsave_bytes(&g, XSTATE_KNOWN, true), 576 + 256 + 64 + 512 + 1024);
    CU_ASSERT_EQUAL(g.xsave[3].a, 0);
    g.xsave[5].a = 40; /* the state behind a small one begins at a multiple of 64 */
    CU_ASSERT_EQUAL(cpuid_policy_xsave_bytes(&g, XSTATE_KNOWN, true), 896 + 512 + 1024);

    m.xsave[0].a &= ~0x20U; /* AVX-512 with a state missing is no AVX-512 */
    g = guest_of(m);
    CU_ASSERT_EQUAL(g.xsave[0].a, 7);
    CU_ASSERT_EQUAL(g.xsave[0].c, 832);
    CU_ASSERT_FALSE(g.feature[0].b & BIT(AVX512F) || g.feature[0].c & BIT(AVX512_VBMI));
    CU_ASSERT(g.feature[0].b & BIT(AVX2));

    m.xsave[0].a = 3;
    g = guest_of(m);
    CU_ASSERT_FALSE(g.basic[1].c & (BIT(AVX) | BIT(FMA) | BIT(F16C)));
    CU_ASSERT_FALSE(g.feature[0].b & BIT(AVX2) || g.extended[1].c & BIT(XOP));

    m.basic[1].c &= ~BIT(XSAVE);
    g = guest_of(m);
    CU_ASSERT_EQUAL(cpuid_policy_xcr0(&m), 0);
    CU_ASSERT(g.xsave[0].a == 0 && g.xsave[0].c == 0 && g.xsave[1].a == 0 && g.xsave[2].a == 0);
    CU_ASSERT_FALSE(g.basic[1].c & BIT(AVX));
}

static void test_xcr0(void)
{
    static const struct {
        uint64_t value, allowed;
        bool valid;
    } rows[] = {
        {1, 7, true},         {3, 7, true},
        {7, 7, true},         {0, 7, false},
        {2, 7, false},        {6, 7, false},
        {5, 7, false},        {7, 3, false},
        {0xe7, 0xe7, true},   {0xe3, 0xe7, false},
        {0x67, 0xe7, false},  {0xe7, 7, false},
        {0x207, 0xe7, false}, {UINT64_C(1) << 63 | 3, 0xe7, false},
        {0xff, 0xe7, false},  {1, 0, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        CU_ASSERT_EQUAL(xcr0_valid(rows[i].value, rows[i].allowed), rows[i].valid);
}

static void test_msr_rules(void)
{
    static const uint32_t none[] = {
        0x48,  0x49,       0x3b,       0x10a,      0x174,      0x1db,      0x408,      0x6e0,
        0x800, 0xc0000081, 0xc0000082, 0xc0000104, 0xc0010055, 0xc0010117, 0xc0010008, 0xffffffff};
    const struct msr_rule *r;

    for (size_t i = 0; i < ARRAY_SIZE(none); i++)
        for (enum msr_vendor v = MSR_ANY; v <= MSR_AMD; v++)
            CU_ASSERT_PTR_NULL(msr_rule_find(none[i], v));

    r = msr_rule_find(MSR_PAT, MSR_INTEL);
    CU_ASSERT(r && r->kind == MSR_KIND_FIXED && r->value == 0x0000050100070406);
    r = msr_rule_find(MSR_MCG_CAP, MSR_AMD);
    CU_ASSERT(r && r->value == 2);
    r = msr_rule_find(0x407, MSR_AMD);
    CU_ASSERT(r && r->kind == MSR_KIND_CONSTANT && r->value == 0);
    r = msr_rule_find(MSR_DEBUGCTL, MSR_ANY);
    CU_ASSERT(r && r->kind == MSR_KIND_FIXED && r->value == 0);
    r = msr_rule_find(0xc0011029, MSR_AMD);
    CU_ASSERT(r && r->value == 2);
    CU_ASSERT_PTR_NULL(msr_rule_find(0xc0011029, MSR_INTEL));
    CU_ASSERT_PTR_NULL(msr_rule_find(MSR_MISC_ENABLE, MSR_AMD));
    r = msr_rule_find(MSR_KERNEL_GS_BASE, MSR_ANY);
    CU_ASSERT(r && r->kind == MSR_KIND_KERNEL_GS_BASE);
}

static void test_canonical(void)
{
    CU_ASSERT(address_canonical(0) && address_canonical(0x00007fffffffffff));
    CU_ASSERT(address_canonical(0xffff800000000000) && address_canonical(UINT64_MAX));
    CU_ASSERT_FALSE(address_canonical(0x0000800000000000));
    CU_ASSERT_FALSE(address_canonical(0xffff7fffffffffff));
}

static int dr7(uint64_t value, bool de, uint64_t *out)
{
    *out = value;
    return debugreg_dr7_fix(out, de);
}

static void test_debugregs(void)
{
    uint64_t v;

    CU_ASSERT_EQUAL(debugreg_address_check(0x1000), 0);
    CU_ASSERT_EQUAL(debugreg_address_check(UINT64_MAX), 0);
    CU_ASSERT_EQUAL(debugreg_address_check(VA_HV_END), 0);
    CU_ASSERT_EQUAL(debugreg_address_check(VA_HV_END - 1), -XEN_EPERM);
    CU_ASSERT_EQUAL(debugreg_address_check(VA_HV_START), -XEN_EPERM);
    CU_ASSERT_EQUAL(debugreg_address_check(VA_DIRECT), -XEN_EPERM);
    CU_ASSERT_EQUAL(debugreg_address_check(0x0000800000000000), -XEN_EINVAL);

    v = 0;
    CU_ASSERT(debugreg_dr6_fix(&v) == 0 && v == 0xffff0ff0);
    v = 0xffffffff;
    CU_ASSERT(debugreg_dr6_fix(&v) == 0 && v == 0xffffefff);
    v = UINT64_C(1) << 32;
    CU_ASSERT_EQUAL(debugreg_dr6_fix(&v), -XEN_EINVAL);

    CU_ASSERT(dr7(0, false, &v) == 0 && v == 0x400);
    CU_ASSERT(dr7(0x2000, false, &v) == 0 && v == 0x400); /* GD */
    CU_ASSERT(dr7(0x000d0301, false, &v) == 0 && v == 0x000d0701);
    CU_ASSERT_EQUAL(dr7(0x00020001, false, &v), -XEN_EINVAL); /* I/O, no DE */
    CU_ASSERT_EQUAL(dr7(0x00020001, true, &v), 0);
    CU_ASSERT_EQUAL(dr7(0xa0000080, true, &v), -XEN_EINVAL); /* I/O, 8 bytes */
    CU_ASSERT_EQUAL(dr7(UINT64_C(1) << 32, true, &v), -XEN_EINVAL);
}

static const struct test_case cases[] = {
    {"CPUID: hidden features", test_hidden},
    {"CPUID: shown features", test_shown},
    {"CPUID: random machines", test_subset},
    {"CPUID: XSAVE leaves", test_xsave},
    {"XCR0", test_xcr0},
    {"MSR table", test_msr_rules},
    {"canonical addresses", test_canonical},
    {"debug registers", test_debugregs},
    {NULL, NULL},
};

const struct suite suite_pv_policy = {.name = "pv_policy", .cases = cases};
