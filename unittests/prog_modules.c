/* SPDX-License-Identifier: MIT
 *
 * Tests of those parts of the kernel modules (linux/) that need no kernel.
 */
#include "suite.h"

extern const struct suite suite_cache_track;
extern const struct suite suite_cache_side;
extern const struct suite suite_zpool;

const struct suite *const suites[] = {&suite_cache_track, &suite_cache_side, &suite_zpool, NULL};
