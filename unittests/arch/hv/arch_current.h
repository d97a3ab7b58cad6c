/* SPDX-License-Identifier: MIT
 *
 * current_vcpu() on the host: whichever the test thread says it is.
 */
#pragma once

struct vcpu;

extern _Thread_local struct vcpu *host_current;

static inline struct vcpu *current_vcpu(void)
{
    return host_current;
}
