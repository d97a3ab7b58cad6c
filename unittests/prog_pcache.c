/* SPDX-License-Identifier: MIT
 *
 * Tests of the page cache.
 */
#include "suite.h"

extern const struct suite suite_pcache, suite_pcache_swap, suite_pcache_model, suite_pcache_host,
    suite_pcache_last, suite_pcache_flush, suite_pcache_threads, suite_pcache_recall, suite_spare;

const struct suite *const suites[] = {&suite_spare,          &suite_pcache_recall,
                                      &suite_pcache,         &suite_pcache_swap,
                                      &suite_pcache_host,    &suite_pcache_flush,
                                      &suite_pcache_last,    &suite_pcache_model,
                                      &suite_pcache_threads, NULL};
