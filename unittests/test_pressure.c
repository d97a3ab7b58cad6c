/* SPDX-License-Identifier: MIT
 *
 * pressure_op by real hypercalls of real domains: every command, every error, events, limits on what
 * a domain takes by itself, reservations against the allocator's claims.
 */
#include <string.h>

#include "include/public/lagan/pcache.h"
#include "mm/claim.h"
#include "mm/pcache.h"
#include "unittests/pressure_world.h"

static void get_and_report(void)
{
    struct lagan_pressure_state *s;

    start(false);
    s = state(a);
    CU_ASSERT(s->target == 2000 && s->have == 2000 && s->floor == 1000 && s->ceiling == 4000);
    CU_ASSERT(s->deadline == 0 && s->urgency == LAGAN_PRESSURE_CALM);
    CU_ASSERT_EQUAL(s->flags, LAGAN_PRESSURE_MANAGED);
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), -XEN_EINVAL); /* reserved fields are not 0 */
    need(3000);
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), 0);
    core_pass(2 * STEP);
    CU_ASSERT_TRUE(told(a, port_a));
    CU_ASSERT_EQUAL(state(a)->target, 3000 + 3000 / 16 + BALLOON_PORTION / 2);
    core_pass(2 * STEP);
    CU_ASSERT_FALSE(told(a, port_a));
    need(1)->flags = 1;
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), -XEN_EINVAL);
    need(1)->reserved[1] = 1;
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), -XEN_EINVAL);
    need(1)->stall_ppm = 1000001;
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), -XEN_EINVAL);
    need(UINT64_MAX);
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), -XEN_EINVAL);
    CU_ASSERT_EQUAL(a->pressure.member.wanted, 3000);
    end();
}

static void bad_calls(void)
{
    static const unsigned commands[] = {
        LAGAN_PRESSURE_get,        LAGAN_PRESSURE_report,     LAGAN_PRESSURE_get_domain,
        LAGAN_PRESSURE_set_limits, LAGAN_PRESSURE_set_target, LAGAN_PRESSURE_reserve,
        LAGAN_PRESSURE_get_host,   LAGAN_PRESSURE_set_host,   LAGAN_PRESSURE_report_for};

    start(true);
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        CU_ASSERT_EQUAL(
            CORE_CALL(dom0->vcpu[0], LAGAN_HYPERVISOR_pressure_op, commands[i], CORE_BAD),
            -XEN_EFAULT);
        memset(core_at(0), 0, 256);
        if (commands[i] >= LAGAN_PRESSURE_get_domain)
            CU_ASSERT_EQUAL(op(a, commands[i]), -XEN_EPERM);
        if ((commands[i] >= LAGAN_PRESSURE_get_domain && commands[i] <= LAGAN_PRESSURE_reserve) ||
            commands[i] == LAGAN_PRESSURE_report_for) {
            order(77, 0);
            memset(core_at(16), 0, 64);
            CU_ASSERT_EQUAL(op(dom0, commands[i]), -XEN_ESRCH);
            order(77, 0)->reserved0[0] = 1;
            CU_ASSERT_EQUAL(op(dom0, commands[i]), -XEN_EINVAL);
        }
    }
    CU_ASSERT_EQUAL(op(dom0, 0), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(op(a, 10), -XEN_ENOSYS);
    /* Out of memory that can only be read: the events stay. */
    a->pressure.member.lapses++;
    core_pass(11 * UINT64_C(100000000));
    CU_ASSERT_EQUAL(CORE_CALL(dom0->vcpu[0], LAGAN_HYPERVISOR_pressure_op, LAGAN_PRESSURE_get_host,
                              CORE_READONLY),
                    -XEN_EFAULT);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_host), 0);
    CU_ASSERT_TRUE(((struct lagan_pressure_host *)core_at(0))->events & LAGAN_PRESSURE_EVENT_LATE);
    end();
}

/* A domain takes nothing above its target by itself, and unmanaged ones are not limited. */
static void allowance(void)
{
    mfn_t m;

    start(false);
    fill(b, 2500);
    need(2000);
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), 0);
    core_pass(3 * STEP);
    CU_ASSERT_EQUAL(state(a)->target, 2253);
    fill(a, 2253);
    CU_ASSERT_EQUAL(account_alloc(&a->account, 0, HEAP_ANY, &m), -XEN_EPERM);
    /* What it has it keeps, above its target too; what it gives back is gone after a step. */
    need(1100)->free = 1000;
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), 0);
    need(4000);
    CU_ASSERT_EQUAL(op(b, LAGAN_PRESSURE_report), 0);
    core_pass(3 * STEP);
    CU_ASSERT(state(a)->target < 2253);
    CU_ASSERT_EQUAL(a->account.allowance, 2253);
    release(a, state(a)->target + 10);
    core_pass(2 * STEP);
    CU_ASSERT_EQUAL(account_alloc(&a->account, 0, HEAP_ANY, &m), -XEN_EPERM);
    fill(b, state(b)->target);
    CU_ASSERT_EQUAL(account_alloc(&b->account, 0, HEAP_ANY, &m), -XEN_EPERM);
    end();
}

static void limits(void)
{
    struct lagan_pressure_limits l = {.domid = 1, .weight = 100, .floor = 500, .ceiling = 3000};
    struct lagan_pressure_domain *d = core_at(0);
    struct {
        struct lagan_pressure_limits l;
        int64_t rc;
    } table[] = {{{1, 0, 100, 0, 3000}, -XEN_EINVAL},     {{1, 0, 0, 500, 3000}, -XEN_EINVAL},
                 {{1, 0, 65536, 500, 3000}, -XEN_EINVAL}, {{1, 0, 100, 3001, 3000}, -XEN_EINVAL},
                 {{1, 0, 100, 500, 4001}, -XEN_EINVAL},   {{1, 0, 100, 4000, 4000}, 0},
                 {{2, 0, 100, 4000, 4000}, -XEN_ENOMEM},  {{1, 1, 100, 500, 3000}, -XEN_EINVAL}};

    start(true);
    CU_ASSERT_EQUAL(a->id, 1);
    memcpy(core_at(0), &l, sizeof(l));
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_set_limits), 0);
    memset(d, 0, sizeof(*d));
    d->domid = 1;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_domain), 0);
    CU_ASSERT(d->domid == 1 && d->weight == 100 && d->state.floor == 500 &&
              d->state.ceiling == 3000 && d->state.have == 2000 && d->reserve == 0);
    CU_ASSERT_EQUAL(d->state.flags, 0); /* the policy is the control domain's */
    switch_on();
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        memcpy(core_at(0), &table[i].l, sizeof(l));
        CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_set_limits), table[i].rc);
    }
    CU_ASSERT_EQUAL(a->pressure.member.floor, 4000);
    end();
}

/* The control domain orders; the domain does not follow, and that is told. */
static void orders(void)
{
    struct lagan_pressure_host *h = core_at(0);

    start(true);
    order(1, 999);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_set_target), -XEN_EINVAL);
    order(1, 1500);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_set_target), 0);
    core_pass(2 * STEP);
    CU_ASSERT_TRUE(told(a, port_a));
    CU_ASSERT_EQUAL(state(a)->target, 1500);
    CU_ASSERT_EQUAL(state(a)->flags, LAGAN_PRESSURE_MANAGED | LAGAN_PRESSURE_FIXED);
    CU_ASSERT_EQUAL(state(a)->urgency, LAGAN_PRESSURE_BALANCE);
    CU_ASSERT_FALSE(told(dom0, port_0));
    core_pass(12 * UINT64_C(100000000));
    CU_ASSERT_TRUE(told(dom0, port_0));
    CU_ASSERT_TRUE(state(a)->flags & LAGAN_PRESSURE_LATE);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_host), 0);
    CU_ASSERT_EQUAL(h->events, LAGAN_PRESSURE_EVENT_LATE);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_host), 0);
    CU_ASSERT_EQUAL(h->events, 0);
    release(a, 1500);
    core_pass(2 * STEP);
    CU_ASSERT_EQUAL(state(a)->urgency, LAGAN_PRESSURE_CALM);
    CU_ASSERT_EQUAL(state(a)->deadline, 0);
    order(1, 0);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_set_target), 0);
    CU_ASSERT_EQUAL(state(a)->flags, 0);
    end();
}

static void watermarks(void)
{
    struct lagan_pressure_host *h = core_at(0);
    uint32_t enomem, dom_exc;

    start(true);
    enomem = bind(dom0, VIRQ_ENOMEM);
    dom_exc = bind(dom0, VIRQ_DOM_EXC);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_host), 0);
    CU_ASSERT(h->total == heap_total_pages() && h->free == heap_free_pages() && h->claimed == 0);
    CU_ASSERT(h->low == 256 && h->min == 128 && h->flags == 0);
    h->low = heap_total_pages() + 1;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_set_host), -XEN_EINVAL);
    h->low = 10;
    h->min = 11;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_set_host), -XEN_EINVAL);
    h->low = heap_free_pages() - 100;
    h->min = 500;
    h->flags = 2;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_set_host), -XEN_EINVAL);
    h->flags = 0;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_set_host), 0);
    core_pass(UINT64_C(1100000000));
    CU_ASSERT_FALSE(told(dom0, enomem));
    fill(a, 2200);
    core_pass(UINT64_C(1100000000));
    CU_ASSERT_TRUE(told(dom0, enomem) && told(dom0, port_0));
    core_pass(UINT64_C(3000000000));
    CU_ASSERT_FALSE(told(dom0, enomem));
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_host), 0);
    CU_ASSERT_EQUAL(h->events, LAGAN_PRESSURE_EVENT_LOW);
    CU_ASSERT_FALSE(told(dom0, dom_exc));
    core_kill(b);
    b = new_domain(1, 2);
    CU_ASSERT_TRUE(told(dom0, dom_exc) && told(dom0, port_0));
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_host), 0);
    CU_ASSERT_EQUAL(h->events, LAGAN_PRESSURE_EVENT_DIED);
    end();
}

/* "Can domain 2 have 3500?": not at once, and then it is claimed to the page. */
static void reservation(void)
{
    struct lagan_pressure_host *h = core_at(0);
    uint64_t target;

    start(true);
    fill(a, 4000);
    switch_on();
    need(1500)->free = 2500;
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), 0);
    order(2, 4001);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), -XEN_EINVAL);
    order(2, 4000);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), -XEN_EAGAIN);
    order(0, 10); /* free they are, but b came first */
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), -XEN_EAGAIN);
    order(0, 0);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), 0);
    core_pass(2 * STEP);
    CU_ASSERT_TRUE(told(a, port_a));
    CU_ASSERT_EQUAL(state(a)->urgency, LAGAN_PRESSURE_WAITED);
    target = state(a)->target;
    CU_ASSERT(target >= 1500 && target < 4000);
    release(a, target);
    core_pass(2 * STEP);
    CU_ASSERT_EQUAL(claim_pages(&b->account), 2000);
    CU_ASSERT_TRUE(told(dom0, port_0));
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_host), 0);
    CU_ASSERT_EQUAL(h->events, LAGAN_PRESSURE_EVENT_RESERVED);
    CU_ASSERT_EQUAL(h->claimed, 2000);
    order(2, 4000);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), 0);
    fill(b, 4000);
    CU_ASSERT_EQUAL(heap_claimed_pages(), 0);
    order(2, 0);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), 0);
    end();
}

/* What cannot be, what cannot be after all, and giving up. */
static void no_reservation(void)
{
    struct lagan_pressure_host *h = core_at(0);

    start(true);
    fill(a, 4000);
    switch_on();
    order(2, 4000);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), -XEN_ENOMEM); /* a does not listen yet */
    need(1000)->free = 100;
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), 0);
    order(2, 4000);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), -XEN_ENOMEM); /* it needs 3900 */
    need(1000)->free = 3000;
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), 0);
    order(2, 4000);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), -XEN_EAGAIN);
    core_pass(UINT64_C(2500000000));
    CU_ASSERT_TRUE(told(dom0, port_0));
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_host), 0);
    CU_ASSERT_EQUAL(h->events, LAGAN_PRESSURE_EVENT_LATE | LAGAN_PRESSURE_EVENT_REFUSED);
    order(2, 4000);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), -XEN_EAGAIN); /* it is tried again */
    order(2, 0);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), 0);
    core_pass(2 * STEP);
    CU_ASSERT_EQUAL(state(a)->target, 4000);
    order(2, 2100);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_reserve), 0);
    CU_ASSERT_EQUAL(heap_claimed_pages(), 100);
    core_kill(b);
    CU_ASSERT_EQUAL(heap_claimed_pages(), 0);
    b = new_domain(1, 2);
    end();
}

/* A domain that has ended, but is not gone: it is asked for nothing, and nobody is asked because of
 * it. */
static void ended(void)
{
    start(false);
    (void)state(a);
    need(2000);
    CU_ASSERT_EQUAL(op(b, LAGAN_PRESSURE_report), 0);
    core_pass(3 * STEP);
    domain_get(a);
    domain_shutdown(a, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(pressure_follow(a), -XEN_EPERM);
    CU_ASSERT_EQUAL(pressure_reserve(a, 3000), -XEN_EINVAL);
    release(a, 500);
    core_pass(3 * STEP);
    CU_ASSERT_FALSE(a->pressure.member.managed);
    CU_ASSERT_EQUAL(state(b)->urgency, LAGAN_PRESSURE_CALM);
    domain_put(a);
    end();
}

/* ---- what the page cache's curve says ---- */

enum { LOOP = 600, PART = 100 };

/* As a guest does it who hears of each change. */
static void follow(struct domain *d)
{
    uint64_t target = d->pressure.member.target;

    release(d, target);
    fill(d, target);
}

/* d reads LOOP blocks in turn, a thousand a second, whose pages it evicts: its part of the cache never serves one. */
static void read_in_turn(struct domain *d, unsigned rounds)
{
    struct lagan_pcache_query *q = core_at(0);

    for (unsigned i = 0; i < rounds * LOOP; i++) {
        static uint64_t id[LOOP];

        *q = (struct lagan_pcache_query){.flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_GET |
                                                  LAGAN_PCACHE_VIRTUAL,
                                         .page = core_va(0x4000),
                                         .name = i % LOOP + 1,
                                         .old = i < LOOP ? 1 : id[i % LOOP],
                                         .old_name = i % LOOP + 1};
        CU_ASSERT_EQUAL_FATAL(
            CORE_CALL(d->vcpu[0], LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_query, core_va(0), 1),
            0);
        CU_ASSERT_FATAL(q->status >= 0);
        id[i % LOOP] = q->new;
        core_pass(1000000);
        follow(a);
        follow(b);
    }
}

static int64_t set_limits_of(struct domain *d, uint64_t floor, uint64_t ceiling)
{
    struct lagan_pressure_limits *l = core_at(0);

    *l = (struct lagan_pressure_limits){
        .domid = d->id, .weight = 256, .floor = floor, .ceiling = ceiling};
    return op(dom0, LAGAN_PRESSURE_set_limits);
}

static uint64_t cache_need_of(domid_t id)
{
    struct lagan_pressure_domain *d = core_at(0);

    memset(d, 0, sizeof(*d));
    d->domid = id;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_domain), 0);
    return d->cache_need;
}

/* Two domains say the same of themselves. One would read its disk less with more memory: it is given what the
 * other does not use. */
static void curve(void)
{
    struct domain *c;
    struct pcache *pc;
    uint64_t cache_need;

    start(true);
    switch_on();
    c = core_domain(1, 2000); /* knows nothing of it, and has what else there was */
    fill(c, 1700);
    need(1200)->free = 800;
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), 0);
    CU_ASSERT_EQUAL(op(b, LAGAN_PRESSURE_report), 0);
    core_pass(20 * STEP);
    CU_ASSERT(state(a)->target == 2000 && state(b)->target == 2000);
    CU_ASSERT_EQUAL_FATAL(domain_pcache(a, &pc), 0);
    CU_ASSERT_EQUAL_FATAL(pcache_set_quota(pc, 0, PART, 256), 0);
    CU_ASSERT_EQUAL_FATAL(domain_pcache(b, &pc), 0);
    CU_ASSERT_EQUAL_FATAL(pcache_set_quota(pc, 0, 0, 256), 0); /* off: the same reads, no curve */
    need(1900)->reclaimable = 100;
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), 0);
    (void)told(a, port_a);
    read_in_turn(a, 6);
    CU_ASSERT(cache_need_of(a->id) >= LOOP - PART - 40 && cache_need_of(a->id) <= LOOP);
    CU_ASSERT_EQUAL(cache_need_of(b->id), 0);
    CU_ASSERT_EQUAL(a->pressure.member.wanted, 1900 + cache_need_of(a->id));
    CU_ASSERT_TRUE(told(a, port_a));
    /* b has made room, within what it needs. */
    CU_ASSERT(state(a)->have >= 1900 + LOOP - PART - 40 && state(a)->have <= 3000);
    CU_ASSERT(state(b)->have < 1900 && state(b)->have >= 1200);
    CU_ASSERT(state(b)->target == state(b)->have && state(a)->target == state(a)->have);
    /* Nobody can have more than its ceiling, whatever its curve says. */
    CU_ASSERT_EQUAL(set_limits_of(a, 1000, a->account.pages), 0);
    read_in_turn(a, 2);
    CU_ASSERT_EQUAL(cache_need_of(a->id), 0);
    CU_ASSERT_EQUAL(set_limits_of(a, 1000, 4000), 0);
    core_pass(20 * STEP);
    cache_need = cache_need_of(a->id);
    CU_ASSERT(cache_need >= LOOP - PART - 40);
    /* Nothing is read for half an hour: what it would save a second is next to nothing. */
    core_pass(UINT64_C(1800) * 1000000000);
    CU_ASSERT_EQUAL(cache_need_of(a->id), 0);
    CU_ASSERT_EQUAL(a->pressure.member.wanted, 1900);
    core_kill(c);
    end();
}

/* A control domain that decides itself is told nothing of the curve, and it costs nothing. */
static void curve_off(void)
{
    struct pcache *pc;

    start(true);
    CU_ASSERT_EQUAL_FATAL(domain_pcache(a, &pc), 0);
    CU_ASSERT_EQUAL_FATAL(pcache_set_quota(pc, 0, PART, 256), 0);
    need(1900)->reclaimable = 100;
    CU_ASSERT_EQUAL(op(a, LAGAN_PRESSURE_report), 0);
    read_in_turn(a, 6);
    core_pass(20 * STEP);
    CU_ASSERT_EQUAL(cache_need_of(a->id), 0);
    end();
}

static const struct test_case cases[] = {
    {"get and report", get_and_report},
    {"bad calls", bad_calls},
    {"what a domain may take", allowance},
    {"limits", limits},
    {"orders", orders},
    {"watermarks and deaths", watermarks},
    {"a reservation", reservation},
    {"no reservation", no_reservation},
    {"a domain that has ended", ended},
    {"by the page cache's curve", curve},
    {"the curve, and no policy", curve_off},
    {NULL, NULL},
};

const struct suite suite_pressure = {"pressure", cases, NULL, NULL};
