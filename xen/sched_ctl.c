/* SPDX-License-Identifier: MIT
 *
 * The scheduler's slower side: CPUs and vCPUs come and go, pauses, weights, affinity, polling, dump
 * and audit. The theory is at the head of sched.c.
 */
#include <lagan/printk.h>
#include <stdatomic.h>
#include "arch_inline.h"
#include "xen/event.h"
#include "xen/sched_balance.h"
#include "xen/sched_internal.h"
#include "xen/softirq.h"

int sched_set_slice(unsigned ms)
{
    if (ms < 1 || ms > 1000)
        return -XEN_EINVAL;
    sched_state.slice_ns = ms * UINT64_C(1000000);
    return 0;
}

/* A turn is over, or a new period may free parked vCPUs. */
static void alarm_handler(struct timer *t)
{
    (void)t;
    softirq_raise(SOFTIRQ_SCHEDULE);
}

void sched_cpu_init(unsigned cpu)
{
    struct runq *rq = &sched_state.runq[cpu];
    cpumask_t online;
    unsigned c;

    spin_init(&rq->lock, LK_SCHED);
    policy_queue_init(&rq->q, sched_state.slice_ns);
    timer_init(&rq->timer, alarm_handler, cpu);
    rq->alarm = UINT64_MAX;
    atomic_store(&rq->home, 0);
    online = (cpumask_t){atomic_fetch_or(&sched_state.online, cpumask_of(cpu).bits)};
    online = cpumask_or(online, cpumask_of(cpu));
    /* CPUs come up one by one during boot. One that looks for work meanwhile may read a mixture of
     * its old and new order, both of which name initialised queues only. */
    for_each_cpu (c, online) {
        struct runq *other = &sched_state.runq[c];
        unsigned count = balance_order(cpu_place, c, online, other->order);

        atomic_store_explicit(&other->order_count, count, memory_order_release);
    }
    /* It has not looked for work yet, but will when it is prodded. */
    rq->idling = true;
    atomic_fetch_or(&sched_state.idle, cpumask_of(cpu).bits);
}

/* ---- domains and vCPUs ---- */

void sched_domain_init(struct domain *d, unsigned weight, unsigned cap)
{
    ASSERT(weight <= POLICY_WEIGHT_MAX && cap <= POLICY_CAP_MAX);
    policy_group_init(&d->sched, weight ? weight : POLICY_WEIGHT_USUAL, cap);
}

int sched_set_weight(struct domain *d, unsigned weight, unsigned cap) LAGAN_NO_TSA
{
    int rc = policy_group_set(&d->sched, weight, cap);
    struct vcpu *v;
    unsigned i;

    if (rc)
        return rc;
    for_each_vcpu (d, v, i) {
        struct runq *rq = runq_lock_of(v);

        policy_reweigh(&rq->q, &v->sched.unit);
        spin_unlock(&rq->lock);
    }
    return 0;
}

void sched_vcpu_init(struct vcpu *v)
{
    unsigned load[MAX_CPUS], cpu;
    cpumask_t online = sched_online();

    for_each_cpu (cpu, online)
        load[cpu] = atomic_load_explicit(&sched_state.runq[cpu].home, memory_order_relaxed);
    cpu = balance_first(cpu_place, online, online, load);
    policy_unit_init(&v->sched.unit, &v->domain->sched, cpumask_all());
    atomic_init(&v->sched.cpu, cpu);
    atomic_init(&v->sched.displaced, false);
    v->sched.yields = v->sched.pinned = false;
    v->sched.runstate = RUNSTATE_offline;
    v->sched.state_since = arch_time_ns();
    for (unsigned i = 0; i < ARRAY_SIZE(v->sched.state_time); i++)
        v->sched.state_time[i] = 0;
    atomic_fetch_add_explicit(&sched_state.runq[cpu].home, 1, memory_order_relaxed);
}

void sched_vcpu_destroy(struct vcpu *v) LAGAN_NO_TSA
{
    cpumask_t online = sched_online();
    struct runq *rq;
    unsigned cpu;

    for_each_cpu (cpu, online)
        while (atomic_load_explicit(&sched_state.runq[cpu].leaving, memory_order_acquire) == v)
            arch_relax();
    rq = runq_lock_of(v);
    ASSERT(v->sched.unit.place == UNIT_ABSENT && !v->sched.unit.on_cpu);
    atomic_fetch_sub_explicit(&rq->home, 1, memory_order_relaxed);
    spin_unlock(&rq->lock);
}

/* Lock of v's queue held; dropped here. */
static void change_affinity(struct vcpu *v, struct runq *rq, cpumask_t cpus) LAGAN_NO_TSA
{
    struct sched_unit *u = &v->sched.unit;
    bool requeue = false;

    u->affinity = cpus;
    if (!cpumask_test(cpus, sched_cpu_of(v))) {
        if (u->place == UNIT_RUNNING) {
            softirq_raise_on(sched_cpu_of(v), SOFTIRQ_SCHEDULE);
        } else if (u->place != UNIT_ABSENT) {
            policy_sleep(&rq->q, u);
            requeue = true;
        }
    }
    sched_share(rq); /* it may wait here, and now be allowed on a CPU that idles */
    spin_unlock(&rq->lock);
    if (requeue)
        vcpu_wake(v);
}

int sched_set_affinity(struct vcpu *v, cpumask_t cpus) LAGAN_NO_TSA
{
    struct runq *rq;

    if (cpumask_empty(cpumask_and(cpus, sched_online())))
        return -XEN_EINVAL;
    rq = runq_lock_of(v);
    if (v->sched.pinned) {
        v->sched.unpinned = cpus;
        spin_unlock(&rq->lock);
    } else {
        change_affinity(v, rq, cpus);
    }
    return 0;
}

int sched_pin_current(int cpu) LAGAN_NO_TSA
{
    struct vcpu *v = sched_current();
    bool pin = cpu >= 0;
    struct runq *rq;

    if (cpu >= MAX_CPUS || (pin && !cpumask_test(sched_online(), (unsigned)cpu)))
        return -XEN_EINVAL;
    rq = runq_lock_of(v);
    if (pin == v->sched.pinned) {
        spin_unlock(&rq->lock);
        return pin ? -XEN_EBUSY : -XEN_EINVAL;
    }
    v->sched.pinned = pin;
    if (pin)
        v->sched.unpinned = v->sched.unit.affinity;
    change_affinity(v, rq, pin ? cpumask_of((unsigned)cpu) : v->sched.unpinned);
    return 0;
}

cpumask_t sched_get_affinity(struct vcpu *v) LAGAN_NO_TSA
{
    struct runq *rq = runq_lock_of(v);
    cpumask_t cpus = v->sched.unit.affinity;

    spin_unlock(&rq->lock);
    return cpus;
}

/* ---- pauses ---- */

void vcpu_pause_sync(struct vcpu *v)
{
    atomic_fetch_add(&v->pause_count, 1);
    vcpu_sleep_sync(v);
}

void vcpu_unpause(struct vcpu *v)
{
    int before = atomic_fetch_sub(&v->pause_count, 1);

    ASSERT(before > 0);
    if (before == 1)
        vcpu_wake(v);
}

void domain_pause(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    atomic_fetch_add(&d->pause_count, 1);
    for_each_vcpu (d, v, i)
        vcpu_sleep(v);
    for_each_vcpu (d, v, i)
        if (v != sched_current())
            vcpu_sleep_sync(v);
}

void domain_unpause(struct domain *d)
{
    int before = atomic_fetch_sub(&d->pause_count, 1);
    struct vcpu *v;
    unsigned i;

    ASSERT(before > 0);
    if (before > 1)
        return;
    for_each_vcpu (d, v, i)
        vcpu_wake(v);
}

/* ---- SCHEDOP_poll ----
 *
 *      vCPU that polls                          event for one of its ports
 *      polling, its bit in the domain's         sets the port's pending bit
 *      `pollers`, blocked = true
 *      looks at each port's pending bit         in `pollers`? then vcpu_poll_wake()
 *
 * The bit stays, as `polling` does, until the vCPU sleeps otherwise: it only costs senders a look at that
 * vCPU. As for block, at least one of the two sees the other. A timer of an earlier poll that still runs
 * finds nothing blocked, or ends a later sleep early, which the ABI allows.
 *
 * `polling` says what kind of sleep `blocked` is, and is written by the vCPU itself only, before it
 * sets `blocked`. If those that wake it cleared it, they would have to do so before they clear
 * `blocked`, when they do not yet know that they will be the one, or after:
 *
 *      vCPU                                  CPU 1, vcpu_kick()
 *                                            takes `blocked`
 *      sees that it is runnable, goes on
 *      polls again: polling = blocked = true
 *                                            polling = false: nobody would ever end that poll
 */

static void poll_end(struct vcpu *v)
{
    if (atomic_load(&v->blocked) && atomic_exchange(&v->blocked, false))
        vcpu_wake(v);
}

void vcpu_poll_wake(struct vcpu *v, evtchn_port_t port)
{
    uint32_t only;

    if (!atomic_load(&v->polling))
        return;
    only = __atomic_load_n(&v->event.polled_port, __ATOMIC_RELAXED);
    if (only == 0 || only == port)
        poll_end(v);
}

void sched_poll_timeout(struct timer *t)
{
    struct vcpu *v = container_of(t, struct vcpu, poll_timer);

    if (atomic_load(&v->polling))
        poll_end(v);
}

/* 1: one of them is pending; 0: none; -XEN_EINVAL. */
static int any_pending(const struct vcpu *v, const evtchn_port_t *ports, unsigned count)
{
    int found = 0;

    for (unsigned i = 0; i < count; i++) {
        int rc = event_port_is_pending(v->domain, ports[i]);

        if (rc < 0)
            return rc;
        found |= rc;
    }
    return found;
}

int sched_poll_current(const evtchn_port_t *ports, unsigned count, uint64_t timeout)
{
    struct vcpu *v = sched_current();
    int rc = any_pending(v, ports, count);

    if (rc != 0 || (timeout && timeout <= arch_time_ns()) || event_upcall_due(v->info))
        return rc < 0 ? rc : 0;
    __atomic_store_n(&v->event.polled_port, count == 1 ? ports[0] : 0, __ATOMIC_RELAXED);
    atomic_store(&v->polling, true);
    atomic_fetch_or(&v->domain->event.pollers, UINT32_C(1) << v->id);
    atomic_store(&v->blocked, true);
    if (any_pending(v, ports, count) != 0 || event_upcall_due(v->info) ||
        atomic_load(&v->exit_work)) {
        atomic_store(&v->blocked, false);
        return 0;
    }
    timer_stop(&v->poll_timer);
    if (timeout) {
        timer_move(&v->poll_timer, arch_cpu());
        timer_set(&v->poll_timer, timeout);
    }
    softirq_raise(SOFTIRQ_SCHEDULE);
    return 0;
}

/* ---- looking at it ---- */

static void dump_list(const struct list *head, const char *what)
{
    struct list *pos;

    list_for_each (pos, head) {
        struct vcpu *v = vcpu_of(list_entry(pos, struct sched_unit, link));

        log_info("  %s d%uv%u vtime %llu used %llu us\n", what, (unsigned)v->domain->id, v->id,
                 (unsigned long long)v->sched.unit.vtime,
                 (unsigned long long)v->sched.unit.used / 1000);
    }
}

void sched_dump(void)
{
    cpumask_t online = sched_online();
    unsigned cpu;

    for_each_cpu (cpu, online) {
        struct runq *rq = &sched_state.runq[cpu];
        struct vcpu *v;

        spin_lock(&rq->lock);
        v = vcpu_of(rq->q.running);
        log_info("CPU %u: vtime %llu home %u waiting %u\n", cpu, (unsigned long long)rq->q.vtime,
                 atomic_load(&rq->home), atomic_load(&rq->q.waiting_count));
        if (v)
            log_info("  runs d%uv%u\n", (unsigned)v->domain->id, v->id);
        dump_list(&rq->q.waiting, "waits");
        dump_list(&rq->q.parked, "parked");
        spin_unlock(&rq->lock);
    }
}

static void audit_list(const struct list *head, unsigned cpu)
{
    struct list *pos;

    list_for_each (pos, head) {
        struct vcpu *v = vcpu_of(list_entry(pos, struct sched_unit, link));

        ASSERT(sched_cpu_of(v) == cpu); /* INV-SCHED-1, -2 */
        ASSERT(vcpu_runnable(v));
        ASSERT(v->sched.runstate == RUNSTATE_runnable);
        ASSERT(cpumask_test(v->sched.unit.affinity, cpu));
    }
}

void sched_audit(void)
{
    cpumask_t online = sched_online();
    unsigned cpu;

    for_each_cpu (cpu, online) {
        struct runq *rq = &sched_state.runq[cpu];
        struct vcpu *v;

        spin_lock(&rq->lock);
        policy_audit(&rq->q);
        audit_list(&rq->q.waiting, cpu);
        audit_list(&rq->q.parked, cpu);
        v = vcpu_of(rq->q.running);
        ASSERT(!v || (sched_cpu_of(v) == cpu && atomic_load(&v->sched.unit.on_cpu)));
        ASSERT(!v || v->sched.runstate == RUNSTATE_running);
        spin_unlock(&rq->lock);
    }
}
