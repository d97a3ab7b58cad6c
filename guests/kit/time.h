/* SPDX-License-Identifier: MIT
 *
 * Time: nanoseconds since the host's boot, read from the time information that the hypervisor keeps
 * for each vCPU, and timers on that scale.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/vcpu.h>

#define MS 1000000UL

static inline uint64_t read_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* System time as this vCPU sees it. */
uint64_t time_now(void);
/* From one time record at one TSC value. */
uint64_t time_from(const volatile struct vcpu_time_info *info);

/* Binds this vCPU's timer interrupt, once per vCPU: ticks are then counted. Returns the port. */
uint32_t time_bind_timer(void);
/* Timer interrupts taken by a vCPU, and the system time of the last. */
uint64_t time_ticks(unsigned cpu);
uint64_t time_last_tick(unsigned cpu);
const volatile uint64_t *time_tick_counter(unsigned cpu);

/* Blocks this vCPU until `ns` from now; needs time_bind_timer(). */
void time_sleep(uint64_t ns);
/* Runs other vCPUs and domains until *flag is at least `value`, or `ns` are over: whether it was.
 */
bool wait_for(const volatile uint64_t *flag, uint64_t value, uint64_t ns);

long timer_singleshot(uint64_t deadline, uint32_t flags);
long timer_stop_singleshot(void);
long timer_periodic(uint64_t period_ns);
long timer_stop_periodic(void);
