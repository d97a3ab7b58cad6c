/* SPDX-License-Identifier: MIT
 *
 * Targets, promises, reservations and those who do not follow, in a host of simulated guests; after
 * each step the invariants are audited (sim_balloon.c).
 */
#include <limits.h>

#include "unittests/sim_balloon.h"

/* As many ticks as one round of asking for so many pages takes at most, with some to spare. */
static unsigned round_ticks(uint64_t pages)
{
    return (unsigned)((BALLOON_GRACE_NS + pages * 1000000000 / BALLOON_RATE) / SIM_TICK) + 3;
}

static void settings(void)
{
    struct sim_guest *a, *b;

    sim_start(10000, 0);
    a = sim_add(SIM_GOOD, 3000, 2000, 8000, 256);
    b = sim_add(SIM_GOOD, 3000, 2000, 8000, 256);
    CU_ASSERT_EQUAL(balloon_set_limits(&sim.b, &a->m, 0, 1, 1, sim.free), -XEN_EINVAL);
    CU_ASSERT_EQUAL(balloon_set_limits(&sim.b, &a->m, 2, 1, 1, sim.free), -XEN_EINVAL);
    CU_ASSERT_EQUAL(balloon_set_limits(&sim.b, &a->m, 1, 1, 0, sim.free), -XEN_EINVAL);
    CU_ASSERT_EQUAL(balloon_set_limits(&sim.b, &a->m, 1, 1, 65536, sim.free), -XEN_EINVAL);
    CU_ASSERT_EQUAL(
        balloon_set_limits(&sim.b, &a->m, 1, POLICY_PAGES_MAX + UINT64_C(1), 1, sim.free),
        -XEN_EINVAL);
    CU_ASSERT_EQUAL(balloon_set_limits(&sim.b, &a->m, 8001, 9000, 1, sim.free), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(a->m.floor, 2000);
    CU_ASSERT_EQUAL(balloon_set_limits(&sim.b, &a->m, 8000, 9000, 1, sim.free), 0);
    CU_ASSERT_EQUAL(balloon_fix(&a->m, 7999), -XEN_EINVAL);
    CU_ASSERT_EQUAL(balloon_fix(&a->m, 9001), -XEN_EINVAL);
    CU_ASSERT_EQUAL(balloon_set_limits(&sim.b, &a->m, 2000, 8000, 256, sim.free), 0);
    CU_ASSERT_EQUAL(balloon_fix(&b->m, 2500), 0);
    sim_run(3);
    CU_ASSERT_EQUAL(b->m.have, 2500);
    CU_ASSERT_EQUAL(balloon_fix(&b->m, 0), 0);
    sim_run(3);
    CU_ASSERT_EQUAL(b->m.have, 3000 + 3000 / 16 + BALLOON_PORTION / 2);
}

static void reports(void)
{
    struct balloon_report r = {.working_set = POLICY_PAGES_MAX + UINT64_C(1)};
    struct sim_guest *a;

    sim_start(10000, 0);
    a = sim_add(SIM_DEAF, 4000, 1000, 8000, 256);
    CU_ASSERT_EQUAL(balloon_tell(&a->m, &r), -XEN_EINVAL);
    r = (struct balloon_report){.free = UINT64_MAX, .reclaimable = 1};
    CU_ASSERT_EQUAL(balloon_tell(&a->m, &r), -XEN_EINVAL);
    r = (struct balloon_report){.reclaimable = UINT64_MAX};
    CU_ASSERT_EQUAL(balloon_tell(&a->m, &r), -XEN_EINVAL);
    r = (struct balloon_report){.refault_rate = UINT64_MAX};
    CU_ASSERT_EQUAL(balloon_tell(&a->m, &r), -XEN_EINVAL);
    r = (struct balloon_report){.stall_ppm = 1000001};
    CU_ASSERT_EQUAL(balloon_tell(&a->m, &r), -XEN_EINVAL);
    CU_ASSERT_EQUAL(a->m.wanted, 4000);
    r = (struct balloon_report){.working_set = 3000,
                                .free = 100,
                                .reclaimable = 700,
                                .refault_rate = 50,
                                .stall_ppm = 500000};
    CU_ASSERT_EQUAL(balloon_tell(&a->m, &r), 0);
    CU_ASSERT_EQUAL(a->m.wanted, 3000 + 50 + 500);
    CU_ASSERT_EQUAL(a->m.must, 3200);
    r.refault_rate = 1000000;
    CU_ASSERT_EQUAL(balloon_tell(&a->m, &r), 0);
    CU_ASSERT_EQUAL(a->m.wanted, 3000 + 1000 + 500);
    balloon_set_cache_need(&a->m, 999); /* of the same reads the larger estimate counts */
    CU_ASSERT_EQUAL(a->m.wanted, 3000 + 1000 + 500);
    balloon_set_cache_need(&a->m, 1100);
    CU_ASSERT_EQUAL(a->m.wanted, 3000 + 1100 + 500);
    r.refault_rate = 0;
    CU_ASSERT_EQUAL(balloon_tell(&a->m, &r), 0);
    CU_ASSERT_EQUAL(a->m.wanted, 3000 + 1100 + 500);
    balloon_set_cache_need(&a->m, UINT64_MAX);
    CU_ASSERT_EQUAL(a->m.wanted, 3000 + UINT64_C(0xffffffff) + 500);
    balloon_set_cache_need(&a->m, 0);
    CU_ASSERT_EQUAL(a->m.wanted, 3000 + 500);
}

/* Nobody needs more: nothing moves. Then one does: from free memory, then from who is idle. */
static void by_need(void)
{
    struct sim_guest *idle, *busy;

    sim_start(10000, 200);
    idle = sim_add(SIM_GOOD, 4000, 500, 8000, 256);
    busy = sim_add(SIM_GOOD, 4000, 500, 8000, 256);
    sim_need(idle, 1000);
    sim_need(busy, 3000);
    sim_run(30);
    CU_ASSERT_EQUAL(sim_movement(), 0);
    sim_need(busy, 5000);
    sim_run(10);
    CU_ASSERT_EQUAL(idle->m.have, 4000);
    CU_ASSERT_EQUAL(busy->m.have, 5000 + 5000 / 16 + BALLOON_PORTION / 2);
    sim_need(busy, 8000);
    sim_run(10);
    /* busy + 1000 + (busy - 1000) / 4 = 9800 */
    CU_ASSERT(busy->m.have >= 7238 && busy->m.have <= 7240);
    CU_ASSERT(idle->m.have >= 2558 && idle->m.have <= 2560);
    CU_ASSERT_EQUAL(sim.b.shortage, 0);
    /* And back, when it is the other way round. */
    sim_need(busy, 500);
    sim_need(idle, 7000);
    sim_run(60);
    /* 7000 + (cost - 7000) / 4 + 500 + (cost - 500) / 4 = 9800 */
    CU_ASSERT(idle->m.have >= 7280 && idle->m.have <= 7337); /* what was is not quite forgotten */
    CU_ASSERT_EQUAL(idle->m.have + busy->m.have + sim.free, 10000);
    CU_ASSERT(sim.free < 210);
    CU_ASSERT_EQUAL(idle->m.urgency, BALLOON_CALM);
}

/* All want everything: by shares, whatever they had. */
static void by_shares(void)
{
    struct sim_guest *g[3];

    sim_start(12000, 0);
    for (unsigned i = 0; i < 3; i++)
        g[i] = sim_add(SIM_GREEDY, i == 0 ? 10000 : 1000, 500, 12000, 100 * (i + 1));
    sim_run(50);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT(g[i]->m.have > 2000 * (i + 1) - 5 && g[i]->m.have <= 2000 * (i + 1));
}

/* A liar gets no more than its shares are worth. */
static void liar_wins_little(void)
{
    struct sim_guest *liar, *other;

    sim_start(8000, 0);
    liar = sim_add(SIM_LIAR, 1000, 500, 8000, 100);
    other = sim_add(SIM_GOOD, 1000, 500, 8000, 300);
    sim_need(other, 8000);
    sim_run(60);
    CU_ASSERT(liar->m.have <= 2000);
    CU_ASSERT(other->m.have >= 5990);
}

/* An order names its deadline once, and it does not move. */
static void deadlines(void)
{
    struct sim_guest *deaf, *waiting;
    uint64_t deadline;

    sim_start(10000, 0);
    deaf = sim_add(SIM_DEAF, 9000, 1000, 9000, 256);
    waiting = sim_add(SIM_GOOD, 0, 1, 4000, 256);
    CU_ASSERT_EQUAL(balloon_reserve(&sim.b, &waiting->m, 4000, sim.free), 0);
    sim_run(1);
    CU_ASSERT_EQUAL(deaf->m.target, 6000);
    CU_ASSERT_EQUAL(deaf->m.urgency, BALLOON_WAITED);
    deadline = deaf->m.deadline;
    CU_ASSERT_EQUAL(deadline, 1 + BALLOON_GRACE_NS + 3000 * UINT64_C(1000000000) / BALLOON_RATE);
    CU_ASSERT_TRUE(deaf->m.changed);
    sim_run(5);
    CU_ASSERT_FALSE(deaf->m.changed);
    CU_ASSERT_EQUAL(deaf->m.deadline, deadline);
    CU_ASSERT_FALSE(deaf->m.late);
    sim_run(round_ticks(3000) - 6);
    /* It is not asked in vain any longer, and the other learns that it waits in vain. */
    CU_ASSERT_EQUAL(deaf->m.lapses, 1);
    CU_ASSERT_TRUE(waiting->m.failed);
    CU_ASSERT_EQUAL(waiting->m.reserve, 0);
    CU_ASSERT_FALSE(deaf->m.late);
    CU_ASSERT_EQUAL(deaf->m.target, 9000);
    deaf->manner = SIM_GOOD;
    sim_need(deaf, 1000);
    CU_ASSERT_EQUAL(balloon_reserve(&sim.b, &waiting->m, 4000, sim.free), 0);
    CU_ASSERT_FALSE(waiting->m.failed);
    CU_ASSERT_EQUAL(sim_wait(waiting, 3), 2);
    sim_run(1);
    CU_ASSERT_EQUAL(sim.b.shortage, 0);
}

/* First come, first served; what cannot be is refused and leaves no trace. */
static void reservations(void)
{
    struct sim_guest *a, *b, *c;

    sim_start(10000, 100);
    a = sim_add(SIM_SLOW, 9000, 2000, 9000, 256);
    sim_need(a, 2000);
    b = sim_add(SIM_GOOD, 0, 1, 8000, 256);
    c = sim_add(SIM_GOOD, 0, 1, 8000, 256);
    CU_ASSERT_EQUAL(balloon_reserve(&sim.b, &b->m, 7901, sim.free), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(b->m.reserve, 0);
    CU_ASSERT_EQUAL(balloon_reserve(&sim.b, &a->m, 9000, sim.free), -XEN_EINVAL);
    CU_ASSERT_EQUAL(balloon_reserve(&sim.b, &b->m, 5000, sim.free), 0);
    CU_ASSERT_EQUAL(balloon_reserve(&sim.b, &c->m, 500, sim.free), 0);
    sim_run(1);
    CU_ASSERT_FALSE(c->m.claimable); /* it would be there, but b came first */
    CU_ASSERT_NOT_EQUAL(sim_wait(b, 40), UINT_MAX);
    CU_ASSERT_EQUAL(b->m.claim, 5000);
    CU_ASSERT_NOT_EQUAL(sim_wait(c, 10), UINT_MAX);
    sim_fill(b);
    CU_ASSERT_EQUAL(balloon_reserve(&sim.b, &c->m, 0, sim.free), 0);
    sim_run(2);
    CU_ASSERT_EQUAL(b->m.reserve, 0);
    CU_ASSERT_EQUAL(c->m.reserve, 0);
    sim_remove(b);
    sim_remove(c);
    sim_run(5);
    CU_ASSERT_EQUAL(sim.free + a->m.have, 10000);
}

/* Needs are as good as floors, as far as they are there already. */
static void need_is_not_touched(void)
{
    struct sim_guest *a, *b;

    sim_start(10000, 0);
    a = sim_add(SIM_MODEST, 8000, 1000, 9000, 256);
    b = sim_add(SIM_GOOD, 0, 1, 9000, 256);
    sim_need(a, 6000);
    sim_run(2);
    CU_ASSERT_EQUAL(balloon_reserve(&sim.b, &b->m, 4001, sim.free), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(balloon_reserve(&sim.b, &b->m, 4000, sim.free), 0);
    CU_ASSERT_NOT_EQUAL(sim_wait(b, 10), UINT_MAX);
    CU_ASSERT_EQUAL(a->m.have, 6000);
}

/* What it has taken since its report is in use, as far as anybody knows: nobody but a new report says that it is free. */
static void taken_since(void)
{
    struct balloon_report r = {.working_set = 3000, .free = 1000};
    struct sim_guest *a, *b;

    sim_start(20000, 0);
    a = sim_add(SIM_DEAF, 4000, 500, 9000, 256);
    CU_ASSERT_EQUAL(balloon_tell(&a->m, &r), 0);
    sim_run(1);
    CU_ASSERT_EQUAL(a->m.must, 3000);
    a->m.have += 2000;
    sim.free -= 2000;
    sim_run(2);
    CU_ASSERT_EQUAL(a->m.must, 5000);
    a->m.have -= 500; /* and what it has given since was free */
    sim.free += 500;
    sim_run(2);
    CU_ASSERT_EQUAL(a->m.must, 5000);
    b = sim_add(SIM_GOOD, 0, 1, 16000, 65535);
    sim_need(b, 16000);
    sim_run(20);
    CU_ASSERT_EQUAL(a->m.target, 5000);
    CU_ASSERT_EQUAL(balloon_tell(&a->m, &r), 0);
    CU_ASSERT_EQUAL(a->m.must, 4500);
    sim_run(1);
    CU_ASSERT_EQUAL(a->m.target, 4500);
}

/* Two do not follow: a reservation that fits is there after three deadlines at the latest. */
static void unresponsive(void)
{
    struct sim_guest *g[8], *ninth;
    unsigned waited;

    sim_start(17000, 200);
    for (unsigned i = 0; i < 8; i++)
        g[i] = sim_add(i < 2 ? SIM_DEAF : i < 4 ? SIM_SLOW : SIM_GOOD, 2000, 1000, 4000, 256);
    ninth = sim_add(SIM_GOOD, 0, 5000, 5000, 256);
    CU_ASSERT_EQUAL(balloon_reserve(&sim.b, &ninth->m, 5000, sim.free), 0);
    waited = sim_wait(ninth, 3 * round_ticks(2000));
    CU_ASSERT_NOT_EQUAL(waited, UINT_MAX);
    for (unsigned i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(g[i]->m.have, i < 2 ? 2000 : g[i]->m.have);
        CU_ASSERT(g[i]->m.have >= 1000);
        CU_ASSERT_EQUAL(g[i]->m.late, i < 2);
    }
}

/* Who does not take its offer leaves it to others, and is asked again, ever more rarely. */
static void lazy(void)
{
    struct sim_guest *deaf, *busy;
    unsigned offers = 0;
    bool was = false;

    sim_start(10000, 0);
    deaf = sim_add(SIM_DEAF, 1000, 500, 9000, 65535);
    busy = sim_add(SIM_GOOD, 1000, 500, 9000, 1);
    deaf->m.wanted = 9000;
    sim_need(busy, 7000);
    sim_run(1);
    CU_ASSERT_EQUAL(deaf->m.target, 9000);
    for (unsigned i = 0; i < round_ticks(8000) && !deaf->m.lazy; i++)
        sim_run(1);
    CU_ASSERT_TRUE(deaf->m.lazy);
    sim_run(5);
    CU_ASSERT_EQUAL(busy->m.have, 7000 + 7000 / 16 + BALLOON_PORTION / 2);
    for (unsigned i = 0; i < 10000; i++) {
        sim_run(1);
        offers += was && !deaf->m.lazy;
        was = deaf->m.lazy;
    }
    CU_ASSERT(offers > 3 && offers < 12);
    deaf->manner = SIM_GOOD;
    deaf->need = 2000;
    sim_run(2000);
    CU_ASSERT(deaf->m.have >= 2000);
}

/* Free memory that somebody else took: promises are withdrawn, the host's own is reported. */
static void taken_away(void)
{
    struct sim_guest *slow, *other;

    sim_start(10000, 500);
    slow = sim_add(SIM_DEAF, 1000, 500, 9000, 256);
    other = sim_add(SIM_GOOD, 2000, 500, 2000, 256);
    slow->m.wanted = 6000;
    sim_run(1);
    CU_ASSERT_EQUAL(slow->m.target, 6000 + 6000 / 16 + BALLOON_PORTION / 2);
    sim.free -= 6900;
    sim_run(1);
    CU_ASSERT_EQUAL(slow->m.target, 1000);
    sim_need(other, 600);
    sim_run(1);
    CU_ASSERT_EQUAL(sim_movement() > 0, true);
    CU_ASSERT(other->m.have < 2000);
}

/* Pages that the host takes and gives back for itself, a few at a time, move nothing. */
static void small_change(void)
{
    struct sim_guest *g[2];

    sim_start(10000, 0);
    g[0] = sim_add(SIM_GREEDY, 5000, 500, 10000, 256);
    g[1] = sim_add(SIM_GREEDY, 5000, 500, 10000, 256);
    g[0]->manner = g[1]->manner = SIM_GOOD;
    sim_need(g[0], 9000);
    sim_need(g[1], 9000);
    sim_run(20);
    sim.free += 40;
    sim_run(20);
    (void)sim_movement();
    sim_run(20);
    sim.free += 30;
    sim_run(20);
    CU_ASSERT_EQUAL(sim_movement(), 0);
    sim.free += 30;
    sim_run(20);
    CU_ASSERT(sim_movement() >= 90);
    CU_ASSERT_EQUAL(g[0]->m.have, 5050);
}

static const struct test_case cases[] = {
    {"settings", settings},
    {"reports", reports},
    {"memory goes where it is needed", by_need},
    {"by shares", by_shares},
    {"a liar wins little", liar_wins_little},
    {"deadlines", deadlines},
    {"reservations", reservations},
    {"nobody is driven below its need", need_is_not_touched},
    {"what was taken since is not touched", taken_since},
    {"two do not follow", unresponsive},
    {"offers that are not taken", lazy},
    {"free memory goes elsewhere", taken_away},
    {"small change", small_change},
    {NULL, NULL},
};

const struct suite suite_balloon = {"balloon", cases, NULL, NULL};
