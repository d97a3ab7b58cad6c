/* SPDX-License-Identifier: MIT
 *
 * Timers: one heap per CPU, driven by the CPU's one-shot timer interrupt.
 *
 * A handler runs in SOFTIRQ_TIMER on the timer's CPU, with no lock held, after the timer was
 * disarmed; it may arm it again. The heap's links are inside the timers, so arming never needs
 * memory and cannot fail. All functions may be called on any CPU, holding locks below LK_TIMER.
 */
#pragma once

#include <lagan/types.h>

struct timer {
    uint64_t expires;                 /* [t] ns since boot */
    struct timer *child;              /* [t] first of those that this one is ahead of */
    struct timer *next;               /* [t] next child of the same parent */
    struct timer *prev;               /* [t] child before it, or the parent of a first child */
    void (*handler)(struct timer *t); /* [c] */
    _Atomic unsigned cpu;             /* written under the locks of both heaps: whose heap */
    _Atomic uint32_t handlers;        /* handlers of it that run at this moment */
    _Atomic bool armed;               /* [t] in the heap */
    bool dead;                        /* [t] after timer_kill() */
};

/* Prepares a timer; it belongs to `cpu` until timer_move(). */
void timer_init(struct timer *t, void (*handler)(struct timer *t), unsigned cpu);
/* Arms (or re-arms) the timer for an absolute time; one in the past fires at once. Does nothing
 * after timer_kill(). */
void timer_set(struct timer *t, uint64_t expires_ns);
/* Disarms. The handler may still be running on another CPU when this returns. */
void timer_stop(struct timer *t);
/* Disarms for good, and waits until the handler is not running; the timer's memory may then be
 * freed. The caller holds no lock that the handler takes, and is not the handler. */
void timer_kill(struct timer *t);
/* Moves to another CPU's heap, armed or not. */
void timer_move(struct timer *t, unsigned cpu);
bool timer_is_armed(const struct timer *t);
/* Makes ready the heap of a CPU, before any timer uses it. */
void timer_cpu_init(unsigned cpu);
/* For a handler that takes long and looks for preemption: what is due meanwhile on this CPU interrupts
 * it, which is otherwise arranged for only when all handlers are through. */
void timer_let_interrupt(void);
/* SOFTIRQ_TIMER: runs expired timers and programs the hardware for the next one. */
void timer_softirq(void);
/* Recounts one CPU's heap: INV-TIMER-1 and -2. Debug and tests. */
void timer_audit(unsigned cpu);

/* Provided by the machine: asks for SOFTIRQ_TIMER on this CPU at `when_ns` (UINT64_MAX: never), in
 * place of what was asked before. A time in the past means now. LK_TIMER is held. */
void arch_timer_program(uint64_t when_ns);
