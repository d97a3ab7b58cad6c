/* SPDX-License-Identifier: MIT
 *
 * The scheduler with real concurrency: each thread is a CPU, guests are slots that only one CPU may
 * be in. For TSan and Helgrind, and for the races that the head of sched.c explains.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "arch/host.h"
#include "arch_inline.h"
#include "sim_sched.h"
#include "suite.h"
#include "xen/softirq.h"

#define CPUS   3
#define GUESTS 7
#define VISITS 6000

static struct sim_guest *guest[GUESTS];
static _Atomic int inside[GUESTS];    /* CPUs that run this guest: 0 or 1 */
static unsigned registers[GUESTS];    /* plain: a race on it is a vCPU on two CPUs */
static _Atomic uint64_t sent[GUESTS]; /* events sent to it ... */
static uint64_t seen[GUESTS];         /* ... and taken by it */
static _Atomic bool stop;
static _Atomic uint64_t wrong;
static _Atomic uint64_t sleeps;

static unsigned slot_of(const struct vcpu *v)
{
    for (unsigned i = 0; i < GUESTS; i++)
        if (v == &guest[i]->vcpu)
            return i;
    abort();
}

/* The guest runs for a moment: takes its events, or blocks when there are none. */
static void guest_runs(struct vcpu *v)
{
    unsigned i = slot_of(v);

    if (atomic_fetch_add(&inside[i], 1) != 0)
        atomic_fetch_add(&wrong, 1);
    registers[i]++;
    if (__atomic_exchange_n(&v->info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
        seen[i] = atomic_load(&sent[i]);
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
    }
    for (unsigned c = 0; c < CPUS; c++)
        CU_ASSERT_PTR_NULL(sim_on(c));
}

static void storm(void)
{
    pthread_t thread[CPUS];
    unsigned seed = (unsigned)test_seed;

    sim_reset(1, CPUS + 1, 1); /* the last CPU is this thread's: guests may not run there */
    for (unsigned i = 0; i < GUESTS; i++) {
        guest[i] = sim_vcpu(sim_domain(0, 0), UINT64_MAX, 0);
        CU_ASSERT_EQUAL(sched_set_affinity(&guest[i]->vcpu, (cpumask_t){(1 << CPUS) - 1}), 0);
        atomic_store(&sent[i], 0);
        seen[i] = 0;
    }
    sim_settle();
    atomic_store(&stop, false);
    sim_threaded = true;
    for (unsigned i = 0; i < CPUS; i++)
        pthread_create(&thread[i], NULL, cpu_thread, (void *)(uintptr_t)i);
    host_enter_cpu(CPUS);
    for (unsigned i = 0; i < VISITS; i++) {
        send((unsigned)rand_r(&seed) % GUESTS);
        if (i % 4 == 0)
            pause_at_random(&seed);
        host_set_time(UINT64_C(1000000000) + i * UINT64_C(200000));
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < CPUS; i++)
        pthread_join(thread[i], NULL);
    drain();
    sched_audit();
    CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
    CU_ASSERT(atomic_load(&sleeps) > 0);
    sim_threaded = false;
    host_enter_cpu(0);
}

static const struct test_case cases[] = {
    {"storm", storm},
    {NULL, NULL},
};

const struct suite suite_sched_smp = {"sched_smp", cases, NULL, NULL};
