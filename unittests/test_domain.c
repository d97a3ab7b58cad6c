/* SPDX-License-Identifier: MIT
 *
 * Domains: creation and its failures, references, shutdown, the end in steps.
 */
#include <stdio.h>
#include <string.h>

#include "mm/frame.h"
#include "mm/pte.h"
#include "unittests/core_world.h"
#include "arch_current.h"

enum { PAGES = 2000 };

static const struct domain_config usual = {.id = DOMID_INVALID, .vcpus = 3, .max_pages = 100};

static void create_and_kill(void)
{
    struct domain_config config = usual;
    struct domain *d;

    core_start(PAGES);
    config.name = "first";
    CU_ASSERT_EQUAL_FATAL(domain_create(&config, &d), 0);
    CU_ASSERT(d->id == 1 && d->refs == 2 && d->state == DOMAIN_ALIVE && d->vcpu_count == 3);
    CU_ASSERT(d->pause_count == 1 && d->shutdown_reason == -1 && strcmp(d->name, "first") == 0);
    CU_ASSERT_EQUAL(domain_count(), 1);
    for (unsigned i = 0; i < 3; i++) {
        struct vcpu *v = d->vcpu[i];

        CU_ASSERT(v->id == i && v->domain == d && v->down && !v->initialised);
        CU_ASSERT_PTR_EQUAL(v->info, &d->shared_info->vcpu_info[i]);
    }
    for (unsigned i = 0; i < MAX_VCPUS; i++)
        CU_ASSERT_EQUAL(d->shared_info->vcpu_info[i].evtchn_upcall_mask, 1);
    CU_ASSERT_EQUAL(frame_state(frame_of(arch_frame_of(d->shared_info))), FRAME_SHARED);
    core_audit();
    core_kill(d);
    core_end();
}

static int try(struct domain_config config)
{
    struct domain *d;
    int rc = domain_create(&config, &d);

    if (rc == 0)
        core_kill(d);
    return rc;
}

static void refusals(void)
{
    struct domain_config config = usual;
    struct domain *d, *round;

    core_start(PAGES);
    config.vcpus = 0;
    CU_ASSERT_EQUAL(try(config), -XEN_EINVAL);
    config.vcpus = MAX_VCPUS + 1;
    CU_ASSERT_EQUAL(try(config), -XEN_EINVAL);
    config.vcpus = MAX_VCPUS;
    CU_ASSERT_EQUAL(try(config), 0);
    config = usual;
    config.name = "a name of exactly 32 characters!";
    CU_ASSERT_EQUAL(try(config), -XEN_EINVAL);
    config.name = "a name of exactly 31 characters";
    CU_ASSERT_EQUAL(try(config), 0);
    config = usual;
    config.weight = 65536;
    CU_ASSERT_EQUAL(try(config), -XEN_EINVAL);
    config.weight = 65535;
    config.cap = 6401;
    CU_ASSERT_EQUAL(try(config), -XEN_EINVAL);
    config = usual;
    config.id = DOMID_FIRST_RESERVED;
    CU_ASSERT_EQUAL(try(config), -XEN_EINVAL);
    config.id = DOMID_FIRST_RESERVED - 1;
    CU_ASSERT_EQUAL(try(config), 0);
    CU_ASSERT_EQUAL_FATAL(domain_create(&config, &d), 0);
    CU_ASSERT_EQUAL(try(config), -XEN_EEXIST);
    config.id = DOMID_INVALID;
    CU_ASSERT_EQUAL_FATAL(domain_create(&config, &round), 0);
    CU_ASSERT_EQUAL(round->id, 1); /* behind the last comes the first */
    core_kill(round);
    core_kill(d);
    /* The register of accounts keeps a page for those high ids. */
    CU_ASSERT_EQUAL(domain_count(), 0);
}

/* Ids go up and round; explicit ones are respected. */
static void ids(void)
{
    struct domain_config config = usual;
    struct domain *d[5];

    core_start(PAGES);
    for (unsigned i = 0; i < 5; i++) {
        config.id = i == 2 ? 7 : i == 4 ? 0 : DOMID_INVALID;
        CU_ASSERT_EQUAL_FATAL(domain_create(&config, &d[i]), 0);
    }
    CU_ASSERT(d[0]->id == 1 && d[1]->id == 2 && d[2]->id == 7 && d[3]->id == 8 && d[4]->id == 0);
    core_kill(d[1]);
    CU_ASSERT_PTR_NULL(domain_find(2));
    config.id = DOMID_INVALID;
    CU_ASSERT_EQUAL_FATAL(domain_create(&config, &d[1]), 0);
    CU_ASSERT_EQUAL(d[1]->id, 2);
    core_kill(d[1]);
    CU_ASSERT_EQUAL_FATAL(domain_create(&config, &d[1]), 0);
    CU_ASSERT_EQUAL(d[1]->id, 3); /* not the one that has just been used */
    for (unsigned id = 0, seen = 0; seen < 5; seen++) {
        struct domain *next = domain_find_next((domid_t)id);

        CU_ASSERT_PTR_NOT_NULL_FATAL(next);
        CU_ASSERT(next->id >= id);
        id = next->id + 1u;
        domain_put(next);
    }
    CU_ASSERT_PTR_NULL(domain_find_next(DOMID_FIRST_RESERVED));
    for (unsigned i = 0; i < 5; i++)
        core_kill(d[i]);
    core_end();
}

/* Each allocation fails once: nothing is left, not even the id. */
static void every_allocation_fails(void)
{
    struct domain_config config = usual;
    struct domain *d;
    unsigned n = 0;
    int rc;

    config.vcpus = 4;
    do {
        core_start(PAGES);
        host_fail_after(++n);
        rc = domain_create(&config, &d);
        if (host_fail_off()) {
            CU_ASSERT_EQUAL(rc, -XEN_ENOMEM);
        } else {
            CU_ASSERT_EQUAL(rc, 0);
            CU_ASSERT_EQUAL(d->id, 1);
            core_kill(d);
        }
        core_end();
    } while (rc);
    CU_ASSERT(n > 8);
}

/* Whoever looks while a domain is being made does not get hold of it, nor of its id. */
static void look_for_it(struct domain *d)
{
    struct domain_config same = usual;
    struct domain *other;

    core_during_create = NULL;
    CU_ASSERT(d->id == 1 && domain_count() == 1);
    CU_ASSERT_PTR_NULL(domain_find(1));
    CU_ASSERT_PTR_NULL(domain_find_next(0));
    same.id = 1;
    CU_ASSERT_EQUAL(domain_create(&same, &other), -XEN_EEXIST);
}

static void not_found_half_made(void)
{
    struct domain *d;

    core_start(PAGES);
    core_during_create = look_for_it;
    CU_ASSERT_EQUAL_FATAL(domain_create(&usual, &d), 0);
    CU_ASSERT_PTR_NULL(core_during_create);
    core_kill(d);
    for (unsigned n = 2; n < 8; n++) {
        host_fail_after(n);
        CU_ASSERT_EQUAL(domain_create(&usual, &d), -XEN_ENOMEM);
        CU_ASSERT(host_fail_off());
        CU_ASSERT_PTR_NULL(domain_find(1));
        CU_ASSERT_PTR_NULL(domain_find_next(0));
    }
    core_end();
}

static void references_keep_it(void)
{
    struct domain *d, *found;

    core_start(PAGES);
    d = core_domain(1, 10);
    found = domain_find(d->id);
    CU_ASSERT_PTR_EQUAL_FATAL(found, d);
    core_kill(d);
    CU_ASSERT_EQUAL(found->state, DOMAIN_DEAD);
    CU_ASSERT_EQUAL(found->refs, 1);
    CU_ASSERT_EQUAL(domain_count(), 1);
    CU_ASSERT_PTR_EQUAL(domain_find(1), d); /* a dead one is seen as long as it is there */
    domain_put(d);
    CU_ASSERT_EQUAL(domain_kill(found), 0); /* a second kill drops nothing */
    CU_ASSERT_EQUAL(found->refs, 1);
    domain_put(found);
    CU_ASSERT_PTR_NULL(domain_find(1));
    core_end();
}

static void self_is_found(void)
{
    struct domain *d, *e;

    core_start(PAGES);
    d = core_domain(1, 10);
    e = core_domain(1, 10);
    host_current = e->vcpu[0];
    CU_ASSERT_PTR_EQUAL(domain_find_target(DOMID_SELF), e);
    domain_put(e);
    CU_ASSERT_PTR_EQUAL(domain_find_target(d->id), d);
    domain_put(d);
    CU_ASSERT_PTR_NULL(domain_find_target(9));
    core_kill(d);
    core_kill(e);
    core_end();
}

/* Only the first reason counts; all vCPUs stop. */
static void shutdown_once(void)
{
    struct domain *d;

    core_start(PAGES);
    d = core_domain(2, 10);
    core_vcpu_up(d->vcpu[1]);
    CU_ASSERT(core_runs(d->vcpu[0]) && core_runs(d->vcpu[1]));
    (void)host_log();
    domain_shutdown(d, SHUTDOWN_reboot);
    CU_ASSERT_PTR_NOT_NULL(strstr(host_log(), "ended: reboot"));
    domain_shutdown(d, SHUTDOWN_crash);
    domain_crash(d, "too %s", "late");
    CU_ASSERT_STRING_EQUAL(host_log(), "");
    CU_ASSERT_EQUAL(d->shutdown_reason, SHUTDOWN_reboot);
    CU_ASSERT_EQUAL(d->pause_count, 1);
    core_settle();
    CU_ASSERT(!core_runs(d->vcpu[0]) && !core_runs(d->vcpu[1]));
    core_kill(d);
    core_end();
}

/* The guest has said beforehand what its end is to be called, however it comes. */
static void shutdown_latched(void)
{
    struct domain *d;

    core_start(PAGES);
    d = core_domain(1, 10);
    domain_latch_shutdown(d, SHUTDOWN_poweroff);
    domain_latch_shutdown(d, SHUTDOWN_suspend);
    CU_ASSERT_EQUAL(d->shutdown_reason, -1);
    CU_ASSERT(core_runs(d->vcpu[0]));
    (void)host_log();
    domain_crash(d, "by accident");
    CU_ASSERT_EQUAL(d->shutdown_reason, SHUTDOWN_suspend);
    CU_ASSERT_PTR_NOT_NULL(strstr(host_log(), "ended: suspend"));
    core_kill(d);
    core_end();
}

/* One that is killed with its watchdogs set is not heard of any more; another one ends by its own. */
static void watchdogs_end(void)
{
    struct domain *d, *other;

    core_start(PAGES);
    d = core_domain(1, 10);
    other = core_domain(1, 10);
    CU_ASSERT_EQUAL(domain_watchdog_start(d, 1), 1);
    CU_ASSERT_EQUAL(domain_watchdog_start(d, 2), 2);
    CU_ASSERT_EQUAL(domain_watchdog_start(other, 3), 1);
    core_kill(d);
    core_pass(UINT64_C(2900000000));
    CU_ASSERT_EQUAL(other->shutdown_reason, -1);
    core_pass(UINT64_C(100000000));
    CU_ASSERT_EQUAL(other->shutdown_reason, SHUTDOWN_watchdog);
    core_settle();
    CU_ASSERT(!core_runs(other->vcpu[0]));
    core_kill(other);
    core_end();
}

static void crash_says_why(void)
{
    struct domain *d;
    const char *log;

    core_start(PAGES);
    d = core_domain(1, 10);
    (void)host_log();
    domain_crash(d, "%d reasons", 3);
    log = host_log();
    CU_ASSERT_PTR_NOT_NULL(strstr(log, "(1) crashed: 3 reasons"));
    CU_ASSERT_PTR_NOT_NULL(strstr(log, "ended: crash"));
    CU_ASSERT_EQUAL(d->shutdown_reason, SHUTDOWN_crash);
    core_kill(d);
    core_end();
}

/* A domain that still runs is killed from one of its own vCPUs: that one has to leave first. */
static void killed_from_inside(void)
{
    struct domain *d;

    core_start(PAGES);
    d = core_domain(2, 10);
    core_vcpu_up(d->vcpu[1]);
    core_enter(d->vcpu[1]->sched.cpu);
    CU_ASSERT_EQUAL(domain_kill(d), -XEN_ERESTART);
    CU_ASSERT_EQUAL(d->state, DOMAIN_DYING);
    CU_ASSERT_EQUAL(domain_kill(d), -XEN_ERESTART);
    CU_ASSERT_EQUAL(d->pause_count, 1); /* its own pause, once */
    domain_crash(d, "while it is being killed");
    core_settle();
    core_kill(d);
    core_end();
}

/* A hypercall that was under way brings a vCPU up when the domain is being killed already. */
static void stays_stopped(void)
{
    struct domain *d;

    core_start(PAGES);
    d = core_domain(2, 10);
    core_enter(d->vcpu[0]->sched.cpu);
    CU_ASSERT_EQUAL(domain_kill(d), -XEN_ERESTART);
    d->vcpu[1]->initialised = true;
    CU_ASSERT_EQUAL(hcall_vcpu_op(&(struct hypercall_args){{VCPUOP_up, 1}}), 0);
    core_settle();
    CU_ASSERT(!core_runs(d->vcpu[0]) && !core_runs(d->vcpu[1]));
    core_kill(d);
    core_end();
}

/* ---- the end, in steps ---- */

static uint64_t *entry(mfn_t table, unsigned i)
{
    return (uint64_t *)arch_map_frame(table) + i;
}

/* Tables that only the base pointer of vCPU 0 uses, and some that are pinned; ports of all kinds;
 * timers; a vcpu_info page. */
static void furnish(struct domain *d, struct domain *peer)
{
    mfn_t l4 = core_frame(d), l3 = core_frame(d), l2 = core_frame(d), l1 = core_frame(d);
    int port = event_alloc_unbound(peer, d->id);

    *entry(l4, 1) = l3.n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    *entry(l3, 1) = l2.n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    *entry(l2, 1) = l1.n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    for (unsigned i = 0; i < 12; i++)
        *entry(l1, i * 40) = core_frame(d).n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    *entry(l1, 511) = arch_frame_of(d->shared_info).n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    CU_ASSERT_FATAL(frame_get(l4, d->id));
    CU_ASSERT_EQUAL_FATAL(type_get(l4, TYPE_L4), 0);
    d->vcpu[0]->arch.l4 = l4;
    l2 = core_frame(d);
    *entry(l2, 3) = l1.n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    CU_ASSERT_EQUAL_FATAL(table_pin(&d->account, l2, 2), 0);
    CU_ASSERT(event_bind_interdomain(d, peer, (evtchn_port_t)port) > 0);
    CU_ASSERT(event_bind_ipi(d, 1) > 0);
    CU_ASSERT(event_bind_virq(d, VIRQ_TIMER, 0) > 0);
    memcpy(core_at(0), &(struct vcpu_register_vcpu_info){.mfn = core_frame(d).n, .offset = 64}, 16);
    CU_ASSERT_EQUAL(
        CORE_CALL(d->vcpu[0], __HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 1, core_va(0)), 0);
    CU_ASSERT_EQUAL(CORE_CALL(d->vcpu[0], __HYPERVISOR_set_timer_op, 2000000000), 0);
    core_audit();
}

static void preempted_everywhere(void)
{
    unsigned steps[4] = {0};

    for (unsigned period = 1; period < 4; period++) {
        struct domain *peer, *d;
        struct evtchn_status status = {.port = 1};

        core_start(PAGES);
        peer = core_domain(1, 10);
        d = core_domain(2, 60);
        furnish(d, peer);
        domain_shutdown(d, SHUTDOWN_poweroff);
        core_settle();
        host_preempt_every(period);
        while (domain_kill(d) != 0) {
            steps[period]++;
            CU_ASSERT_FATAL(steps[period] < 10000);
            core_settle();
            host_preempt_every(0);
            core_audit();
            host_preempt_every(period);
        }
        host_preempt_every(0);
        CU_ASSERT(d->account.pages == 0 && d->state == DOMAIN_DEAD && d->refs == 1);
        CU_ASSERT(event_status(peer, 1, &status) == 0 && status.status == EVTCHNSTAT_unbound);
        domain_put(d);
        core_kill(peer);
        core_end();
    }
    CU_ASSERT(steps[1] > 5 && steps[1] > steps[2] && steps[2] > steps[3]);
}

/* Memory that somebody else still has keeps the domain dying, and only that. */
static void waits_for_frames(void)
{
    struct domain *d;
    mfn_t m;

    core_start(PAGES);
    d = core_domain(1, 10);
    m = core_frame(d);
    (void)core_frame(d);
    CU_ASSERT_EQUAL(frame_get_writable(m, d->id), 0);
    domain_shutdown(d, SHUTDOWN_poweroff);
    core_settle();
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(domain_kill(d), -XEN_EAGAIN);
    CU_ASSERT(d->state == DOMAIN_DYING && d->account.pages == 1 && d->refs == 2);
    frame_put_writable(m);
    CU_ASSERT_EQUAL(domain_kill(d), 0);
    domain_put(d);
    core_end();
}

static void dump(void)
{
    struct domain *d;

    core_start(PAGES);
    d = core_domain(1, 10);
    (void)host_log();
    domain_dump_all();
    CU_ASSERT_PTR_NOT_NULL(strstr(host_log(), "domain 1 : state 0, refs 2, pages 0, vcpus 1"));
    core_kill(d);
    core_end();
}

static const struct test_case cases[] = {
    {"create and kill", create_and_kill},
    {"refusals", refusals},
    {"ids", ids},
    {"every allocation of domain_create fails", every_allocation_fails},
    {"not found half made", not_found_half_made},
    {"references keep it", references_keep_it},
    {"self is found", self_is_found},
    {"shutdown happens once", shutdown_once},
    {"a crash says why", crash_says_why},
    {"a latched reason", shutdown_latched},
    {"watchdogs", watchdogs_end},
    {"killed from inside", killed_from_inside},
    {"stays stopped", stays_stopped},
    {"preempted everywhere", preempted_everywhere},
    {"waits for frames", waits_for_frames},
    {"dump", dump},
    {NULL, NULL},
};

const struct suite suite_domain = {"domain", cases, NULL, NULL};
