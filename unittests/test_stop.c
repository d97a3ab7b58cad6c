/* SPDX-License-Identifier: MIT
 *
 * Stopping the world: alone, in vain, and by threads that are CPUs and all stop one another.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "arch/host.h"
#include "sim_sched.h"
#include "suite.h"
#include "xen/softirq.h"
#include "xen/stop.h"

enum { CPUS = 3, ROUNDS = 3000 };

static void alone(void)
{
    sim_reset(1, 1, 1);
    sim_enter(0);
    CU_ASSERT(stop_begin());
    CU_ASSERT(!stop_begin()); /* it is stopped */
    stop_end();
    CU_ASSERT(stop_begin());
    stop_end();
}

/* ---- one that never comes ---- */

static _Atomic bool gave_up;

static void *stop_in_vain(void *arg)
{
    (void)arg;
    host_enter_cpu(0);
    CU_ASSERT(!stop_begin());
    atomic_store(&gave_up, true);
    return NULL;
}

static void patience(void)
{
    uint64_t now = UINT64_C(1000000000);
    pthread_t thread;

    sim_reset(1, 2, 1);
    atomic_store(&gave_up, false);
    pthread_create(&thread, NULL, stop_in_vain, NULL);
    while (!atomic_load(&gave_up)) {
        host_set_time(now += 10000000);
        sched_yield();
    }
    pthread_join(thread, NULL);
    sim_enter(1);
    CU_ASSERT_EQUAL(sim_pokes(1), 1);
    CU_ASSERT(softirq_pending());
    softirq_run(); /* comes too late, and is not held */
    sim_enter(0);
}

/* ---- many ---- */

static struct {
    unsigned in_work[CPUS]; /* each CPU's own, but for whoever has stopped the others */
    unsigned work[CPUS];
    _Atomic unsigned wrong, stops, finished;
} many;

/* Everybody else stands still outside of its work: what is theirs may be touched. */
static void look_around(unsigned self)
{
    unsigned before[CPUS];

    for (unsigned i = 0; i < CPUS; i++) {
        before[i] = ++many.work[i];
        if (i != self && many.in_work[i])
            atomic_fetch_add(&many.wrong, 1);
    }
    sched_yield();
    for (unsigned i = 0; i < CPUS; i++)
        if (many.work[i] != before[i])
            atomic_fetch_add(&many.wrong, 1);
    atomic_fetch_add(&many.stops, 1);
}

static void *cpu_thread(void *arg)
{
    unsigned cpu = (unsigned)(uintptr_t)arg, seed = cpu + (unsigned)test_seed;

    host_enter_cpu(cpu);
    sim_threaded = true;
    for (unsigned i = 0; i < ROUNDS; i++) {
        many.in_work[cpu] = 1;
        many.work[cpu]++;
        if (rand_r(&seed) % 8 == 0)
            sched_yield();
        many.in_work[cpu] = 0;
        if (rand_r(&seed) % 4 == 0 && stop_begin()) {
            look_around(cpu);
            stop_end();
        }
        softirq_run();
    }
    atomic_fetch_add(&many.finished, 1);
    while (atomic_load(&many.finished) < CPUS) {
        softirq_run();
        sched_yield();
    }
    return NULL;
}

static void all_at_once(void)
{
    pthread_t thread[CPUS];

    sim_reset(1, CPUS, 1);
    atomic_store(&many.wrong, 0);
    atomic_store(&many.stops, 0);
    atomic_store(&many.finished, 0);
    sim_threaded = true;
    for (unsigned i = 0; i < CPUS; i++)
        pthread_create(&thread[i], NULL, cpu_thread, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < CPUS; i++)
        pthread_join(thread[i], NULL);
    CU_ASSERT_EQUAL(atomic_load(&many.wrong), 0);
    CU_ASSERT(atomic_load(&many.stops) > 0);
    sim_threaded = false;
    sim_enter(0);
}

static const struct test_case cases[] = {
    {"alone", alone},
    {"one that never comes", patience},
    {"all at once", all_at_once},
    {NULL, NULL},
};

const struct suite suite_stop = {"stop", cases, NULL, NULL};
