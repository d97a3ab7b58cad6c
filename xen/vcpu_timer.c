/* SPDX-License-Identifier: MIT
 *
 * The timers of a vCPU live in the heap of the CPU on which they were set last, which is where the
 * vCPU runs, so that the interrupt comes to the CPU that has to look.
 *
 * Ticks of the periodic timer that fall into one another are not made up for: VIRQ_TIMER is a
 * level, and the guest reads the time anyway. stop races with a handler that is about to arm the
 * timer again: the handler then finds period_ns == 0 the next time and leaves it at that.
 */
#include "xen/vcpu_timer.h"

#include "arch_inline.h"
#include "xen/domain.h"
#include "xen/event.h"
#include "xen/sched.h"

static void singleshot_handler(struct timer *t)
{
    event_raise_vcpu_virq(container_of(t, struct vcpu, singleshot_timer), VIRQ_TIMER);
}

static uint64_t period_of(const struct vcpu *v)
{
    return __atomic_load_n(&v->period_ns, __ATOMIC_RELAXED);
}

static void periodic_handler(struct timer *t)
{
    struct vcpu *v = container_of(t, struct vcpu, periodic_timer);
    uint64_t period = period_of(v), now = arch_time_ns(), next;

    if (!period)
        return;
    /* The handler alone reads `expires` while the timer is not armed; a set in between wins. */
    next = __atomic_load_n(&t->expires, __ATOMIC_RELAXED) + period;
    if (next <= now)
        next = now + period;
    event_raise_vcpu_virq(v, VIRQ_TIMER);
    if (!timer_is_armed(t))
        timer_set(t, next);
}

void vcpu_timer_init(struct vcpu *v)
{
    unsigned cpu = arch_cpu();

    timer_init(&v->singleshot_timer, singleshot_handler, cpu);
    timer_init(&v->periodic_timer, periodic_handler, cpu);
    timer_init(&v->poll_timer, sched_poll_timeout, cpu);
    v->period_ns = 0;
}

void vcpu_timer_destroy(struct vcpu *v)
{
    timer_kill(&v->singleshot_timer);
    timer_kill(&v->periodic_timer);
    timer_kill(&v->poll_timer);
}

void vcpu_set_singleshot(struct vcpu *v, uint64_t when)
{
    timer_move(&v->singleshot_timer, arch_cpu());
    timer_set(&v->singleshot_timer, when);
}

void vcpu_stop_singleshot(struct vcpu *v)
{
    timer_stop(&v->singleshot_timer);
}

int vcpu_set_periodic(struct vcpu *v, uint64_t period_ns)
{
    if (period_ns < VCPU_PERIOD_MIN_NS || period_ns > UINT64_C(1) << 62)
        return -XEN_EINVAL;
    __atomic_store_n(&v->period_ns, period_ns, __ATOMIC_RELAXED);
    timer_move(&v->periodic_timer, arch_cpu());
    timer_set(&v->periodic_timer, arch_time_ns() + period_ns);
    return 0;
}

void vcpu_stop_periodic(struct vcpu *v)
{
    __atomic_store_n(&v->period_ns, 0, __ATOMIC_RELAXED);
    timer_stop(&v->periodic_timer);
}
