/* SPDX-License-Identifier: MIT
 *
 * The machine's part of a vCPU and of a domain on the host: nothing that executes, only what a test
 * may want to look at.
 */
#pragma once

#include <lagan/types.h>

struct arch_vcpu {
    bool kernel_mode;
    bool nmi_pending;
    uint64_t kicks; /* how often a test's machine was asked to make the vCPU notice something */
    mfn_t l4;       /* with a reference and an L4 type reference; MFN_INVALID: none */
    void *page;     /* stands for what the machine allocates for a vCPU */
};

/* The tables by which the vCPU's kernel addresses its memory. */
static inline mfn_t arch_vcpu_tables(const struct arch_vcpu *a)
{
    return a->l4;
}

struct arch_domain {
    void *page; /* likewise for a domain */
};
