/* SPDX-License-Identifier: MIT
 *
 * Which model-specific registers a guest may read and write, as a table.
 */
#pragma once

#include <lagan/types.h>

enum msr_kind {
    MSR_KIND_CONSTANT,  /* reads give `value`; writes are dropped */
    MSR_KIND_FIXED,     /* reads give `value`; only that value may be written */
    MSR_KIND_TSC,       /* reads the counter; writes are dropped */
    MSR_KIND_APIC_BASE, /* by vCPU; writes are refused */
    MSR_KIND_EFER,      /* the real one but for virtualisation bits; only that may be written */
    MSR_KIND_FS_BASE,
    MSR_KIND_GS_BASE,        /* the base of the present mode */
    MSR_KIND_KERNEL_GS_BASE, /* the base of the other mode */
    MSR_KIND_TSC_AUX,
};

enum msr_vendor { MSR_ANY, MSR_INTEL, MSR_AMD };

struct msr_rule {
    uint32_t first, last;
    enum msr_kind kind;
    enum msr_vendor vendor;
    uint64_t value;
};

/* The rule for an MSR on a CPU of this vendor, or NULL: access is #GP. */
const struct msr_rule *msr_rule_find(uint32_t msr, enum msr_vendor vendor);

static inline bool address_canonical(uint64_t va)
{
    return va + (UINT64_C(1) << 47) < UINT64_C(1) << 48;
}
