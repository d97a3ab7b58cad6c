/* SPDX-License-Identifier: MIT
 *
 * The simulated machine: see sim_sched.h. A CPU is a structure; to "run on CPU n" is to call
 * host_enter_cpu(n). arch_context_switch() does not return to its caller, as on the real machine:
 * it jumps back to the place where that CPU entered softirq_run().
 */
#include "sim_sched.h"

#include <CUnit/CUnit.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "arch/host.h"
#include "arch_inline.h"
#include "xen/guest_access.h"
#include "xen/sched_internal.h"
#include "xen/softirq.h"
#include "xen/topology.h"
#include "xen/vcpu_timer.h"

struct sim_cpu {
    _Atomic uint32_t softirqs;
    _Atomic unsigned pokes;
    _Atomic uint64_t timer_at;
    struct vcpu *current; /* whose registers are loaded */
    uint64_t idle;
};

static struct {
    unsigned cpus;
    uint64_t now;
    uint64_t switches;
    struct sim_cpu cpu[MAX_CPUS];
    struct domain *domain[SIM_GUESTS];
    unsigned domain_count;
    struct sim_guest *guest[SIM_GUESTS];
    unsigned guest_count;
} sim;

struct cpu_place cpu_place[MAX_CPUS];
_Atomic unsigned char sim_port[256];
int sim_shutdown_reason;
unsigned char sim_memory[4096];
char sim_softirq_log[64];
_Thread_local bool sim_threaded;
static _Thread_local jmp_buf *way_back;

/* ---- the machine contract ---- */

_Atomic uint32_t *arch_softirq_word(unsigned cpu)
{
    return &sim.cpu[cpu].softirqs;
}

void arch_poke_cpu(unsigned cpu)
{
    atomic_fetch_add(&sim.cpu[cpu].pokes, 1);
}

void arch_timer_program(uint64_t when_ns)
{
    atomic_store(&sim.cpu[arch_cpu()].timer_at, when_ns);
}

static void note(char what)
{
    size_t n = strlen(sim_softirq_log);

    if (n < sizeof(sim_softirq_log) - 1)
        sim_softirq_log[n] = what;
}

void arch_context_switch(struct vcpu *prev, struct vcpu *next)
{
    struct sim_cpu *c = &sim.cpu[arch_cpu()];

    if (c->current != prev || prev == next)
        abort();
    c->current = next;
    sched_switch_done(prev);
    if (!sim_threaded) {
        sim.switches++;
        note('S');
    }
    longjmp(*way_back, 1);
}

void console_softirq(void)
{
    note('C');
}

void time_softirq(void)
{
    note('T');
}

void log_softirq(void)
{
    note('L');
}

void pirq_softirq(void)
{
    note('P');
}

/* ---- what the event and domain modules do ---- */

static struct sim_guest *guest_of(struct vcpu *v)
{
    return v ? container_of(v, struct sim_guest, vcpu) : NULL;
}

void event_raise_vcpu_virq(struct vcpu *v, unsigned virq)
{
    CU_ASSERT_EQUAL(virq, VIRQ_TIMER);
    __atomic_fetch_add(&guest_of(v)->virqs, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&v->info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
    if (!sim_threaded && !guest_of(v)->woken && v->blocked)
        guest_of(v)->woken = sim.now;
    vcpu_kick(v);
}

int event_port_is_pending(struct domain *d, evtchn_port_t port)
{
    (void)d;
    if (port >= ARRAY_SIZE(sim_port) || !sim_port[port])
        return -XEN_EINVAL;
    return sim_port[port] == 2;
}

void domain_shutdown(struct domain *d, int reason)
{
    (void)d;
    sim_shutdown_reason = reason;
}

void domain_latch_shutdown(struct domain *d, int reason)
{
    d->shutdown_latched = reason;
}

struct domain *domain_find(domid_t id)
{
    return id < sim.domain_count ? sim.domain[id] : NULL;
}

void domain_put(struct domain *d)
{
    (void)d;
}

static bool in_memory(uint64_t va, size_t bytes)
{
    return va >= SIM_GUEST_VA && va - SIM_GUEST_VA <= sizeof(sim_memory) &&
           bytes <= sizeof(sim_memory) - (va - SIM_GUEST_VA);
}

int copy_from_guest(void *dst, guest_ptr_t src, size_t bytes)
{
    if (!in_memory(src.va, bytes))
        return -XEN_EFAULT;
    memcpy(dst, sim_memory + (src.va - SIM_GUEST_VA), bytes);
    return 0;
}

int copy_to_guest(guest_ptr_t dst, const void *src, size_t bytes)
{
    if (!in_memory(dst.va, bytes))
        return -XEN_EFAULT;
    memcpy(sim_memory + (dst.va - SIM_GUEST_VA), src, bytes);
    return 0;
}

/* ---- setting up ---- */

static void forget_domains(void)
{
    for (unsigned i = 0; i < sim.guest_count; i++)
        free(sim.guest[i]);
    for (unsigned i = 0; i < sim.domain_count; i++)
        free(sim.domain[i]);
}

void sim_reset(unsigned packages, unsigned cores, unsigned threads)
{
    forget_domains();
    memset(&sim, 0, sizeof(sim));
    memset(sim_softirq_log, 0, sizeof(sim_softirq_log));
    memset(&sched_state, 0, sizeof(sched_state));
    (void)!sched_set_slice(10);
    sim.cpus = packages * cores * threads;
    sim.now = 1000000000;
    host_set_time(sim.now);
    host_set_online(sim.cpus);
    for (unsigned c = 0; c < sim.cpus; c++) {
        cpu_place[c].package = c / (cores * threads);
        cpu_place[c].core = c / threads % cores;
        cpu_place[c].thread = c % threads;
    }
    for (unsigned c = 0; c < sim.cpus; c++) {
        atomic_store(&sim.cpu[c].timer_at, UINT64_MAX);
        host_enter_cpu(c);
        timer_cpu_init(c);
        sched_cpu_init(c);
    }
    host_enter_cpu(0);
}

struct domain *sim_domain(unsigned weight, unsigned cap)
{
    struct domain *d = calloc(1, sizeof(*d));

    if (!d || sim.domain_count == SIM_GUESTS)
        abort();
    d->id = (domid_t)sim.domain_count;
    sched_domain_init(d, weight, cap);
    spin_init(&d->lock, LK_DOMAIN);
    domain_watchdog_init(d);
    d->shutdown_latched = -1;
    sim.domain[sim.domain_count++] = d;
    return d;
}

static uint64_t draw(const struct sim_guest *g, uint64_t bound)
{
    return g->random && bound != UINT64_MAX ? 1 + (uint64_t)rand() % bound : bound;
}

struct sim_guest *sim_vcpu(struct domain *d, uint64_t work, uint64_t rest)
{
    struct sim_guest *g = calloc(1, sizeof(*g));

    if (!g || sim.guest_count == SIM_GUESTS)
        abort();
    g->work = g->left = work;
    g->rest = rest;
    g->wake_at = UINT64_MAX;
    g->last_ran = g->woken = sim.now;
    g->vcpu.domain = d;
    g->vcpu.id = d->vcpu_count;
    g->vcpu.info = &g->info;
    d->vcpu[d->vcpu_count++] = &g->vcpu;
    sim.guest[sim.guest_count++] = g;
    sched_vcpu_init(&g->vcpu);
    vcpu_timer_init(&g->vcpu);
    vcpu_wake(&g->vcpu);
    return g;
}

/* ---- running ---- */

void sim_enter(unsigned cpu)
{
    host_enter_cpu(cpu);
}

void sim_visit(unsigned cpu)
{
    jmp_buf here;

    host_enter_cpu(cpu);
    way_back = &here;
    (void)setjmp(here);
    softirq_run();
}

static void note_running(struct sim_guest *g)
{
    if (g->woken) {
        uint64_t wait = sim.now - g->woken;

        g->worst_wait = max_u64(g->worst_wait, wait);
        g->all_waits += wait;
        g->wakes++;
        g->woken = 0;
    }
    g->worst_gap = max_u64(g->worst_gap, sim.now - g->last_ran);
    g->last_ran = sim.now;
    /* The guest takes its events. */
    g->info.evtchn_upcall_pending = 0;
}

static void check(void)
{
    struct sim_guest *g;

    sched_audit();
    for (unsigned c = 0; c < sim.cpus; c++) {
        host_enter_cpu(c);
        if (sched_current() != sim.cpu[c].current)
            CU_FAIL("scheduler and machine disagree on who runs");
        g = guest_of(sim.cpu[c].current);
        if (g && (!cpumask_test(g->vcpu.sched.unit.affinity, c) || !vcpu_runnable(&g->vcpu)))
            CU_FAIL("a vCPU runs where or when it may not");
    }
    for (unsigned i = 0; i < sim.guest_count; i++) {
        g = sim.guest[i];
        if (vcpu_runnable(&g->vcpu) && g->vcpu.sched.unit.place == UNIT_ABSENT)
            CU_FAIL("a runnable vCPU is in no queue");
        for (unsigned c = 0; c < sim.cpus; c++)
            if (!sim.cpu[c].current && g->vcpu.sched.unit.place == UNIT_WAITING &&
                cpumask_test(g->vcpu.sched.unit.affinity, c)) {
                CU_FAIL("a CPU idles while a vCPU that may run there waits");
                (void)host_log();
                sched_dump();
                printf("CPU %u idles:\n%s", c, host_log());
            }
    }
    host_enter_cpu(0);
}

void sim_settle(void)
{
    bool again;

    do {
        again = false;
        for (unsigned c = 0; c < sim.cpus; c++)
            if (atomic_load(&sim.cpu[c].softirqs)) {
                sim_visit(c);
                again = true;
            }
    } while (again);
    for (unsigned c = 0; c < sim.cpus; c++)
        if (sim.cpu[c].current)
            note_running(guest_of(sim.cpu[c].current));
    for (unsigned i = 0; i < sim.guest_count; i++)
        if (!vcpu_runnable(&sim.guest[i]->vcpu))
            sim.guest[i]->last_ran = sim.now;
    check();
}

/* The work is done: the guest on this CPU goes to sleep. */
static void rest(unsigned cpu, struct sim_guest *g)
{
    uint64_t until = sim.now + draw(g, g->rest);

    host_enter_cpu(cpu);
    g->left = draw(g, g->work);
    if (g->by_timer)
        vcpu_set_singleshot(&g->vcpu, until);
    else
        g->wake_at = until;
    sched_block_current();
}

static void outside_event(struct sim_guest *g)
{
    host_enter_cpu(sim.cpus - 1);
    g->wake_at = UINT64_MAX;
    if (g->vcpu.blocked)
        g->woken = sim.now;
    g->info.evtchn_upcall_pending = 1;
    vcpu_kick(&g->vcpu);
}

static uint64_t next_event(uint64_t end)
{
    uint64_t when = end;

    for (unsigned c = 0; c < sim.cpus; c++) {
        struct sim_guest *g = guest_of(sim.cpu[c].current);

        when = min_u64(when, max_u64(sim.now, atomic_load(&sim.cpu[c].timer_at)));
        if (g && g->left != UINT64_MAX)
            when = min_u64(when, sim.now + g->left);
    }
    for (unsigned i = 0; i < sim.guest_count; i++)
        when = min_u64(when, sim.guest[i]->wake_at);
    return when;
}

static void advance(uint64_t when)
{
    uint64_t ns = when - sim.now;

    sim.now = when;
    host_set_time(when);
    for (unsigned c = 0; c < sim.cpus; c++) {
        struct sim_guest *g = guest_of(sim.cpu[c].current);

        if (!g) {
            sim.cpu[c].idle += ns;
            continue;
        }
        g->ran += ns;
        if (g->left != UINT64_MAX)
            g->left -= ns;
    }
}

void sim_run(uint64_t ns)
{
    uint64_t end = sim.now + ns;

    sim_settle();
    while (sim.now < end) {
        advance(next_event(end));
        for (unsigned c = 0; c < sim.cpus; c++) {
            struct sim_guest *g = guest_of(sim.cpu[c].current);

            if (atomic_load(&sim.cpu[c].timer_at) <= sim.now) {
                host_enter_cpu(c);
                atomic_store(&sim.cpu[c].timer_at, UINT64_MAX);
                softirq_raise(SOFTIRQ_TIMER);
            }
            if (g && g->left == 0)
                rest(c, g);
        }
        for (unsigned i = 0; i < sim.guest_count; i++)
            if (sim.guest[i]->wake_at <= sim.now)
                outside_event(sim.guest[i]);
        sim_settle();
    }
}

/* ---- measuring ---- */

uint64_t sim_now(void)
{
    return sim.now;
}

unsigned sim_cpus(void)
{
    return sim.cpus;
}

struct sim_guest *sim_on(unsigned cpu)
{
    return guest_of(sim.cpu[cpu].current);
}

uint64_t sim_idle(unsigned cpu)
{
    return sim.cpu[cpu].idle;
}

uint64_t sim_switches(void)
{
    return sim.switches;
}

void sim_forget(void)
{
    for (unsigned c = 0; c < sim.cpus; c++)
        sim.cpu[c].idle = 0;
    sim.switches = 0;
    for (unsigned i = 0; i < sim.guest_count; i++)
        sim.guest[i]->ran = sim.guest[i]->worst_wait = sim.guest[i]->worst_gap = 0;
}

uint64_t sim_timer_at(unsigned cpu)
{
    return atomic_load(&sim.cpu[cpu].timer_at);
}

unsigned sim_pokes(unsigned cpu)
{
    return atomic_load(&sim.cpu[cpu].pokes);
}

struct vcpu *sim_loaded(unsigned cpu)
{
    return sim.cpu[cpu].current;
}
