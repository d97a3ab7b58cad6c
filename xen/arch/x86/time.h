/* SPDX-License-Identifier: MIT
 *
 * The hypervisor's clock: nanoseconds since boot, from the TSC, steered by a platform counter.
 * arch_time_ns() of lagan/arch.h is read from it; so is what a guest gets in vcpu_time_info.
 */
#pragma once

#include <lagan/types.h>

/* The clock of this CPU in the terms of the ABI's struct vcpu_time_info:
 * ns = system_time + (((tsc - tsc_timestamp) << shift or >> -shift) * mul >> 32). */
struct time_scale {
    uint64_t tsc_timestamp;
    uint64_t system_time;
    uint32_t mul;
    int8_t shift;
};

/* On the boot CPU, once, after acpi_init(): chooses a counter, measures the TSC, starts the clock
 * at 0 and reads the wall clock. Stops the machine if it has no clock at all. Before,
 * arch_time_ns() is 0. */
void time_init(void);

/* The boot CPU calls time_sync_boot() with the number of a CPU that has just been started, while
 * that one, interrupts off, calls time_sync_ap(): they compare their TSCs. Afterwards the new CPU's
 * clock is right. One pair at a time. */
void time_sync_boot(unsigned cpu);
void time_sync_ap(void);

/* On each CPU, once its timers work: arms the timer that wants SOFTIRQ_TIME once a second. */
void time_cpu_start(void);

/* SOFTIRQ_TIME on each CPU, before the guest's copy is brought up to date: steers the clock. */
void time_refresh(void);

/* The clock of this CPU as it is now. The values are valid on this CPU, until its next
 * time_refresh(). */
void time_get_scale(struct time_scale *s);

/* True while all CPUs share one clock: a guest may then be told PVCLOCK_TSC_STABLE. */
bool time_is_synchronised(void);
uint64_t time_tsc_khz(void);

/* TSC value of this CPU that is `ns` from now, never before; saturates. */
uint64_t time_tsc_after(uint64_t ns);

/* Spins for at least so many microseconds. Works before time_init() too, if only roughly. */
void udelay(unsigned us);

/* UTC in nanoseconds since 1970 when system time was 0. */
uint64_t time_wallclock_base_ns(void);
void time_set_wallclock(uint64_t utc_ns_at_zero);
