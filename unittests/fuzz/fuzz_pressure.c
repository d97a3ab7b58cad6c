/* SPDX-License-Identifier: MIT
 *
 * Streams of what can happen to the policy: guests of all manners come, say anything of themselves, move
 * as they like, wait for reservations, go; settings change, free memory comes and goes from outside. The
 * simulator audits after each step.
 */
#include <stdlib.h>

#include "unittests/sim_balloon.h"
#include "unittests/fuzz/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAGES = 30000, KEEP = 300, STEPS_MAX = 300 };

/* Mostly like an amount of pages, sometimes wild. */
static uint64_t number(struct input *in)
{
    unsigned b = byte(in);

    if (b < 200)
        return b * 64 + byte(in);
    return b < 240 ? (uint64_t)b << byte(in) % 64 : UINT64_MAX - byte(in);
}

static void come(struct input *in)
{
    uint64_t have = 1 + byte(in) * 16, floor = 1 + byte(in) * 8;
    struct sim_guest *g = sim.guest;

    while (g < sim.guest + SIM_MAX - 1 && g->there)
        g++;
    if (g->there || have > sim.free)
        return;
    (void)sim_add((enum sim_manner)(byte(in) % SIM_MANNERS), have, have, have, 1);
    if (balloon_set_limits(&sim.b, &g->m, floor, floor + byte(in) * 64, 1 + byte(in), sim.free))
        (void)balloon_fix(&g->m, 0);
}

static void say(struct input *in, struct sim_guest *g)
{
    struct balloon_report r = {number(in), number(in), number(in), number(in),
                               (uint32_t)number(in)};

    g->manner = g->manner == SIM_UNAWARE ? SIM_UNAWARE : SIM_DEAF; /* the simulator says nothing */
    balloon_set_cache_need(&g->m, number(in));
    if (balloon_tell(&g->m, &r) == 0 && r.working_set > POLICY_PAGES_MAX)
        abort();
}

/* Moves by itself, whatever its target. */
static void move(struct input *in, struct sim_guest *g)
{
    uint64_t to = number(in) % (g->m.have + sim.free + 1);

    sim.free = sim.free + g->m.have - to;
    g->m.have = to;
}

static void settings(struct input *in, struct sim_guest *g)
{
    switch (byte(in) % 3) {
    case 0:
        if (balloon_set_limits(&sim.b, &g->m, number(in), number(in), byte(in), sim.free))
            return;
        break;
    case 1:
        if (balloon_fix(&g->m, number(in)))
            return;
        break;
    default:
        if (balloon_reserve(&sim.b, &g->m, number(in), sim.free))
            return;
    }
}

static void one(struct input *in)
{
    struct sim_guest *g = &sim.guest[byte(in) % SIM_MAX];
    unsigned what = byte(in) % 8;

    if (what == 0)
        come(in);
    else if (what == 1)
        sim_run(1 + byte(in) % 30);
    else if (!g->there)
        return;
    else if (what == 2)
        sim_remove(g);
    else if (what == 3)
        move(in, g);
    else if (what == 4)
        sim_need(g, number(in) % (g->m.ceiling + 1));
    else if (what == 5)
        settings(in, g);
    else
        say(in, g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    sim_start(PAGES, KEEP);
    for (unsigned n = 0; in.left > 0 && n < STEPS_MAX; n++)
        one(&in);
    sim_run(3);
    return 0;
}
