/* SPDX-License-Identifier: MIT
 *
 * What guests may know of the CPU: the pure part. A policy holds CPUID's answers as data; it starts
 * as what the machine says and cpuid_policy_derive() turns it into what guests see.
 */
#pragma once

#include <lagan/types.h>

struct cpuid_leaf {
    uint32_t a, b, c, d;
};

#define CPUID_BASIC_COUNT    0x0e /* leaves 0 to 0xd */
#define CPUID_CACHE_COUNT    8    /* subleaves of leaf 4 */
#define CPUID_FEATURE_COUNT  3    /* subleaves of leaf 7 */
#define CPUID_XSAVE_COUNT    8    /* subleaves of leaf 0xd: states up to AVX-512's */
#define CPUID_EXTENDED_FIRST 0x80000000U
#define CPUID_EXTENDED_COUNT 0x22

#define XSTATE_X87    (UINT64_C(1) << 0)
#define XSTATE_SSE    (UINT64_C(1) << 1)
#define XSTATE_AVX    (UINT64_C(1) << 2)
#define XSTATE_AVX512 (UINT64_C(7) << 5) /* mask registers and both halves of the ZMM state */
#define XSTATE_KNOWN  (XSTATE_X87 | XSTATE_SSE | XSTATE_AVX | XSTATE_AVX512)

struct cpuid_policy {
    struct cpuid_leaf basic[CPUID_BASIC_COUNT]; /* 4, 7 and 0xd are unused: see below */
    struct cpuid_leaf cache[CPUID_CACHE_COUNT];
    struct cpuid_leaf feature[CPUID_FEATURE_COUNT];
    struct cpuid_leaf xsave[CPUID_XSAVE_COUNT];
    struct cpuid_leaf extended[CPUID_EXTENDED_COUNT];
};

/* Turns the machine's own answers, in place, into those for guests. Whatever is not named in the
 * tables of pv_cpuid_policy.c becomes 0. */
void cpuid_policy_derive(struct cpuid_policy *p);

/* Where the policy keeps a leaf; NULL if it has none (the answer is then all zeroes). */
struct cpuid_leaf *cpuid_policy_find(struct cpuid_policy *p, uint32_t leaf, uint32_t subleaf);

/* The state components that the XSAVE instructions may manage according to the policy (of the
 * machine or of guests): a valid XCR0, or 0 when there is no XSAVE. */
uint64_t cpuid_policy_xcr0(const struct cpuid_policy *p);
/* Bytes of an XSAVE area with the components of xcr0, in the standard or the compacted format. */
uint32_t cpuid_policy_xsave_bytes(const struct cpuid_policy *p, uint64_t xcr0, bool compact);
/* The rules of XSETBV for XCR0, out of the components in `allowed`. */
bool xcr0_valid(uint64_t xcr0, uint64_t allowed);

bool cpuid_policy_is_amd(const struct cpuid_policy *p);
bool cpuid_policy_is_intel(const struct cpuid_policy *p);

/* Bit of a feature (cpufeatureset.h's name) within its register. */
#define CPUID_BIT(name) (UINT32_C(1) << (XEN_X86_FEATURE_##name % 32))
