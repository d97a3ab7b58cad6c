/* SPDX-License-Identifier: MIT
 *
 * The clock as guests see it. A guest reads a record without locks: the version is odd while we
 * write it and different afterwards (public xen.h, struct vcpu_time_info). The record lies in guest
 * memory, so the version is only ever counted on from what we wrote last, never from what stands
 * there.
 */
#include "xen/arch/x86/pv_time.h"

#include <stdatomic.h>

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/time.h"

#define NS_PER_SECOND UINT64_C(1000000000)

void pv_update_time(struct vcpu *v)
{
    struct vcpu_time_info *t = &v->info->time;
    uint32_t version = v->arch.time_version | 1;
    struct time_scale scale;

    time_get_scale(&scale);
    t->version = version;
    atomic_thread_fence(memory_order_release);
    t->tsc_timestamp = scale.tsc_timestamp;
    t->system_time = scale.system_time;
    t->tsc_to_system_mul = scale.mul;
    t->tsc_shift = scale.shift;
    t->flags = 0;
    atomic_thread_fence(memory_order_release);
    t->version = v->arch.time_version = version + 1;
}

void arch_update_wallclock(struct domain *d)
{
    shared_info_t *s = d->shared_info;
    uint64_t base = time_wallclock_base_ns();
    uint32_t version = d->arch.wallclock_version | 1;
    uint64_t seconds = base / NS_PER_SECOND;

    s->wc_version = version;
    atomic_thread_fence(memory_order_release);
    s->wc_sec = (uint32_t)seconds;
    s->wc_sec_hi = (uint32_t)(seconds >> 32);
    s->wc_nsec = (uint32_t)(base % NS_PER_SECOND);
    atomic_thread_fence(memory_order_release);
    s->wc_version = d->arch.wallclock_version = version + 1;
}

void arch_set_wallclock(uint64_t utc_ns_at_zero)
{
    time_set_wallclock(utc_ns_at_zero);
}

void time_softirq(void)
{
    struct vcpu *v = current_vcpu();

    time_refresh();
    if (v)
        pv_update_time(v);
}
