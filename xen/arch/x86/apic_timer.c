/* SPDX-License-Identifier: MIT
 *
 * The timer of each CPU: one interrupt at a time, when the next software timer is due.
 *
 * TSC-deadline mode where the CPU has it: the moment is written as a TSC value, so nothing has to
 * be measured and nothing drifts. Else a one-shot count of a clock whose frequency is measured at
 * boot, and which may be a little too early or late: too early is harmless, since timer_softirq()
 * finds nothing expired and programs again, as it does when a wait exceeds what the 32-bit count
 * can hold.
 */
#include <lagan/printk.h>
#include "arch_inline.h"
#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/apic_regs.h"
#include "xen/arch/x86/interrupt.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/time.h"
#include "xen/arch/x86/tsc.h"
#include "xen/arch/x86/watchdog.h"
#include "xen/softirq.h"
#include "xen/timer.h"

#define CPUID1_DEADLINE (1u << 24) /* ECX */
#define MEASURE_US      1000

static struct {
    bool deadline; /* [c] */
    uint64_t hz;   /* [c] of the one-shot count */
} apic_timer;

void apic_timer_cpu_init(void)
{
    apic_timer.deadline = cpuid(1, 0).c & CPUID1_DEADLINE; /* the same on all CPUs */
    if (apic_timer.deadline) {
        apic_write(APIC_LVT_TIMER, LVT_DEADLINE | VECTOR_TIMER);
        /* A deadline written before the mode has changed would be lost; in xAPIC mode the change is
         * a store to memory, which WRMSR may overtake. */
        __asm__ volatile("mfence; lfence" : : : "memory");
        wrmsr(MSR_TSC_DEADLINE, 0);
    } else {
        apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
        apic_write(APIC_LVT_TIMER, LVT_ONE_SHOT | VECTOR_TIMER);
        apic_write(APIC_TIMER_COUNT, 0);
    }
}

static LAGAN_INIT uint64_t measure_hz(void)
{
    uint64_t start, ticks, flags = irq_save();
    uint32_t left;

    apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    apic_write(APIC_TIMER_COUNT, UINT32_MAX);
    start = rdtsc_ordered();
    udelay(MEASURE_US);
    left = apic_read(APIC_TIMER_NOW);
    ticks = rdtsc_ordered() - start;
    apic_write(APIC_TIMER_COUNT, 0);
    apic_write(APIC_LVT_TIMER, LVT_ONE_SHOT | VECTOR_TIMER);
    irq_restore(flags);
    return mul_div_u64(UINT32_MAX - left, time_tsc_khz() * 1000, ticks);
}

LAGAN_INIT void apic_timer_init(void)
{
    if (apic_timer.deadline) {
        log_info("APIC: timer in TSC-deadline mode\n");
        return;
    }
    apic_timer.hz = measure_hz();
    if (apic_timer.hz == 0)
        arch_panic("APIC: the timer stands still\n");
    log_info("APIC: timer in one-shot mode, %lu kHz\n", (unsigned long)(apic_timer.hz / 1000));
}

/* 0 would stop the timer: what is due already gets the shortest wait there is. */
static void program_count(uint64_t ns)
{
    uint64_t count = mul_div_u64(ns, apic_timer.hz, 1000000000);

    apic_write(APIC_TIMER_COUNT, (uint32_t)min_u64(count + 1, UINT32_MAX));
}

void arch_timer_program(uint64_t when_ns)
{
    uint64_t now, ns;

    if (when_ns == UINT64_MAX) {
        if (apic_timer.deadline)
            wrmsr(MSR_TSC_DEADLINE, 0);
        else
            apic_write(APIC_TIMER_COUNT, 0);
        return;
    }
    now = arch_time_ns();
    ns = when_ns > now ? when_ns - now : 0;
    if (apic_timer.deadline)
        wrmsr(MSR_TSC_DEADLINE, time_tsc_after(ns));
    else
        program_count(ns);
}

void apic_timer_interrupt(void)
{
    apic_eoi();
    softirq_raise(SOFTIRQ_TIMER);
    watchdog_look();
}
