/* SPDX-License-Identifier: MIT
 *
 * Random hosts: guests of all manners with random needs and limits come, change their minds, wait
 * for reservations and go. What must hold after each step is audited there; what must come in time,
 * and come to rest, is asked here.
 */
#include <limits.h>

#include "unittests/sim_balloon.h"

enum { HOSTS = 60, EVENTS = 60, GUESTS = 10, MEMORY = 40000, KEEP = 400 };

static uint64_t floors(void)
{
    uint64_t sum = KEEP;

    for (unsigned i = 0; i < SIM_MAX; i++)
        if (sim.guest[i].there)
            sum += max_u64(max_u64(sim.guest[i].m.floor, sim.guest[i].m.reserve),
                           sim.guest[i].m.managed ? 0 : sim.guest[i].m.have);
    return sum;
}

static void come(void)
{
    uint64_t floor = 200 + sim_random(1500), have = floor + sim_random(1000);

    if (floors() + have > MEMORY || have + KEEP > sim.free)
        return;
    (void)sim_add((enum sim_manner)sim_random(SIM_MANNERS), have, floor,
                  have + sim_random(3 * have), 1 + (uint32_t)sim_random(1000));
}

static struct sim_guest *anybody(void)
{
    for (unsigned i = 0; i < 4; i++) {
        struct sim_guest *g = &sim.guest[sim_random(SIM_MAX)];

        if (g->there)
            return g;
    }
    return NULL;
}

/* At some time: the pages were there, if everybody who follows gave what it can; at the latest
 * after a deadline for each who does not. */
static void reserve(void)
{
    uint64_t floor = 100 + sim_random(2000);
    struct sim_guest *g;
    unsigned limit = 0, waited;

    if (floors() + floor > MEMORY)
        return;
    g = sim_add(SIM_GOOD, 0, floor, floor, 1 + (uint32_t)sim_random(1000));
    if (balloon_reserve(&sim.b, &g->m, floor, sim.free)) {
        CU_ASSERT_EQUAL(g->m.reserve, 0);
        sim_remove(g);
        return;
    }
    for (unsigned i = 0; i < SIM_MAX; i++)
        limit += sim.guest[i].there ? 30 : 0;
    /* Not in time: only because those who do not follow have too much. */
    waited = sim_wait(g, limit);
    CU_ASSERT_FATAL(waited != UINT_MAX || sim.b.shortage > 0);
    if (waited != UINT_MAX)
        sim_fill(g);
    if (g->m.have == 0)
        sim_remove(g);
}

static void event(void)
{
    struct sim_guest *g = anybody();

    switch (sim_random(8)) {
    case 0:
    case 1:
        come();
        break;
    case 2:
        if (g)
            sim_remove(g);
        break;
    case 3:
    case 4:
    case 5:
        if (g)
            sim_need(g, sim_random(g->m.ceiling + 1));
        break;
    case 6:
        if (g && g->m.managed)
            CU_ASSERT_EQUAL(balloon_set_limits(&sim.b, &g->m, 1 + sim_random(g->m.floor),
                                               g->m.ceiling + sim_random(100), g->m.shares,
                                               sim.free),
                            0);
        break;
    default:
        reserve();
    }
    sim_run(1 + (unsigned)sim_random(20));
}

static void random_hosts(void)
{
    sim.seed = test_seed | 1;
    for (unsigned host = 0; host < HOSTS; host++) {
        sim_start(MEMORY, KEEP);
        for (unsigned i = 0; i < GUESTS; i++)
            come();
        for (unsigned i = 0; i < EVENTS; i++)
            event();
    }
}

/* With constant needs everything comes to rest, and no target has moved more than all memory once:
 * down to a goal or up to it, with an offer to the lazy now and then. */
static void rest(void)
{
    sim.seed = test_seed * 3 | 1;
    for (unsigned host = 0; host < HOSTS; host++) {
        uint64_t movement;

        sim_start(MEMORY, KEEP);
        for (unsigned i = 0; i < GUESTS; i++)
            come();
        for (unsigned i = 0; i < SIM_MAX; i++)
            if (sim.guest[i].there) {
                if (sim.guest[i].manner == SIM_DEAF)
                    sim.guest[i].manner = SIM_GOOD;
                sim_need(&sim.guest[i], sim_random(sim.guest[i].m.ceiling + 1));
            }
        (void)sim_movement();
        sim_run(300);
        movement = sim_movement();
        CU_ASSERT(movement <= 2 * MEMORY);
        sim_run(300);
        CU_ASSERT_EQUAL(sim_movement(), 0);
    }
}

/* Needs that tremble by a few per cent move nothing either. */
static void trembling(void)
{
    struct sim_guest *g[4];

    sim.seed = test_seed | 1;
    sim_start(10000, 0);
    for (unsigned i = 0; i < 4; i++)
        g[i] = sim_add(SIM_GOOD, 2500, 500, 10000, 256);
    for (unsigned i = 0; i < 600; i++) {
        for (unsigned j = 0; j < 4; j++)
            sim_need(g[j], 1000 * (j + 1) - sim_random(30 * (j + 1)));
        sim_run(1);
        if (i == 99)
            (void)sim_movement();
    }
    CU_ASSERT(sim_movement() <= 10000 / 50);
}

static const struct test_case cases[] = {
    {"random hosts", random_hosts},
    {"everything comes to rest", rest},
    {"needs that tremble", trembling},
    {NULL, NULL},
};

const struct suite suite_balloon_model = {"balloon, random hosts", cases, NULL, NULL};
