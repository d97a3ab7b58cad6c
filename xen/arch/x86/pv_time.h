/* SPDX-License-Identifier: MIT
 *
 * The clock as guests see it: struct vcpu_time_info and the wall clock in shared_info.
 */
#pragma once

#include "xen/domain.h"

/* Brings v's time record up to date with this CPU's clock. v is the current vCPU, or about to be.
 */
void pv_update_time(struct vcpu *v);
/* SOFTIRQ_TIME: this CPU's clock first, then the current vCPU's record. */
void time_softirq(void);
