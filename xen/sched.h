/* SPDX-License-Identifier: MIT
 *
 * The scheduling core: who runs where, and the states of a vCPU. Which of several runnable vCPUs goes
 * first is decided by sched_policy.h, a pure module; this one owns the run queues and their locks.
 *
 * A vCPU is runnable when it is not blocked, not down, not paused. The core reads these conditions
 * (vcpu_runnable()) and reacts to vcpu_wake() and vcpu_sleep(); it never changes them but for
 * `blocked`, which vcpu_wake_event() and the timers clear.
 */
#pragma once

#include <lagan/cpumask.h>
#include <lagan/types.h>
#include "xen/sched_policy.h"

struct domain;
struct vcpu;

/* A vCPU's share of the core's state; embedded in struct vcpu. Lock letter [s]: lock of the run queue
 * of `cpu`. */
struct sched_vcpu {
    struct sched_unit unit;  /* [s] the policy's view: weight, credit, boost, list links */
    unsigned cpu;            /* [s] on whose queue it is or runs */
    bool running;            /* [s] on `cpu` at this moment */
    _Atomic bool on_cpu;     /* its registers may still be live on `cpu` */
    cpumask_t affinity;      /* [s] hard affinity */
    int runstate;            /* [s] RUNSTATE_* of the ABI */
    uint64_t state_since;    /* [s] ns */
    uint64_t state_time[4];  /* [s] ns spent in each RUNSTATE_*, up to state_since */
};

/* Before the first domain: queues for the CPUs online so far, then for each CPU that comes up. */
int sched_cpu_init(unsigned cpu) LAGAN_MUST_CHECK;

/* Makes a new vCPU known: picks its first CPU (packages, then cores, then threads evenly). It does not
 * run before vcpu_wake(). */
void sched_vcpu_init(struct vcpu *v);
/* Forgets it. The vCPU is not runnable and not running. */
void sched_vcpu_destroy(struct vcpu *v);

/* Call after a condition that may have made v runnable changed: queues it, boosts it, prods a CPU. */
void vcpu_wake(struct vcpu *v);
/* Call after a condition that made v not runnable changed: takes it off its queue; if it runs
 * elsewhere, asks that CPU to switch. vcpu_sleep_sync() also waits until its registers are saved
 * (never call it for the current vCPU). */
void vcpu_sleep(struct vcpu *v);
void vcpu_sleep_sync(struct vcpu *v);
/* v has an event to see: unblocks it if it blocks, and makes it notice if it runs. */
void vcpu_kick(struct vcpu *v);
/* v is in SCHEDOP_poll and a port of its domain became pending: ends the poll if v polls that port (a
 * wake-up too many is allowed). Locks up to LK_EVENT_FIFO may be held. */
void vcpu_poll_wake(struct vcpu *v, uint32_t port);

/* Nested pauses: each counts once. The _sync forms return with no vCPU of it running. */
void vcpu_pause_sync(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
void domain_pause(struct domain *d); /* sync, except for the current vCPU, which stops on its way out */
void domain_unpause(struct domain *d);

/* The current vCPU gives way. block: until an event is pending (returns at once if one is).
 * All take effect on the way back to the guest. */
void sched_block_current(void);
void sched_yield_current(void);

/* Weight 1..65535 (256 is usual); cap in per cent of one CPU, 0 for none. 0 or -XEN_EINVAL. */
int sched_set_weight(struct domain *d, unsigned weight, unsigned cap) LAGAN_MUST_CHECK;
int sched_set_affinity(struct vcpu *v, cpumask_t cpus) LAGAN_MUST_CHECK;

/* SOFTIRQ_SCHEDULE. Picks the next vCPU of this CPU and, when it is another one, switches to it by
 * arch_context_switch(), which does not return here. */
void sched_softirq(void);
/* The machine calls it once the previous vCPU's registers are saved. */
void sched_switch_done(struct vcpu *prev);

/* Run-state record of v as the ABI wants it, up to now. */
struct vcpu_runstate_info;
void sched_get_runstate(struct vcpu *v, struct vcpu_runstate_info *info);
/* ns that v has run in all. */
uint64_t sched_cpu_time(struct vcpu *v);

/* Provided by the machine. Saves the state of prev (NULL: the CPU idled), loads that of next (NULL: go
 * idle), calls sched_switch_done(prev) and leaves for the guest or the idle loop. */
LAGAN_NORETURN void arch_context_switch(struct vcpu *prev, struct vcpu *next);

/* Debug key: prints the queues. */
void sched_dump(void);
