/* SPDX-License-Identifier: MIT
 *
 * The scheduling core: who runs where, and the states of a vCPU. Which of several runnable vCPUs
 * goes first is decided by sched_policy.h, on which CPU by sched_balance.h, two pure modules; this
 * one owns the run queues and their locks.
 *
 * A vCPU is runnable when it is not blocked, not down, not paused. The core reads these conditions
 * (vcpu_runnable()) and reacts to vcpu_wake() and vcpu_sleep(); it never changes them but for
 * `blocked`, which vcpu_kick(), vcpu_poll_wake() and the poll timer clear.
 *
 * Unless it says otherwise a function may be called on any CPU with locks below LK_SCHED held.
 */
#pragma once

#include <lagan/cpumask.h>
#include <lagan/types.h>
#include <xen/event_channel.h>
#include "xen/sched_policy.h"

struct domain;
struct vcpu;

/* A vCPU's share of the core's state; embedded in struct vcpu. Lock letter [s]: lock of the run
 * queue of `cpu`. */
struct sched_vcpu {
    struct sched_unit
        unit; /* [s] the policy's view; unit.on_cpu: its registers may be live on `cpu` */
    _Atomic unsigned
        cpu; /* changed under [s], and not while unit.on_cpu: whose queue it belongs to */
    _Atomic bool displaced; /* runnable, but to be queued elsewhere once its registers are saved */
    bool yields;            /* [own] asked to let others go first */
    bool pinned;            /* [s] by sched_pin_current(); its affinity is one CPU meanwhile... */
    cpumask_t unpinned;     /* [s] ...and this one again afterwards */
    int runstate;           /* [s] RUNSTATE_* of the ABI */
    uint64_t state_since;   /* [s] ns */
    uint64_t state_time[4]; /* [s] ns spent in each RUNSTATE_*, up to state_since */
};

/* Length of a turn for all CPUs made known afterwards (option sched_slice), 1..1000 ms; else
 * -XEN_EINVAL. */
int sched_set_slice(unsigned ms) LAGAN_MUST_CHECK;
/* Makes a CPU known, when it is online and its cpu_place is filled in, before it runs guests; the
 * boot CPU before the first domain. After timer_cpu_init(). */
void sched_cpu_init(unsigned cpu);

/* Before a domain's first vCPU. Weight 1..65535, 0 standing for the usual 256; cap as below. Values
 * out of range are the caller's error. */
void sched_domain_init(struct domain *d, unsigned weight, unsigned cap);
/* Makes a new vCPU known: picks its first CPU (packages, then cores, then threads evenly). It does
 * not run before vcpu_wake(). v->domain is set. */
void sched_vcpu_init(struct vcpu *v);
/* Forgets it. The vCPU is not runnable, and vcpu_sleep_sync() has been called since. */
void sched_vcpu_destroy(struct vcpu *v);

/* Call after a condition that may have made v runnable changed: queues it, boosts it, prods a CPU.
 */
void vcpu_wake(struct vcpu *v);
/* Call after a condition that made v not runnable changed: takes it off its queue; if it runs, asks
 * that CPU to switch. vcpu_sleep_sync() also waits until its registers are saved: never for the
 * current vCPU, with no lock held that a CPU could want before its next softirq, and by one CPU at
 * a time (two that wait for each other's current vCPU would wait for ever): its callers hold the
 * control domain's lock or work on a domain that no longer runs hypercalls. */
void vcpu_sleep(struct vcpu *v);
void vcpu_sleep_sync(struct vcpu *v);
/* v has an event to see: unblocks it if it blocks or polls, and makes it notice if it runs. The
 * event's pending bits were set before. */
void vcpu_kick(struct vcpu *v);
/* A port was set pending, masked or not: ends v's SCHEDOP_poll if it waits for that port. */
void vcpu_poll_wake(struct vcpu *v, evtchn_port_t port);

/* Nested pauses: each counts once. The _sync forms return with no vCPU of it running; rules as for
 * vcpu_sleep_sync(). */
void vcpu_pause_sync(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
void domain_pause(
    struct domain *d); /* sync, except for the current vCPU, which stops on its way out */
void domain_unpause(struct domain *d);

/* The vCPU that runs on this CPU; NULL: it idles. */
struct vcpu *sched_current(void);
/* The current vCPU gives way; both take effect on the way back to the guest. block: clears its
 * upcall mask, then waits until an event is pending (returns at once if one is). */
void sched_block_current(void);
void sched_yield_current(void);
/* The current vCPU waits until one of the ports is pending, it gets an event, or system time
 * reaches `timeout` ns (0: no limit). -XEN_EINVAL if one of them is not a port of its domain. */
int sched_poll_current(const evtchn_port_t *ports, unsigned count,
                       uint64_t timeout) LAGAN_MUST_CHECK;

/* Handler of v->poll_timer. */
struct timer;
void sched_poll_timeout(struct timer *t);

/* Weight 1..65535 (256 is usual) against other domains, however many vCPUs it has; cap on the sum
 * of its vCPUs in per cent of one CPU, 0 for none. 0 or -XEN_EINVAL. */
int sched_set_weight(struct domain *d, unsigned weight, unsigned cap) LAGAN_MUST_CHECK;
/* -XEN_EINVAL if no CPU of the set is online. Of a pinned vCPU it is what holds afterwards. */
int sched_set_affinity(struct vcpu *v, cpumask_t cpus) LAGAN_MUST_CHECK;
/* The current vCPU runs on this CPU only, from its next step in the guest on, or (a negative number)
 * wherever its affinity lets it again. -XEN_EINVAL: that CPU is not online, or it is not pinned;
 * -XEN_EBUSY: it is pinned already. */
int sched_pin_current(int cpu) LAGAN_MUST_CHECK;

cpumask_t sched_get_affinity(struct vcpu *v);

/* SOFTIRQ_SCHEDULE. Picks the next vCPU of this CPU and, when it is another one, switches to it by
 * arch_context_switch(), which does not return here. No lock held. */
void sched_softirq(void);
/* The machine calls it once the previous vCPU's registers are saved. prev may be NULL. */
void sched_switch_done(struct vcpu *prev);

/* Run-state record of v as the ABI wants it, up to now. */
struct vcpu_runstate_info;
void sched_get_runstate(struct vcpu *v, struct vcpu_runstate_info *info);
/* Writes the record to the area that v registered, if any. The caller runs in v's address space,
 * guest kernel's tables; holds no lock. An area that cannot be written is skipped. */
void vcpu_runstate_update_area(struct vcpu *v);
/* ns that v has run in all. */
uint64_t sched_cpu_time(struct vcpu *v);
/* ns for which this CPU, which is online, has had nobody to run since the host's time began. */
uint64_t sched_idle_time(unsigned cpu);

/* Provided by the machine. Saves the state of prev (NULL: the CPU idled), loads that of next (NULL:
 * go idle), calls sched_switch_done(prev) and leaves for the guest or the idle loop. */
LAGAN_NORETURN void arch_context_switch(struct vcpu *prev, struct vcpu *next);

/* Debug key: prints the queues. */
void sched_dump(void);
/* Recounts all queues: INV-SCHED-1 to -4, INV-POL. No lock held; no CPU is inside the scheduler. */
void sched_audit(void);
