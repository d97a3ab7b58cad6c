/* SPDX-License-Identifier: MIT
 *
 * Time and timers.
 */
#include "kit/time.h"
#include "kit/hypercall.h"
#include "kit/kit.h"

static struct {
    volatile uint64_t ticks, last;
    uint32_t port; /* 0: not bound */
} timers[KIT_CPUS_MAX];

/* The record may change under us: its version is odd while it does, and another one after it did.
 */
uint64_t time_from(const volatile struct vcpu_time_info *info)
{
    uint64_t delta, stamp, base;
    uint32_t version, mul;
    int8_t shift;

    do {
        version = info->version;
        __asm__ volatile("" : : : "memory");
        stamp = info->tsc_timestamp;
        base = info->system_time;
        mul = info->tsc_to_system_mul;
        shift = info->tsc_shift;
        __asm__ volatile("lfence" : : : "memory");
        delta = read_tsc() - stamp;
        __asm__ volatile("" : : : "memory");
    } while ((version & 1) != 0 || version != info->version);

    delta = shift < 0 ? delta >> -shift : delta << shift;
    return base + (uint64_t)(((unsigned __int128)delta * mul) >> 32);
}

uint64_t time_now(void)
{
    return time_from(&this_cpu()->info->time);
}

static void timer_tick(uint32_t port, void *data)
{
    unsigned cpu = this_cpu()->id;

    (void)port;
    (void)data;
    timers[cpu].last = time_now();
    timers[cpu].ticks++;
}

uint32_t time_bind_timer(void)
{
    unsigned cpu = this_cpu()->id;
    uint32_t port = 0;
    long rc;

    if (timers[cpu].port != 0) {
        return timers[cpu].port;
    }
    rc = event_bind_virq(VIRQ_TIMER, cpu, &port);
    if (rc != 0) {
        check_fail("kit-bind-timer", "%ld on vcpu %u", rc, cpu);
        return 0;
    }
    timers[cpu].port = port;
    event_set_handler(port, timer_tick, NULL);
    event_unmask(port);
    return port;
}

uint64_t time_ticks(unsigned cpu)
{
    return timers[cpu].ticks;
}

const volatile uint64_t *time_tick_counter(unsigned cpu)
{
    return &timers[cpu].ticks;
}

uint64_t time_last_tick(unsigned cpu)
{
    return timers[cpu].last;
}

/* Masked until the block, which unmasks: the timer may not fire in between and go unseen. */
void time_sleep(uint64_t ns)
{
    uint64_t end = time_now() + ns;
    bool open = upcalls_mask();

    /* At least once: there is a tick for each sleep even if its time was over before it began. */
    do {
        (void)hv_set_timer(end);
        (void)hv_sched(SCHEDOP_block, NULL);
        (void)upcalls_mask();
    } while (time_now() < end);
    upcalls_restore(open);
}

bool wait_for(const volatile uint64_t *flag, uint64_t value, uint64_t ns)
{
    uint64_t end = time_now() + ns;

    while (*flag < value) {
        if (time_now() >= end) {
            return *flag >= value;
        }
        (void)hv_sched(SCHEDOP_yield, NULL);
    }
    return true;
}

long timer_singleshot(uint64_t deadline, uint32_t flags)
{
    struct vcpu_set_singleshot_timer request = {.timeout_abs_ns = deadline, .flags = flags};

    return hv_vcpu(VCPUOP_set_singleshot_timer, this_cpu()->id, &request);
}

long timer_stop_singleshot(void)
{
    return hv_vcpu(VCPUOP_stop_singleshot_timer, this_cpu()->id, NULL);
}

long timer_periodic(uint64_t period_ns)
{
    struct vcpu_set_periodic_timer request = {.period_ns = period_ns};

    return hv_vcpu(VCPUOP_set_periodic_timer, this_cpu()->id, &request);
}

long timer_stop_periodic(void)
{
    return hv_vcpu(VCPUOP_stop_periodic_timer, this_cpu()->id, NULL);
}
