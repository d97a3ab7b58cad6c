/* SPDX-License-Identifier: MIT
 *
 * The policy's hands. A timer on CPU 0 makes a step each STEP_NS, as long as there is somebody to
 * decide for: it reads what each domain owns, lets the policy decide, claims what was found for
 * reservations, limits what domains may take by themselves to their targets, and raises events. A
 * step looks at every domain some 55 times and changes nothing of a domain's memory itself; nothing
 * that a guest does makes steps come more often.
 *
 * All domains are members, so that all memory is counted; a domain is managed, which is to say that
 * it is asked for memory and offered some, once it has shown that it listens, and until it ends. A
 * dying domain stays a member until its last frame is gone: its memory is on the way to the host
 * and must not seem lost meanwhile, or the others would be asked for it.
 *
 * Locks: [p] is `lock`, LK_PRESSURE, outside of events, accounts and the heap. A member's domain
 * does not go away while the lock is held: pressure_remove() takes it.
 */
#include "xen/pressure.h"

#include <lagan/arch.h>
#include <lagan/printk.h>

#include "balloon/policy_cache.h"
#include "mm/claim.h"
#include "mm/heap.h"
#include "mm/pcache.h"
#include "xen/domain.h"
#include "xen/store_service.h"
#include "xen/timer.h"

#define STEP_NS      UINT64_C(100000000)
#define CACHE_STEPS  10                   /* a domain's curve is read at one step in so many */
#define WATCH_NS     UINT64_C(1000000000) /* watermarks only */
#define KEEP_PART    64                   /* of all memory, that the policy leaves free */
#define USUAL_WEIGHT 256
#define KEEP_LEAST   256
#define KNOWN_FLAGS  LAGAN_PRESSURE_POLICY

static struct {
    struct spinlock lock;   /* LK_PRESSURE */
    struct balloon balloon; /* [p] keep is the low watermark */
    struct domain *control; /* [p] the control domain, if there is one */
    struct timer timer;
    unsigned steps;      /* [p] so far */
    uint64_t due;        /* [p] when it fires; UINT64_MAX: it does not */
    uint64_t min;        /* [p] the other watermark */
    uint64_t lowest;     /* [p] free pages at the last step, for the watermarks' edges */
    bool policy;         /* [p] */
    uint32_t events;     /* [p] not yet read by the control domain */
    uint32_t new_events; /* [p] ... nor told to it */
    bool tell_store; /* [p] a target has changed of a domain whose driver reads it in the store */
} pressure = {.lock = SPINLOCK_INIT(LK_PRESSURE),
              .balloon.members = LIST_INIT(pressure.balloon.members)};

static struct domain *domain_of(struct balloon_member *m)
{
    return list_entry(m, struct domain, pressure.member);
}

static bool is_managed(const struct pressure_domain *p)
{
    return p->aware && !p->ended && (pressure.policy || p->member.fixed);
}

/* ---- what there is ---- */

static uint64_t unclaimed_pages(void)
{
    uint64_t free = heap_free_pages(), claimed = heap_claimed_pages();

    return free > claimed ? free - claimed : 0;
}

static void look_at(struct balloon_member *m)
{
    struct domain *d = domain_of(m);

    m->have = atomic_load(&d->account.pages);
    m->claim = claim_pages(&d->account);
    m->managed = is_managed(&d->pressure);
}

/* How much more it would put to use, as its evicted pages say. Curves take long to change and some thousand steps to
 * read, so each has its turn once a second, and not all have it at once. The cache itself does not go away: a domain
 * that is managed has not ended, and leaves us before its cache is destroyed. */
static void look_at_cache(struct balloon_member *m)
{
    struct domain *d = domain_of(m);
    struct pcache *pc = atomic_load_explicit(&d->pcache, memory_order_acquire);
    uint64_t most = m->ceiling > m->have ? m->ceiling - m->have : 0, need = 0, pages, now_ms;
    const struct pcache_curve *curve;

    if (m->managed && (pressure.steps + d->id) % CACHE_STEPS != 0)
        return;
    if (m->managed && pc) {
        curve = pcache_curve_of(pc, &pages, &now_ms);
        need = policy_cache_need(curve, pages, most, POLICY_CACHE_PRICE, now_ms);
        pcache_curve_done(pc);
    }
    balloon_set_cache_need(m, need);
}

/* Returns the free pages that nobody has claimed. */
static uint64_t look_around(void)
{
    struct balloon_member *m;

    for_each_balloon_member(m, &pressure.balloon) look_at(m);
    return unclaimed_pages();
}

/* ---- steps ---- */

static bool anybody_to_decide_for(void)
{
    struct balloon_member *m;

    for_each_balloon_member(m, &pressure.balloon) if (is_managed(&domain_of(m)->pressure) ||
                                                      m->reserve) return true;
    return false;
}

/* When the next step is to be, if there is a reason for one. */
static uint64_t next_step(uint64_t now)
{
    if (anybody_to_decide_for())
        return now + STEP_NS;
    return pressure.control ? now + WATCH_NS : UINT64_MAX;
}

static void go_on(uint64_t when)
{
    pressure.due = when;
    if (when != UINT64_MAX)
        timer_set(&pressure.timer, when);
}

/* Something has changed: steps begin or come more often. One that is due soon is not put off. */
static void begin(void)
{
    uint64_t when = next_step(arch_time_ns());

    if (when < pressure.due)
        go_on(when);
}

static void note(uint32_t event)
{
    pressure.new_events |= event & ~pressure.events;
    pressure.events |= event;
}

static void tell_control(void)
{
    if (pressure.new_events && pressure.control)
        event_raise_global_virq(pressure.control, LAGAN_VIRQ_PRESSURE);
    pressure.new_events = 0;
}

/* Told when a mark is passed on the way down, and again after a way up. */
static void watch_marks(uint64_t free)
{
    if (free < pressure.balloon.keep && pressure.lowest >= pressure.balloon.keep) {
        note(LAGAN_PRESSURE_EVENT_LOW);
        if (pressure.control)
            event_raise_global_virq(pressure.control, VIRQ_ENOMEM);
    }
    if (free < pressure.min && pressure.lowest >= pressure.min)
        note(LAGAN_PRESSURE_EVENT_MIN);
    pressure.lowest = free;
}

static void claim(struct balloon_member *m)
{
    struct domain *d = domain_of(m);

    if (claim_set(&d->account, m->reserve))
        return; /* somebody was quicker: the next step sees it */
    m->claim = claim_pages(&d->account);
    note(LAGAN_PRESSURE_EVENT_RESERVED);
}

/* A domain takes nothing above its target by itself, but keeps what it has. */
static void limit(struct balloon_member *m)
{
    struct domain *d = domain_of(m);

    account_allow(&d->account, m->managed ? max_u64(m->target, m->have + m->claim) : UINT64_MAX);
}

static void carry_out(struct balloon_member *m)
{
    struct domain *d = domain_of(m);
    struct pressure_domain *p = &d->pressure;

    if (m->claimable)
        claim(m);
    limit(m);
    if (m->lapses != p->lapses_told) {
        p->lapses_told = m->lapses;
        log_info("domain %s does not follow: it has %lu pages, and was to have %lu\n", d->name,
                 m->have, m->missed);
        note(LAGAN_PRESSURE_EVENT_LATE);
    }
    if (m->failed && !p->fail_told)
        note(LAGAN_PRESSURE_EVENT_REFUSED);
    p->fail_told = m->failed;
    if (m->changed)
        event_raise_global_virq(d, LAGAN_VIRQ_PRESSURE);
    if (m->changed && p->spoken_for)
        note(LAGAN_PRESSURE_EVENT_TARGET);
    pressure.tell_store |= m->changed && d->store_port;
}

static void step(struct timer *t)
{
    struct balloon_member *m;
    bool tell_store;
    uint64_t free;

    (void)t;
    spin_lock(&pressure.lock);
    free = look_around();
    watch_marks(free);
    pressure.steps++;
    for_each_balloon_member(m, &pressure.balloon) look_at_cache(m);
    balloon_step(&pressure.balloon, arch_time_ns(), free);
    for_each_balloon_member(m, &pressure.balloon) carry_out(m);
    tell_control();
    go_on(next_step(arch_time_ns()));
    tell_store = pressure.tell_store;
    pressure.tell_store = false;
    spin_unlock(&pressure.lock);
    if (tell_store)
        store_service_tell();
}

/* ---- domains come and go ---- */

LAGAN_INIT void pressure_start(void)
{
    uint64_t total = heap_total_pages();

    balloon_init(&pressure.balloon, max_u64(total / KEEP_PART, KEEP_LEAST));
    pressure.min = pressure.balloon.keep / 2;
    pressure.lowest = UINT64_MAX;
    pressure.steps = 0;
    pressure.due = UINT64_MAX;
    pressure.policy = true;
    pressure.control = NULL;
    pressure.events = pressure.new_events = 0;
    timer_init(&pressure.timer, step, 0);
}

static uint64_t possible(uint64_t pages)
{
    return max_u64(1, min_u64(pages, POLICY_PAGES_MAX));
}

void pressure_add(struct domain *d, uint64_t min_pages, uint64_t pages, uint64_t max_pages)
{
    struct balloon_member *m = &d->pressure.member;
    int rc;

    spin_lock(&pressure.lock);
    balloon_add(&pressure.balloon, m, possible(min_pages));
    m->active = m->said = m->wanted = possible(pages);
    rc = balloon_set_limits(&pressure.balloon, m, m->floor, max_u64(m->floor, possible(max_pages)),
                            USUAL_WEIGHT, 0);
    BUG_ON(rc);
    if (d->privileged) {
        pressure.control = d;
        pressure.policy = false;
    }
    begin();
    spin_unlock(&pressure.lock);
}

/* A floor above the new ceiling comes down with it, which is always possible, so nothing can fail. */
void pressure_set_max(struct domain *d, uint64_t max_pages)
{
    struct balloon_member *m = &d->pressure.member;
    uint64_t ceiling = possible(max_pages);
    int rc;

    spin_lock(&pressure.lock);
    account_set_max_pages(&d->account, max_pages);
    rc =
        balloon_set_limits(&pressure.balloon, m, min_u64(m->floor, ceiling), ceiling, m->shares, 0);
    BUG_ON(rc);
    begin();
    spin_unlock(&pressure.lock);
}

void pressure_ended(struct domain *d)
{
    struct pressure_domain *p = &d->pressure;

    spin_lock(&pressure.lock);
    if (!p->ended) {
        p->ended = true;
        p->member.reserve = 0;
        p->member.late = false;
        if (pressure.control && pressure.control != d)
            event_raise_global_virq(pressure.control, VIRQ_DOM_EXC);
        note(LAGAN_PRESSURE_EVENT_DIED);
        tell_control();
    }
    spin_unlock(&pressure.lock);
}

void pressure_resumed(struct domain *d)
{
    spin_lock(&pressure.lock);
    d->pressure.ended = false;
    begin();
    spin_unlock(&pressure.lock);
}

void pressure_remove(struct domain *d)
{
    spin_lock(&pressure.lock);
    balloon_remove(&pressure.balloon, &d->pressure.member);
    if (pressure.control == d) {
        pressure.control = NULL;
        pressure.policy = true; /* nobody else is left to decide */
    }
    spin_unlock(&pressure.lock);
}

/* ---- a domain about itself ---- */

int pressure_follow(struct domain *d)
{
    struct pressure_domain *p = &d->pressure;
    int rc = 0;

    spin_lock(&pressure.lock);
    if (p->ended) {
        rc = -XEN_EPERM;
    } else if (!p->aware) {
        p->aware = true;
        look_at(&p->member);
        if (p->member.managed)
            p->member.target = p->member.have + p->member.claim;
        limit(&p->member);
        begin();
    }
    spin_unlock(&pressure.lock);
    return rc;
}

static void get_locked(struct domain *d, struct lagan_pressure_state *s)
{
    struct balloon_member *m = &d->pressure.member;

    look_at(m);
    *s = (struct lagan_pressure_state){.target = m->managed ? m->target : m->have,
                                       .have = m->have,
                                       .floor = m->floor,
                                       .ceiling = m->ceiling,
                                       .deadline = m->managed ? m->deadline : 0,
                                       .urgency = m->managed ? m->urgency : LAGAN_PRESSURE_CALM};
    s->flags = (m->managed ? LAGAN_PRESSURE_MANAGED : 0) | (m->late ? LAGAN_PRESSURE_LATE : 0) |
               (m->lazy ? LAGAN_PRESSURE_LAZY : 0) | (m->fixed ? LAGAN_PRESSURE_FIXED : 0) |
               (m->reserve ? LAGAN_PRESSURE_RESERVING : 0);
}

void pressure_get(struct domain *d, struct lagan_pressure_state *s)
{
    spin_lock(&pressure.lock);
    get_locked(d, s);
    spin_unlock(&pressure.lock);
}

static int take_report(struct domain *d, const struct lagan_pressure_need *n, bool by_control)
{
    struct balloon_report r = {.working_set = n->working_set,
                               .free = n->free,
                               .reclaimable = n->reclaimable,
                               .refault_rate = n->refault_rate,
                               .stall_ppm = n->stall_ppm};
    int rc = pressure_follow(d);

    if (rc)
        return rc;
    spin_lock(&pressure.lock);
    look_at(&d->pressure.member);
    rc = balloon_tell(&d->pressure.member, &r);
    if (!rc) {
        d->pressure.need = *n;
        d->pressure.spoken_for |= by_control;
    }
    spin_unlock(&pressure.lock);
    return rc;
}

int pressure_report(struct domain *d, const struct lagan_pressure_need *n)
{
    return take_report(d, n, false);
}

int pressure_report_for(struct domain *d, const struct lagan_pressure_need *n)
{
    return take_report(d, n, true);
}

/* ---- the control domain ---- */

void pressure_get_domain(struct domain *d, struct lagan_pressure_domain *out)
{
    struct balloon_member *m = &d->pressure.member;

    spin_lock(&pressure.lock);
    *out = (struct lagan_pressure_domain){.domid = d->id,
                                          .weight = m->shares,
                                          .need = d->pressure.need,
                                          .active = m->active,
                                          .reserve = m->reserve,
                                          .cache_need = m->cache_need,
                                          .goal = m->managed ? m->goal : m->have,
                                          .lapses = m->lapses};
    get_locked(d, &out->state);
    out->claimed = m->claim;
    spin_unlock(&pressure.lock);
}

int pressure_set_limits(struct domain *d, const struct lagan_pressure_limits *l)
{
    uint64_t free;
    int rc;

    if (l->ceiling > d->account.max_pages)
        return -XEN_EINVAL;
    rc = pressure_follow(d);
    if (rc)
        return rc;
    spin_lock(&pressure.lock);
    free = look_around();
    rc = balloon_set_limits(&pressure.balloon, &d->pressure.member, l->floor, l->ceiling, l->weight,
                            free);
    spin_unlock(&pressure.lock);
    return rc;
}

int pressure_set_target(struct domain *d, uint64_t pages)
{
    int rc = pressure_follow(d);

    if (rc)
        return rc;
    spin_lock(&pressure.lock);
    rc = balloon_fix(&d->pressure.member, pages);
    begin();
    spin_unlock(&pressure.lock);
    return rc;
}

void pressure_get_host(struct lagan_pressure_host *h)
{
    spin_lock(&pressure.lock);
    *h = (struct lagan_pressure_host){.total = heap_total_pages(),
                                      .free = heap_free_pages(),
                                      .claimed = heap_claimed_pages(),
                                      .low = pressure.balloon.keep,
                                      .min = pressure.min,
                                      .shortage = pressure.balloon.shortage,
                                      .flags = pressure.policy ? LAGAN_PRESSURE_POLICY : 0,
                                      .events = pressure.events};
    pressure.events = 0;
    spin_unlock(&pressure.lock);
}

int pressure_set_host(const struct lagan_pressure_host *h)
{
    if (h->min > h->low || h->low > heap_total_pages() || (h->flags & ~KNOWN_FLAGS))
        return -XEN_EINVAL;
    spin_lock(&pressure.lock);
    pressure.balloon.keep = h->low;
    pressure.balloon.memory = BALLOON_UNCOUNTED;
    pressure.min = h->min;
    pressure.policy = h->flags & LAGAN_PRESSURE_POLICY;
    begin();
    spin_unlock(&pressure.lock);
    return 0;
}

/* ---- reservations ---- */

/* Free pages that are promised to nobody, if nobody waits for any: they can be claimed at once. As
 * long as no domain is managed there is nobody to ask, and the host's own are to be had too. */
static bool is_there(uint64_t missing, uint64_t free)
{
    uint64_t spoken_for = 0;
    struct balloon_member *m;

    for_each_balloon_member(m, &pressure.balloon)
    {
        uint64_t held = m->have + m->claim;

        if (m->reserve > held)
            return false;
        if (m->managed)
            spoken_for = max_u64(spoken_for, pressure.balloon.keep) +
                         (m->target > held ? m->target - held : 0);
    }
    return free >= spoken_for && free - spoken_for >= missing;
}

static int reserve_locked(struct domain *d, uint64_t pages)
{
    struct balloon_member *m = &d->pressure.member;
    uint64_t free = look_around();
    int rc;

    if (m->have + m->claim >= pages)
        return 0;
    if (m->failed) {
        m->failed = false;
        return -XEN_ENOMEM;
    }
    if (m->reserve == pages)
        return -XEN_EAGAIN;
    m->reserve = 0;
    if (is_there(pages - m->have - m->claim, free) && claim_set(&d->account, pages) == 0)
        return 0;
    rc = balloon_reserve(&pressure.balloon, m, pages, free);
    begin();
    return rc ? rc : -XEN_EAGAIN;
}

int pressure_reserve(struct domain *d, uint64_t pages)
{
    int rc = 0;

    if (pages > d->account.max_pages)
        return -XEN_EINVAL;
    spin_lock(&pressure.lock);
    if (d->pressure.ended) {
        rc = -XEN_EINVAL;
    } else if (pages) {
        rc = reserve_locked(d, pages);
    } else {
        d->pressure.member.reserve = 0;
        d->pressure.member.failed = false;
        rc = claim_set(&d->account, 0);
    }
    spin_unlock(&pressure.lock);
    return rc;
}

/* ---- for the debug key ---- */

void pressure_dump(void)
{
    struct balloon_member *m;
    uint64_t free;

    spin_lock(&pressure.lock);
    free = look_around();
    log_info("pressure: %lu pages free, low %lu, min %lu, shortage %lu, policy %s\n", free,
             pressure.balloon.keep, pressure.min, pressure.balloon.shortage,
             pressure.policy ? "on" : "off");
    for_each_balloon_member(m, &pressure.balloon)
        log_info("domain %s: has %lu + %lu, target %lu, goal %lu, %lu..%lu, active %lu, "
                 "%lu more by its cache,%s%s%s reserve %lu, lapses %u\n",
                 domain_of(m)->name, m->have, m->claim, m->target, m->goal, m->floor, m->ceiling,
                 m->active, m->cache_need, m->managed ? "" : " not managed,",
                 m->late ? " late," : "", m->lazy ? " lazy," : "", m->reserve, m->lapses);
    spin_unlock(&pressure.lock);
}
