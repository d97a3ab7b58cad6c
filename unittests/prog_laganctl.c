/* SPDX-License-Identifier: MIT
 *
 * Tests of the administrator's tool, on a host that is made up.
 */
#include "suite.h"

extern const struct suite suite_laganctl, suite_publish;

const struct suite *const suites[] = {&suite_laganctl, &suite_publish, NULL};
