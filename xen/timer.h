/* SPDX-License-Identifier: MIT
 *
 * Timers: one heap per CPU, driven by the CPU's one-shot timer interrupt.
 *
 * A handler runs in SOFTIRQ_TIMER on the timer's CPU, with no lock held, after the timer was disarmed;
 * it may arm it again.
 */
#pragma once

#include <lagan/types.h>

struct timer {
    uint64_t expires;   /* [t] ns since boot */
    uint32_t heap_slot; /* [t] 1-based place in the CPU's heap, 0 when not armed */
    unsigned cpu;       /* [t] whose heap */
    void (*handler)(struct timer *t); /* [c] */
};

/* Prepares a timer; it belongs to `cpu` until timer_move(). */
void timer_init(struct timer *t, void (*handler)(struct timer *t), unsigned cpu);
/* Arms (or re-arms) the timer for an absolute time; one in the past fires at once. Cannot fail: the
 * heap grows when timers are initialised, which counts them. */
void timer_set(struct timer *t, uint64_t expires_ns);
/* Disarms. The handler may still be running on another CPU when this returns. */
void timer_stop(struct timer *t);
/* Disarms, and waits until the handler is not running. The caller holds no lock the handler takes. */
void timer_kill(struct timer *t);
/* Moves to another CPU's heap, armed or not. */
void timer_move(struct timer *t, unsigned cpu);
bool timer_is_armed(const struct timer *t);
/* Makes ready the heap of a CPU, before any timer uses it. 0 or -XEN_ENOMEM. */
int timer_cpu_init(unsigned cpu) LAGAN_MUST_CHECK;
/* SOFTIRQ_TIMER: runs expired timers and programs the hardware for the next one. */
void timer_softirq(void);
/* Provided by the machine: asks for a timer interrupt on this CPU at `when_ns` (UINT64_MAX: none). */
void arch_timer_program(uint64_t when_ns);
