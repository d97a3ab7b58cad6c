/* SPDX-License-Identifier: MIT
 *
 * Tests of shmem/.
 */
#include "suite.h"

extern const struct suite suite_grant, suite_grant_map, suite_grant_v2, suite_grant_revoke,
    suite_grant_model, suite_grant_threads;

const struct suite *const suites[] = {&suite_grant,
                                      &suite_grant_map,
                                      &suite_grant_v2,
                                      &suite_grant_revoke,
                                      &suite_grant_model,
                                      &suite_grant_threads,
                                      NULL};
