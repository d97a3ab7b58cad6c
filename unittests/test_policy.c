/* SPDX-License-Identifier: MIT
 *
 * The shares: the formula at points that can be worked out by hand, its limits, and random
 * claimants against a search that moves one page at a time, as the paper has it.
 */
#include <stdlib.h>

#include "unittests/sim_balloon.h"

static uint64_t sum(const struct policy_claimant *c, unsigned count, uint64_t level)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < count; i++)
        pages += policy_taken(&c[i], level);
    return pages;
}

static struct policy_search search(const struct policy_claimant *c, unsigned count, uint64_t memory)
{
    struct policy_search s;
    uint64_t level;

    policy_begin(&s, memory);
    while (policy_next(&s, &level))
        policy_tried(&s, sum(c, count, level));
    return s;
}

#define ANY POLICY_PAGES_MAX

static void by_shares(void)
{
    struct policy_claimant c[] = {{1, ANY, ANY, 0, 100}, {1, ANY, ANY, 0, 300}};
    struct policy_search s = search(c, 2, 4000);

    CU_ASSERT_TRUE(s.fits);
    CU_ASSERT_EQUAL(policy_pages(&c[0], s.level), 1000);
    CU_ASSERT_EQUAL(policy_pages(&c[1], s.level), 3000);
}

/* Both have the same shares, one uses nothing: an idle page costs four times as much. */
static void tax(void)
{
    struct policy_claimant c[] = {{1, ANY, ANY, 0, 256}, {1, ANY, 0, 0, 256}};
    struct policy_search s = search(c, 2, 5000);

    CU_ASSERT_EQUAL(policy_pages(&c[0], s.level), 4000);
    CU_ASSERT_EQUAL(policy_pages(&c[1], s.level), 1000);
    /* Half of it in use: 1000 + (cost - 1000) / 4 beside cost. */
    c[1].active = 1000;
    s = search(c, 2, 5750);
    CU_ASSERT_EQUAL(policy_pages(&c[0], s.level), 4000);
    CU_ASSERT_EQUAL(policy_pages(&c[1], s.level), 1750);
}

static void limits(void)
{
    struct policy_claimant c[] = {
        {500, 600, ANY, 0, 65535}, {700, ANY, 0, 0, 1}, {10, ANY, ANY, 0, 1}};
    struct policy_search s = search(c, 3, 2000);

    CU_ASSERT_EQUAL(policy_pages(&c[0], s.level), 600);
    CU_ASSERT_EQUAL(policy_pages(&c[1], s.level), 700);
    CU_ASSERT_EQUAL(policy_pages(&c[2], s.level), 700);
    s = search(c, 3, 1210);
    CU_ASSERT_TRUE(s.fits);
    CU_ASSERT_EQUAL(policy_pages(&c[2], s.level), 10);
    s = search(c, 3, 1209);
    CU_ASSERT_FALSE(s.fits);
    CU_ASSERT_EQUAL(policy_pages(&c[1], s.level), 700);
    /* More than all may have. */
    c[1].high = c[2].high = ANY;
    s = search(c, 3, UINT64_MAX);
    CU_ASSERT_EQUAL(sum(c, 3, s.level), 600 + 2 * (uint64_t)ANY);
    /* The product is just above 2^64. */
    CU_ASSERT_EQUAL(policy_pages(&c[0], UINT64_MAX / 65535 + 1), 600);
}

/* Who is stuck takes what it has, but its due is worked out as the others'. */
static void stuck(void)
{
    struct policy_claimant c[] = {{1, ANY, ANY, 3000, 1}, {1, ANY, ANY, 0, 1}};
    struct policy_search s = search(c, 2, 4000);

    CU_ASSERT_EQUAL(policy_pages(&c[0], s.level), 1000);
    CU_ASSERT_EQUAL(policy_pages(&c[1], s.level), 1000);
}

/* Min-funding revocation as the paper tells it: the next page goes to who pays the most for it. */
static void page_by_page(struct policy_claimant *c, unsigned count, uint64_t memory,
                         uint64_t *pages)
{
    uint64_t used = 0;

    for (unsigned i = 0; i < count; i++)
        used += pages[i] = c[i].low;
    while (used < memory) {
        double best = 0;
        unsigned who = count;

        for (unsigned i = 0; i < count; i++) {
            double p = (double)pages[i] + 1;
            double f = p <= (double)c[i].active ? 1 : (double)c[i].active / p;
            double rho = c[i].shares / (p * (f + POLICY_IDLE_COST * (1 - f)));

            if (pages[i] < c[i].high && rho > best) {
                best = rho;
                who = i;
            }
        }
        if (who == count)
            return;
        pages[who]++;
        used++;
    }
}

static void against_the_paper(void)
{
    sim.seed = test_seed | 1;
    for (unsigned round = 0; round < 200; round++) {
        struct policy_claimant c[6];
        uint64_t pages[6], memory = 100 + sim_random(4000), low = 0;
        unsigned count = 1 + (unsigned)sim_random(6);
        struct policy_search s;

        for (unsigned i = 0; i < count; i++) {
            c[i] = (struct policy_claimant){.low = 1 + sim_random(200),
                                            .active = sim_random(1500),
                                            .shares = 1 + (uint32_t)sim_random(1000)};
            c[i].high = c[i].low + sim_random(2000);
            low += c[i].low;
        }
        s = search(c, count, memory);
        CU_ASSERT_EQUAL(s.fits, low <= memory);
        if (!s.fits)
            continue;
        CU_ASSERT(sum(c, count, s.level) <= memory);
        page_by_page(c, count, memory, pages);
        for (unsigned i = 0; i < count; i++) {
            uint64_t p = policy_pages(&c[i], s.level);

            CU_ASSERT_FATAL(p + count >= pages[i] && p <= pages[i] + count);
        }
    }
}

static const struct test_case cases[] = {
    {"by shares", by_shares},
    {"the tax", tax},
    {"limits", limits},
    {"who is stuck", stuck},
    {"page by page, as in the paper", against_the_paper},
    {NULL, NULL},
};

const struct suite suite_policy = {"policy", cases, NULL, NULL};
