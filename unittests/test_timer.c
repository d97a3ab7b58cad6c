/* SPDX-License-Identifier: MIT
 *
 * Timers: order of firing, random operations against a plain array, moves and kills under fire.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "arch/host.h"
#include "arch_inline.h"
#include "sim_sched.h"
#include "suite.h"
#include "xen/softirq.h"
#include "xen/timer.h"

#define TIMERS 64

static struct timer timers[TIMERS];
static unsigned fired[TIMERS];
static uint64_t last_fired_at;

static void record(struct timer *t)
{
    CU_ASSERT(t->expires >= last_fired_at);
    last_fired_at = t->expires;
    fired[t - timers]++;
}

static void setup(void)
{
    sim_reset(1, 2, 1);
    host_set_time(1000);
    last_fired_at = 0;
    for (unsigned i = 0; i < TIMERS; i++) {
        timer_init(&timers[i], record, 0);
        fired[i] = 0;
    }
}

static void fires_in_order(void)
{
    setup();
    for (unsigned i = 0; i < TIMERS; i++)
        timer_set(&timers[i], 2000 + (i * 37) % TIMERS);
    CU_ASSERT_EQUAL(sim_timer_at(0), 2000);
    host_set_time(1999);
    timer_softirq();
    CU_ASSERT_EQUAL(last_fired_at, 0);
    host_set_time(2000 + TIMERS / 2);
    timer_softirq();
    CU_ASSERT_EQUAL(last_fired_at, 2000 + TIMERS / 2);
    CU_ASSERT_EQUAL(sim_timer_at(0), 2000 + TIMERS / 2 + 1);
    host_set_time(5000);
    timer_softirq();
    for (unsigned i = 0; i < TIMERS; i++)
        CU_ASSERT(fired[i] == 1 && !timer_is_armed(&timers[i]));
    CU_ASSERT_EQUAL(sim_timer_at(0), UINT64_MAX);
}

static void past_fires_at_once(void)
{
    setup();
    timer_set(&timers[0], 5);
    CU_ASSERT_EQUAL(sim_timer_at(0), 5);
    timer_softirq();
    CU_ASSERT_EQUAL(fired[0], 1);
}

/* Arming another CPU's timer makes that CPU look; moving one does as well. */
static void other_cpus_are_told(void)
{
    setup();
    host_enter_cpu(1);
    timer_set(&timers[0], 3000);
    CU_ASSERT(atomic_load(arch_softirq_word(0)) & 1U << SOFTIRQ_TIMER);
    CU_ASSERT_EQUAL(sim_pokes(0), 1);
    timer_set(&timers[1], 4000); /* later than the first: nothing to tell */
    CU_ASSERT_EQUAL(sim_pokes(0), 1);
    timer_move(&timers[0], 1);
    CU_ASSERT_EQUAL(sim_timer_at(1), 3000);
    timer_audit(0);
    timer_audit(1);
    host_set_time(3500);
    timer_softirq();
    CU_ASSERT_EQUAL(fired[0], 1);
    host_enter_cpu(0);
    timer_softirq();
    CU_ASSERT_EQUAL(sim_timer_at(0), 4000);
}

static void again(struct timer *t)
{
    fired[t - timers]++;
    timer_set(t, arch_time_ns() + 100);
}

static void handler_may_arm_again(void)
{
    setup();
    timer_init(&timers[0], again, 0);
    timer_set(&timers[0], 1100);
    for (unsigned i = 1; i <= 5; i++) {
        host_set_time(1000 + i * 100);
        timer_softirq();
        CU_ASSERT_EQUAL(fired[0], i);
    }
    timer_kill(&timers[0]);
    timer_set(&timers[0], 1); /* dead: nothing happens */
    CU_ASSERT(!timer_is_armed(&timers[0]));
    timer_softirq();
    CU_ASSERT_EQUAL(fired[0], 5);
}

/* Random operations; the model is what each timer should be armed for (0: not). */
static void random_against_model(void)
{
    uint64_t model[TIMERS] = {0}, now = 1000;

    setup();
    srand((unsigned)test_seed);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)rand() % TIMERS, before[TIMERS];

        switch (rand() % 5) {
        case 0:
        case 1:
            model[i] = now + 1 + (uint64_t)rand() % 500;
            timer_set(&timers[i], model[i]);
            break;
        case 2:
            model[i] = 0;
            timer_stop(&timers[i]);
            break;
        case 3:
            timer_move(&timers[i], (unsigned)rand() % 2);
            break;
        default:
            now += (uint64_t)rand() % 60;
            host_set_time(now);
            for (unsigned k = 0; k < TIMERS; k++)
                before[k] = fired[k];
            for (unsigned c = 0; c < 2; c++) {
                host_enter_cpu(c);
                last_fired_at = 0;
                timer_softirq();
            }
            host_enter_cpu(0);
            for (unsigned k = 0; k < TIMERS; k++) {
                bool due = model[k] && model[k] <= now;

                CU_ASSERT_EQUAL(fired[k] - before[k], due);
                if (due)
                    model[k] = 0;
            }
            break;
        }
        CU_ASSERT_EQUAL(timer_is_armed(&timers[i]), model[i] != 0);
        if (step % 16 == 0) {
            timer_audit(0);
            timer_audit(1);
        }
    }
}

/* ---- threads: one CPU each ---- */

static _Atomic bool stop;
static _Atomic unsigned handled;

static void count(struct timer *t)
{
    atomic_fetch_add(&handled, 1);
    if (atomic_load(&handled) % 3)
        timer_set(t, arch_time_ns());
}

static void *cpu_thread(void *arg)
{
    host_enter_cpu((unsigned)(uintptr_t)arg);
    while (!atomic_load(&stop))
        timer_softirq();
    return NULL;
}

/* Two CPUs fire, a third sets, moves and kills: a killed timer's memory goes away at once, which
 * ASan and TSan watch. */
static void kills_under_fire(void)
{
    pthread_t thread[2];

    setup();
    atomic_store(&stop, false);
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, cpu_thread, (void *)(uintptr_t)i);
    host_enter_cpu(2);
    for (unsigned i = 0; i < 3000; i++) {
        struct timer *t = malloc(sizeof(*t));
        unsigned before = atomic_load(&handled);

        timer_init(t, count, i % 2);
        timer_set(t, arch_time_ns());
        timer_move(t, (i + 1) % 2);
        timer_set(t, arch_time_ns() - i % 2);
        if (i % 3 == 0)
            timer_stop(t);
        else if (i % 16 == 1)
            while (atomic_load(&handled) == before)
                arch_relax(); /* a CPU has taken it */
        timer_kill(t);
        CU_ASSERT(!timer_is_armed(t));
        free(t);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    CU_ASSERT(atomic_load(&handled) > 0);
    host_enter_cpu(0);
}

static uint64_t programmed;

static void takes_long(struct timer *t)
{
    (void)t;
    timer_let_interrupt();
    programmed = sim_timer_at(0);
}

/* What is due while a handler works interrupts it. */
static void long_handler(void)
{
    struct timer slow, next;

    setup();
    timer_init(&slow, takes_long, 0);
    timer_init(&next, count, 0);
    timer_set(&slow, 1000);
    timer_set(&next, 2000);
    sim_run(1500);
    CU_ASSERT_EQUAL(programmed, 2000);
    timer_kill(&next);
    timer_set(&slow, 1800);
    sim_run(1900);
    CU_ASSERT_EQUAL(programmed, UINT64_MAX);
    timer_kill(&slow);
}

static const struct test_case cases[] = {
    {"a handler that takes long", long_handler},
    {"fires in order", fires_in_order},
    {"past fires at once", past_fires_at_once},
    {"other CPUs are told", other_cpus_are_told},
    {"handler may arm again", handler_may_arm_again},
    {"random against model", random_against_model},
    {"kills under fire", kills_under_fire},
    {NULL, NULL},
};

const struct suite suite_timer = {"timer", cases, NULL, NULL};
