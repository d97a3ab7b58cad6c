/* SPDX-License-Identifier: MIT
 *
 * The scheduling core: run queues, wake and sleep, and the switch.
 *
 * Each CPU has a run queue with a lock. A vCPU belongs to one queue (v->sched.cpu) even while it
 * sleeps, and its scheduling state is protected by that queue's lock; runq_lock_of() locks, and
 * looks again whether it still belongs there. There is no lock over all queues. Two are held
 * together only to move a vCPU between them, the lower CPU's taken first, or the second by trylock.
 *
 * INV-SCHED-1: a runnable vCPU is in exactly one queue (waiting, parked or running), or is
 *              `displaced` and still on a CPU, or a vcpu_wake() for it is under way.
 * INV-SCHED-2: a vCPU on a CPU (unit.on_cpu) belongs to that CPU's queue. So a vCPU that wakes
 *              while its registers are not yet saved is queued there, no other CPU takes it before
 *              sched_switch_done(), and no CPU ever waits for another one to save registers: such
 *              waits could form a ring.
 * INV-SCHED-3: no CPU idles while a vCPU that may run there waits elsewhere, but for the moment
 *              that an IPI takes.
 * INV-SCHED-4: v's condition changes before vcpu_wake() or vcpu_sleep() is called; both look at
 *              vcpu_runnable() under the lock, so the last one to get the lock sees the final
 *              state.
 *
 * A wake-up is not lost. Blocking sets v->blocked and then looks for events; an event sets its bits
 * and then looks at v->blocked (all sequentially consistent): at least one of the two sees the
 * other.
 *
 *      vCPU on CPU 0, SCHEDOP_block             CPU 1, event for v
 *      blocked = true                           sets upcall_pending
 *      upcall_pending set? then blocked = false vcpu_kick: takes `blocked`; if it was set,
 *      raises SCHEDULE                            vcpu_wake(v)
 *      sched_softirq: lock                      vcpu_wake: lock
 *        not runnable: leaves the queue           running: nothing to do, sched_softirq will look
 *        (or runnable again: goes on)             again; or absent: queues it
 *
 * A pause is not lost. vcpu_pause_sync() raises pause_count and then looks, under the lock, whether
 * v runs; sched_softirq() looks at pause_count under the lock before v runs. If v runs, its CPU
 * gets SOFTIRQ_SCHEDULE and the pauser waits for on_cpu to fall:
 *
 *      pauser                                   CPU 1
 *      pause_count++                            lock: picks v, on_cpu = true, unlock
 *      lock: v runs: raise SCHEDULE on 1        switches to v, sees SCHEDULE before it enters
 *      unlock; waits for !on_cpu                the guest
 *                                               sched_softirq: v not runnable; saves it;
 *                                               on_cpu = false
 *
 *   If the pauser gets the lock first, v is taken off the queue and is not picked.
 *
 * A vCPU is not freed under a CPU that leaves it. `on_cpu` tells the one who tears a domain down
 * that the registers are saved, but sched_switch_done() still looks at `displaced` after it:
 *
 *      CPU 1, sched_switch_done(v)              CPU 0, teardown
 *      leaving = v
 *      on_cpu = false                           vcpu_sleep_sync() returns
 *      displaced? then vcpu_wake(v)             sched_vcpu_destroy(): waits for leaving != v, on
 *      leaving = NULL                           each CPU; then frees v
 *
 * Who finds the work (INV-SCHED-3). A CPU that finds its queue empty sets its bit in `idle` and
 * then looks through the others' waiting_count; whoever makes a vCPU wait (by waking it, by saving
 * its registers) counts it in waiting_count and then looks at `idle`. One of them sees the other.
 * Whoever prods an idle CPU takes its bit, so that the next one prods another. A CPU that was
 * prodded but has found other work passes the prod on.
 */
#include "xen/sched.h"

#include <stdatomic.h>
#include "arch_inline.h"
#include "xen/sched_balance.h"
#include "xen/sched_internal.h"
#include "xen/softirq.h"

struct sched_state sched_state = {.slice_ns = POLICY_SLICE_NS};

struct runq *runq_lock_of(struct vcpu *v) LAGAN_NO_TSA
{
    for (;;) {
        unsigned cpu = sched_cpu_of(v);
        struct runq *rq = &sched_state.runq[cpu];

        spin_lock(&rq->lock);
        if (cpu == sched_cpu_of(v))
            return rq;
        spin_unlock(&rq->lock);
    }
}

void sched_rehome(struct vcpu *v, unsigned cpu)
{
    struct runq *from = &sched_state.runq[sched_cpu_of(v)];

    atomic_fetch_sub_explicit(&from->home, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&sched_state.runq[cpu].home, 1, memory_order_relaxed);
    /* Release: who finds v on the new CPU and takes that lock sees what was done under the old one.
     */
    atomic_store_explicit(&v->sched.cpu, cpu, memory_order_release);
}

/* ---- idle CPUs ---- */

static cpumask_t idle_cpus(void)
{
    return (cpumask_t){atomic_load(&sched_state.idle)};
}

/* True if the CPU's idle bit was set; it no longer is. */
static bool idle_take(unsigned cpu)
{
    uint64_t bit = cpumask_of(cpu).bits;

    return atomic_fetch_and(&sched_state.idle, ~bit) & bit;
}

/* A vCPU waits on a busy CPU: makes the nearest idle CPU that may run it look for work. */
static void prod_idle(cpumask_t affinity, unsigned near)
{
    cpumask_t idle = cpumask_and(idle_cpus(), affinity);
    unsigned cpu;

    if (likely(cpumask_empty(idle)))
        return;
    cpu = balance_wake(cpu_place, sched_online(), idle, idle, near);
    if (idle_take(cpu))
        softirq_raise_on(cpu, SOFTIRQ_SCHEDULE);
}

void sched_share(struct runq *rq)
{
    cpumask_t idle = idle_cpus();
    uint32_t waiting = atomic_load_explicit(&rq->q.waiting_count, memory_order_relaxed);
    unsigned cpu;

    for_each_cpu (cpu, idle) {
        if (waiting == 0)
            break;
        if (policy_find_movable(&rq->q, cpu) && idle_take(cpu)) {
            softirq_raise_on(cpu, SOFTIRQ_SCHEDULE);
            waiting--;
        }
    }
}

/* ---- wake and sleep ---- */

/* Something waits in rq that did not before: who should do something about it? */
static void react(struct runq *rq, struct sched_unit *u, unsigned cpu)
{
    uint64_t when;

    if (!rq->q.running) {
        softirq_raise_on(cpu, SOFTIRQ_SCHEDULE);
        return;
    }
    if (policy_preempts(&rq->q, u, &when)) {
        if (when <= arch_time_ns()) {
            softirq_raise_on(cpu, SOFTIRQ_SCHEDULE);
        } else if (when < rq->alarm) {
            rq->alarm = when;
            timer_set(&rq->timer, when);
        }
    }
    prod_idle(u->affinity, cpu);
}

/* The CPU on which v, which belongs to `home`, should wait. */
static unsigned choose_cpu(const struct vcpu *v, unsigned home)
{
    cpumask_t online = sched_online();

    return balance_wake(cpu_place, online, idle_cpus(), cpumask_and(v->sched.unit.affinity, online),
                        home);
}

/* True if v's registers are live on a CPU where it may not run any more. Then sched_switch_done()
 * wakes it; `displaced` is set before on_cpu is read again, sched_switch_done() goes the other way
 * round. */
static bool must_leave_first(struct vcpu *v, unsigned cpu)
{
    if (!atomic_load(&v->sched.unit.on_cpu) || cpumask_test(v->sched.unit.affinity, cpu))
        return false;
    atomic_store(&v->sched.displaced, true);
    return atomic_load(&v->sched.unit.on_cpu);
}

void vcpu_wake(struct vcpu *v) LAGAN_NO_TSA
{
    struct sched_unit *u = &v->sched.unit;
    struct runq *rq = runq_lock_of(v);
    unsigned cpu = sched_cpu_of(v);
    uint64_t now = arch_time_ns();

    if (u->place != UNIT_ABSENT || !vcpu_runnable(v) || must_leave_first(v, cpu)) {
        if (u->place == UNIT_ABSENT && !vcpu_runnable(v))
            sched_enter_state(v, sched_rest_state(v), now);
        spin_unlock(&rq->lock);
        return;
    }
    if (!atomic_load(&u->on_cpu)) {
        unsigned target = choose_cpu(v, cpu);

        if (target != cpu) {
            sched_rehome(v, target);
            spin_unlock(&rq->lock);
            rq = runq_lock_of(v);
            cpu = sched_cpu_of(v);
            /* Anything may have happened in between, but whoever changed it called wake or sleep.
             */
            if (u->place != UNIT_ABSENT || !vcpu_runnable(v) || must_leave_first(v, cpu)) {
                spin_unlock(&rq->lock);
                return;
            }
        }
    }
    policy_wake(&rq->q, u);
    sched_enter_state(v, RUNSTATE_runnable, now);
    react(rq, u, cpu);
    spin_unlock(&rq->lock);
}

void vcpu_sleep(struct vcpu *v) LAGAN_NO_TSA
{
    struct sched_unit *u = &v->sched.unit;
    struct runq *rq = runq_lock_of(v);

    if (!vcpu_runnable(v)) {
        if (u->place == UNIT_RUNNING) {
            softirq_raise_on(sched_cpu_of(v), SOFTIRQ_SCHEDULE);
        } else {
            if (u->place != UNIT_ABSENT)
                policy_sleep(&rq->q, u);
            sched_enter_state(v, sched_rest_state(v), arch_time_ns());
        }
    }
    spin_unlock(&rq->lock);
}

void vcpu_sleep_sync(struct vcpu *v)
{
    ASSERT(v != sched_current());
    vcpu_sleep(v);
    while (atomic_load_explicit(&v->sched.unit.on_cpu, memory_order_acquire))
        arch_relax();
}

void vcpu_kick(struct vcpu *v)
{
    if (atomic_exchange(&v->blocked, false)) {
        vcpu_wake(v);
    } else if (atomic_load(&v->sched.unit.on_cpu) && sched_cpu_of(v) != arch_cpu()) {
        /* The CPU that is about to enter v looks for events after it has set on_cpu. */
        arch_poke_cpu(sched_cpu_of(v));
    }
}

/* ---- the switch ---- */

/* The running vCPU goes back into the queue or leaves it. True if its turn was over. */
static bool put_prev(struct runq *rq, struct vcpu *prev, unsigned cpu, uint64_t now)
{
    bool yields = prev->sched.yields;

    prev->sched.yields = false;
    if (!vcpu_runnable(prev)) {
        policy_leave(&rq->q, LEAVE_BLOCKED, now);
        return false;
    }
    if (!cpumask_test(prev->sched.unit.affinity, cpu)) {
        policy_leave(&rq->q, LEAVE_BLOCKED, now);
        atomic_store(&prev->sched.displaced, true);
        return false;
    }
    policy_leave(&rq->q, yields ? LEAVE_YIELD : LEAVE_TURN, now);
    return prev->sched.unit.used == 0;
}

static void pull(struct runq *rq, struct runq *other, struct sched_unit *u, unsigned cpu)
{
    policy_move(&other->q, &rq->q, u);
    sched_rehome(vcpu_of(u), cpu);
}

/* A turn is over: does somebody who waits elsewhere deserve this CPU more? Only a question of
 * fairness, so a queue that is locked at this moment is passed over. */
static void look_around(struct runq *rq, unsigned cpu)
{
    unsigned count = atomic_load_explicit(&rq->order_count, memory_order_relaxed);

    for (unsigned i = 0; i < count; i++) {
        unsigned from = rq->order[i];
        struct runq *other = &sched_state.runq[from];
        struct sched_unit *u;

        if (!policy_worth_looking(&rq->q, &other->q) || !spin_trylock(&other->lock))
            continue;
        u = policy_find_movable(&other->q, cpu);
        if (u && policy_lags(&rq->q, u, balance_distance(cpu_place, cpu, from)))
            pull(rq, other, u, cpu);
        else if (u)
            policy_follow(&rq->q, u);
        spin_unlock(&other->lock);
    }
}

static void lock_both(struct runq *a, struct runq *b) LAGAN_NO_TSA
{
    spin_lock(a < b ? &a->lock : &b->lock);
    spin_lock_nested(a < b ? &b->lock : &a->lock);
}

/* Takes vCPUs from `other` until one of them may run: a domain that is at its cap lets its vCPUs be
 * parked here as well as there. rq's lock is held, and dropped on the way. */
static struct sched_unit *steal(struct runq *rq, struct runq *other, unsigned cpu,
                                uint64_t now) LAGAN_NO_TSA
{
    struct sched_unit *u, *found = NULL;

    do {
        spin_unlock(&rq->lock);
        lock_both(rq, other);
        u = policy_find_movable(&other->q, cpu);
        if (u)
            pull(rq, other, u, cpu);
        spin_unlock(&other->lock);
        found = policy_pick(&rq->q, now); /* or one that was woken here meanwhile */
    } while (u && !found);
    return found;
}

/* The queue is empty: looks through the others', nearest first. Lock as for steal(). */
static struct sched_unit *find_work(struct runq *rq, unsigned cpu, uint64_t now)
{
    unsigned count = atomic_load_explicit(&rq->order_count, memory_order_acquire);
    struct sched_unit *found = NULL;

    rq->idling = true;
    atomic_fetch_or(&sched_state.idle, cpumask_of(cpu).bits);
    for (unsigned i = 0; i < count && !found; i++) {
        struct runq *other = &sched_state.runq[rq->order[i]];

        if (atomic_load(&other->q.waiting_count))
            found = steal(rq, other, cpu, now);
    }
    return found;
}

/* This CPU was prodded on behalf of a vCPU that it may not have taken: lets other idle CPUs look.
 */
static void pass_on(const struct runq *rq)
{
    unsigned count = atomic_load_explicit(&rq->order_count, memory_order_acquire);

    for (unsigned i = 0; i < count && !cpumask_empty(idle_cpus()); i++) {
        struct runq *other = &sched_state.runq[rq->order[i]];

        if (!atomic_load(&other->q.waiting_count))
            continue;
        spin_lock(&other->lock);
        sched_share(other);
        spin_unlock(&other->lock);
    }
}

static void arm(struct runq *rq)
{
    uint64_t when = policy_next_event(&rq->q);

    if (when == UINT64_MAX) {
        timer_stop(&rq->timer);
        rq->alarm = UINT64_MAX;
    } else if (!timer_is_armed(&rq->timer) || when < rq->alarm) {
        /* One that is armed for an earlier time stays: it costs one look, re-arming costs each
         * switch. */
        rq->alarm = when;
        timer_set(&rq->timer, when);
    }
}

static void count_idle(struct runq *rq, const struct vcpu *next, uint64_t now)
{
    if (next && rq->idle_since != UINT64_MAX) {
        rq->idle_ns += now > rq->idle_since ? now - rq->idle_since : 0;
        rq->idle_since = UINT64_MAX;
    } else if (!next && rq->idle_since == UINT64_MAX) {
        rq->idle_since = now;
    }
}

/* prev no longer runs, next does; either may be NULL. Both may be the same vCPU, if it was woken
 * while this CPU looked for work elsewhere and had dropped the lock: then it is "runnable" now. */
static void change_states(struct runq *rq, struct vcpu *prev, struct vcpu *next, uint64_t now)
{
    count_idle(rq, next, now);
    if (prev && prev != next) {
        bool waits = prev->sched.unit.place != UNIT_ABSENT ||
                     atomic_load_explicit(&prev->sched.displaced, memory_order_relaxed);

        sched_enter_state(prev, waits ? RUNSTATE_runnable : sched_rest_state(prev), now);
    }
    if (next) {
        atomic_store(&next->sched.unit.on_cpu, true);
        sched_enter_state(next, RUNSTATE_running, now);
    }
}

/* The vCPU to run next. *prodded: this CPU was idle, and is busy because somebody else prodded it.
 */
static struct vcpu *choose_next(struct runq *rq, unsigned cpu, uint64_t now, bool *prodded)
{
    struct sched_unit *picked;

    *prodded = unlikely(rq->idling) && !cpumask_test(idle_cpus(), cpu);
    picked = policy_pick(&rq->q, now);
    if (!picked)
        picked = find_work(rq, cpu, now);
    if (picked && rq->idling) {
        rq->idling = false;
        *prodded |= !idle_take(cpu);
    }
    return vcpu_of(picked);
}

void sched_softirq(void)
{
    unsigned cpu = arch_cpu();
    struct runq *rq = &sched_state.runq[cpu];
    uint64_t now = arch_time_ns();
    struct vcpu *prev, *next;
    bool prodded;

    spin_lock(&rq->lock);
    prev = vcpu_of(rq->q.running);
    if (prev && put_prev(rq, prev, cpu, now))
        look_around(rq, cpu);
    next = choose_next(rq, cpu, now, &prodded);
    arm(rq);
    sched_share(
        rq); /* those that this call has made wait: pushed aside, or back from being parked */
    change_states(rq, prev, next, now);
    spin_unlock(&rq->lock);
    if (next && unlikely(prodded))
        pass_on(rq);
    if (next != prev)
        arch_context_switch(prev, next);
}

void sched_switch_done(struct vcpu *prev) LAGAN_NO_TSA
{
    struct runq *rq = &sched_state.runq[arch_cpu()];

    if (!prev)
        return;
    atomic_store_explicit(&rq->leaving, prev, memory_order_relaxed);
    /* Whoever sees it false sees the saved registers, and prev in `leaving` as long as it is used
     * here. From here on other CPUs may take prev. */
    atomic_store(&prev->sched.unit.on_cpu, false);
    if (unlikely(atomic_load(&prev->sched.displaced)) &&
        atomic_exchange(&prev->sched.displaced, false)) {
        vcpu_wake(prev);
    }
    atomic_store_explicit(&rq->leaving, NULL, memory_order_release);
    if (atomic_load(&rq->q.waiting_count) && !cpumask_empty(idle_cpus())) {
        /* An idle CPU may have passed over prev while it was on this one. */
        spin_lock(&rq->lock);
        sched_share(rq);
        spin_unlock(&rq->lock);
    }
}

struct vcpu *sched_current(void)
{
    /* Only this CPU changes its own `running`. */
    return vcpu_of(sched_state.runq[arch_cpu()].q.running);
}

static bool upcall_pending(const struct vcpu *v)
{
    return __atomic_load_n(&v->info->evtchn_upcall_pending, __ATOMIC_SEQ_CST) != 0;
}

void sched_block_current(void)
{
    struct vcpu *v = sched_current();

    __atomic_store_n(&v->info->evtchn_upcall_mask, 0, __ATOMIC_SEQ_CST);
    if (atomic_load_explicit(&v->polling, memory_order_relaxed)) {
        atomic_store_explicit(&v->polling, false, memory_order_relaxed);
        atomic_fetch_and(&v->domain->event.pollers, ~(UINT32_C(1) << v->id));
    }
    atomic_store(&v->blocked, true);
    if (upcall_pending(v) || atomic_load(&v->exit_work))
        atomic_store(&v->blocked, false);
    else
        softirq_raise(SOFTIRQ_SCHEDULE);
}

void sched_yield_current(void)
{
    sched_current()->sched.yields = true;
    softirq_raise(SOFTIRQ_SCHEDULE);
}
