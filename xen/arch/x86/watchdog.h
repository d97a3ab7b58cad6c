/* SPDX-License-Identifier: MIT
 *
 * Finds CPUs that no longer get to their softirqs: stuck in a loop, or with interrupts off.
 *
 * Options: watchdog_timeout=SECONDS (0: off); watchdog: a stuck CPU is a crash, not only named.
 */
#pragma once

#include <lagan/types.h>

struct cpu_user_regs;

/* On the boot CPU, once ACPI has been read and time runs, before the other CPUs start: says how it
 * will watch. */
void watchdog_init(void);
/* On each CPU, after that and once its timers work: begins to show life and to watch its neighbour.
 */
void watchdog_cpu_start(void);

/* For long work at boot, before softirqs are run: this CPU is alive. */
void watchdog_touch(void);

/* In the timer interrupt: looks at the neighbours. Cheap; takes no lock. */
void watchdog_look(void);
/* In SOFTIRQ_TIME (by time_refresh()): prints what was found. */
void watchdog_report(void);

/* In the NMI handler; regs are those at the time of the NMI. Takes note if this CPU was asked where
 * it is; does not return if the machine is to crash over it. */
void watchdog_nmi(const struct cpu_user_regs *regs);
