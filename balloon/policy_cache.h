/* SPDX-License-Identifier: MIT
 *
 * What the page cache's miss-rate curve says of a domain's need of memory: one computation on a curve.
 */
#pragma once

#include <lagan/types.h>

#include "mm/pcache_curve.h"

/* So many pages are looked at together. */
#define POLICY_CACHE_STEPS 32U

/* What a MiB must save to count as used: one read a second (in 1/1000). So a page must be wanted once in
 * 256 seconds: J. Gray's five-minute rule. */
#define POLICY_CACHE_PRICE UINT64_C(1000)

/* How many pages of `most`, beyond the `held` ones that the domain has in the cache, it would put to use: each
 * MiB of them, on the whole, saves at least `price` reads a second (in 1/1000). 0 if none does, or nothing is
 * known. A domain's need is raised by that much (balloon_set_cache_need()): who would read its disk
 * less with more memory is in need of it, as one who uses all that it has. Nothing is seen beyond the curve's reach. */
uint64_t policy_cache_need(const struct pcache_curve *c, uint64_t held, uint64_t most,
                           uint64_t price, uint64_t now_ms);
