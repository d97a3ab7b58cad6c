/* SPDX-License-Identifier: MIT
 *
 * Finding out from CPUID where a CPU sits (xen/topology.h has the result).
 */
#pragma once

#include "xen/arch/x86/msr.h"
#include "xen/topology.h"

/* On each CPU, before it is online, with its own number: fills its cpu_place[]. */
void topology_cpu_init(unsigned cpu);

/* The pure part: asks `read` for what CPUID says on the CPU in question. (A function pointer, so
 * that a test can play any CPU.) */
typedef struct cpuid_regs cpuid_reader(uint32_t leaf, uint32_t subleaf);
struct cpu_place topology_decode(cpuid_reader *read);

/* Are two APIC ids, of CPUs as `read` describes its own, sibling threads of one core? */
bool topology_siblings(cpuid_reader *read, uint32_t id, uint32_t other);
