/* SPDX-License-Identifier: MIT
 *
 * Need by the miss-rate curve: on a curve that is known, and on random ones.
 */
#include <stdlib.h>

#include "balloon/policy.h"
#include "balloon/policy_cache.h"
#include "unittests/suite.h"

static struct pcache_curve curve;

static uint32_t tag_of(uint64_t page)
{
    return (uint32_t)((page + 1) * UINT64_C(0xd1b54a32d192ed03) >> 33);
}

/* A loop over `pages` pages, 1000 a second. Returns the time. */
static uint64_t loop(uint64_t pages, uint64_t reach)
{
    uint64_t now;

    pcache_curve_init(&curve, reach, 0);
    for (now = 1; now < 60000; now++) {
        (void)pcache_curve_get(&curve, tag_of(now % pages), now);
        pcache_curve_put(&curve, tag_of(now % pages), now);
    }
    return now;
}

static void cliff(void)
{
    uint64_t now = loop(1024, 4096), need;

    /* 1000 reads a second are had for 4 MiB: what is beyond them costs and saves nothing. */
    need = policy_cache_need(&curve, 0, 4096, 1000, now);
    CU_ASSERT(need >= 1024 && need <= 1024 + 4096 / POLICY_CACHE_STEPS * 2);
    CU_ASSERT_EQUAL(policy_cache_need(&curve, 0, 4096, 200 * 1000, now), need);
    CU_ASSERT_EQUAL(policy_cache_need(&curve, 0, 4096, 300 * 1000, now), 0);
    CU_ASSERT_EQUAL(policy_cache_need(&curve, 0, 900, 1, now), 0);     /* it does not get there */
    CU_ASSERT_EQUAL(policy_cache_need(&curve, 2000, 2000, 1, now), 0); /* it has enough */
    need = policy_cache_need(&curve, 512, 1024, 1000, now);
    CU_ASSERT(need >= 512 && need <= 640);
    CU_ASSERT_EQUAL(policy_cache_need(&curve, 0, 4096, UINT64_MAX, now), 0);
    CU_ASSERT(policy_cache_need(&curve, 0, UINT64_MAX, 0, now) > 0);
    need =
        policy_cache_need(&curve, 0, UINT64_MAX, 1000, now); /* as fine as where little is there */
    CU_ASSERT(need >= 1024 && need <= 1024 + 4096 / POLICY_CACHE_STEPS * 2);
    CU_ASSERT_EQUAL(policy_cache_need(&curve, UINT64_MAX, 4096, 0, now), 0);
    pcache_curve_init(&curve, 4096, 0);
    CU_ASSERT_EQUAL(policy_cache_need(&curve, 0, 4096, 0, 1000), 0);
}

static void random_curves(void)
{
    uint64_t state = test_seed;

    for (unsigned round = 0; round < 200; round++) {
        uint64_t last = UINT64_MAX, held = round * 7;

        pcache_curve_init(&curve, 2048, 0);
        for (unsigned i = 0; i < CURVE_BUCKETS; i++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
            curve.served[i] = (state >> 40) % 5 ? 0 : (state >> 30) % 100000;
            curve.gets += curve.served[i];
        }
        curve.time = 1000;
        for (uint64_t price = 1; price < UINT64_C(1) << 30; price *= 2) {
            uint64_t need = policy_cache_need(&curve, held, 1600, price, 0);

            CU_ASSERT_FATAL(need <= 1600 && need <= last);
            CU_ASSERT(pcache_curve_saves(&curve, held, need, 0) >= need * price / 256);
            last = need;
        }
        CU_ASSERT_EQUAL(last, 0);
    }
}

/* It goes where the policy looks: two alike, of which one would read less with more. */
static void claimant(void)
{
    uint64_t now = loop(1024, 4096), level;
    struct policy_claimant c[] = {{1, 10000, 2000, 0, 100}, {1, 10000, 2000, 0, 100}};
    struct policy_search s;

    c[0].active += policy_cache_need(&curve, 0, 4096, 1000, now);
    policy_begin(&s, 5000);
    while (policy_next(&s, &level))
        policy_tried(&s, policy_taken(&c[0], level) + policy_taken(&c[1], level));
    CU_ASSERT(policy_pages(&c[0], s.level) > policy_pages(&c[1], s.level) + 500);
    CU_ASSERT(policy_pages(&c[1], s.level) >= 2000);
}

static const struct test_case cases[] = {
    {"a cliff", cliff},
    {"random curves", random_curves},
    {"as a claimant", claimant},
    {NULL, NULL},
};

const struct suite suite_policy_cache = {"policy_cache", cases, NULL, NULL};
