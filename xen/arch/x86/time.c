/* SPDX-License-Identifier: MIT
 *
 * The hypervisor's clock.
 *
 * A clock is a record (TSC value, nanoseconds then, scale since), read as a straight line. While
 * the TSCs of all CPUs run in step, which modern machines guarantee, there is one record for all,
 * and two CPUs never disagree by more than their TSCs do. Once a second CPU 0 compares it with a
 * platform counter and bends the line: the new record continues the old one at that very TSC value
 * (the clock never jumps back, INV-TIME-1), with the rate measured over the longest window at hand,
 * plus a little that works off the error at hand within SLEW_HORIZON.
 *
 * The other CPUs make the same comparison, only to check: one that is repeatedly off by more than
 * DESYNC_NS has a TSC that is not in step after all. Then, or if the comparison at its start
 * (tscsync.c) showed it, each CPU goes on with a record of its own, steered by itself against the
 * same counter: INV-TIME-2, all steer towards one time, that of `platform`.
 */
#include <stdatomic.h>

#include <lagan/printk.h>
#include "arch_inline.h"
#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/calibrate.h"
#include "xen/arch/x86/clock.h"
#include "xen/arch/x86/counter.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/rtc.h"
#include "xen/arch/x86/time.h"
#include "xen/arch/x86/time_internal.h"
#include "xen/arch/x86/tsc.h"
#include "xen/arch/x86/watchdog.h"
#include "xen/softirq.h"
#include "xen/timer.h"

#define SECOND_NS      UINT64_C(1000000000)
#define REFRESH_MIN_NS (SECOND_NS * 3 / 4) /* wanted sooner: nothing to steer yet */
#define DESYNC_NS      (SECOND_NS / 1000)
#define DESYNC_COUNT   3
#define WIDTH_MAX_NS   50000 /* a sample less certain than this is not used */
#define DELAY_MAX_NS   50000
#define FS_PER_NS      1000000

/* What steering a record needs to remember. */
struct steering {
    struct clock_window window;
    uint64_t refreshed_ns;
    unsigned off_count; /* checks in a row that found this CPU out of step */
};

/* The counter's progress: `ticks` had gone by when it showed `count` and the clock said `ns`. */
struct platform_slot {
    uint64_t ticks, ns;
    uint32_t count;
};

static struct {
    struct counter counter;   /* [c] */
    bool has_counter;         /* [c] */
    bool invariant;           /* [c] the TSC's rate does not change */
    uint64_t hz;              /* [c] as measured at boot */
    struct tsc_scale nominal; /* [c] */
    _Atomic bool separate;    /* each CPU has its own record */
    struct clock_record shared;
    struct clock_record own[MAX_CPUS];
    struct steering steering[MAX_CPUS]; /* [cpu] */
    struct timer timer[MAX_CPUS];       /* [cpu] */
    _Atomic uint32_t platform_sequence;
    struct platform_slot platform[2]; /* written by CPU 0 */
    _Atomic uint64_t wallclock_base;
} clk;

static struct clock_record *my_record(void)
{
    return atomic_load_explicit(&clk.separate, memory_order_acquire) ? &clk.own[arch_cpu()]
                                                                     : &clk.shared;
}

uint64_t arch_time_ns(void)
{
    struct clock_slot s = clock_read(my_record());

    return clock_ns_at(&s, rdtsc_ordered());
}

void time_get_scale(struct time_scale *t)
{
    struct clock_slot s = clock_read(my_record());

    *t = (struct time_scale){s.tsc, s.ns, s.scale.mul, s.scale.shift};
}

bool time_is_synchronised(void)
{
    return !atomic_load(&clk.separate) && clk.invariant;
}

uint64_t time_tsc_khz(void)
{
    return clk.hz / 1000;
}

uint64_t time_tsc_after(uint64_t ns)
{
    struct clock_slot s = clock_read(my_record());
    uint64_t deadline;

    if (add_overflows(tsc_scale_ticks(s.scale, ns), rdtsc() + 1, &deadline))
        return UINT64_MAX;
    return deadline;
}

/* ---- the platform's time ---- */

/* Ticks of the counter since boot, at a moment when it shows `count` and the clock says `ns`: the
 * clock tells whole wraps apart, so the counter need not be looked at before it wraps. */
static uint64_t platform_ticks(uint32_t count, uint64_t ns)
{
    struct platform_slot p;
    uint64_t expected;
    uint32_t seq;

    do {
        seq = atomic_load_explicit(&clk.platform_sequence, memory_order_acquire);
        p = clk.platform[seq & 1];
        atomic_thread_fence(memory_order_acquire);
    } while (atomic_load_explicit(&clk.platform_sequence, memory_order_relaxed) != seq);
    expected = ns > p.ns ? mul_div_u64(ns - p.ns, FS_PER_NS, clk.counter.period_fs) : 0;
    return p.ticks + counter_elapsed(p.count, count, clk.counter.mask, expected);
}

static void platform_write(struct platform_slot p)
{
    uint32_t seq = atomic_load_explicit(&clk.platform_sequence, memory_order_relaxed) + 1;

    atomic_thread_fence(memory_order_release);
    clk.platform[seq & 1] = p;
    atomic_store_explicit(&clk.platform_sequence, seq, memory_order_release);
}

/* ---- steering ---- */

void time_separate(const char *why)
{
    if (!atomic_exchange(&clk.separate, true))
        log_warn("time: TSCs are not in step (%s): each CPU keeps its own clock\n", why);
}

/* A CPU that uses the shared record though it is not CPU 0 only looks whether that is right. */
static void check_step(struct steering *st, int64_t error)
{
    if (error > -(int64_t)DESYNC_NS && error < (int64_t)DESYNC_NS)
        st->off_count = 0;
    else if (++st->off_count == DESYNC_COUNT)
        time_separate("one has drifted");
}

static void steer_by_counter(unsigned cpu, struct steering *st)
{
    bool separate = atomic_load(&clk.separate);
    struct counter_sample sample = counter_sample(&clk.counter);
    struct clock_slot s = clock_read(my_record());
    uint64_t mine = clock_ns_at(&s, sample.tsc), ticks, ns;

    if (tsc_scale_apply(s.scale, sample.width) > WIDTH_MAX_NS)
        return;
    ticks = platform_ticks(sample.count, mine);
    ns = mul_div_u64(ticks, clk.counter.period_fs, FS_PER_NS);
    if (cpu == 0)
        platform_write((struct platform_slot){ticks, ns, sample.count});
    /* Something kept us since the sample was taken: readers have been ahead of it for too long to
     * bend the line there. */
    if (tsc_scale_apply(s.scale, rdtsc() - sample.tsc) > DELAY_MAX_NS)
        return;
    if (separate || cpu == 0)
        clock_steer(my_record(), &st->window, sample.tsc, ns, clk.invariant);
    else
        check_step(st, (int64_t)(ns - mine));
}

/* The shared record has been bent. A guest on another CPU goes on by its copy of the old one: the sooner it
 * gets the new one, the less can two of its vCPUs differ. */
static void tell_others(void)
{
    cpumask_t cpus = arch_online_cpus();
    unsigned cpu;

    for_each_cpu (cpu, cpus)
        if (cpu != arch_cpu())
            softirq_raise_on(cpu, SOFTIRQ_TIME);
}

void time_refresh(void)
{
    unsigned cpu = arch_cpu();
    struct steering *st = &clk.steering[cpu];
    uint64_t now = arch_time_ns();

    apic_report_errors();
    watchdog_report();
    if (now - st->refreshed_ns < REFRESH_MIN_NS)
        return;
    st->refreshed_ns = now;
    if (clk.has_counter)
        steer_by_counter(cpu, st);
    if (cpu == 0 && !atomic_load(&clk.separate))
        tell_others();
    /* Keep the own record ready for the moment when it is needed. */
    if (!atomic_load(&clk.separate))
        clock_write(&clk.own[cpu], clock_read(&clk.shared));
}

static void second_over(struct timer *t)
{
    softirq_raise(SOFTIRQ_TIME);
    timer_set(t, arch_time_ns() + SECOND_NS);
}

void time_cpu_start(void)
{
    unsigned cpu = arch_cpu();

    timer_init(&clk.timer[cpu], second_over, cpu);
    timer_set(&clk.timer[cpu], arch_time_ns() + SECOND_NS);
}

/* ---- start ---- */

void time_adopt(unsigned cpu, int64_t tsc_offset)
{
    struct clock_slot s = clock_read(&clk.shared);

    s.tsc += (uint64_t)tsc_offset;
    clock_write(&clk.own[cpu], s);
    clk.steering[cpu] = (struct steering){.window = {s.tsc, s.ns}, .refreshed_ns = s.ns};
}

static LAGAN_INIT bool tsc_is_invariant(void)
{
    return cpuid(0x80000000, 0).a >= 0x80000007 && (cpuid(0x80000007, 0).d & (1u << 8));
}

static LAGAN_INIT void start_clock(void)
{
    struct counter_sample now = {.tsc = rdtsc()};

    clk.nominal = tsc_scale_from(SECOND_NS, clk.hz);
    if (clk.has_counter)
        now = counter_sample(&clk.counter);
    platform_write((struct platform_slot){.count = now.count});
    clock_write(&clk.shared, (struct clock_slot){now.tsc, 0, clk.nominal});
    time_adopt(0, 0);
}

LAGAN_INIT void time_init(void)
{
    const char *source = "none";
    uint64_t utc;

    clk.has_counter = counter_choose(&clk.counter) == 0;
    clk.invariant = tsc_is_invariant();
    clk.hz = calibrate_tsc(clk.has_counter ? &clk.counter : NULL, &source);
    if (clk.hz < 1000000 || clk.hz > UINT64_C(1000000000000))
        arch_panic("time: the TSC's frequency cannot be measured (%lu Hz)\n",
                   (unsigned long)clk.hz);
    start_clock();
    utc = rtc_read();
    if (utc == 0)
        log_warn("time: the battery-backed clock shows no date\n");
    time_set_wallclock(utc * SECOND_NS - arch_time_ns());
    log_info("time: TSC %lu kHz (by %s, %s rate), platform counter %s, UTC %lu s\n",
             (unsigned long)time_tsc_khz(), source, clk.invariant ? "constant" : "variable",
             clk.has_counter ? clk.counter.name : "none", (unsigned long)utc);
}

void udelay(unsigned us)
{
    /* Before calibration a TSC of 5 GHz is assumed: too long is harmless, too short is not. */
    uint64_t hz = clk.hz ? clk.hz : UINT64_C(5000000000);
    uint64_t start = rdtsc(), ticks = mul_div_u64(us, hz, 1000000) + 1;

    while (rdtsc() - start < ticks)
        arch_relax();
}

uint64_t time_wallclock_base_ns(void)
{
    return atomic_load(&clk.wallclock_base);
}

void time_set_wallclock(uint64_t utc_ns_at_zero)
{
    atomic_store(&clk.wallclock_base, utc_ns_at_zero);
}
