/* SPDX-License-Identifier: MIT
 *
 * Scheduler, timers, softirqs and their hypercalls.
 */
#include "suite.h"

extern const struct suite suite_sched;

const struct suite *const suites[] = {&suite_sched, NULL};
