/* SPDX-License-Identifier: MIT
 *
 * The watchdog.
 *
 * A timer on each CPU notes the time once a second: it runs in a softirq, so what it shows is that
 * the CPU still gets to its work. In its timer interrupts each CPU looks at the CPU before it in
 * the ring of those that take part, and on beyond while it finds silent ones: as long as any CPU
 * lives, each silent one is seen. One that has been silent for the time-out is asked by NMI where
 * it is:
 *
 *     FINE --(silent: NMI)--> ASKED --(NMI handler)--> ANSWERED --(printed)--> TOLD --(alive)--> FINE
 *                               |                          |
 *                               +--(no answer)--> DEAF     +--(not printed)--> LAST WORD: crash
 *                                                                              from the NMI
 *
 * The NMI handler only takes notes, since it cannot take the console's lock; another CPU prints
 * them in SOFTIRQ_TIME. If even that does not happen, the silent CPU holds the console: then it is
 * asked again, and crashes the host with a dump that needs no locks. With the option `watchdog`, it
 * does so at once.
 *
 * A lone CPU has nobody to watch it: its cycle counter raises NMIs, where it has one. A look that
 * comes late itself (the host of a virtual machine was suspended) accuses nobody for a while.
 */
#include <stdatomic.h>

#include <lagan/printk.h>
#include "arch_inline.h"
#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/crash.h"
#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/desc.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/symbols.h"
#include "xen/arch/x86/time.h"
#include "xen/arch/x86/watchdog.h"
#include "xen/options.h"
#include "xen/softirq.h"
#include "xen/timer.h"

#define SECOND_NS   UINT64_C(1000000000)
#define LOOK_NS     (SECOND_NS / 2)
#define LATE_NS     (3 * SECOND_NS) /* there is a timer interrupt each second */
#define TRACE_MAX   16
#define LEAF_PERF   0xa
#define CYCLES      0x3c                             /* architectural event: unhalted core cycles */
#define EVENT_FLAGS (1u << 22 | 1u << 20 | 1u << 16) /* enabled, interrupt, count in ring 0... */
#define EVENT_USER  (1u << 17)                       /* ...and in ring 3 */
#define COUNT_MAX   0x7fffffff /* what a write of 32 bits, sign-extended, can hold */

enum state { FINE, ASKED, DEAF, ANSWERED, TOLD, LAST_WORD };

struct watched {
    struct timer timer;        /* [cpu] */
    _Atomic uint64_t alive_ns; /* 0: does not take part */
    _Atomic uint32_t state;    /* enum state */
    _Atomic uint64_t asked_ns;
    uint64_t looked_ns, grace_ns; /* [cpu] as the one who looks */
    /* The answer: written by the CPU's NMI handler before ANSWERED, constant until FINE. */
    uint16_t cs;
    unsigned trace_count;
    uint64_t trace[TRACE_MAX];
};

static struct {
    uint64_t timeout_ns; /* [c] 0: off */
    bool by_counter;     /* [c] a lone CPU with a cycle counter */
    struct watched cpu[MAX_CPUS];
} dog;

static bool move_on(struct watched *w, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong(&w->state, &from, to);
}

/* ---- showing life ---- */

static void show_life_at(uint64_t now)
{
    unsigned cpu = arch_cpu();
    struct watched *w = &dog.cpu[cpu];
    uint64_t before = atomic_exchange(&w->alive_ns, now);

    if (atomic_exchange(&w->state, FINE) != FINE)
        log_warn("watchdog: CPU%u is back after %lu s\n", cpu,
                 (unsigned long)((now - before) / SECOND_NS));
}

static void show_life(struct timer *t)
{
    uint64_t now = arch_time_ns();

    show_life_at(now);
    timer_set(t, now + SECOND_NS);
}

void watchdog_touch(void)
{
    if (atomic_load(&dog.cpu[arch_cpu()].alive_ns))
        show_life_at(arch_time_ns());
}

/* ---- the cycle counter of a lone CPU ---- */

static LAGAN_INIT bool has_counter(void)
{
    return cpuid(0, 0).a >= LEAF_PERF && (cpuid(LEAF_PERF, 0).a & 0xff) >= 2;
}

/* About a second of work, less on a fast CPU; an idle CPU does not count, and need not. */
static void wind_counter(void)
{
    uint64_t cycles = min_u64(time_tsc_khz() * 1000, COUNT_MAX);

    wrmsr(MSR_PMC0, (uint32_t)-cycles);
    wrmsr(MSR_PERF_GLOBAL_OVF, 1);
    apic_arm_perf_nmi();
}

static void start_counter(void)
{
    wrmsr(MSR_PERF_GLOBAL_CTRL, 0);
    wrmsr(MSR_PERFEVTSEL0, EVENT_FLAGS | EVENT_USER | CYCLES);
    wind_counter();
    wrmsr(MSR_PERF_GLOBAL_CTRL, 1);
}

/* ---- looking ---- */

static void look_at(unsigned cpu, struct watched *w, uint64_t now)
{
    uint64_t waited = now - atomic_load(&w->asked_ns);

    switch (atomic_load(&w->state)) {
    case FINE:
        atomic_store(&w->asked_ns, now);
        if (move_on(w, FINE, ASKED))
            apic_send_nmi(cpu);
        break;
    case ASKED:
        if (waited > SECOND_NS && move_on(w, ASKED, DEAF))
            softirq_raise(SOFTIRQ_TIME);
        break;
    case ANSWERED:
        softirq_raise(SOFTIRQ_TIME);
        /* This is only now asked for on an idle CPU, which looks once a second: give it time. */
        if (waited > dog.timeout_ns + 2 * SECOND_NS && move_on(w, ANSWERED, LAST_WORD))
            apic_send_nmi(cpu);
        break;
    default:
        break;
    }
}

static bool is_silent(const struct watched *w, uint64_t now)
{
    uint64_t alive = atomic_load(&w->alive_ns);

    return alive != 0 && now > alive && now - alive > dog.timeout_ns;
}

void watchdog_look(void)
{
    unsigned me = arch_cpu();
    struct watched *w = &dog.cpu[me];
    uint64_t now;

    if (dog.timeout_ns == 0 || atomic_load_explicit(&w->alive_ns, memory_order_relaxed) == 0)
        return;
    now = arch_time_ns();
    if (now - w->looked_ns < LOOK_NS)
        return;
    if (now - w->looked_ns > LATE_NS)
        w->grace_ns = now + dog.timeout_ns;
    w->looked_ns = now;
    if (now < w->grace_ns)
        return;
    for (unsigned i = 1; i < MAX_CPUS; i++) {
        unsigned cpu = (me + MAX_CPUS - i) % MAX_CPUS;

        if (atomic_load(&dog.cpu[cpu].alive_ns) == 0)
            continue;
        if (!is_silent(&dog.cpu[cpu], now))
            return;
        look_at(cpu, &dog.cpu[cpu], now);
    }
}

/* ---- the answer ---- */

/* A word of this CPU's main stack, the part of it above the guard page and the small stacks. */
static bool on_stack(uint64_t address)
{
    uint64_t top = VA_STACKS + (uint64_t)(arch_cpu() + 1) * STACK_STRIDE;

    return address % 8 == 0 && address >= top - STACK_SIZE + STACK_GUARD_OFFSET + PAGE_SIZE &&
           address < top - 8;
}

static void take_notes(struct watched *w, const struct cpu_user_regs *regs)
{
    uint64_t rbp = regs->rbp, offset;

    w->cs = regs->cs;
    w->trace[0] = regs->rip;
    w->trace_count = 1;
    if (regs->cs & 3)
        return; /* a guest: its stack is its own affair */
    while (w->trace_count < TRACE_MAX && on_stack(rbp)) {
        const uint64_t *frame = (const uint64_t *)rbp;

        if (!symbol_find(frame[1], &offset))
            return;
        w->trace[w->trace_count++] = frame[1];
        if (frame[0] <= rbp)
            return;
        rbp = frame[0];
    }
}

static LAGAN_NORETURN void crash(const struct cpu_user_regs *regs)
{
    crash_note("watchdog: CPU%u is stuck\n", arch_cpu());
    crash_trap(regs, read_cr2());
}

static void counter_nmi(struct watched *w, const struct cpu_user_regs *regs)
{
    if (!(rdmsr(MSR_PERF_GLOBAL_STATUS) & 1))
        return;
    wind_counter();
    /* A lone CPU that is stuck has nobody who could print for it: it can only crash. */
    if (atomic_load(&w->alive_ns) != 0 && is_silent(w, arch_time_ns()))
        crash(regs);
}

void watchdog_nmi(const struct cpu_user_regs *regs)
{
    struct watched *w = &dog.cpu[arch_cpu()];
    uint32_t state = atomic_load(&w->state);

    if (dog.by_counter) {
        counter_nmi(w, regs);
        return;
    }
    if (state == LAST_WORD || (options.watchdog && (state == ASKED || state == DEAF)))
        crash(regs);
    if (state != ASKED && state != DEAF)
        return;
    take_notes(w, regs);
    (void)move_on(w, state, ANSWERED);
}

static void print_answer(unsigned cpu, const struct watched *w)
{
    log_err("watchdog: CPU%u is stuck (%s), it is at:\n", cpu,
            w->cs & 3 ? "in a guest" : "in the hypervisor");
    for (unsigned i = 0; i < w->trace_count; i++) {
        uint64_t offset = 0;
        /* Return addresses lie behind the call, which may be another function's start. */
        const char *name = symbol_find(w->trace[i] - (i > 0), &offset);

        log_err("  %016lx %s+%#lx\n", w->trace[i], name ? name : "?", offset + (i > 0));
    }
}

void watchdog_report(void)
{
    unsigned cpu;

    if (dog.timeout_ns == 0)
        return;
    for_each_cpu (cpu, arch_online_cpus()) {
        struct watched *w = &dog.cpu[cpu];

        if (atomic_load(&w->state) == ANSWERED) {
            print_answer(cpu, w);
            (void)move_on(w, ANSWERED, TOLD);
        } else if (move_on(w, DEAF, TOLD)) {
            log_err("watchdog: CPU%u is stuck and does not answer an NMI\n", cpu);
        }
    }
}

/* ---- start ---- */

LAGAN_INIT void watchdog_init(void)
{
    bool alone = acpi_info.cpu_count <= 1 || options.maxcpus == 1;

    dog.by_counter = alone && has_counter();
    if (options.watchdog_timeout == 0 || (alone && !dog.by_counter)) {
        log_info("watchdog: off%s\n",
                 options.watchdog_timeout ? " (one CPU, and it has no cycle counter)" : "");
        return;
    }
    dog.timeout_ns = options.watchdog_timeout * SECOND_NS;
    log_info("watchdog: %s, after %u s\n", alone ? "by cycle counter" : "CPUs watch each other",
             options.watchdog_timeout);
}

void watchdog_cpu_start(void)
{
    unsigned cpu = arch_cpu();
    struct watched *w = &dog.cpu[cpu];
    uint64_t now = arch_time_ns();

    if (dog.timeout_ns == 0)
        return;
    timer_init(&w->timer, show_life, cpu);
    timer_set(&w->timer, now + SECOND_NS);
    w->looked_ns = now;
    atomic_store(&w->alive_ns, now);
    if (dog.by_counter)
        start_counter();
}
