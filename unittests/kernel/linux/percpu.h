/* SPDX-License-Identifier: MIT
 *
 * One CPU, and how often preemption is off.
 */
#pragma once

extern int kernel_preemption_off;

#define DEFINE_PER_CPU(type, name) type name
#define per_cpu(name, cpu)         (*((void)(cpu), &(name)))
#define this_cpu_read(name)        (name)
#define for_each_possible_cpu(cpu) for (cpu = 0; cpu < 1; cpu++)
#define preempt_disable()          ((void)kernel_preemption_off++)
#define preempt_enable()           ((void)kernel_preemption_off--)
