/* SPDX-License-Identifier: MIT
 *
 * machine: what the control domain does to the machine as a whole, started as the first domain. Beside it
 * runs a guest with role=guest, for which the wall clock has to change too. Who of them comes first does not
 * matter: the control domain turns the clock on until the guest has offered it a port, which it does when it
 * has seen enough.
 *
 *   role=guest   the other domain; the first port that it gets is port=N (as the control domain is told, too)
 */
#include "kit/kit.h"
#include "kit/lib.h"

#include <xen/platform.h>
#include <xen/sysctl.h>

const char guest_name[] = "machine";

#define SOON       (300000 * MS)
#define STEP       3600 /* s: how far the clock is turned on at a time */
#define STEPS_SEEN 3
#define EPOCH      UINT64_C(3000000000) /* s: far from the host's own clock */
#define GUEST_ID   1

/* ---- the wall clock ---- */

struct wall {
    uint64_t seconds;
    uint32_t ns, version;
};

/* The time of day at system time 0, read as a guest has to. */
static struct wall read_wall(void)
{
    const volatile shared_info_t *s = kit_shared_info;
    struct wall w;

    do {
        w.version = s->wc_version;
        __asm__ volatile("" : : : "memory");
        w.seconds = (uint64_t)s->wc_sec_hi << 32 | s->wc_sec;
        w.ns = s->wc_nsec;
        __asm__ volatile("" : : : "memory");
    } while ((w.version & 1) || w.version != s->wc_version);
    return w;
}

static long platform(struct xen_platform_op *op, uint32_t cmd)
{
    op->cmd = cmd;
    op->interface_version = XENPF_INTERFACE_VERSION;
    return hypercall1(__HYPERVISOR_platform_op, (uint64_t)op);
}

static long set_wall(uint64_t seconds, uint32_t ns, uint64_t system_time)
{
    struct xen_platform_op op = {0};

    op.u.settime64 = (struct xenpf_settime64){seconds, ns, 0, system_time};
    return platform(&op, XENPF_settime64);
}

static bool is_at(uint64_t seconds, uint32_t ns)
{
    struct wall w = read_wall();

    return w.seconds == seconds && w.ns == ns;
}

/* Our own copy is there when the call returns; system time does not notice. */
static void check_own_clock(void)
{
    struct wall before = read_wall();
    uint64_t time = time_now();

    check_begin("settime");
    check_part(set_wall(EPOCH, 6, 0) == 0, "refused");
    check_part(is_at(EPOCH, 6), "not at once");
    check_part(read_wall().version != before.version, "version %u", before.version);
    check_part(set_wall(EPOCH + 5, 1, 1000000008) == 0 && is_at(EPOCH + 3, 999999993),
               "the difference");
    check_part(set_wall(EPOCH, 1000000000, 0) == -XEN_EINVAL, "10^9 ns");
    check_part(set_wall(1, 0, 2000000000) == -XEN_EINVAL, "before 1970");
    check_part(is_at(EPOCH + 3, 999999993), "a call that failed has changed it");
    check_part(time_now() - time < SOON, "system time has jumped");
    check_end();
}

static bool is_bound(uint32_t port)
{
    struct evtchn_status status = {.dom = DOMID_SELF, .port = port};

    return event_status(port, &status) == 0 && status.status == EVTCHNSTAT_interdomain;
}

/* Turns it on until the guest has seen it, which a port says that it offers then; and stays until it has seen that. */
static void turn_on(uint64_t port)
{
    uint64_t start = time_now(), seconds = EPOCH;
    uint32_t own = 0;

    check_begin("guests-clock");
    while (event_bind_interdomain(GUEST_ID, (uint32_t)port, &own) != 0 &&
           time_now() - start < SOON) {
        check_part(set_wall(seconds, 7, 0) == 0, "refused");
        seconds += STEP;
        time_sleep(5 * MS);
    }
    check_part(time_now() - start < SOON, "the guest does not see it");
    while (is_bound(own) && time_now() - start < SOON)
        time_sleep(MS);
    check_end();
}

static void watch(uint64_t wanted)
{
    uint64_t start = time_now(), last, now;
    uint32_t port = 0;
    unsigned steps = 0;
    struct wall first;

    check_begin("clock-turns");
    do { /* what the control domain's earlier tests set may be a later time, but has other nanoseconds */
        first = read_wall();
        time_sleep(MS);
    } while ((first.seconds < EPOCH || first.ns != 7) && time_now() - start < SOON);
    last = first.seconds;
    while (steps < STEPS_SEEN && time_now() - start < SOON) {
        struct wall w = read_wall();

        if (w.seconds == last) {
            time_sleep(MS);
            continue;
        }
        check_part(w.seconds > last && (w.seconds - EPOCH) % STEP == 0 && w.ns == 7, "%lu s, %u ns",
                   w.seconds, w.ns);
        last = w.seconds;
        steps++;
    }
    check_part(steps == STEPS_SEEN, "%u steps", steps);
    check_end();
    now = time_now();
    check_true("system-time", now >= start && now - start < 2 * SOON, "%lu after %lu", now, start);
    check_result("offer", event_alloc_unbound(DOMID_SELF, 0, &port), 0);
    check_true("port", port == wanted, "%u", port);
    /* Until the control domain has it. */
    while (!is_bound(port) && time_now() - now < SOON)
        time_sleep(MS);
}

/* ---- what is refused ---- */

static void check_refusals(void)
{
    static const struct {
        uint32_t cmd;
        long result;
    } table[] = {{XENPF_microcode_update, -XEN_EOPNOTSUPP}, {XENPF_cpu_hotadd, -XEN_EOPNOTSUPP},
                 {XENPF_mem_hotadd, -XEN_EOPNOTSUPP},       {XENPF_cpu_offline, -XEN_EOPNOTSUPP},
                 {XENPF_change_freq, -XEN_EOPNOTSUPP},      {XENPF_add_memtype, -XEN_EOPNOTSUPP},
                 {XENPF_del_memtype, -XEN_EOPNOTSUPP},      {XENPF_read_memtype, -XEN_EOPNOTSUPP},
                 {XENPF_resource_op, -XEN_EOPNOTSUPP},      {XENPF_efi_runtime_call, -XEN_ENOSYS}};
    struct xen_platform_op op;

    check_begin("refusals");
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        memset(&op, 0, sizeof(op));
        check_part(platform(&op, table[i].cmd) == table[i].result, "platform_op %u", table[i].cmd);
    }
    for (unsigned state = 1; state <= 4; state++) { /* nothing sleeps but to be switched off */
        memset(&op, 0, sizeof(op));
        op.u.enter_acpi_sleep.sleep_state = state;
        check_part(platform(&op, XENPF_enter_acpi_sleep) == -XEN_EOPNOTSUPP, "S%u", state);
    }
    check_end();
}

/* All that the CPUs have idled together is no more than the time there was. */
static void check_idle(void)
{
    static uint64_t times[64];
    uint8_t map[8];
    struct xen_platform_op op = {0};
    unsigned cpus = 0;

    memset(map, 0xff, sizeof(map));
    op.u.getidletime.cpumap_bitmap.p = map;
    op.u.getidletime.cpumap_nr_cpus = 64;
    op.u.getidletime.idletime.p = times;
    check_begin("idle-times");
    check_part(platform(&op, XENPF_getidletime) == 0, "refused");
    for (unsigned cpu = 0; cpu < 64; cpu++) {
        bool there = (map[cpu / 8] >> cpu % 8 & 1) != 0;

        cpus += there;
        check_part(times[cpu] <= (there ? time_now() : 0), "CPU %u: %lu ns", cpu, times[cpu]);
    }
    check_part(cpus > 0 && cpus < 64, "%u CPUs", cpus);
    check_part(op.u.getidletime.now <= time_now(), "not yet");
    check_end();
}

/* ---- the log's reader ---- */

static long print_something(void)
{
    static char key = 'h';
    struct xen_sysctl op = {.cmd = XEN_SYSCTL_debug_keys,
                            .interface_version = XEN_SYSCTL_INTERFACE_VERSION};

    op.u.debug_keys.keys.p = &key;
    op.u.debug_keys.nr_keys = 1;
    return hypercall1(__HYPERVISOR_sysctl, (uint64_t)&op);
}

static long read_log(char *to, uint32_t bytes, uint32_t *index)
{
    struct xen_sysctl op = {.cmd = XEN_SYSCTL_readconsole,
                            .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
    long rc;

    op.u.readconsole.incremental = 1;
    op.u.readconsole.index = *index;
    op.u.readconsole.buffer.p = to;
    op.u.readconsole.count = bytes;
    rc = hypercall1(__HYPERVISOR_sysctl, (uint64_t)&op);
    *index = op.u.readconsole.index;
    return rc ? -1 : (long)op.u.readconsole.count;
}

/* Reads what there is; true if it contains a line of the list of keys. */
static bool log_has_keys(uint32_t *index)
{
    static char text[8192];
    bool found = false;
    long n;

    while ((n = read_log(text, sizeof(text), index)) > 0) {
        for (long i = 0; i + 14 < n; i++) {
            found |= memcmp(text + i, "show this list", 14) == 0;
        }
    }
    return found;
}

static void check_log(void)
{
    uint32_t port, index = 0;
    uint64_t before;

    check_begin("log");
    check_part(event_bind_virq(VIRQ_CON_RING, 0, &port) == 0, "not bound");
    event_unmask(port);
    (void)log_has_keys(&index);
    before = event_count(port);
    check_part(print_something() == 0, "the key is refused");
    check_part(wait_for(event_counter(port), before + 1, SOON), "nobody says that there is news");
    check_part(log_has_keys(&index), "it is not in the log");
    check_part(event_count(port) < before + 20, "%lu events for one key",
               event_count(port) - before);
    check_part(event_close(port) == 0 && print_something() == 0, "unbound");
    check_end();
}

void guest_main(void)
{
    uint64_t port = args_number("port", 3);

    (void)time_bind_timer();
    if (args_is("role", "guest")) {
        watch(port);
        return;
    }
    check_refusals();
    check_idle();
    check_log();
    check_own_clock();
    turn_on(port);
}
