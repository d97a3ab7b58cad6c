/* SPDX-License-Identifier: MIT
 *
 * Start-time fair queueing over turns, with bounded lag, one queue a CPU.
 *
 * Each unit has a start tag (vtime): the virtual time at which its present turn began. The unit
 * with the smallest tag runs. When it has used up its turn (a slice), its tag advances by the slice
 * divided by its weight, so that over time each unit of a queue runs in proportion to its weight
 * (Goyal, Guo, Vin: "Start-time Fair Queuing", SIGCOMM 1996). A unit that is pushed aside in
 * mid-turn keeps its tag and comes back to the rest of the turn: a stream of short wake-ups does
 * not shuffle the others.
 *
 * Latency. A unit that wakes gets the tag max(its own, queue's clock - one slice of its own
 * ageing): what it did not use while asleep counts for one slice and not for more (the "borrowed
 * virtual time" of Duda and Cheriton, SOSP 1999, earned instead of configured). A unit that uses
 * less than its share therefore wakes with a smaller tag than any hog and runs at once, but for a
 * rate limit; a unit that has had its share waits its turn. Nothing is gained by sleeping on
 * purpose: the tag never goes back.
 *
 * Weights are a domain's: a unit ages by (usual weight / domain's weight) * (runnable units of the
 * domain). The number is sampled when the unit is picked, so that a unit woken meanwhile does not
 * count against the one that it interrupts.
 *
 * Caps. Time is cut into periods; in each, a capped domain may use cap * period of CPU time,
 * wherever its units run. A unit takes a lease on that budget before it runs, its turn ends with
 * the lease, and it gives back what it did not use. So several CPUs cannot overspend together, and
 * no timer watches the domain. A unit that gets no lease is parked until the next period. What was
 * overrun (a late timer) is a debt that the next budget pays.
 *
 * Several CPUs. Tags are comparable between queues as long as the queues' clocks run side by side.
 * At the end of a turn a CPU looks at its neighbours: a unit that waits there with a tag more than
 * a slice behind the best one here is owed time, and moves here. That makes three equal units on
 * two CPUs get two thirds each. Where affinity or a weight that one CPU cannot satisfy drives two
 * clocks apart for good, the slow queue as a whole follows (policy_follow()), and lag is limited to
 * LAG_SLICES.
 *
 * INV-POL-1: a unit is in the list that its `place` says, or in none.
 * INV-POL-2: `waiting` is sorted by tag; equal tags: first come, first served.
 * INV-POL-3: waiting_count and head_vtime describe `waiting` whenever the lock is free.
 * INV-POL-4: group.active counts the group's units that wait, run or are parked.
 * INV-POL-5: a unit that does not run holds no lease; one not in mid-turn has used == 0.
 */
#include "xen/sched_policy.h"

#include <lagan/assert.h>
#include <stdatomic.h>

#define RATE_SHIFT   20
#define LAG_SLICES   8                   /* bound of a moved unit's claim on past time */
#define LEAD_SLICES  2                   /* bound of what a moved unit must wait for */
#define LONGEST_RUN  (UINT64_C(1) << 29) /* more than this in one go is not charged */
#define DEEPEST_DEBT (-(INT64_C(1) << 30))

/* rate and a run of LONGEST_RUN multiply without overflow at the smallest weight and 64 units. */
STATIC_ASSERT((((uint64_t)POLICY_WEIGHT_USUAL * 64) << RATE_SHIFT) < UINT64_MAX / LONGEST_RUN);
/* A budget's low half holds the largest cap. */
STATIC_ASSERT(POLICY_PERIOD_NS / 100 * POLICY_CAP_MAX < INT32_MAX);

/* ---- groups: weights and budgets ---- */

void policy_group_init(struct sched_group *g, unsigned weight, unsigned cap)
{
    atomic_init(&g->weight, weight);
    atomic_init(&g->cap, cap);
    atomic_init(&g->active, 0);
    atomic_init(&g->budget, 0);
}

int policy_group_set(struct sched_group *g, unsigned weight, unsigned cap)
{
    if (weight < 1 || weight > POLICY_WEIGHT_MAX || cap > POLICY_CAP_MAX)
        return -XEN_EINVAL;
    atomic_store_explicit(&g->weight, weight, memory_order_relaxed);
    atomic_store_explicit(&g->cap, cap, memory_order_relaxed);
    return 0;
}

static uint64_t group_rate(const struct sched_group *g)
{
    uint64_t active = atomic_load_explicit(&g->active, memory_order_relaxed);
    uint64_t weight = atomic_load_explicit(&g->weight, memory_order_relaxed);

    return ((POLICY_WEIGHT_USUAL * (active ? active : 1)) << RATE_SHIFT) / weight;
}

static uint64_t budget_pack(uint32_t period, int64_t left)
{
    return ((uint64_t)period << 32) | (uint32_t)(int32_t)left;
}

static uint32_t budget_period(uint64_t budget)
{
    return (uint32_t)(budget >> 32);
}

static int64_t budget_left(uint64_t budget)
{
    return (int32_t)(uint32_t)budget;
}

/* The budget as of `period`: each new period brings a full one, of which debts are paid first;
 * nothing is saved up. CPUs' clocks differ a little, so a period that is just behind the recorded
 * one is the recorded one. */
static uint64_t budget_refresh(uint64_t budget, uint32_t period, uint32_t cap)
{
    int64_t full = (int64_t)(POLICY_PERIOD_NS / 100 * cap);
    int64_t elapsed = (int32_t)(period - budget_period(budget));
    int64_t left = budget_left(budget);

    if (elapsed == 0 || elapsed == -1)
        return budget;
    left = (left < 0 ? left : 0) + (elapsed > 0 ? elapsed : 1) * full;
    return budget_pack(period, left < full ? left : full);
}

/* Takes up to `want` ns of the group's budget for u. False if there is none. */
static bool lease_take(struct sched_unit *u, uint64_t want, uint64_t now)
{
    struct sched_group *g = u->group;
    uint32_t cap = atomic_load_explicit(&g->cap, memory_order_relaxed);
    uint64_t old = atomic_load_explicit(&g->budget, memory_order_relaxed);
    uint64_t fresh, taken;

    u->leased = cap != 0;
    if (!cap)
        return true;
    /* What is left of a debt is recorded though there is nothing to take: else it would never shrink,
     * and one that is larger than a period's budget would park the group for ever. */
    do {
        fresh = budget_refresh(old, (uint32_t)(now / POLICY_PERIOD_NS), cap);
        taken = budget_left(fresh) > 0 ? min_u64(want, (uint64_t)budget_left(fresh)) : 0;
    } while (!atomic_compare_exchange_weak_explicit(&g->budget, &old, fresh - taken,
                                                    memory_order_relaxed, memory_order_relaxed));
    u->leased = taken > 0;
    if (!taken)
        return false;
    u->lease = taken;
    u->lease_period = budget_period(fresh);
    return true;
}

/* Adds `ns` (a debt if negative) to the budget. What is left of a lease counts only in its period.
 */
static void lease_settle(const struct sched_unit *u, int64_t ns)
{
    struct sched_group *g = u->group;
    uint64_t old = atomic_load_explicit(&g->budget, memory_order_relaxed);
    uint64_t fresh;

    do {
        int64_t left = budget_left(old) + ns;

        if (ns > 0 && budget_period(old) != u->lease_period)
            return;
        fresh = budget_pack(budget_period(old), left < DEEPEST_DEBT ? DEEPEST_DEBT : left);
    } while (!atomic_compare_exchange_weak_explicit(&g->budget, &old, fresh, memory_order_relaxed,
                                                    memory_order_relaxed));
}

/* ---- units and their tags ---- */

void policy_queue_init(struct sched_queue *q, uint64_t slice_ns)
{
    list_init(&q->waiting);
    list_init(&q->parked);
    q->running = NULL;
    q->vtime = 0;
    q->turn_end = q->turn_start = UINT64_MAX;
    q->slice_ns = slice_ns;
    q->parked_until = UINT64_MAX;
    atomic_init(&q->waiting_count, 0);
    atomic_init(&q->head_vtime, 0);
}

void policy_unit_init(struct sched_unit *u, struct sched_group *g, cpumask_t affinity)
{
    *u = (struct sched_unit){.group = g, .place = UNIT_ABSENT, .affinity = affinity};
    list_init(&u->link);
    u->rate = group_rate(g);
}

static struct sched_unit *unit_of(const struct list *link)
{
    return list_entry(link, struct sched_unit, link);
}

uint64_t policy_aging(const struct sched_unit *u, uint64_t ns)
{
    return (min_u64(ns, LONGEST_RUN) * u->rate) >> RATE_SHIFT;
}

/* Ends u's turn: what it used goes into its tag. */
static void turn_close(struct sched_unit *u)
{
    u->vtime += policy_aging(u, u->used);
    u->used = 0;
}

/* Limits how far u's tag is behind the queue's clock (by `lag` ns of u's own ageing), or ahead. */
static void tag_limit(const struct sched_queue *q, struct sched_unit *u, uint64_t lag)
{
    uint64_t low = q->vtime - policy_aging(u, lag);
    uint64_t high = q->vtime + policy_aging(u, LEAD_SLICES * q->slice_ns);

    if (policy_before(u->vtime, low))
        u->vtime = low;
    else if (policy_before(high, u->vtime))
        u->vtime = high;
}

static struct sched_unit *first_waiting(const struct sched_queue *q)
{
    return list_empty(&q->waiting) ? NULL : unit_of(q->waiting.next);
}

static void publish(struct sched_queue *q, int change)
{
    uint32_t count = atomic_load_explicit(&q->waiting_count, memory_order_relaxed);
    struct sched_unit *head = first_waiting(q);

    if (head)
        atomic_store_explicit(&q->head_vtime, head->vtime, memory_order_relaxed);
    /* Ordered against the idle mask: see "Who finds the work" in sched.c. */
    atomic_store(&q->waiting_count, count + (uint32_t)change);
}

/* resumes: u is in mid-turn and goes before those with the same tag. */
static void queue_insert(struct sched_queue *q, struct sched_unit *u, bool resumes)
{
    struct list *pos = &q->waiting;

    ASSERT(u->place == UNIT_ABSENT);
    if (resumes)
        for (pos = q->waiting.next; pos != &q->waiting; pos = pos->next)
            if (!policy_before(unit_of(pos)->vtime, u->vtime))
                break;
    if (!resumes)
        while (pos->prev != &q->waiting && policy_before(u->vtime, unit_of(pos->prev)->vtime))
            pos = pos->prev;
    list_add_tail(pos, &u->link);
    u->place = UNIT_WAITING;
    publish(q, 1);
}

static void queue_remove(struct sched_queue *q, struct sched_unit *u)
{
    bool waited = u->place == UNIT_WAITING;

    ASSERT(waited || u->place == UNIT_PARKED);
    list_del(&u->link);
    u->place = UNIT_ABSENT;
    if (waited)
        publish(q, -1);
}

/* ---- becoming runnable, and not ---- */

void policy_wake(struct sched_queue *q, struct sched_unit *u)
{
    atomic_fetch_add_explicit(&u->group->active, 1, memory_order_relaxed);
    u->rate = group_rate(u->group);
    tag_limit(q, u, q->slice_ns);
    queue_insert(q, u, false);
}

static void deactivate(struct sched_unit *u)
{
    uint32_t before = atomic_fetch_sub_explicit(&u->group->active, 1, memory_order_relaxed);

    ASSERT(before > 0);
    (void)before;
}

void policy_sleep(struct sched_queue *q, struct sched_unit *u)
{
    queue_remove(q, u);
    turn_close(u);
    deactivate(u);
}

void policy_reweigh(struct sched_queue *q, struct sched_unit *u)
{
    u->rate = group_rate(u->group);
    if (u->place != UNIT_WAITING)
        return;
    queue_remove(q, u);
    tag_limit(q, u, LAG_SLICES * q->slice_ns);
    queue_insert(q, u, u->used > 0);
}

void policy_charge(struct sched_queue *q, uint64_t now)
{
    struct sched_unit *u = q->running;
    uint64_t ns;

    if (!u || now <= u->started)
        return;
    ns = now - u->started;
    u->started = now;
    u->used += ns;
    u->ran += ns;
    if (!u->leased)
        return;
    if (ns > u->lease)
        lease_settle(u, -(int64_t)min_u64(ns - u->lease, LONGEST_RUN));
    u->lease -= min_u64(ns, u->lease);
}

static void yield_tag(const struct sched_queue *q, struct sched_unit *u)
{
    const struct sched_unit *head = first_waiting(q);

    turn_close(u);
    if (head && policy_before(u->vtime, head->vtime))
        u->vtime = head->vtime;
}

void policy_leave(struct sched_queue *q, enum policy_leave how, uint64_t now)
{
    struct sched_unit *u = q->running;
    bool resumes = false;

    policy_charge(q, now);
    if (u->lease)
        lease_settle(u, (int64_t)u->lease);
    u->lease = 0;
    u->leased = false;
    q->running = NULL;
    u->place = UNIT_ABSENT;
    if (how == LEAVE_TURN && u->used < q->slice_ns)
        resumes = true;
    else if (how == LEAVE_YIELD)
        yield_tag(q, u);
    else
        turn_close(u);
    if (how == LEAVE_TURN || how == LEAVE_YIELD)
        queue_insert(q, u, resumes);
    else
        deactivate(u);
}

/* ---- choosing ---- */

/* A unit that ran while others were parked has had its turn: what it used goes into its tag.
 * Otherwise it would go on with the turn at its old tag as soon as they have caught up with it, and
 * a light unit could keep heavy ones from using the whole of their caps. */
static void close_turns(struct sched_queue *q)
{
    struct list *pos, *next;

    list_for_each_safe (pos, next, &q->waiting) {
        struct sched_unit *u = unit_of(pos);

        if (u->used) {
            queue_remove(q, u);
            turn_close(u);
            queue_insert(q, u, false);
        }
    }
}

/* A new period: the parked ones may try again. They keep a claim of what they could run in a
 * period. */
static void unpark(struct sched_queue *q, uint64_t now)
{
    if (list_empty(&q->parked) || now < q->parked_until)
        return;
    close_turns(q);
    while (!list_empty(&q->parked)) {
        struct sched_unit *u = unit_of(q->parked.next);

        queue_remove(q, u);
        tag_limit(q, u, POLICY_PERIOD_NS + q->slice_ns);
        queue_insert(q, u, u->used > 0);
    }
}

static void park(struct sched_queue *q, struct sched_unit *u, uint64_t now)
{
    queue_remove(q, u);
    list_add_tail(&q->parked, &u->link);
    u->place = UNIT_PARKED;
    q->parked_until = (now / POLICY_PERIOD_NS + 1) * POLICY_PERIOD_NS;
}

static void start_turn(struct sched_queue *q, struct sched_unit *u, uint64_t turn, uint64_t now)
{
    queue_remove(q, u);
    u->place = UNIT_RUNNING;
    u->rate = group_rate(u->group);
    u->started = now;
    q->running = u;
    q->turn_start = now;
    q->turn_end = now + turn;
    if (policy_before(q->vtime, u->vtime))
        q->vtime = u->vtime;
}

struct sched_unit *policy_pick(struct sched_queue *q, uint64_t now)
{
    struct sched_unit *u;

    ASSERT(!q->running);
    unpark(q, now);
    while ((u = first_waiting(q))) {
        uint64_t turn = q->slice_ns - min_u64(u->used, q->slice_ns - 1);

        if (lease_take(u, turn, now)) {
            start_turn(q, u, u->leased ? u->lease : turn, now);
            return u;
        }
        park(q, u, now);
    }
    q->turn_end = UINT64_MAX;
    return NULL;
}

uint64_t policy_next_event(const struct sched_queue *q)
{
    return min_u64(q->running ? q->turn_end : UINT64_MAX,
                   list_empty(&q->parked) ? UINT64_MAX : q->parked_until);
}

bool policy_preempts(const struct sched_queue *q, const struct sched_unit *u, uint64_t *when)
{
    const struct sched_unit *r = q->running;

    *when = r ? q->turn_start + POLICY_RATELIMIT_NS : 0;
    return !r || policy_before(u->vtime, r->vtime);
}

/* ---- between queues ---- */

struct sched_unit *policy_find_movable(const struct sched_queue *q, unsigned cpu)
{
    struct list *pos;

    list_for_each (pos, &q->waiting) {
        struct sched_unit *u = unit_of(pos);

        if (cpumask_test(u->affinity, cpu) && !atomic_load(&u->on_cpu))
            return u;
    }
    return NULL;
}

bool policy_lags(const struct sched_queue *q, const struct sched_unit *u, unsigned distance)
{
    const struct sched_unit *best = first_waiting(q);

    return !best ||
           policy_before(u->vtime + policy_aging(u, u->used + distance * q->slice_ns), best->vtime);
}

/* How far two clocks may be apart before the slow one follows. */
static uint64_t apart(const struct sched_queue *q, const struct sched_unit *u)
{
    return LAG_SLICES * policy_aging(u, q->slice_ns);
}

bool policy_worth_looking(const struct sched_queue *q, const struct sched_queue *other)
{
    const struct sched_unit *best = first_waiting(q);
    uint64_t head = atomic_load_explicit(&other->head_vtime, memory_order_relaxed);

    if (!atomic_load(&other->waiting_count))
        return false;
    return !best || policy_before(head, best->vtime) ||
           policy_before(best->vtime + apart(q, best), head);
}

void policy_follow(struct sched_queue *q, const struct sched_unit *u)
{
    struct sched_unit *best = first_waiting(q);
    uint64_t limit, shift;
    struct list *pos;

    if (!best)
        return;
    limit = max_u64(apart(q, best), apart(q, u));
    if (!policy_before(best->vtime + limit, u->vtime))
        return;
    shift = u->vtime - best->vtime - limit / LAG_SLICES;
    q->vtime += shift;
    list_for_each (pos, &q->waiting)
        unit_of(pos)->vtime += shift;
    list_for_each (pos, &q->parked)
        unit_of(pos)->vtime += shift;
    publish(q, 0);
}

void policy_move(struct sched_queue *from, struct sched_queue *to, struct sched_unit *u)
{
    ASSERT(u->place == UNIT_WAITING);
    queue_remove(from, u);
    tag_limit(to, u, LAG_SLICES * to->slice_ns);
    queue_insert(to, u, u->used > 0);
}

/* ---- audit ---- */

void policy_audit(const struct sched_queue *q)
{
    uint32_t count = 0;
    const struct sched_unit *last = NULL;
    struct list *pos;

    list_for_each (pos, &q->waiting) {
        const struct sched_unit *u = unit_of(pos);

        ASSERT(u->place == UNIT_WAITING);                       /* INV-POL-1 */
        ASSERT(!last || !policy_before(u->vtime, last->vtime)); /* INV-POL-2 */
        ASSERT(!u->lease);                                      /* INV-POL-5 */
        last = u;
        count++;
    }
    ASSERT(count == atomic_load(&q->waiting_count)); /* INV-POL-3 */
    ASSERT(!count || first_waiting(q)->vtime == atomic_load(&q->head_vtime));
    list_for_each (pos, &q->parked) {
        ASSERT(unit_of(pos)->place == UNIT_PARKED && !unit_of(pos)->lease);
    }
    ASSERT(!q->running || q->running->place == UNIT_RUNNING);
}
