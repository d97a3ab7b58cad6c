/* SPDX-License-Identifier: MIT
 *
 * Where each CPU sits: which CPUs share a core (sibling threads) and which share a package.
 */
#pragma once

#include <lagan/cpumask.h>

/* Numbers as the machine gives them: neither dense nor starting from 0. `core` is unique within a
 * package and `thread` within a core. Two CPUs are siblings if package and core are equal. */
struct cpu_place {
    unsigned package, core, thread;
};

/* Of each CPU; written by the CPU itself before it is online, constant afterwards. */
extern struct cpu_place cpu_place[MAX_CPUS];

static inline bool cpu_same_package(unsigned a, unsigned b)
{
    return cpu_place[a].package == cpu_place[b].package;
}

static inline bool cpu_same_core(unsigned a, unsigned b)
{
    return cpu_same_package(a, b) && cpu_place[a].core == cpu_place[b].core;
}
