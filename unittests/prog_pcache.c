/* SPDX-License-Identifier: MIT
 *
 * Tests of the page cache.
 */
#include "suite.h"

extern const struct suite suite_pcache, suite_pcache_swap, suite_pcache_model, suite_pcache_host,
    suite_pcache_last, suite_pcache_flush, suite_pcache_threads;

const struct suite *const suites[] = {
    &suite_pcache,      &suite_pcache_swap,  &suite_pcache_host,    &suite_pcache_flush,
    &suite_pcache_last, &suite_pcache_model, &suite_pcache_threads, NULL};
