/* SPDX-License-Identifier: MIT
 *
 * ticks: time and timers. System time must never run backwards, on one vCPU or between two; each
 * kind of timer must fire no sooner than asked, and then soon. How soon is judged only where the host's own
 * delays do not count, with instructions as the clock: late=US is the bound.
 */
#include "kit/kit.h"

const char guest_name[] = "ticks";

#define SOON (60000 * MS)
/* A timer that is to be cancelled; the time is doubled as long as the host was too busy to cancel it in time. */
#define AHEAD     (100 * MS)
#define AHEAD_MAX (8000 * MS)

/* ---- reading time ---- */

static void check_record(void)
{
    const volatile struct vcpu_time_info *info = &this_cpu()->info->time;
    uint64_t hertz;

    check_begin("time-record");
    check_part(info->tsc_to_system_mul != 0, "multiplier 0");
    check_part((info->version & 1) == 0, "version %u at rest", info->version);
    hertz = ((1000000000UL << 32) / info->tsc_to_system_mul);
    hertz = info->tsc_shift < 0 ? hertz << -info->tsc_shift : hertz >> info->tsc_shift;
    check_part(hertz > 50000000 && hertz < 20000000000UL, "TSC at %lu Hz", hertz);
    check_end();
}

static void check_monotone(void)
{
    uint64_t last = time_now(), back = 0;

    for (unsigned i = 0; i < 20000; i++) {
        uint64_t now = time_now();

        back += now < last;
        last = now;
        if (i % 64 == 0) {
            (void)hv_sched(SCHEDOP_yield, NULL);
        }
    }
    check_true("monotone", back == 0, "%lu steps back", back);
}

/* The wall clock is the time of day at system time 0. */
static void check_wall_clock(void)
{
    const volatile shared_info_t *shared = kit_shared_info;
    uint64_t seconds = (uint64_t)shared->wc_sec_hi << 32 | shared->wc_sec;

    check_begin("wall-clock");
    check_part((shared->wc_version & 1) == 0, "version %u at rest", shared->wc_version);
    check_part(seconds > 1577836800 && seconds < 4102444800, "%lu s", seconds);
    check_part(shared->wc_nsec < 1000000000, "%u ns", shared->wc_nsec);
    check_end();
}

/* ---- timers ---- */

/* One timer, set by `set` for `ns` from now: takes exactly one tick, in time. */
static void one_shot(const char *name, long (*set)(uint64_t deadline), uint64_t ns)
{
    uint64_t ticks = time_ticks(0), deadline = time_now() + ns, late;
    long rc = set(deadline);

    check_begin(name);
    check_part(rc == 0, "result %ld", rc);
    while (rc == 0 && time_ticks(0) == ticks && time_now() < deadline + SOON) {
        (void)hv_sched(SCHEDOP_yield, NULL);
    }
    check_part(time_ticks(0) > ticks, "it never fired");
    check_part(time_last_tick(0) >= deadline, "%lu ns too soon", deadline - time_last_tick(0));
    late = time_last_tick(0) - deadline;
    check_part(late <= args_number("late", SOON / 1000) * 1000, "%lu ns too late", late);
    wait_for(&(uint64_t){0}, 1, 20 * MS);
    check_part(time_ticks(0) == ticks + 1, "%lu ticks", time_ticks(0) - ticks);
    check_end();
}

static long set_singleshot(uint64_t deadline)
{
    return timer_singleshot(deadline, 0);
}

static long set_timer_op(uint64_t deadline)
{
    return hv_set_timer(deadline);
}

static void check_one_shots(void)
{
    one_shot("singleshot", set_singleshot, 10 * MS);
    one_shot("singleshot-short", set_singleshot, 50000);
    one_shot("set-timer-op", set_timer_op, 10 * MS);
    one_shot("singleshot-replaces", set_singleshot, 5 * MS);
}

/* A deadline that is over fires at once, and is no error. */
static void check_past(void)
{
    uint64_t ticks = time_ticks(0);

    check_begin("singleshot-past");
    check_part(timer_singleshot(time_now() - 10 * MS, 0) == 0, "refused");
    check_part(wait_for(time_tick_counter(0), ticks + 1, SOON), "it never fired");
    check_end();

    ticks = time_ticks(0);
    check_begin("set-timer-op-past");
    check_part(hv_set_timer(time_now() - 10 * MS) == 0, "refused");
    check_part(wait_for(time_tick_counter(0), ticks + 1, SOON), "it never fired");
    check_end();

    ticks = time_ticks(0);
    check_begin("singleshot-time-1");
    check_part(timer_singleshot(1, 0) == 0, "refused");
    check_part(wait_for(time_tick_counter(0), ticks + 1, SOON), "it never fired");
    check_end();
}

static bool stop_singleshot(void)
{
    return timer_stop_singleshot() == 0;
}

static bool stop_timer_op(void)
{
    return hv_set_timer(0) == 0;
}

static bool singleshot_for_later(void)
{
    return timer_singleshot(time_now() + 600000 * MS, 0) == 0;
}

/* A timer set by `set` does not fire once `cancel` was in time, which a busy host may prevent. */
static void check_cancel(const char *name, long (*set)(uint64_t deadline), bool (*cancel)(void))
{
    uint64_t ahead = AHEAD, ticks, deadline, none = 0;
    bool in_time;

    check_begin(name);
    do {
        deadline = time_now() + ahead;
        ticks = time_ticks(0);
        check_part(set(deadline) == 0, "set refused");
        check_part(cancel(), "cancelling refused");
        in_time = time_now() < deadline;
        ahead *= 2;
    } while (!in_time && ahead <= AHEAD_MAX);
    check_part(in_time, "the host is too slow to cancel a timer");
    wait_for(&none, 1, ahead);
    check_part(time_ticks(0) == ticks, "it fired all the same");
    (void)timer_stop_singleshot();
    check_end();
}

static void check_periodic(void)
{
    uint64_t ticks, none = 0, start;

    check_begin("periodic");
    ticks = time_ticks(0);
    start = time_now();
    check_part(timer_periodic(10 * MS) == 0, "refused");
    check_part(wait_for(time_tick_counter(0), ticks + 10, SOON), "only %lu ticks",
               time_ticks(0) - ticks);
    check_part(time_now() - start >= 85 * MS, "ten periods of 10 ms in %lu ns", time_now() - start);
    check_part(timer_stop_periodic() == 0, "stop refused");
    ticks = time_ticks(0);
    wait_for(&none, 1, 40 * MS);
    /* One may have been on its way. */
    check_part(time_ticks(0) <= ticks + 1, "%lu ticks after the stop", time_ticks(0) - ticks);
    check_end();
}

/* ---- watchdogs ---- */

static long watchdog(uint32_t id, uint32_t seconds)
{
    struct sched_watchdog op = {.id = id, .timeout = seconds};

    return hv_sched(SCHEDOP_watchdog, &op);
}

static void check_watchdogs(void)
{
    const uint32_t long_time = 3600;
    long first, second, third;

    check_begin("watchdogs");
    check_part(watchdog(1, long_time) == -XEN_EINVAL, "one that nobody has");
    check_part(hv_sched(SCHEDOP_watchdog, (void *)8) == -XEN_EFAULT, "a bad address");
    first = watchdog(0, long_time);
    second = watchdog(0, long_time);
    check_part(first > 0 && second > 0 && first != second, "ids %ld and %ld", first, second);
    third = watchdog(0, long_time);
    check_part((int)third == -XEN_ENOSPC, "a third one: %ld", third); /* Xen cuts it to 32 bits */
    check_part(watchdog((uint32_t)second, 0) == 0, "not given back");
    check_part(watchdog((uint32_t)second, 0) == -XEN_EINVAL, "given back twice");
    check_part(watchdog((uint32_t)first, long_time) == 0, "not set anew");
    check_part(watchdog((uint32_t)first, 0) == 0, "not given back");
    check_end();
}

/* The runner looks for the end that the watchdog makes of us. */
static void end_by_watchdog(void)
{
    struct sched_shutdown code = {.reason = SHUTDOWN_MAX + 1};
    struct sched_remote_shutdown other = {.domain_id = 0x7000, .reason = SHUTDOWN_crash};
    struct sched_pin_override pin = {.pcpu = 0};

    check_result("latch-bad-reason", hv_sched(SCHEDOP_shutdown_code, &code), -XEN_EINVAL);
    check_result("shutdown-of-others", hv_sched(SCHEDOP_remote_shutdown, &other), -XEN_EPERM);
    check_result("pin", hv_sched(SCHEDOP_pin_override, &pin), -XEN_EPERM);
    check_true("watchdog", watchdog(0, 1) > 0, "refused");
    check_verdict();
    for (;;) {
        (void)hv_sched(SCHEDOP_block, NULL);
    }
}

/* ---- errors ---- */

static void check_errors(void)
{
    struct vcpu_set_singleshot_timer one = {.timeout_abs_ns = time_now() + MS};
    struct vcpu_set_periodic_timer periodic = {.period_ns = 1000};

    check_result("periodic-too-short", hv_vcpu(VCPUOP_set_periodic_timer, 0, &periodic),
                 -XEN_EINVAL);
    periodic.period_ns = UINT64_MAX;
    check_result("periodic-too-long", hv_vcpu(VCPUOP_set_periodic_timer, 0, &periodic),
                 -XEN_EINVAL);
    check_result("timer-no-vcpu", hv_vcpu(VCPUOP_set_singleshot_timer, 200, &one), -XEN_ENOENT);
    check_result("stop-timer-no-vcpu", hv_vcpu(VCPUOP_stop_periodic_timer, 200, NULL), -XEN_ENOENT);
    check_result("timer-bad-pointer", hv_vcpu(VCPUOP_set_singleshot_timer, 0, (void *)8),
                 -XEN_EFAULT);
    if (cpu_count() > 1) {
        check_result("timer-other-vcpu", hv_vcpu(VCPUOP_set_singleshot_timer, 1, &one),
                     -XEN_EINVAL);
    } else {
        check_skip("timer-other-vcpu", "one vCPU");
    }
}

/* ---- between vCPUs ---- */

static struct {
    volatile uint64_t latest; /* the latest time that any vCPU has read */
    volatile uint64_t back, most, rounds[2];
    volatile uint64_t stop;
} shared;

/* Reads the latest time first, then its own: what it reads may not be earlier. */
static void read_times(void *argument)
{
    volatile uint64_t *rounds = argument;

    while (!shared.stop) {
        uint64_t before = __atomic_load_n(&shared.latest, __ATOMIC_SEQ_CST), now;

        __asm__ volatile("mfence" : : : "memory");
        now = time_now();
        if (now < before) {
            __atomic_fetch_add(&shared.back, 1, __ATOMIC_SEQ_CST);
            if (before - now > shared.most) {
                shared.most = before - now;
            }
        }
        while (before < now && !__atomic_compare_exchange_n(&shared.latest, &before, now, false,
                                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        }
        if (++*rounds % 256 == 0) {
            (void)hv_sched(SCHEDOP_yield, NULL);
        }
    }
}

static void stop_reading(uint32_t port, void *data)
{
    (void)port;
    (void)data;
    shared.stop = 1;
}

/* Steps back that are allowed: none if the hypervisor says that its time is stable between vCPUs;
 * otherwise the guest has to keep the maximum itself (Linux does), and only gross errors count:
 * under emulation on a busy host Xen has been seen to differ by 13 ms. skew=NS asks for another
 * bound. */
static uint64_t allowed_skew(void)
{
    bool stable = (this_cpu()->info->time.flags & XEN_PVCLOCK_TSC_STABLE_BIT) != 0;

    return args_number("skew", stable ? 0 : 100 * MS);
}

static void check_between_cpus(void)
{
    uint32_t port = time_bind_timer();
    long rc;

    if (cpu_count() < 2) {
        check_skip("monotone-vcpus", "one vCPU");
        return;
    }
    check_begin("monotone-vcpus");
    rc = cpu_start(1, read_times, (void *)&shared.rounds[1]);
    check_part(rc == 0, "vCPU 1 does not start: %ld", rc);
    if (rc == 0) {
        check_part(wait_for(&shared.rounds[1], 1000, SOON), "vCPU 1 does not run");
        event_set_handler(port, stop_reading, NULL);
        (void)timer_singleshot(time_now() + 100 * MS, 0);
        read_times((void *)&shared.rounds[0]);
        check_part(shared.most <= allowed_skew(), "%lu steps back, up to %lu ns", shared.back,
                   shared.most);
    }
    check_end();
}

void guest_main(void)
{
    if (args_has("watchdog")) {
        end_by_watchdog();
    }
    check_record();
    check_wall_clock();
    check_monotone();
    (void)time_bind_timer();
    /* Xen starts a vCPU with a periodic timer; stop it, as kernels do. */
    (void)timer_stop_periodic();
    check_one_shots();
    check_past();
    check_cancel("singleshot-stop", set_singleshot, stop_singleshot);
    check_cancel("set-timer-op-cancel", set_timer_op, stop_timer_op);
    check_cancel("singleshot-later", set_singleshot, singleshot_for_later);
    check_periodic();
    check_watchdogs();
    check_errors();
    check_between_cpus();
}
