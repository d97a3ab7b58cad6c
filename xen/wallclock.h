/* SPDX-License-Identifier: MIT
 *
 * The wall clock: what it was when system time was 0, which guests read in shared_info.
 */
#pragma once

#include <lagan/types.h>

struct domain;

/* It is `seconds` and `ns` since 1970 at `system_time`. Every domain sees it from now on.
 * -XEN_EINVAL: no such time. Called by the control domain; no lock is held. */
int wallclock_set(uint64_t seconds, uint32_t ns, uint64_t system_time) LAGAN_MUST_CHECK;
/* A domain that is new, or may have missed a change, is told. */
void wallclock_tell(struct domain *d);
