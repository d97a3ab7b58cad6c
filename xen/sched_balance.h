/* SPDX-License-Identifier: MIT
 *
 * Which CPU: the topology side of the policy, pure functions of their arguments. Two CPUs of one
 * core share its execution units and first caches, two cores of a package its last cache.
 */
#pragma once

#include <lagan/cpumask.h>
#include <lagan/types.h>
#include "xen/topology.h"

/* 0: the same CPU, 1: sibling thread, 2: same package, 4: elsewhere. */
unsigned balance_distance(const struct cpu_place *places, unsigned a, unsigned b);

/* The threads of the CPU's core (itself among them) that are online. */
cpumask_t balance_core(const struct cpu_place *places, unsigned cpu, cpumask_t online);

/* The other online CPUs in the order in which `cpu` looks for work: nearest first, those at the
 * same distance from its own number upwards, so that idle CPUs do not all start at CPU 0. Returns
 * how many. */
unsigned balance_order(const struct cpu_place *places, unsigned cpu, cpumask_t online,
                       uint8_t order[MAX_CPUS]);

/* First CPU of a new vCPU: the least loaded package (for its number of CPUs), in it the least
 * loaded core, in it the least loaded thread. load[n]: vCPUs at home on CPU n. `allowed` is a part
 * of `online`, not empty. */
unsigned balance_first(const struct cpu_place *places, cpumask_t online, cpumask_t allowed,
                       const unsigned load[MAX_CPUS]);

/* CPU for a vCPU that wakes, last seen on `last`: an idle CPU on an idle core if there is one, else
 * an idle thread, each time the nearest one (`last` itself if it can be); with none idle, `last`,
 * or the nearest allowed one. `allowed` is not empty. */
unsigned balance_wake(const struct cpu_place *places, cpumask_t online, cpumask_t idle,
                      cpumask_t allowed, unsigned last);
