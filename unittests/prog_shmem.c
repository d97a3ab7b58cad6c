/* SPDX-License-Identifier: MIT
 *
 * Tests of shmem/.
 */
#include "suite.h"

extern const struct suite suite_grant, suite_grant_map;

const struct suite *const suites[] = {&suite_grant, &suite_grant_map, NULL};
