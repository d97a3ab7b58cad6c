/* SPDX-License-Identifier: MIT
 *
 * The machine's part of a vCPU and of a domain on the host: nothing that executes, only what a test
 * may want to look at.
 */
#pragma once

#include <lagan/types.h>

struct arch_vcpu {
    bool kernel_mode;
    uint64_t kicks; /* how often a test's machine was asked to make the vCPU notice something */
};

struct arch_domain {
    uint64_t unused;
};
