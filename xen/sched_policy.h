/* SPDX-License-Identifier: MIT
 *
 * Which runnable vCPU goes first, on which CPU: a pure module without locks, time source or hardware.
 * The caller (sched.c, or the simulated machine of the host tests) says what time it is and owns the
 * locks. The algorithm is explained at the head of sched_policy.c and in docs/scheduling.md.
 */
#pragma once

#include <lagan/cpumask.h>
#include <lagan/list.h>
#include <lagan/types.h>

/* To be completed by the policy: one per vCPU. */
struct sched_unit {
    struct list link;  /* in a run queue, or empty */
    unsigned weight;   /* 1..65535 */
    unsigned cap;      /* per cent of one CPU, 0: none */
};
