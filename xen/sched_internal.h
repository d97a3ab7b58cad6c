/* SPDX-License-Identifier: MIT
 *
 * What sched.c, sched_ctl.c and sched_state.c share, and nobody else includes.
 */
#pragma once

#include <lagan/lock.h>
#include <stdatomic.h>
#include "xen/domain.h"
#include "xen/sched.h"
#include "xen/sched_policy.h"
#include "xen/timer.h"

/* One CPU's run queue. */
struct runq {
    struct spinlock lock; /* LK_SCHED; lock letter [s] */
    struct sched_queue q; /* [s] */
    struct timer timer;   /* ends turns, and the wait of parked vCPUs */
    uint64_t alarm;       /* [s] what the timer was set to last */
    uint64_t idle_ns;     /* [s] how long it has idled, up to idle_since */
    uint64_t idle_since;  /* [s] UINT64_MAX: it does not idle; 0 until it runs for the first time */
    bool idling;          /* [own CPU] it has set its bit in `idle` since it ran somebody */
    struct vcpu *_Atomic leaving; /* whose registers were saved here, while we still look at it */
    _Atomic unsigned home;        /* vCPUs that belong here, runnable or not */
    _Atomic unsigned order_count;
    uint8_t order[MAX_CPUS]; /* other CPUs, nearest first; own CPU only, but for init */
} LAGAN_ALIGNED(64);

struct sched_state {
    struct runq runq[MAX_CPUS];
    _Atomic uint64_t idle;   /* CPUs that found no work: see "Who finds the work" in sched.c */
    _Atomic uint64_t online; /* CPUs made known */
    uint64_t slice_ns;       /* [c] after boot */
};

extern struct sched_state sched_state;

/* Locks the queue to which v belongs. */
struct runq *runq_lock_of(struct vcpu *v);
/* Gives v, which is in no queue and not on a CPU, to another CPU's queue. Lock of its present one
 * held. */
void sched_rehome(struct vcpu *v, unsigned cpu);
/* Prods an idle CPU for each vCPU that waits here and could run there. Lock held. */
void sched_share(struct runq *rq);
/* v enters a RUNSTATE_*. [s] held. */
void sched_enter_state(struct vcpu *v, int runstate, uint64_t now);
/* RUNSTATE_blocked or _offline, whichever describes a vCPU that is not runnable. */
int sched_rest_state(const struct vcpu *v);

static inline cpumask_t sched_online(void)
{
    return (cpumask_t){atomic_load_explicit(&sched_state.online, memory_order_relaxed)};
}

static inline unsigned sched_cpu_of(const struct vcpu *v)
{
    return atomic_load_explicit(&v->sched.cpu, memory_order_acquire);
}

static inline struct vcpu *vcpu_of(struct sched_unit *u)
{
    return u ? container_of(u, struct vcpu, sched.unit) : NULL;
}
