/* SPDX-License-Identifier: MIT
 *
 * Where each CPU sits in the machine.
 */
#pragma once

#include <lagan/cpumask.h>

/* Numbers are dense from 0: packages in the machine, cores in their package, threads in their core.
 */
struct cpu_place {
    unsigned package, core, thread;
};

/* Filled in by the machine before a CPU is made known to the scheduler; constant from then on. */
extern struct cpu_place cpu_place[MAX_CPUS];
