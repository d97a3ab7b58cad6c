/* SPDX-License-Identifier: MIT
 *
 * The scheduler with real concurrency: each thread is a CPU, guests are slots that only one CPU may
 * be in. For TSan and Helgrind, and for the races that the head of sched.c explains.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "arch/host.h"
#include "arch_inline.h"
#include "sim_sched.h"
#include "suite.h"
#include "xen/softirq.h"
#include "xen/vcpu_timer.h"

#define CPUS   3
#define GUESTS 7
#define VISITS 6000
#define PORT   10 /* guest i polls for port PORT + i */

static struct sim_guest *guest[GUESTS];
static _Atomic int inside[GUESTS];    /* CPUs that run this guest: 0 or 1 */
static unsigned registers[GUESTS];    /* plain: a race on it is a vCPU on two CPUs */
static _Atomic uint64_t sent[GUESTS]; /* events sent to it ... */
static uint64_t seen[GUESTS];         /* ... and taken by it */
static _Atomic bool stop;
static bool in_poll[GUESTS]; /* its last sleep was a poll */
static _Atomic uint64_t wrong;
static _Atomic uint64_t sleeps, polls, lives;
/* A guest that dies and is born again all the time; nobody sends to it. */
static struct vcpu *_Atomic mortal;

static unsigned slot_of(const struct vcpu *v)
{
    for (unsigned i = 0; i < GUESTS; i++)
        if (v == &guest[i]->vcpu)
            return i;
    abort();
}

/* Waits for its port, which is masked: no upcall tells of it. */
static void poll_own_port(unsigned i)
{
    evtchn_port_t port = PORT + i;

    if (atomic_exchange(&sim_port[port], 1) == 2)
        return; /* taken */
    atomic_fetch_add(&polls, 1);
    in_poll[i] = true;
    if (sched_poll_current(&port, 1, 0))
        atomic_fetch_add(&wrong, 1);
}

/* The guest runs for a moment: takes its events, or blocks or polls when there are none. */
static void guest_runs(struct vcpu *v)
{
    struct vcpu_runstate_info state;
    unsigned i;

    sched_get_runstate(v, &state);
    if (state.state != RUNSTATE_running)
        atomic_fetch_add(&wrong, 1);
    if (v == atomic_load(&mortal)) {
        sched_block_current();
        return;
    }
    i = slot_of(v);
    in_poll[i] = false;
    if (atomic_fetch_add(&inside[i], 1) != 0)
        atomic_fetch_add(&wrong, 1);
    registers[i]++;
    if (__atomic_exchange_n(&v->info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
        seen[i] = atomic_load(&sent[i]);
    } else if (registers[i] % 2) {
        poll_own_port(i);
    } else {
        atomic_fetch_add(&sleeps, 1);
        sched_block_current();
    }
    atomic_fetch_sub(&inside[i], 1);
}

static void send(unsigned i)
{
    atomic_fetch_add(&sent[i], 1);
    __atomic_store_n(&guest[i]->info.evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
    vcpu_kick(&guest[i]->vcpu);
}

/* As event_deliver.c does for a masked port. */
static void send_masked(unsigned i)
{
    struct vcpu *v = &guest[i]->vcpu;

    atomic_store(&sim_port[PORT + i], 2);
    if (atomic_load(&v->domain->event.pollers) >> v->id & 1)
        vcpu_poll_wake(v, PORT + i);
}

static void *cpu_thread(void *arg)
{
    unsigned cpu = (unsigned)(uintptr_t)arg, seed = cpu + (unsigned)test_seed;

    host_enter_cpu(cpu);
    sim_threaded = true;
    while (!atomic_load(&stop)) {
        sim_visit(cpu);
        if (sched_current())
            guest_runs(sched_current());
        if (rand_r(&seed) % 4 == 0)
            send((unsigned)rand_r(&seed) % GUESTS);
        if (rand_r(&seed) % 4 == 0)
            send_masked((unsigned)rand_r(&seed) % GUESTS);
        if (rand_r(&seed) % 64 == 0)
            (void)!sched_set_affinity(&guest[(unsigned)rand_r(&seed) % GUESTS]->vcpu,
                                      (cpumask_t){1 + (uint64_t)rand_r(&seed) % 7});
    }
    return NULL;
}

/* The thread that pauses is not a CPU that runs guests, so vcpu_pause_sync() may wait for any of
 * them. */
static void pause_at_random(unsigned *seed)
{
    unsigned i = (unsigned)rand_r(seed) % GUESTS;
    unsigned before;

    vcpu_pause_sync(&guest[i]->vcpu);
    if (atomic_load(&inside[i]) != 0)
        atomic_fetch_add(&wrong, 1);
    before = registers[i]++; /* ours while it is paused */
    if (registers[i] != before + 1)
        atomic_fetch_add(&wrong, 1);
    vcpu_unpause(&guest[i]->vcpu);
}

/* Is born, runs, is woken and sent about, dies. Its memory is gone the moment that sched.h says so.
 */
static void live_and_die(struct domain *d, unsigned *seed)
{
    struct sim_guest *g = calloc(1, sizeof(*g));
    struct vcpu *v = &g->vcpu;

    v->domain = d;
    v->info = &g->info;
    sched_vcpu_init(v);
    vcpu_timer_init(v);
    (void)!sched_set_affinity(v, (cpumask_t){(1 << CPUS) - 1});
    atomic_store(&mortal, v);
    vcpu_wake(v);
    for (unsigned i = (unsigned)rand_r(seed) % 4; i > 0; i--) {
        (void)!sched_set_affinity(v, (cpumask_t){UINT64_C(1) << (unsigned)rand_r(seed) % CPUS});
        vcpu_kick(v);
        sched_yield();
    }
    v->down = true;
    vcpu_sleep_sync(v);
    vcpu_timer_destroy(v);
    sched_vcpu_destroy(v);
    memset(g, 0xa5, sizeof(*g));
    free(g);
    atomic_fetch_add(&lives, 1);
}

static void drain(void)
{
    /* All CPUs stand still: whoever has an event pending must be runnable, and get to run. */
    for (unsigned round = 0; round < 200; round++)
        for (unsigned c = 0; c < CPUS; c++) {
            host_enter_cpu(c);
            sim_visit(c);
            if (sched_current())
                guest_runs(sched_current());
        }
    for (unsigned i = 0; i < GUESTS; i++) {
        CU_ASSERT_EQUAL(seen[i], atomic_load(&sent[i])); /* no wake-up was lost */
        CU_ASSERT(guest[i]->vcpu.blocked);
        CU_ASSERT(!in_poll[i] || atomic_load(&sim_port[PORT + i]) == 1); /* nor of a poll */
    }
    for (unsigned c = 0; c < CPUS; c++)
        CU_ASSERT_PTR_NULL(sim_on(c));
}

static void storm(void)
{
    pthread_t thread[CPUS];
    unsigned seed = (unsigned)test_seed;
    struct domain *short_lived;

    sim_reset(1, CPUS + 1, 1); /* the last CPU is this thread's: guests may not run there */
    for (unsigned i = 0; i < GUESTS; i++) {
        guest[i] = sim_vcpu(sim_domain(0, 0), UINT64_MAX, 0);
        CU_ASSERT_EQUAL(sched_set_affinity(&guest[i]->vcpu, (cpumask_t){(1 << CPUS) - 1}), 0);
        atomic_store(&sent[i], 0);
        seen[i] = 0;
        atomic_store(&sim_port[PORT + i], 1);
    }
    short_lived = sim_domain(0, 0);
    sim_settle();
    atomic_store(&stop, false);
    sim_threaded = true;
    for (unsigned i = 0; i < CPUS; i++)
        pthread_create(&thread[i], NULL, cpu_thread, (void *)(uintptr_t)i);
    host_enter_cpu(CPUS);
    for (unsigned i = 0; i < VISITS; i++) {
        send((unsigned)rand_r(&seed) % GUESTS);
        send_masked((unsigned)rand_r(&seed) % GUESTS);
        if (i % 4 == 0)
            pause_at_random(&seed);
        if (i % 4 == 2)
            live_and_die(short_lived, &seed);
        host_set_time(UINT64_C(1000000000) + i * UINT64_C(200000));
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < CPUS; i++)
        pthread_join(thread[i], NULL);
    drain();
    sched_audit();
    CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
    CU_ASSERT(atomic_load(&sleeps) > 0 && atomic_load(&polls) > 0 && atomic_load(&lives) > 0);
    sim_threaded = false;
    host_enter_cpu(0);
}

static const struct test_case cases[] = {
    {"storm", storm},
    {NULL, NULL},
};

const struct suite suite_sched_smp = {"sched_smp", cases, NULL, NULL};
