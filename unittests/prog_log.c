/* SPDX-License-Identifier: MIT
 *
 * Tests of the log and the console, on a machine that is all console. The crash comes last.
 */
#include "suite.h"

extern const struct suite suite_log, suite_console, suite_log_crash;

const struct suite *const suites[] = {&suite_log, &suite_console, &suite_log_crash, NULL};
