/* SPDX-License-Identifier: MIT
 *
 * From needs to orders. A step has four parts:
 *
 *   watch     who has followed; what each one's need is now
 *   goals     where all memory would be best (policy.c), if everybody followed
 *   orders    who has more than its goal is told at once, with a deadline
 *   promises  who has less is told only of pages that are there: reservations first, in the order
 *             in which they came, then those below their floor, then the others in proportion
 *
 * Who has idle memory that nobody needs keeps it, and who needs none is given none: an ask is
 * always for somebody else's sake.
 *
 * Damping. A need counts as soon as it rises, and is forgotten by a quarter of the difference in
 * each step, after it has fallen by more than an eighth (ESX takes the larger of a quick and a slow
 * average for the same reason). What the host has to share out counts as changed when it is less,
 * or more by 1/128. With constant needs, goals are constant after that; orders only ever fall to
 * them, promises only rise to them, so the whole movement is at most the way from here to there.
 *
 * Liveness. A member that is not down at its target by the deadline is `late`: from the next step
 * on it counts as having what it has, and its part is asked of the others, as far as floors and
 * needs allow. Its own order stands. So with n members of which u do not follow, a reservation is
 * met, or fails because what those keep is missing, after at most u + 1 deadlines, each GRACE +
 * pages / RATE: each time at least one more has turned out late. Who is offered memory and does not take it is `lazy`: the
 * offer goes to others, and is made again after a time that doubles with each refusal.
 *
 * INV-BAL-1: a managed member's target never is below its floor, its reservation, nor what it says
 *            it must have of what it has, unless it has less already.
 * INV-BAL-2: what is promised (targets above what members have) and what is claimable are pages
 *            that are free beside claims and the host's own.
 * INV-BAL-3: goals add up to no more than there is, or `shortage` says how much is missing.
 * INV-BAL-4: target <= goal <= ceiling (or a larger reservation).
 */
#include "balloon/balloon.h"

#include <lagan/assert.h>

#define NS_PER_S         UINT64_C(1000000000)
#define REFUSALS_COUNTED 10 /* the last doubling of the pause between offers */
#define STALL_WHOLE      1000000U

static uint64_t held(const struct balloon_member *m)
{
    return m->have + m->claim;
}

static uint64_t excess(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static bool waits(const struct balloon_member *m)
{
    return m->reserve > held(m);
}

/* How long it may take to give or to take so many pages. */
static uint64_t time_for(uint64_t pages)
{
    return min_u64(pages, POLICY_PAGES_MAX) * NS_PER_S / BALLOON_RATE;
}

/* ---- members and their settings ---- */

void balloon_init(struct balloon *b, uint64_t keep)
{
    *b = (struct balloon){.keep = keep, .memory = BALLOON_UNCOUNTED};
    list_init(&b->members);
}

void balloon_add(struct balloon *b, struct balloon_member *m, uint64_t pages)
{
    *m = (struct balloon_member){.floor = pages,
                                 .ceiling = pages,
                                 .shares = 1,
                                 .target = pages,
                                 .goal = pages,
                                 .active = pages,
                                 .said = pages,
                                 .wanted = pages};
    list_add_tail(&b->members, &m->link);
    b->memory = BALLOON_UNCOUNTED;
}

void balloon_remove(struct balloon *b, struct balloon_member *m)
{
    list_del(&m->link);
    b->memory = BALLOON_UNCOUNTED;
}

int balloon_fix(struct balloon_member *m, uint64_t target)
{
    if (target && (target < m->floor || target > m->ceiling))
        return -XEN_EINVAL;
    m->fixed = target;
    return 0;
}

/* A member that meets its own pages again, or would read its disk less with more memory, needs more than it uses. Both
 * are about the same reads: the larger counts. */
static void sum_up(struct balloon_member *m)
{
    m->wanted = m->said + max_u64(m->refaults, m->cache_need);
}

void balloon_set_cache_need(struct balloon_member *m, uint64_t pages)
{
    m->cache_need = min_u64(pages, POLICY_PAGES_MAX);
    sum_up(m);
}

/* So does one that waits for memory. */
int balloon_tell(struct balloon_member *m, const struct balloon_report *r)
{
    uint64_t quarter = m->have / 4;

    if (r->working_set > POLICY_PAGES_MAX || r->free > POLICY_PAGES_MAX ||
        r->reclaimable > POLICY_PAGES_MAX || r->refault_rate > POLICY_PAGES_MAX ||
        r->stall_ppm > STALL_WHOLE)
        return -XEN_EINVAL;
    m->said = r->working_set + min_u64(quarter, POLICY_PAGES_MAX) * r->stall_ppm / STALL_WHOLE;
    m->refaults = min_u64(r->refault_rate, quarter);
    sum_up(m);
    if (!m->spoken)
        m->active = m->wanted; /* what was assumed of it is of no interest any more */
    m->spoken = true;
    m->must = excess(m->have, r->free + r->reclaimable);
    m->seen = m->have;
    return 0;
}

/* ---- what each one may get ---- */

/* A little more than it uses, so that it can move. */
static uint64_t want(const struct balloon_member *m)
{
    return m->active + m->active / 16 + BALLOON_PORTION / 2;
}

static void set_claimant(struct balloon_member *m)
{
    struct policy_claimant *c = &m->claimant;
    uint64_t high;

    *c = (struct policy_claimant){.active = m->active, .shares = m->shares};
    if (!m->managed) {
        c->low = c->high = c->stuck = max_u64(held(m), m->reserve);
        return;
    }
    c->stuck = m->late ? held(m) : 0;
    c->low = max_u64(max_u64(m->floor, m->reserve), min_u64(m->must, m->have));
    c->low = min_u64(c->low, max_u64(m->ceiling, m->reserve));
    high = max_u64(m->have, m->lazy ? 0 : want(m));
    c->high = max_u64(c->low, min_u64(high, m->ceiling));
    if (m->fixed)
        c->low = c->high = max_u64(m->fixed, m->reserve);
}

static uint64_t sum_taken(const struct balloon *b, uint64_t level)
{
    const struct balloon_member *m;
    uint64_t sum = 0;

    for_each_balloon_member(m, b) sum += policy_taken(&m->claimant, level);
    return sum;
}

static uint64_t count_memory(const struct balloon *b, uint64_t free)
{
    const struct balloon_member *m;
    uint64_t sum = free;

    for_each_balloon_member(m, b) sum += held(m);
    return excess(sum, b->keep);
}

int balloon_set_limits(struct balloon *b, struct balloon_member *m, uint64_t floor,
                       uint64_t ceiling, uint32_t shares, uint64_t free)
{
    const struct balloon_member *o;
    uint64_t sum = max_u64(floor, m->reserve);

    if (floor == 0 || floor > ceiling || ceiling > POLICY_PAGES_MAX || shares == 0 ||
        shares > POLICY_SHARES_MAX)
        return -XEN_EINVAL;
    for_each_balloon_member(o, b) if (o != m) sum +=
        max_u64(o->managed ? o->floor : held(o), o->reserve);
    if (floor > m->floor && sum > count_memory(b, free))
        return -XEN_ENOMEM;
    m->floor = floor;
    m->ceiling = ceiling;
    m->shares = shares;
    if (m->fixed)
        m->fixed = max_u64(floor, min_u64(ceiling, m->fixed));
    return 0;
}

int balloon_reserve(struct balloon *b, struct balloon_member *m, uint64_t pages, uint64_t free)
{
    uint64_t before = m->reserve;
    struct balloon_member *o;

    if (pages && (pages > POLICY_PAGES_MAX || pages <= held(m)))
        return -XEN_EINVAL;
    m->reserve = pages;
    for_each_balloon_member(o, b) set_claimant(o);
    if (pages > before && sum_taken(b, 0) > count_memory(b, free)) {
        m->reserve = before;
        return -XEN_ENOMEM;
    }
    m->failed = false;
    b->memory = BALLOON_UNCOUNTED;
    if (pages && !before)
        m->ticket = b->tickets++;
    return 0;
}

/* ---- watch ---- */

static void damp(struct balloon_member *m)
{
    uint64_t over = excess(m->active, m->wanted);

    if (m->wanted > m->active)
        m->active = m->wanted;
    else if (over > m->active / 8)
        m->active -= (over + 3) / 4;
}

static void watch_order(struct balloon_member *m, uint64_t now)
{
    if (m->have <= m->target) {
        m->deadline = 0;
        m->late = false;
    } else if (m->deadline && now >= m->deadline && !m->late) {
        m->late = true;
        m->lapses++;
        m->missed = m->target;
    }
}

/* Taking any of it renews an offer. */
static void watch_offer(struct balloon_member *m, uint64_t now)
{
    if (m->have > m->offered_have)
        m->refusals = 0;
    if (m->lazy) {
        m->lazy = m->have <= m->offered_have && now < m->lazy_until;
    } else if (m->target <= held(m)) {
        m->offer_ends = 0;
    } else if (m->offer_ends == 0 || m->have > m->offered_have) {
        m->offer_ends = now + BALLOON_GRACE_NS + time_for(m->target - held(m));
        m->offered_have = m->have;
    } else if (now >= m->offer_ends) {
        m->lazy = true;
        m->lazy_until = now + (BALLOON_GRACE_NS << m->refusals);
        m->refusals = (uint8_t)min_u64(m->refusals + 1U, REFUSALS_COUNTED);
        m->offer_ends = 0;
    }
}

/* What it has taken since its last report, it took because it needs it: the report does not know of those pages. */
static void count_taken(struct balloon_member *m)
{
    if (m->spoken)
        m->must += excess(m->have, m->seen);
    m->seen = m->have;
}

static void watch(struct balloon_member *m, uint64_t now)
{
    count_taken(m);
    if (m->reserve && m->have >= m->reserve)
        m->reserve = 0;
    m->changed = m->claimable = false;
    damp(m);
    watch_order(m, now);
    watch_offer(m, now);
    set_claimant(m);
}

/* ---- goals ---- */

static void count_anew(struct balloon *b, uint64_t free)
{
    uint64_t memory = count_memory(b, free);

    if (b->memory == BALLOON_UNCOUNTED || memory < b->memory ||
        excess(memory, b->memory) > memory / 128)
        b->memory = memory;
}

/* The one that came first of those with this ticket or a later one, or the one that came last. */
static struct balloon_member *in_line(struct balloon *b, uint64_t ticket, bool last)
{
    struct balloon_member *m, *found = NULL;

    for_each_balloon_member(m, b) if (waits(m) && m->ticket >= ticket &&
                                      (!found || (m->ticket < found->ticket) != last)) found = m;
    return found;
}

/* What was possible when it was asked for may be so no more, because somebody does not follow or
 * needs more: better a refusal than that all others are driven down to their floors in vain. */
static void fail_reservations(struct balloon *b)
{
    struct balloon_member *m;

    while (sum_taken(b, 0) > b->memory && (m = in_line(b, 0, true))) {
        m->reserve = 0;
        m->failed = true;
        set_claimant(m);
    }
}

static void set_goals(struct balloon *b)
{
    struct policy_search s;
    struct balloon_member *m;
    uint64_t level;

    fail_reservations(b);
    policy_begin(&s, b->memory);
    while (policy_next(&s, &level))
        policy_tried(&s, sum_taken(b, level));
    b->shortage = s.fits ? 0 : sum_taken(b, 0) - b->memory;
    for_each_balloon_member(m, b) m->goal = policy_pages(&m->claimant, s.level);
}

/* ---- orders and promises ---- */

static uint64_t promised(const struct balloon_member *m)
{
    return m->managed ? excess(m->target, held(m)) : 0;
}

/* Down to the goal, or back up to it as far as that costs nothing. Who waits for a reservation gets
 * nothing before that. Returns what stays promised. */
static uint64_t give_orders(struct balloon *b)
{
    struct balloon_member *m;
    uint64_t sum = 0;

    for_each_balloon_member(m, b)
    {
        if (m->target > m->goal)
            m->target = m->goal;
        else if (m->target < held(m))
            m->target = min_u64(m->goal, held(m));
        if (!m->managed || (waits(m) && m->target > held(m)))
            m->target = held(m);
        sum += promised(m);
    }
    return sum;
}

/* Free pages went to somebody who is not managed: what was promised is not there any more. */
static void withdraw_promises(struct balloon *b)
{
    struct balloon_member *m;

    for_each_balloon_member(m, b) if (promised(m)) m->target = held(m);
}

/* Returns the pages that are left; none while somebody waits. */
static uint64_t serve_reservations(struct balloon *b, uint64_t left)
{
    struct balloon_member *m = in_line(b, 0, false);

    for (; m; m = in_line(b, m->ticket + 1, false)) {
        uint64_t missing = m->reserve - held(m);

        if (missing > left)
            return 0;
        m->claimable = true;
        left -= missing;
    }
    return left;
}

static uint64_t wish(const struct balloon_member *m, bool to_low)
{
    uint64_t up_to = to_low ? min_u64(m->claimant.low, m->goal) : m->goal;

    return m->managed && !waits(m) ? excess(up_to, max_u64(m->target, held(m))) : 0;
}

/* Returns what is left. */
static uint64_t promise(struct balloon *b, uint64_t left, bool to_low)
{
    struct balloon_member *m;
    uint64_t wishes = 0, there = left;

    for_each_balloon_member(m, b) wishes += wish(m, to_low);
    for_each_balloon_member(m, b)
    {
        uint64_t wanted = wish(m, to_low);
        uint64_t part = wishes <= there ? wanted : wanted * there / wishes;

        if (part == 0 || (part < BALLOON_PORTION && part < wanted))
            continue;
        m->target = max_u64(m->target, held(m)) + part;
        left -= part;
    }
    return left;
}

static void make_promises(struct balloon *b, uint64_t there, uint64_t promises)
{
    if (promises > there) {
        withdraw_promises(b);
        promises = 0;
    }
    there = serve_reservations(b, there - promises);
    there = promise(b, there, true);
    (void)promise(b, there, false);
}

/* ---- urgency and deadlines ---- */

static enum balloon_urgency urgency(const struct balloon *b, uint64_t free)
{
    const struct balloon_member *m;

    if (free < b->keep / 2)
        return BALLOON_SHORT;
    for_each_balloon_member(m, b) if ((waits(m) && !m->claimable) ||
                                      wish(m, true)) return BALLOON_WAITED;
    return BALLOON_BALANCE;
}

/* A deadline moves only by what the order has become larger, and not at all once it has passed. */
static void set_deadline(struct balloon_member *m, uint64_t now, uint64_t old_target)
{
    if (m->have <= m->target) {
        m->deadline = 0;
        m->late = false;
    } else if (m->deadline == 0)
        m->deadline = now + BALLOON_GRACE_NS + time_for(m->have - m->target);
    else if (!m->late)
        m->deadline += time_for(excess(old_target, m->target));
}

static void tell(struct balloon_member *m, uint64_t now, enum balloon_urgency u)
{
    struct balloon_told old = m->told;

    set_deadline(m, now, old.target);
    m->urgency = (uint8_t)(m->managed && m->have > m->target ? u : BALLOON_CALM);
    m->told = (struct balloon_told){m->target, m->deadline, m->urgency, m->late};
    m->changed = m->managed && (m->target != old.target || m->deadline != old.deadline ||
                                m->urgency != old.urgency || m->late != old.late);
}

void balloon_step(struct balloon *b, uint64_t now, uint64_t free)
{
    struct balloon_member *m;
    enum balloon_urgency u;
    uint64_t promises;

    for_each_balloon_member(m, b) watch(m, now);
    count_anew(b, free);
    set_goals(b);
    promises = give_orders(b);
    make_promises(b, excess(free, b->keep), promises);
    u = urgency(b, free);
    for_each_balloon_member(m, b) tell(m, now, u);
}
