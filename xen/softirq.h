/* SPDX-License-Identifier: MIT
 *
 * Deferred work. Interrupt handlers take no locks: they raise a softirq, and the work is done on
 * the way back to the guest or in the idle loop, with interrupts on and no lock held.
 */
#pragma once

#include <lagan/cpumask.h>
#include <stdatomic.h>
#include "arch_inline.h"

enum softirq {
    SOFTIRQ_PIRQ,     /* device interrupts arrived: first, since they hold up others until then */
    SOFTIRQ_TIMER,    /* run expired timers */
    SOFTIRQ_SCHEDULE, /* choose the next vCPU */
    SOFTIRQ_CONSOLE,  /* serial input arrived or output drained */
    SOFTIRQ_TIME,     /* refresh this CPU's time record and its guest's */
    SOFTIRQ_LOG,      /* the log has grown: its reader is told */
    SOFTIRQ_STOP,     /* this CPU is to wait while another looks around (stop.h) */
    SOFTIRQ_COUNT
};

/* Wants `nr` on this CPU. May be called by interrupt handlers. */
void softirq_raise(enum softirq nr);
/* Wants `nr` on another CPU (or this one) and makes that CPU notice soon, by an IPI if need be. */
void softirq_raise_on(unsigned cpu, enum softirq nr);
void softirq_raise_mask(cpumask_t cpus, enum softirq nr);
/* True if any softirq waits on this CPU. The idle loop asks with interrupts off before it halts. */
static inline bool softirq_pending(void)
{
    return atomic_load(arch_own_softirqs()) != 0;
}

/* Runs all that wait until none waits: lowest number first, but SOFTIRQ_SCHEDULE after all others,
 * since it may switch vCPU and then does not return (sched.h); so nothing that was pending is left
 * behind to the next visit. No lock held. */
void softirq_run(void);

/* The work itself, by other modules. */
void console_softirq(void);
void time_softirq(void);
void pirq_softirq(void);
void log_softirq(void);

/* Provided by the machine: a CPU's pending bits, arch_softirq_word(cpu), and this CPU's,
 * arch_own_softirqs() (both inline; bit n: enum softirq n), and an IPI that takes the CPU out of
 * the guest or of its halt, so that it passes softirq_run() and looks for events to deliver. */
void arch_poke_cpu(unsigned cpu);
