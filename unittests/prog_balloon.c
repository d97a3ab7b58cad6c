/* SPDX-License-Identifier: MIT
 *
 * Tests of balloon/.
 */
#include "suite.h"

extern const struct suite suite_policy, suite_policy_cache, suite_balloon, suite_balloon_model;

const struct suite *const suites[] = {&suite_policy, &suite_policy_cache, &suite_balloon,
                                      &suite_balloon_model, NULL};
