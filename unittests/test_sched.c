/* SPDX-License-Identifier: MIT
 *
 * Scenarios on the simulated machine: fairness, caps, latency, starvation, work conservation,
 * affinity, spreading over cores, and random ones. The machine itself checks INV-SCHED-1 to -4
 * after each event.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/host.h"
#include "sim_sched.h"
#include "suite.h"
#include "xen/softirq.h"

#define MS   UINT64_C(1000000)
#define SEC  (1000 * MS)
#define EVER UINT64_MAX

/* True if `got` is within `percent` of `want`. */
static bool within(double got, double want, double percent)
{
    if (fabs(got - want) <= want * percent / 100)
        return true;
    printf("    got %.4f, want %.4f\n", got, want);
    return false;
}

static double share(const struct sim_guest *g, uint64_t of)
{
    return (double)g->ran / (double)of;
}

static void weights_on_one_cpu(void)
{
    struct sim_guest *g[3];

    sim_reset(1, 1, 1);
    for (unsigned i = 0; i < 3; i++)
        g[i] = sim_vcpu(sim_domain(128U << i, 0), EVER, 0);
    sim_run(10 * SEC);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT(within(share(g[i], 10 * SEC), (1 << i) / 7.0, 2));
    CU_ASSERT_EQUAL(sim_idle(0), 0);
}

/* Three equal ones on two CPUs: two thirds each; five on four; seven with odd weights on two. */
static void fairness_across_cpus(void)
{
    static const struct {
        unsigned cpus, guests;
    } cases[] = {{2, 3}, {4, 5}, {4, 7}, {8, 11}, {3, 4}};

    for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
        sim_reset(1, cases[k].cpus, 1);
        struct sim_guest *g[16];

        for (unsigned i = 0; i < cases[k].guests; i++)
            g[i] = sim_vcpu(sim_domain(0, 0), EVER, 0);
        sim_run(20 * SEC);
        for (unsigned i = 0; i < cases[k].guests; i++)
            CU_ASSERT(within(share(g[i], 20 * SEC), (double)cases[k].cpus / cases[k].guests, 2));
    }
}

static void weights_across_cpus(void)
{
    struct sim_guest *g[6];

    sim_reset(2, 1, 1);
    for (unsigned i = 0; i < 6; i++)
        g[i] = sim_vcpu(sim_domain(128U << i / 2, 0), EVER, 0);
    sim_run(20 * SEC);
    for (unsigned i = 0; i < 6; i++)
        CU_ASSERT(within(share(g[i], 20 * SEC), 2 * (1 << i / 2) / 14.0, 2));
}

/* Weights 1:2:4 on two CPUs: nobody can use more than one, so the heavy one gets a CPU and the
 * others share the second 1:2. */
static void weights_that_do_not_fit(void)
{
    struct sim_guest *g[3];

    sim_reset(1, 2, 1);
    for (unsigned i = 0; i < 3; i++)
        g[i] = sim_vcpu(sim_domain(256U << i, 0), EVER, 0);
    sim_run(2 * SEC);
    sim_forget();
    sim_run(20 * SEC);
    CU_ASSERT(within(share(g[2], 20 * SEC), 1, 2));
    CU_ASSERT(within(share(g[1], 20 * SEC), 2 / 3.0, 2));
    CU_ASSERT(within(share(g[0], 20 * SEC), 1 / 3.0, 2));
}

/* Weight belongs to the domain: four vCPUs against one get the same together. */
static void weight_is_the_domains(void)
{
    struct domain *many, *one;
    struct sim_guest *g[5];
    double sum = 0;

    sim_reset(1, 1, 1);
    many = sim_domain(256, 0);
    one = sim_domain(256, 0);
    for (unsigned i = 0; i < 4; i++)
        g[i] = sim_vcpu(many, EVER, 0);
    g[4] = sim_vcpu(one, EVER, 0);
    sim_run(10 * SEC);
    for (unsigned i = 0; i < 4; i++)
        sum += share(g[i], 10 * SEC);
    CU_ASSERT(within(sum, 0.5, 2));
    CU_ASSERT(within(share(g[4], 10 * SEC), 0.5, 2));
    /* Three of the four go to sleep: the fourth now has all of the domain's weight. */
    for (unsigned i = 0; i < 3; i++) {
        atomic_fetch_add(&g[i]->vcpu.pause_count, 1);
        vcpu_sleep(&g[i]->vcpu);
    }
    sim_settle();
    sim_forget();
    sim_run(10 * SEC);
    CU_ASSERT(within(share(g[3], 10 * SEC), 0.5, 2));
}

static void weight_changes_while_running(void)
{
    struct domain *a, *b;
    struct sim_guest *ga, *gb;

    sim_reset(1, 1, 1);
    a = sim_domain(256, 0);
    b = sim_domain(256, 0);
    ga = sim_vcpu(a, EVER, 0);
    gb = sim_vcpu(b, EVER, 0);
    sim_run(SEC);
    CU_ASSERT_EQUAL(sched_set_weight(a, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(sched_set_weight(a, 65536, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(sched_set_weight(a, 256, 6401), -XEN_EINVAL);
    CU_ASSERT_EQUAL(sched_set_weight(a, 768, 0), 0);
    sim_forget();
    sim_run(10 * SEC);
    CU_ASSERT(within(share(ga, 10 * SEC), 0.75, 2));
    CU_ASSERT(within(share(gb, 10 * SEC), 0.25, 2));
    /* A turn at weight 1 puts a domain far behind; it does not have to wait for that once it weighs
     * more. */
    CU_ASSERT_EQUAL(sched_set_weight(a, 1, 0), 0);
    sim_run(SEC);
    CU_ASSERT_EQUAL(sched_set_weight(a, 256, 0), 0);
    sim_forget();
    sim_run(SEC);
    CU_ASSERT(within(share(ga, SEC), 0.5, 4));
}

static void caps(void)
{
    static const unsigned cap[] = {1, 5, 10, 33, 50, 75, 99};

    for (unsigned k = 0; k < ARRAY_SIZE(cap); k++) {
        struct sim_guest *capped, *other;

        /* Alone, and beside a hog with a small weight. */
        sim_reset(1, 1, 1);
        capped = sim_vcpu(sim_domain(0, cap[k]), EVER, 0);
        sim_run(10 * SEC);
        CU_ASSERT(within(share(capped, 10 * SEC), cap[k] / 100.0, 2));
        sim_reset(1, 1, 1);
        capped = sim_vcpu(sim_domain(60000, cap[k]), EVER, 0);
        other = sim_vcpu(sim_domain(16, 0), EVER, 0);
        sim_run(20 * SEC);
        CU_ASSERT(within(share(capped, 20 * SEC), cap[k] / 100.0, 2));
        CU_ASSERT(fabs(share(other, 20 * SEC) - (1 - cap[k] / 100.0)) < 0.02);
        CU_ASSERT(other->ran > 0);
    }
}

/* The cap is the domain's, whatever the number of its vCPUs and of the CPUs they run on. */
static void cap_of_many_vcpus(void)
{
    struct domain *d;
    struct sim_guest *g[4];
    double sum = 0;

    sim_reset(2, 2, 1);
    d = sim_domain(0, 150);
    for (unsigned i = 0; i < 4; i++)
        g[i] = sim_vcpu(d, EVER, 0);
    sim_run(10 * SEC);
    for (unsigned i = 0; i < 4; i++)
        sum += share(g[i], 10 * SEC);
    CU_ASSERT(within(sum, 1.5, 2));
    /* And when they come and go. */
    sim_reset(2, 2, 1);
    d = sim_domain(0, 40);
    for (unsigned i = 0; i < 4; i++) {
        g[i] = sim_vcpu(d, 3 * MS, MS);
        g[i]->random = true;
    }
    sim_run(10 * SEC);
    sum = 0;
    for (unsigned i = 0; i < 4; i++)
        sum += share(g[i], 10 * SEC);
    CU_ASSERT(within(sum, 0.4, 2));
}

/* An I/O-ish vCPU among hogs runs within the rate limit of its waking. With several CPUs a hog may
 * just have come over that is owed more than the waking one: two slices within a package. That is
 * rare, so the average stays low. */
static void latency_of_waking(void)
{
    for (unsigned k = 0; k < 4; k++) {
        unsigned timer = k % 2, cpus = 1 + k / 2;
        struct sim_guest *io;

        sim_reset(1, cpus, 1);
        for (unsigned i = 0; i < 6; i++)
            sim_vcpu(sim_domain(0, 0), EVER, 0);
        io = sim_vcpu(sim_domain(0, 0), 100000, 5 * MS);
        io->random = true;
        io->by_timer = timer;
        sim_run(SEC);
        sim_forget();
        sim_run(20 * SEC);
        CU_ASSERT(io->ran > 20 * SEC / 200);
        CU_ASSERT(io->worst_wait <= POLICY_RATELIMIT_NS + (cpus > 1 ? 8 * POLICY_SLICE_NS : 0));
        CU_ASSERT(io->all_waits / io->wakes <= POLICY_RATELIMIT_NS);
    }
}

/* A vCPU that naps to look interactive gets no more than its share. */
static void napping_does_not_pay(void)
{
    struct sim_guest *nap, *hog;

    sim_reset(1, 1, 1);
    nap = sim_vcpu(sim_domain(0, 0), 9 * MS, 1000);
    hog = sim_vcpu(sim_domain(0, 0), EVER, 0);
    sim_run(20 * SEC);
    CU_ASSERT(share(nap, 20 * SEC) <= 0.51);
    CU_ASSERT(share(hog, 20 * SEC) >= 0.49);
}

/* Many short sleepers cannot keep a hog from its share, nor shuffle the hogs. */
static void sleepers_do_not_starve_hogs(void)
{
    struct sim_guest *hog[2];

    sim_reset(1, 1, 1);
    hog[0] = sim_vcpu(sim_domain(0, 0), EVER, 0);
    hog[1] = sim_vcpu(sim_domain(1, 0), EVER, 0);
    for (unsigned i = 0; i < 20; i++)
        sim_vcpu(sim_domain(0, 0), MS, 4 * MS)->random = true;
    sim_run(60 * SEC);
    CU_ASSERT(share(hog[0], 60 * SEC) > 0.03);
    CU_ASSERT(hog[1]->ran > 0); /* weight 1 of 5377 */
    CU_ASSERT(hog[0]->worst_gap < SEC);
}

static void turns_are_slices(void)
{
    sim_reset(1, 1, 1);
    for (unsigned i = 0; i < 4; i++)
        sim_vcpu(sim_domain(0, 0), EVER, 0);
    sim_run(10 * SEC);
    CU_ASSERT(sim_switches() <= 1001);
    CU_ASSERT(sim_switches() >= 990);
}

static void yields_give_way(void)
{
    struct sim_guest *a, *b;

    sim_reset(1, 1, 1);
    a = sim_vcpu(sim_domain(0, 0), EVER, 0);
    b = sim_vcpu(sim_domain(0, 0), EVER, 0);
    sim_run(MS);
    CU_ASSERT_PTR_EQUAL(sim_on(0), a);
    sim_enter(0);
    sched_yield_current();
    sim_settle();
    CU_ASSERT_PTR_EQUAL(sim_on(0), b);
}

static void affinity(void)
{
    struct sim_guest *g[4];

    sim_reset(1, 2, 2);
    for (unsigned i = 0; i < 4; i++)
        g[i] = sim_vcpu(sim_domain(0, 0), EVER, 0);
    sim_run(100 * MS);
    CU_ASSERT_EQUAL(sched_set_affinity(&g[0]->vcpu, cpumask_none()), -XEN_EINVAL);
    CU_ASSERT_EQUAL(sched_set_affinity(&g[0]->vcpu, cpumask_of(7)), -XEN_EINVAL);
    /* Two pinned to one CPU share it; the others have one each, and one CPU idles. */
    for (unsigned i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(sched_set_affinity(&g[i]->vcpu, cpumask_of(3)), 0);
    sim_settle();
    sim_forget();
    sim_run(4 * SEC);
    CU_ASSERT(within(share(g[0], 4 * SEC), 0.5, 2));
    CU_ASSERT(within(share(g[1], 4 * SEC), 0.5, 2));
    CU_ASSERT(within(share(g[2], 4 * SEC), 1, 2));
    /* Let go, they all run again, however far the clocks of the CPUs have drifted. */
    for (unsigned i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(sched_set_affinity(&g[i]->vcpu, cpumask_all()), 0);
    sim_settle();
    sim_forget();
    sim_run(4 * SEC);
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT(within(share(g[i], 4 * SEC), 1, 2));
}

/* Pinning drives the clocks of two CPUs apart; afterwards sharing is fair again soon. */
static void clocks_meet_again(void)
{
    struct sim_guest *g[5];

    sim_reset(1, 2, 1);
    for (unsigned i = 0; i < 5; i++) {
        g[i] = sim_vcpu(sim_domain(0, 0), EVER, 0);
        CU_ASSERT_EQUAL(sched_set_affinity(&g[i]->vcpu, cpumask_of(i == 4)), 0);
    }
    sim_run(60 * SEC); /* CPU 0 has four, CPU 1 one */
    CU_ASSERT(within(share(g[4], 60 * SEC), 1, 2));
    for (unsigned i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(sched_set_affinity(&g[i]->vcpu, cpumask_all()), 0);
    sim_run(SEC);
    sim_forget();
    sim_run(10 * SEC);
    for (unsigned i = 0; i < 5; i++)
        CU_ASSERT(within(share(g[i], 10 * SEC), 0.4, 3));
}

/* n hogs on 2 packages of 2 cores of 2 threads: packages first, then cores, then threads. */
static void spreading(void)
{
    for (unsigned n = 1; n <= 8; n++) {
        unsigned package[2] = {0}, core[4] = {0};

        sim_reset(2, 2, 2);
        for (unsigned i = 0; i < n; i++)
            sim_vcpu(sim_domain(0, 0), EVER, 0);
        sim_run(100 * MS);
        for (unsigned c = 0; c < 8; c++) {
            package[c / 4] += sim_on(c) != NULL;
            core[c / 2] += sim_on(c) != NULL;
        }
        CU_ASSERT(abs((int)package[0] - (int)package[1]) <= 1);
        for (unsigned c = 0; c < 4; c++)
            CU_ASSERT(core[c] <= (n + 3) / 4);
    }
}

/* A vCPU that wakes goes to an idle core rather than to the sibling of a busy thread. */
static void waking_prefers_idle_cores(void)
{
    struct sim_guest *g, *hog;

    sim_reset(1, 2, 2);
    g = sim_vcpu(sim_domain(0, 0), MS, 9 * MS);
    sim_run(5 * MS); /* ran on core 0, sleeps */
    hog = sim_vcpu(sim_domain(0, 0), EVER, 0);
    CU_ASSERT_EQUAL(sched_set_affinity(&hog->vcpu, cpumask_of(0)), 0);
    sim_run(5 * MS + MS / 2);
    CU_ASSERT_PTR_EQUAL(sim_on(0), hog);
    CU_ASSERT_PTR_NULL(sim_on(1));
    CU_ASSERT(sim_on(2) == g || sim_on(3) == g);
}

static void pauses(void)
{
    struct sim_guest *a, *b;
    struct domain *d;

    sim_reset(1, 2, 1);
    d = sim_domain(0, 0);
    a = sim_vcpu(d, EVER, 0);
    b = sim_vcpu(d, EVER, 0);
    sim_run(MS);
    atomic_fetch_add(&a->vcpu.pause_count, 2);
    vcpu_sleep(&a->vcpu);
    sim_settle();
    sim_forget();
    sim_run(SEC);
    CU_ASSERT_EQUAL(a->ran, 0);
    CU_ASSERT_EQUAL(b->ran, SEC);
    vcpu_unpause(&a->vcpu);
    sim_run(MS);
    CU_ASSERT_EQUAL(a->ran, 0); /* pauses nest */
    vcpu_unpause(&a->vcpu);
    sim_run(MS);
    CU_ASSERT_EQUAL(a->ran, MS);
    CU_ASSERT(HOST_PANICS(vcpu_unpause(&a->vcpu)));
}

/* What nobody ran in is the processor's idle time, whether it begins or ends so. */
static void idle_time(void)
{
    struct sim_guest *a;
    uint64_t idle;

    sim_reset(2, 1, 1);
    idle = sched_idle_time(0);
    a = sim_vcpu(sim_domain(0, 0), 2 * MS, 8 * MS);
    CU_ASSERT_EQUAL(sched_set_affinity(&a->vcpu, cpumask_of(0)), 0);
    for (unsigned i = 1; i <= 40; i++) {
        sim_run(7 * MS);
        CU_ASSERT_EQUAL(sched_idle_time(0), idle + i * 7 * MS - a->ran);
    }
    CU_ASSERT_TRUE(a->ran > 50 * MS && a->ran < 60 * MS);
    CU_ASSERT_EQUAL(sched_idle_time(1), sched_idle_time(0) + a->ran);
}

/* The four run-state times account for every nanosecond, and for the right one. */
static void run_states(void)
{
    struct sim_guest *a, *b;
    struct vcpu_runstate_info info;
    uint64_t start, sum = 0;

    sim_reset(1, 1, 1);
    start = sim_now();
    a = sim_vcpu(sim_domain(0, 0), EVER, 0);
    b = sim_vcpu(sim_domain(0, 0), 2 * MS, 8 * MS);
    sim_run(SEC);
    sched_get_runstate(&b->vcpu, &info);
    for (unsigned i = 0; i < 4; i++)
        sum += info.time[i];
    CU_ASSERT_EQUAL(sum, sim_now() - start);
    CU_ASSERT_EQUAL(info.time[RUNSTATE_running], b->ran);
    CU_ASSERT_EQUAL(sched_cpu_time(&b->vcpu), b->ran);
    CU_ASSERT(within((double)info.time[RUNSTATE_blocked], 0.8 * (double)SEC, 6));
    sched_get_runstate(&a->vcpu, &info);
    CU_ASSERT_EQUAL(info.time[RUNSTATE_running], a->ran);
    CU_ASSERT_EQUAL(info.time[RUNSTATE_runnable], SEC - a->ran);
    CU_ASSERT_EQUAL(info.time[RUNSTATE_blocked], 0);
    CU_ASSERT_EQUAL(info.state, sim_on(0) == a ? RUNSTATE_running : RUNSTATE_runnable);
    atomic_fetch_add(&a->vcpu.pause_count, 1);
    vcpu_sleep(&a->vcpu);
    sim_run(10 * MS);
    sched_get_runstate(&a->vcpu, &info);
    CU_ASSERT_EQUAL(info.state, RUNSTATE_offline);
    CU_ASSERT_EQUAL(info.time[RUNSTATE_offline], 10 * MS);
}

/* Anything may happen to anybody; the machine's checks must hold throughout, and nobody starve. */
static void random_step(struct sim_guest **g, unsigned n)
{
    struct sim_guest *x = g[(unsigned)rand() % n];

    switch (rand() % 6) {
    case 0:
        if (x->vcpu.pause_count == 0) {
            atomic_fetch_add(&x->vcpu.pause_count, 1);
            vcpu_sleep(&x->vcpu);
        }
        break;
    case 1:
        if (x->vcpu.pause_count > 0)
            vcpu_unpause(&x->vcpu);
        break;
    case 2:
        (void)!sched_set_affinity(&x->vcpu, (cpumask_t){(uint64_t)rand() & 0xff});
        break;
    case 3:
        (void)!sched_set_affinity(&x->vcpu, cpumask_all());
        break;
    case 4:
        (void)!sched_set_weight(x->vcpu.domain, 1 + (unsigned)rand() % 1000,
                                rand() % 4 ? 0 : 1 + (unsigned)rand() % 200);
        break;
    default:
        vcpu_kick(&x->vcpu);
        break;
    }
    sim_settle();
}

static void random_lives(void)
{
    srand((unsigned)test_seed);
    for (unsigned round = 0; round < 12; round++) {
        struct sim_guest *g[24];
        unsigned n = 1 + (unsigned)rand() % 24;
        struct domain *d = NULL;

        sim_reset(1 + (unsigned)rand() % 2, 1 + (unsigned)rand() % 2, 1 + (unsigned)rand() % 2);
        for (unsigned i = 0; i < n; i++) {
            if (!d || rand() % 2)
                d = sim_domain(1 + (unsigned)rand() % 1000, rand() % 3 ? 0 : 20);
            g[i] = sim_vcpu(d, rand() % 2 ? EVER : 5 * MS, 10 * MS);
            g[i]->random = true;
            g[i]->by_timer = rand() % 2;
        }
        for (unsigned step = 0; step < 300; step++) {
            sim_run((uint64_t)rand() % (20 * MS));
            random_step(g, n);
        }
        for (unsigned i = 0; i < n; i++) {
            atomic_store(&g[i]->vcpu.pause_count, 0);
            CU_ASSERT_EQUAL(sched_set_affinity(&g[i]->vcpu, cpumask_all()), 0);
            CU_ASSERT_EQUAL(sched_set_weight(g[i]->vcpu.domain, 256, 0), 0);
            vcpu_wake(&g[i]->vcpu);
        }
        sim_run(SEC);
        sim_forget();
        sim_run(5 * SEC);
        for (unsigned i = 0; i < n; i++)
            CU_ASSERT(g[i]->ran > 0 && g[i]->worst_gap < 3 * SEC);
    }
}

/* Random hogs with random weights that fit their CPUs get shares in proportion. */
static void random_weights(void)
{
    srand((unsigned)test_seed + 1);
    for (unsigned round = 0; round < 8; round++) {
        unsigned cpus = 1 + (unsigned)rand() % 4, n = 4 * cpus, weight[16], total = 0;
        struct sim_guest *g[16];

        sim_reset(1, cpus, 1);
        for (unsigned i = 0; i < n; i++) {
            weight[i] = 100 + (unsigned)rand() % 300;
            total += weight[i];
            g[i] = sim_vcpu(sim_domain(weight[i], 0), EVER, 0);
        }
        sim_run(5 * SEC);
        sim_forget();
        sim_run(60 * SEC);
        for (unsigned i = 0; i < n; i++)
            CU_ASSERT(within(share(g[i], 60 * SEC), (double)cpus * weight[i] / total, 3));
    }
}

static const struct test_case cases[] = {
    {"weights on one CPU", weights_on_one_cpu},
    {"fairness across CPUs", fairness_across_cpus},
    {"weights across CPUs", weights_across_cpus},
    {"weights that do not fit", weights_that_do_not_fit},
    {"weight is the domain's", weight_is_the_domains},
    {"weight changes", weight_changes_while_running},
    {"caps", caps},
    {"cap of many vCPUs", cap_of_many_vcpus},
    {"latency of waking", latency_of_waking},
    {"napping does not pay", napping_does_not_pay},
    {"sleepers do not starve hogs", sleepers_do_not_starve_hogs},
    {"turns are slices", turns_are_slices},
    {"yield", yields_give_way},
    {"affinity", affinity},
    {"clocks meet again", clocks_meet_again},
    {"spreading", spreading},
    {"idle time", idle_time},
    {"waking prefers idle cores", waking_prefers_idle_cores},
    {"pauses", pauses},
    {"run states", run_states},
    {"random lives", random_lives},
    {"random weights", random_weights},
    {NULL, NULL},
};

const struct suite suite_sched = {"sched", cases, NULL, NULL};
