/* SPDX-License-Identifier: MIT
 *
 * A vCPU's timers: single-shot and periodic, both of which raise VIRQ_TIMER, and the one that ends
 * SCHEDOP_poll; and the sub-operations of vcpu_op that deal with time.
 */
#pragma once

#include <lagan/types.h>

struct vcpu;

#define VCPU_PERIOD_MIN_NS UINT64_C(1000000)

/* With the vCPU, after sched_vcpu_init(). */
void vcpu_timer_init(struct vcpu *v);
/* Before its memory goes. No handler of it runs afterwards. No lock held. */
void vcpu_timer_destroy(struct vcpu *v);

/* VIRQ_TIMER when system time reaches `when`, once; at once if it has. In place of an earlier one.
 */
void vcpu_set_singleshot(struct vcpu *v, uint64_t when);
void vcpu_stop_singleshot(struct vcpu *v);
/* VIRQ_TIMER each period_ns from now on. -XEN_EINVAL below VCPU_PERIOD_MIN_NS or beyond 2^62. */
int vcpu_set_periodic(struct vcpu *v, uint64_t period_ns) LAGAN_MUST_CHECK;
void vcpu_stop_periodic(struct vcpu *v);

/* Decoder of the VCPUOP_ get_runstate_info, register_runstate_memory_area, set/stop_periodic_timer
 * and set/stop_singleshot_timer for v of the current domain; `arg` is the hypercall's third
 * argument. Others: -XEN_ENOSYS. */
int64_t vcpu_op_time(struct vcpu *v, unsigned cmd, guest_ptr_t arg);
