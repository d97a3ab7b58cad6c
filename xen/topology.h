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
