/* SPDX-License-Identifier: MIT
 *
 * See sim_balloon.h.
 */
#include "unittests/sim_balloon.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim sim;

/* Fuzzers, which know nothing of CUnit, live here too. */
static void stop(const char *what)
{
    printf("simulator: not so: %s, at %lu ms\n", what, (unsigned long)(sim.now / 1000000));
    abort();
}
#define must(truth) ((truth) ? (void)0 : stop(#truth))

void sim_start(uint64_t pages, uint64_t keep)
{
    uint64_t seed = sim.seed;

    memset(&sim, 0, sizeof(sim));
    sim.free = pages;
    sim.now = 1;
    sim.seed = seed;
    balloon_init(&sim.b, keep);
}

uint64_t sim_random(uint64_t below)
{
    sim.seed = sim.seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (sim.seed >> 33) % below;
}

static void move(struct sim_guest *g, uint64_t to)
{
    uint64_t from_claim;

    if (to > g->m.have) {
        to = min_u64(to, g->m.have + g->m.claim + sim.free);
        from_claim = min_u64(g->m.claim, to - g->m.have);
        g->m.claim -= from_claim;
        sim.claimed -= from_claim;
        sim.free -= to - g->m.have - from_claim;
    } else {
        sim.free += g->m.have - to;
    }
    g->m.have = to;
}

struct sim_guest *sim_add(enum sim_manner manner, uint64_t have, uint64_t floor, uint64_t ceiling,
                          uint32_t shares)
{
    struct sim_guest *g = sim.guest;

    while (g->there)
        g++;
    *g = (struct sim_guest){.manner = manner, .there = true, .need = have, .last = have};
    balloon_add(&sim.b, &g->m, have ? have : floor);
    move(g, have);
    must(g->m.have == have);
    g->m.managed = manner != SIM_UNAWARE;
    must(balloon_set_limits(&sim.b, &g->m, floor, ceiling, shares, sim.free) == 0);
    return g;
}

void sim_remove(struct sim_guest *g)
{
    move(g, 0);
    sim.free += g->m.claim;
    sim.claimed -= g->m.claim;
    balloon_remove(&sim.b, &g->m);
    g->there = false;
}

void sim_need(struct sim_guest *g, uint64_t need)
{
    g->need = need;
}

/* What it says: pages beyond its need are free, and when it has less it reads pages again. */
static void report(struct sim_guest *g)
{
    struct balloon_report r = {.working_set = g->need};

    if (g->manner == SIM_UNAWARE || g->manner == SIM_DEAF)
        return;
    if (g->manner == SIM_LIAR || g->manner == SIM_GREEDY)
        r.working_set = g->m.ceiling;
    else if (g->m.have > g->need)
        r.free = g->m.have - g->need;
    else
        r.reclaimable = g->m.have / 4;
    if (g->manner == SIM_GREEDY)
        r.reclaimable = g->m.have;
    must(balloon_tell(&g->m, &r) == 0);
}

static void follow(struct sim_guest *g)
{
    uint64_t target = g->m.target, rate = BALLOON_RATE * SIM_TICK / 1000000000 / 4;

    switch (g->manner) {
    case SIM_GOOD:
    case SIM_GREEDY:
        move(g, target);
        break;
    case SIM_SLOW:
        if (target < g->m.have)
            move(g, max_u64(target, g->m.have - min_u64(rate, g->m.have)));
        else
            move(g, min_u64(target, g->m.have + rate));
        break;
    case SIM_MODEST: /* never below what it uses; the rest of it could be had only with harm */
        if (target >= min_u64(g->m.have, g->need))
            move(g, target);
        break;
    case SIM_LIAR:
        if (target > g->m.have)
            move(g, target);
        break;
    default:
        break;
    }
}

static void tick(void)
{
    for (unsigned i = 0; i < SIM_MAX; i++)
        if (sim.guest[i].there)
            report(&sim.guest[i]);
    balloon_step(&sim.b, sim.now, sim.free);
    must(balloon_audit(&sim.b, sim.free) == 0);
    for (unsigned i = 0; i < SIM_MAX; i++) {
        struct sim_guest *g = &sim.guest[i];

        if (!g->there)
            continue;
        g->asked += g->m.target > g->last ? g->m.target - g->last : g->last - g->m.target;
        g->last = g->m.target;
        if (g->m.claimable) {
            uint64_t missing = g->m.reserve - g->m.have - g->m.claim;

            must(sim.free >= missing);
            sim.free -= missing;
            sim.claimed += missing;
            g->m.claim += missing;
        }
    }
    for (unsigned i = 0; i < SIM_MAX; i++)
        if (sim.guest[i].there)
            follow(&sim.guest[i]);
    sim.now += SIM_TICK;
}

void sim_run(unsigned ticks)
{
    while (ticks-- > 0)
        tick();
}

unsigned sim_wait(struct sim_guest *g, unsigned most)
{
    for (unsigned i = 0; i < most; i++) {
        if (g->m.failed)
            return UINT_MAX;
        if (g->m.have + g->m.claim >= g->m.reserve)
            return i;
        tick();
    }
    return UINT_MAX;
}

void sim_fill(struct sim_guest *g)
{
    move(g, g->m.reserve);
}

uint64_t sim_movement(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < SIM_MAX; i++) {
        sum += sim.guest[i].there ? sim.guest[i].asked : 0;
        sim.guest[i].asked = 0;
    }
    return sum;
}
