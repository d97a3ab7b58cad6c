/* SPDX-License-Identifier: MIT
 *
 * Stopping the world: all other CPUs wait where they hold no lock and are in the middle of nothing,
 * while one looks at what must not change meanwhile.
 */
#pragma once

#include <lagan/types.h>

/* Stops all other CPUs: each finishes, or breaks off at a preemption point, what it does. The caller
 * is itself in the middle of nothing, holds no lock, and calls stop_end() soon: nobody is served
 * meanwhile. False, and nobody is stopped: another CPU is at it, or the others have not come in time
 * (they may wait for this very one). The caller goes where softirqs are run,
 * and may then try again. */
bool stop_begin(void) LAGAN_MUST_CHECK;
void stop_end(void);

/* SOFTIRQ_STOP */
void stop_softirq(void);
