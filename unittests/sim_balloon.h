/* SPDX-License-Identifier: MIT
 *
 * A host full of guests, for the tests of balloon/: each has memory, a need, and a way of answering
 * to its target. A tick is a step of the hypervisor's, then one of each guest's.
 */
#pragma once

#include <CUnit/CUnit.h>

#include "balloon/balloon.h"
#include "unittests/suite.h"

#define SIM_MAX  32
#define SIM_TICK UINT64_C(100000000)

enum sim_manner {
    SIM_GOOD,    /* at its target at once */
    SIM_SLOW,    /* a quarter of the rate that is asked of it */
    SIM_MODEST,  /* as good, but gives only what it can spare */
    SIM_DEAF,    /* neither gives nor takes */
    SIM_LIAR,    /* uses everything and must have it, it says; gives nothing */
    SIM_GREEDY,  /* uses everything, it says; but follows */
    SIM_UNAWARE, /* not managed */
    SIM_MANNERS
};

struct sim_guest {
    struct balloon_member m;
    enum sim_manner manner;
    bool there;
    uint64_t need;  /* pages that it really uses */
    uint64_t asked; /* total of its targets' movement */
    uint64_t last;  /* target */
};

struct sim {
    struct balloon b;
    struct sim_guest guest[SIM_MAX];
    uint64_t free, claimed, now;
    uint64_t seed;
};
extern struct sim sim;

/* An empty host of so many pages, `keep` of which are its own. */
void sim_start(uint64_t pages, uint64_t keep);
/* A guest that has `have` pages from the start and may have floor..ceiling of them. */
struct sim_guest *sim_add(enum sim_manner manner, uint64_t have, uint64_t floor, uint64_t ceiling,
                          uint32_t shares);
void sim_remove(struct sim_guest *g);
void sim_need(struct sim_guest *g, uint64_t need);
/* Ticks; each is followed by an audit, and claims what is claimable. */
void sim_run(unsigned ticks);
/* Ticks until `g` has claimed its reservation; UINT_MAX if not within `most`. */
unsigned sim_wait(struct sim_guest *g, unsigned most);
/* The reservation's pages become the guest's. */
void sim_fill(struct sim_guest *g);
/* Since the last call, the movement of all targets. */
uint64_t sim_movement(void);
uint64_t sim_random(uint64_t below);
