/* SPDX-License-Identifier: MIT
 *
 * Scheduler, timers, softirqs and their hypercalls.
 */
#include "suite.h"

extern const struct suite suite_timer, suite_softirq, suite_stop, suite_sched_policy, suite_sched,
    suite_hcall_sched, suite_sched_smp;

const struct suite *const suites[] = {
    &suite_timer, &suite_softirq,     &suite_stop,      &suite_sched_policy,
    &suite_sched, &suite_hcall_sched, &suite_sched_smp, NULL};
