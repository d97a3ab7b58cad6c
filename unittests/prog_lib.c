/* SPDX-License-Identifier: MIT
 *
 * Tests of the small library, the log, and the parsers.
 */
#include "suite.h"

extern const struct suite suite_string, suite_vsnprintf;

const struct suite *const suites[] = {&suite_string, &suite_vsnprintf, NULL};
