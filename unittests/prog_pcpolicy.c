/* SPDX-License-Identifier: MIT
 *
 * Tests of the page cache's policies (mm/pcache_quota.c, _ghost.c, _curve.c), each by itself.
 */
#include "suite.h"

extern const struct suite suite_pcache_curve, suite_pcache_ghost, suite_pcache_quota;

const struct suite *const suites[] = {&suite_pcache_curve, &suite_pcache_ghost, &suite_pcache_quota,
                                      NULL};
