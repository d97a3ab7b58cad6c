/* SPDX-License-Identifier: MIT
 *
 * Finding out from CPUID where a CPU sits (xen/topology.h has the result).
 */
#pragma once

#include "xen/arch/x86/msr.h"
#include "xen/topology.h"

/* On each CPU, before it is online: fills cpu_place[] of the CPU that runs this. */
void topology_cpu_init(void);

/* The pure part: asks `read` for what CPUID says on the CPU in question. (A function pointer, so
 * that a test can play any CPU.) */
typedef struct cpuid_regs cpuid_reader(uint32_t leaf, uint32_t subleaf);
struct cpu_place topology_decode(cpuid_reader *read);
