/* SPDX-License-Identifier: MIT
 *
 * Who should have how much memory: one computation on plain numbers, all in pages. policy.c has the
 * formula and where it comes from.
 */
#pragma once

#include <lagan/types.h>

/* What an idle page costs, a page in use costing 1: 1 / (1 - tax) for a tax of 75 per cent. */
#define POLICY_IDLE_COST 4
/* Numbers of pages stay below this, so that products of two fit 64 bits. */
#define POLICY_PAGES_MAX  UINT32_MAX
#define POLICY_SHARES_MAX 65535U

struct policy_claimant {
    uint64_t low, high; /* it gets no less and no more; low <= high */
    uint64_t active;    /* so much it uses; what it has above that is idle */
    uint64_t stuck;     /* so much it has and does not give back: 0 for those who follow */
    uint32_t shares;    /* 1 .. POLICY_SHARES_MAX */
};

/* What a claimant gets at a price level. It rises with the level, from low to high. */
uint64_t policy_pages(const struct policy_claimant *c, uint64_t level);
/* What that takes of the memory: who is stuck takes what it has. */
uint64_t policy_taken(const struct policy_claimant *c, uint64_t level);

/* The search for the highest level at which everything taken is at most `memory`: for each level
 * that policy_next() names (until it says false), the caller adds up policy_taken() and tells
 * policy_tried(). Afterwards `level` is the result; `fits` is false if not even the lowest does. */
struct policy_search {
    uint64_t level, memory;
    unsigned step;
    bool fits;
};
void policy_begin(struct policy_search *s, uint64_t memory);
bool policy_next(const struct policy_search *s, uint64_t *level);
void policy_tried(struct policy_search *s, uint64_t taken);
