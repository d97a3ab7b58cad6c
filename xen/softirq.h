/* SPDX-License-Identifier: MIT
 *
 * Deferred work. Interrupt handlers take no locks: they raise a softirq, and the work is done on the
 * way back to the guest or in the idle loop, with interrupts on and no lock held.
 */
#pragma once

#include <lagan/cpumask.h>

enum softirq {
    SOFTIRQ_TIMER,    /* run expired timers */
    SOFTIRQ_SCHEDULE, /* choose the next vCPU */
    SOFTIRQ_CONSOLE,  /* serial input arrived or output drained */
    SOFTIRQ_IRQ,      /* device interrupts wait to be delivered to a domain */
    SOFTIRQ_TIME,     /* refresh this CPU's time record and its guest's */
    SOFTIRQ_COUNT
};

/* Wants `nr` on this CPU; async-signal-safe in the sense of interrupts. */
void softirq_raise(enum softirq nr);
/* Wants `nr` on another CPU (or this one) and makes that CPU notice soon, by an IPI if need be. */
void softirq_raise_on(unsigned cpu, enum softirq nr);
void softirq_raise_mask(cpumask_t cpus, enum softirq nr);
/* True if any softirq waits on this CPU. */
bool softirq_pending(void);
/* Runs all that wait, lowest number first, until none waits. No lock held. May switch vCPU: then it
 * does not return (sched.h). */
void softirq_run(void);
