/* SPDX-License-Identifier: MIT
 *
 * Which runnable vCPU goes first on a CPU: a pure module without locks, time source or hardware.
 * The caller (sched.c, or the simulated machine of the host tests) says what time it is and holds
 * the queue's lock. The algorithm is explained at the head of sched_policy.c and in
 * docs/scheduling.md.
 *
 * Real time is in ns. Virtual time is in ns of a unit of weight POLICY_WEIGHT_USUAL: a unit of
 * twice that weight ages half as fast. Virtual times are compared by policy_before(), which
 * survives wrapping.
 */
#pragma once

#include <lagan/cpumask.h>
#include <lagan/list.h>
#include <lagan/types.h>

#define POLICY_WEIGHT_USUAL 256
#define POLICY_WEIGHT_MAX   65535
#define POLICY_CAP_MAX      6400 /* per cent of one CPU: all of MAX_CPUS */

#define POLICY_SLICE_NS     UINT64_C(10000000) /* turn of a unit when others wait */
#define POLICY_RATELIMIT_NS UINT64_C(500000)   /* shortest run before a woken unit takes over */
#define POLICY_PERIOD_NS    UINT64_C(30000000) /* over which a cap is enforced */

/* What a domain's vCPUs share: its weight is split among those that are runnable, its cap limits
 * their sum. Any CPU may use it at any time: all fields are atomic. */
struct sched_group {
    _Atomic uint32_t weight; /* 1..POLICY_WEIGHT_MAX */
    _Atomic uint32_t cap;    /* per cent of one CPU, 0: none */
    _Atomic uint32_t active; /* units that are runnable or run */
    _Atomic uint64_t budget; /* high half: period number; low half: ns left in it, signed */
};

enum unit_place {
    UNIT_ABSENT,  /* not runnable, or on its way to another CPU */
    UNIT_WAITING, /* in a queue's `waiting` */
    UNIT_PARKED,  /* in a queue's `parked`: its domain's cap is used up */
    UNIT_RUNNING, /* a queue's `running` */
};

/* One vCPU as the policy sees it. Lock letter [q]: lock of the queue where it is. */
struct sched_unit {
    struct list link;          /* [q] */
    struct sched_group *group; /* [c] */
    enum unit_place place;     /* [q] */
    uint64_t vtime;            /* [q] start tag: virtual time at which its present turn began */
    uint64_t used;             /* [q] ns consumed of the present turn, not yet in vtime */
    uint64_t rate;             /* [q] virtual ns per ns, times 2^20 */
    uint64_t started;          /* [q] running: ns up to which it has been charged */
    uint64_t ran;              /* [q] ns charged in all */
    uint64_t lease;            /* [q] running under a cap: ns of budget it holds */
    uint32_t lease_period;     /* [q] the period whose budget that was */
    bool leased;               /* [q] running under a cap */
    cpumask_t affinity;        /* [q] CPUs it may run on */
    _Atomic bool on_cpu;       /* registers are live on a CPU: no other CPU may take it */
};

/* One CPU's runnable units. */
struct sched_queue {
    struct list waiting; /* ascending vtime */
    struct list parked;
    struct sched_unit *running;     /* NULL: idle */
    uint64_t vtime;                 /* start tag of the unit served last; never goes back */
    uint64_t turn_end;              /* ns: when `running` has to be looked at again */
    uint64_t turn_start;            /* ns: when `running` was picked */
    uint64_t slice_ns;              /* [c] */
    uint64_t parked_until;          /* ns: end of the period in which the parked ones ran dry */
    _Atomic uint32_t waiting_count; /* written under the lock, read by anyone as a hint */
    _Atomic uint64_t head_vtime;    /* of the first waiting unit; valid while waiting_count > 0 */
};

void policy_queue_init(struct sched_queue *q, uint64_t slice_ns);
void policy_group_init(struct sched_group *g, unsigned weight, unsigned cap);
void policy_unit_init(struct sched_unit *u, struct sched_group *g, cpumask_t affinity);
/* 0, or -XEN_EINVAL when out of range (then nothing changed). The cap holds from the next period.
 */
int policy_group_set(struct sched_group *g, unsigned weight, unsigned cap) LAGAN_MUST_CHECK;

static inline bool policy_before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

/* Virtual ns by which u ages in `ns` of running. */
uint64_t policy_aging(const struct sched_unit *u, uint64_t ns);

/* u became runnable: queues it, with the head start it has earned by sleeping (bounded). */
void policy_wake(struct sched_queue *q, struct sched_unit *u);
/* u, waiting or parked, is not runnable any more. */
void policy_sleep(struct sched_queue *q, struct sched_unit *u);

/* The weight of u's domain has changed: from now on u ages at the new rate, and what it has aged at
 * the old one does not keep it waiting for longer than the new one justifies. */
void policy_reweigh(struct sched_queue *q, struct sched_unit *u);

/* Charges the running unit up to now. */
void policy_charge(struct sched_queue *q, uint64_t now);
/* The running unit leaves the CPU, charged up to now, and ... */
enum policy_leave {
    LEAVE_TURN,    /* ... stays runnable; goes on with its turn unless that is used up */
    LEAVE_YIELD,   /* ... stays runnable, but lets the next one go first */
    LEAVE_BLOCKED, /* ... is not runnable, or will be queued elsewhere by policy_wake() */
};
void policy_leave(struct sched_queue *q, enum policy_leave how, uint64_t now);

/* Takes the unit to run next, with a turn that ends at q->turn_end; NULL if none may. The queue
 * runs nobody. Units whose domain has used up its cap are parked, those of an earlier period come
 * back. */
struct sched_unit *policy_pick(struct sched_queue *q, uint64_t now);
/* ns at which the queue wants policy_pick() to be called again; UINT64_MAX: not before something
 * happens. */
uint64_t policy_next_event(const struct sched_queue *q);
/* True if u, waiting in q, should run in place of q's running unit. *when: the earliest time. */
bool policy_preempts(const struct sched_queue *q, const struct sched_unit *u, uint64_t *when);

/* The first waiting unit that may move to `cpu`, or NULL. */
struct sched_unit *policy_find_movable(const struct sched_queue *q, unsigned cpu);
/* True if u, which waits in another queue, has had so much less than the best waiting unit of q
 * (all of it in virtual time) that it should come over. `distance`: 1 for near CPUs, more for far
 * ones. */
bool policy_lags(const struct sched_queue *q, const struct sched_unit *u, unsigned distance);
/* Cheap test on hints alone: false if policy_lags() and policy_follow() need not be tried. */
bool policy_worth_looking(const struct sched_queue *q, const struct sched_queue *other);
/* Brings q's virtual clock near that of the queue in which u waits, if it is far behind. */
void policy_follow(struct sched_queue *q, const struct sched_unit *u);
/* Moves a waiting unit. Both locks are held. */
void policy_move(struct sched_queue *from, struct sched_queue *to, struct sched_unit *u);
/* Recounts one queue: every INV-POL that concerns it. */
void policy_audit(const struct sched_queue *q);
