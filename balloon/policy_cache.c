/* SPDX-License-Identifier: MIT
 *
 * A page that is added to the guest's own memory serves what a page more in the cache would: both are one list, by
 * the order of use. So the cache's curve, from the size that the cache has on, is the guest's hunger: "N more MiB
 * would save M reads a second".
 *
 * The curve needs not be concave: a loop is a cliff, with nothing to be had before it. So it is not followed as
 * long as each step pays; the need is the farthest point to which all steps together pay: where
 *
 *     saved reads - price * pages
 *
 * is greatest. A higher price never makes it larger.
 *
 * Steps are parts of what the curve reaches to, so a large `most` does not make them coarse.
 *
 * INV-POLICY-4: the need is at most `most`, and what it saves is worth the price of all of it.
 */
#include "balloon/policy_cache.h"

#define PAGES_A_MIB (UINT64_C(1) << (20 - PAGE_SHIFT))

uint64_t policy_cache_need(const struct pcache_curve *c, uint64_t held, uint64_t most,
                           uint64_t price, uint64_t now_ms)
{
    uint64_t best = 0, best_gain = 0, reach;

    reach = (uint64_t)c->bucket_pages * CURVE_BUCKETS;
    most = min_u64(most, reach > held ? reach - held : 0);
    for (uint64_t n = 1; n <= POLICY_CACHE_STEPS; n++) {
        uint64_t pages = most * n / POLICY_CACHE_STEPS, cost;
        uint64_t saved = pcache_curve_saves(c, held, pages, now_ms);

        if (mul_overflows(price, pages, &cost))
            break;
        cost = (cost + PAGES_A_MIB - 1) / PAGES_A_MIB;
        if (saved > cost && saved - cost > best_gain) {
            best = pages;
            best_gain = saved - cost;
        }
    }
    return best;
}
