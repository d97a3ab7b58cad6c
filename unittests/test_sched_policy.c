/* SPDX-License-Identifier: MIT
 *
 * The pure modules by themselves: tags, turns, leases, preemption, moves, placement.
 */
#include <stdatomic.h>

#include "suite.h"
#include "xen/sched_balance.h"
#include "xen/sched_policy.h"

#define MS    UINT64_C(1000000)
#define SLICE (10 * MS)

static struct sched_queue q, q2;
static struct sched_group group[4];
static struct sched_unit unit[4];

static void setup(void)
{
    policy_queue_init(&q, SLICE);
    policy_queue_init(&q2, SLICE);
    for (unsigned i = 0; i < 4; i++) {
        policy_group_init(&group[i], 256, 0);
        policy_unit_init(&unit[i], &group[i], cpumask_all());
    }
}

static void turns_alternate(void)
{
    uint64_t now = 0;

    setup();
    policy_wake(&q, &unit[0]);
    policy_wake(&q, &unit[1]);
    for (unsigned i = 0; i < 10; i++) {
        CU_ASSERT_PTR_EQUAL(policy_pick(&q, now), &unit[i % 2]);
        CU_ASSERT_EQUAL(policy_next_event(&q), now + SLICE);
        now += SLICE;
        policy_leave(&q, LEAVE_TURN, now);
        policy_audit(&q);
    }
    CU_ASSERT_EQUAL(unit[0].ran, 5 * SLICE);
}

/* Pushed aside in mid-turn, a unit goes on with the rest of the turn before its equals. */
static void turn_is_resumed(void)
{
    setup();
    policy_wake(&q, &unit[0]);
    policy_wake(&q, &unit[1]);
    CU_ASSERT_PTR_EQUAL(policy_pick(&q, 0), &unit[0]);
    policy_leave(&q, LEAVE_TURN, 3 * MS);
    CU_ASSERT_PTR_EQUAL(policy_pick(&q, 3 * MS), &unit[0]);
    CU_ASSERT_EQUAL(q.turn_end, 10 * MS);
    policy_leave(&q, LEAVE_YIELD, 4 * MS);
    CU_ASSERT_PTR_EQUAL(policy_pick(&q, 4 * MS), &unit[1]);
    policy_leave(&q, LEAVE_BLOCKED, 5 * MS);
    CU_ASSERT_EQUAL(unit[1].place, UNIT_ABSENT);
    CU_ASSERT_EQUAL(atomic_load(&group[1].active), 0);
    policy_audit(&q);
}

static void ageing_by_weight(void)
{
    setup();
    CU_ASSERT_EQUAL(policy_group_set(&group[0], 512, 0), 0);
    CU_ASSERT_EQUAL(policy_group_set(&group[1], 65535, 0), 0);
    CU_ASSERT_EQUAL(policy_group_set(&group[2], 1, 0), 0);
    for (unsigned i = 0; i < 4; i++)
        policy_wake(&q, &unit[i]);
    CU_ASSERT_EQUAL(policy_aging(&unit[0], 1000), 500);
    CU_ASSERT(policy_aging(&unit[1], 65535 * 1000) / 1000 == 255 ||
              policy_aging(&unit[1], 65535 * 1000) / 1000 == 256);
    CU_ASSERT_EQUAL(policy_aging(&unit[2], 1000), 256000);
    CU_ASSERT_EQUAL(policy_aging(&unit[3], 1000), 1000);
    CU_ASSERT(policy_before(UINT64_MAX - 5, 3)); /* across the wrap */
    CU_ASSERT(!policy_before(3, UINT64_MAX - 5));
}

static void sleeper_preempts_within_bounds(void)
{
    uint64_t now = 0, when;

    setup();
    policy_wake(&q, &unit[0]);
    for (unsigned i = 0; i < 50; i++) {
        (void)policy_pick(&q, now);
        now += SLICE;
        policy_leave(&q, LEAVE_TURN, now);
    }
    (void)policy_pick(&q, now);
    policy_wake(&q, &unit[1]);
    CU_ASSERT(policy_preempts(&q, &unit[1], &when));
    CU_ASSERT_EQUAL(when, now + POLICY_RATELIMIT_NS);
    /* Its claim is one slice, not the half second that it slept. */
    CU_ASSERT_EQUAL(unit[1].vtime, q.vtime - SLICE);
    policy_sleep(&q, &unit[1]);
    /* One that has had its share does not preempt. */
    unit[1].vtime = q.vtime + 1;
    policy_wake(&q, &unit[1]);
    CU_ASSERT(!policy_preempts(&q, &unit[1], &when));
    policy_sleep(&q, &unit[1]);
    /* Nor does one wait for ever that is far ahead. */
    unit[1].vtime = q.vtime + 1000 * SLICE;
    policy_wake(&q, &unit[1]);
    CU_ASSERT(unit[1].vtime <= q.vtime + 2 * SLICE);
}

static void leases(void)
{
    uint64_t now = 10 * POLICY_PERIOD_NS;

    setup();
    CU_ASSERT_EQUAL(policy_group_set(&group[0], 256, 50), 0); /* 15 ms a period */
    policy_wake(&q, &unit[0]);
    CU_ASSERT_PTR_EQUAL(policy_pick(&q, now), &unit[0]);
    CU_ASSERT_EQUAL(q.turn_end, now + SLICE);
    /* Blocks early: the rest of the lease goes back. */
    policy_leave(&q, LEAVE_BLOCKED, now + 4 * MS);
    policy_wake(&q, &unit[0]);
    CU_ASSERT_PTR_EQUAL(policy_pick(&q, now + 5 * MS), &unit[0]);
    policy_leave(&q, LEAVE_TURN, now + 15 * MS);
    CU_ASSERT_PTR_EQUAL(policy_pick(&q, now + 15 * MS), &unit[0]);
    CU_ASSERT_EQUAL(q.turn_end, now + 16 * MS); /* 15 - 4 - 10 */
    /* 2 ms late: a debt. */
    policy_leave(&q, LEAVE_TURN, now + 18 * MS);
    CU_ASSERT_PTR_NULL(policy_pick(&q, now + 18 * MS));
    CU_ASSERT_EQUAL(unit[0].place, UNIT_PARKED);
    CU_ASSERT_EQUAL(policy_next_event(&q), now + POLICY_PERIOD_NS);
    policy_audit(&q);
    CU_ASSERT_PTR_NULL(policy_pick(&q, now + POLICY_PERIOD_NS - 1));
    now += POLICY_PERIOD_NS;
    CU_ASSERT_PTR_EQUAL(policy_pick(&q, now), &unit[0]);
    policy_leave(&q, LEAVE_TURN, now + 10 * MS);
    CU_ASSERT_PTR_EQUAL(policy_pick(&q, now + 10 * MS), &unit[0]);
    CU_ASSERT_EQUAL(q.turn_end, now + 13 * MS); /* 15 - 2 - 10 */
}

/* A CPU that came to its timer late has let a domain run for much longer than a period's budget. The
 * domain waits for as many periods as pay for that, and no longer. */
static void debts_are_paid(void)
{
    const uint64_t period = POLICY_PERIOD_NS;
    uint64_t now = 100 * period;
    unsigned waited = 0;

    setup();
    CU_ASSERT_EQUAL(policy_group_set(&group[0], 256, 50), 0); /* 15 ms in each */
    policy_wake(&q, &unit[0]);
    CU_ASSERT_PTR_EQUAL(policy_pick(&q, now), &unit[0]);
    now += 4 * period; /* 120 ms: 105 ms too many */
    policy_leave(&q, LEAVE_TURN, now);
    for (; !policy_pick(&q, now) && waited < 100; waited++) {
        CU_ASSERT_EQUAL(policy_next_event(&q), now + period);
        now += period;
    }
    /* Four periods of it have gone by while it ran: 45 ms are left to pay, at 15 each. */
    CU_ASSERT_EQUAL(waited, 4);
    policy_leave(&q, LEAVE_BLOCKED, now);
    /* The same, but nobody looks meanwhile: the time counts all the same. */
    policy_wake(&q, &unit[0]);
    CU_ASSERT_PTR_EQUAL(policy_pick(&q, now), &unit[0]);
    policy_leave(&q, LEAVE_BLOCKED, now + 10 * period);
    policy_wake(&q, &unit[0]);
    CU_ASSERT_PTR_EQUAL(policy_pick(&q, now + 40 * period), &unit[0]);
    CU_ASSERT_EQUAL(q.turn_end, now + 40 * period + SLICE);
    policy_audit(&q);
}

static void moves_and_clocks(void)
{
    setup();
    q.vtime = unit[0].vtime = unit[1].vtime = 1000 * SLICE;
    policy_wake(&q, &unit[0]);
    policy_wake(&q2, &unit[2]);
    CU_ASSERT(policy_worth_looking(&q2, &q));
    CU_ASSERT(!policy_lags(&q2, &unit[0], 1));
    policy_follow(&q2, &unit[0]); /* q2 is a thousand slices behind: it comes within one */
    CU_ASSERT_EQUAL(unit[2].vtime, 999 * SLICE);
    policy_audit(&q2);
    unit[2].affinity = cpumask_of(1);
    CU_ASSERT_PTR_NULL(policy_find_movable(&q2, 0));
    CU_ASSERT_PTR_EQUAL(policy_find_movable(&q2, 1), &unit[2]);
    atomic_store(&unit[2].on_cpu, true);
    CU_ASSERT_PTR_NULL(policy_find_movable(&q2, 1));
    policy_move(&q, &q2, &unit[0]);
    CU_ASSERT_EQUAL(atomic_load(&q.waiting_count), 0);
    CU_ASSERT_EQUAL(atomic_load(&q2.waiting_count), 2);
    policy_audit(&q);
    policy_audit(&q2);
}

/* Two packages of two cores of two threads. */
static struct cpu_place places[MAX_CPUS];

static void topology(void)
{
    for (unsigned c = 0; c < 8; c++)
        places[c] = (struct cpu_place){c / 4, c / 2 % 2, c % 2};
}

static void looks_near_first(void)
{
    uint8_t order[MAX_CPUS];
    static const uint8_t want[] = {3, 0, 1, 4, 5, 6, 7};

    topology();
    CU_ASSERT_EQUAL(balance_order(places, 2, (cpumask_t){0xff}, order), 7);
    for (unsigned i = 0; i < 7; i++)
        CU_ASSERT_EQUAL(order[i], want[i]);
    CU_ASSERT_EQUAL(balance_order(places, 5, (cpumask_t){0xa1}, order), 2);
    CU_ASSERT(order[0] == 7 && order[1] == 0);
    CU_ASSERT_EQUAL(balance_core(places, 5, (cpumask_t){0xff}).bits, 0x30);
}

static void first_cpus_spread(void)
{
    unsigned load[MAX_CPUS] = {0};
    static const unsigned want[] = {0, 4, 2, 6, 1, 5, 3, 7, 0};

    topology();
    for (unsigned i = 0; i < 9; i++) {
        unsigned cpu = balance_first(places, (cpumask_t){0xff}, (cpumask_t){0xff}, load);

        CU_ASSERT_EQUAL(cpu, want[i]);
        load[cpu]++;
    }
    CU_ASSERT_EQUAL(balance_first(places, (cpumask_t){0xff}, cpumask_of(3), load), 3);
}

static void wake_cpu(void)
{
    cpumask_t all = {0xff};

    topology();
    CU_ASSERT_EQUAL(balance_wake(places, all, all, all, 5), 5);
    CU_ASSERT_EQUAL(balance_wake(places, all, (cpumask_t){0xef}, all, 5), 6); /* 4 is busy */
    CU_ASSERT_EQUAL(balance_wake(places, all, (cpumask_t){0x2f}, all, 5), 0); /* other package */
    CU_ASSERT_EQUAL(balance_wake(places, all, (cpumask_t){0x2a}, all, 5), 5); /* threads only */
    CU_ASSERT_EQUAL(balance_wake(places, all, cpumask_none(), all, 5), 5);
    CU_ASSERT_EQUAL(balance_wake(places, all, cpumask_none(), (cpumask_t){0x81}, 5), 7);
    CU_ASSERT_EQUAL(balance_wake(places, all, (cpumask_t){0x0f}, (cpumask_t){0x80}, 5), 7);
}

static const struct test_case cases[] = {
    {"turns alternate", turns_alternate},
    {"turn is resumed", turn_is_resumed},
    {"ageing by weight", ageing_by_weight},
    {"sleeper preempts within bounds", sleeper_preempts_within_bounds},
    {"leases", leases},
    {"debts are paid", debts_are_paid},
    {"moves and clocks", moves_and_clocks},
    {"looks near first", looks_near_first},
    {"first CPUs spread", first_cpus_spread},
    {"CPU to wake on", wake_cpu},
    {NULL, NULL},
};

const struct suite suite_sched_policy = {"sched_policy", cases, NULL, NULL};
