/* SPDX-License-Identifier: MIT
 *
 * Run states: how long each vCPU has run, waited, blocked or been offline, and the record of it
 * that the guest can read in its own memory.
 *
 * INV-STATE-1: the four times add up to state_since minus the time of sched_vcpu_init().
 *
 * The guest reads the record without a hypercall, on the same vCPU (then the record does not change
 * under its eyes but by an interruption, which state_entry_time shows) or on another one. For the
 * latter it enables VMASST_TYPE_runstate_update_flag: then bit 63 of state_entry_time in guest
 * memory is set from before the first word of the record changes until after the last did.
 */
#include <lagan/assert.h>
#include <stdatomic.h>
#include <xen/vcpu.h>
#include "arch_inline.h"
#include "xen/guest_access.h"
#include "xen/sched_internal.h"

STATIC_ASSERT(sizeof(struct vcpu_runstate_info) == 48);
STATIC_ASSERT(offsetof(struct vcpu_runstate_info, state_entry_time) == 8);

void sched_enter_state(struct vcpu *v, int runstate, uint64_t now)
{
    struct sched_vcpu *s = &v->sched;

    if (s->runstate == runstate)
        return;
    /* Clocks of two CPUs may differ by a few cycles: time stands still rather than go back. */
    if (now > s->state_since) {
        s->state_time[s->runstate] += now - s->state_since;
        s->state_since = now;
    }
    s->runstate = runstate;
}

int sched_rest_state(const struct vcpu *v)
{
    return atomic_load_explicit(&v->blocked, memory_order_relaxed) ? RUNSTATE_blocked
                                                                   : RUNSTATE_offline;
}

void sched_get_runstate(struct vcpu *v, struct vcpu_runstate_info *info) LAGAN_NO_TSA
{
    struct runq *rq = runq_lock_of(v);
    uint64_t now = arch_time_ns();

    *info = (struct vcpu_runstate_info){.state = v->sched.runstate,
                                        .state_entry_time = v->sched.state_since};
    for (unsigned i = 0; i < ARRAY_SIZE(info->time); i++)
        info->time[i] = v->sched.state_time[i];
    if (now > v->sched.state_since)
        info->time[v->sched.runstate] += now - v->sched.state_since;
    spin_unlock(&rq->lock);
}

uint64_t sched_cpu_time(struct vcpu *v)
{
    struct vcpu_runstate_info info;

    sched_get_runstate(v, &info);
    return info.time[RUNSTATE_running];
}

uint64_t sched_idle_time(unsigned cpu)
{
    struct runq *rq = &sched_state.runq[cpu];
    uint64_t now = arch_time_ns(), idle;

    spin_lock(&rq->lock);
    idle = rq->idle_ns + (now > rq->idle_since ? now - rq->idle_since : 0);
    spin_unlock(&rq->lock);
    return idle;
}

static int write_entry_time(guest_ptr_t area, uint64_t value)
{
    return copy_to_guest(guest_ptr_add(area, offsetof(struct vcpu_runstate_info, state_entry_time)),
                         &value, sizeof(value));
}

void vcpu_runstate_update_area(struct vcpu *v)
{
    struct vcpu_runstate_info info;
    guest_ptr_t area = v->runstate_area;
    uint64_t entered;

    if (!area.va)
        return;
    sched_get_runstate(v, &info);
    if (!(v->domain->vm_assist & (UINT64_C(1) << VMASST_TYPE_runstate_update_flag))) {
        (void)!copy_to_guest(area, &info, sizeof(info));
        return;
    }
    /* x86 keeps the order of stores; the compiler does, as each copy is a call. */
    entered = info.state_entry_time;
    info.state_entry_time |= XEN_RUNSTATE_UPDATE;
    if (write_entry_time(area, info.state_entry_time) == 0 &&
        copy_to_guest(area, &info, sizeof(info)) == 0)
        (void)!write_entry_time(area, entered);
}
