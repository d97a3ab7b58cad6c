/* SPDX-License-Identifier: MIT
 *
 * The domain that serves the store: who it may be, what it is told, how it ends.
 */
#include <string.h>

#include "include/public/lagan/store.h"
#include "unittests/boot_world.h"
#include "xen/hcall_store.h"

static int64_t ask_store_next(const struct hypercall_args *args)
{
    return host_op_store_next(guest_ptr(args->a[0]));
}

/* Lets nobody but `who` run, or all of them again. */
static void only(domid_t who, bool alone)
{
    struct domain *d = domain_find_next(0);

    while (d) {
        domid_t id = d->id;

        if (id != who && alone) {
            d->pause_count++;
            for (unsigned i = 0; i < d->vcpu_count; i++)
                vcpu_sleep(d->vcpu[i]);
        } else if (id != who) {
            domain_unpause(d);
        }
        domain_put(d);
        d = domain_find_next((domid_t)(id + 1));
    }
    core_settle();
}

/* What domain `who` hears of the first one from `from` on. */
static int64_t store_next(domid_t who, unsigned from, struct lagan_host_store_next *next)
{
    struct domain *d = domain_find(who);
    int64_t rc;

    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    core_stub = ask_store_next;
    only(who, true);
    *next = (struct lagan_host_store_next){.domid = (uint16_t)from};
    memcpy(core_at(0), next, sizeof(*next));
    rc = CORE_CALL(d->vcpu[0], __HYPERVISOR_physdev_op, core_va(0));
    memcpy(next, core_at(0), sizeof(*next));
    core_stub = NULL;
    only(who, false);
    domain_put(d);
    return rc;
}

static int64_t ask_store_follow(const struct hypercall_args *args)
{
    return host_op_store_follow(guest_ptr(args->a[0]));
}

static int64_t store_follow(domid_t who, domid_t domid, uint64_t serial)
{
    struct lagan_host_store_follow in = {.domid = domid, .serial = serial};
    struct domain *d = domain_find(who);
    int64_t rc;

    core_stub = ask_store_follow;
    only(who, true);
    memcpy(core_at(0), &in, sizeof(in));
    rc = CORE_CALL(d->vcpu[0], __HYPERVISOR_physdev_op, core_va(0));
    core_stub = NULL;
    only(who, false);
    domain_put(d);
    return rc;
}

static unsigned exceptions(domid_t id)
{
    struct domain *d = domain_find(id);
    unsigned pending = 0;

    for (int port = 1; port < 8; port++) {
        struct evtchn_status status = {0};

        if (event_status(d, (evtchn_port_t)port, &status) == 0 &&
            status.status == EVTCHNSTAT_virq && status.u.virq == VIRQ_DOM_EXC)
            pending = event_port_is_pending(d, (evtchn_port_t)port) == 1;
    }
    domain_put(d);
    return pending;
}

static void store_served(void)
{
    struct lagan_host_store_next next;
    struct evtchn_status status = {0};
    struct domain *d;
    uint64_t serial;

    start(9000);
    module("domain name=a mem=5M maxmem=6M vcpus=2");
    module("domain name=shop mem=5M serves=store");
    module("domain name=b mem=5M");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    d = domain_find(1);
    CU_ASSERT(strcmp(d->name, "shop") == 0 && d->store_port == 0);
    CU_ASSERT(event_bind_virq(d, VIRQ_DOM_EXC, 0) > 0);
    domain_put(d);
    CU_ASSERT_EQUAL(store_next(1, 0, &next), 0);
    CU_ASSERT(next.domid == 2 && next.state == LAGAN_STORE_DOMAIN_runs && next.vcpus == 2);
    CU_ASSERT(next.memory_kib == 5120 && next.max_kib == 6144);
    CU_ASSERT_STRING_EQUAL(next.name, "a");
    d = domain_find(2);
    CU_ASSERT_EQUAL(event_status(d, next.port, &status), 0);
    CU_ASSERT(status.status == EVTCHNSTAT_unbound && status.u.unbound.dom == 1);
    domain_put(d);
    serial = next.serial;
    CU_ASSERT_EQUAL(store_next(1, 3, &next), 0);
    CU_ASSERT(next.domid == 3 && next.serial != serial && next.serial != 0);
    CU_ASSERT_EQUAL(store_next(1, 4, &next), -XEN_ENOENT);
    CU_ASSERT_EQUAL(store_next(2, 0, &next), -XEN_EPERM);
    /* A domain whose driver reads its target in the store. */
    CU_ASSERT_EQUAL(store_follow(2, 3, next.serial), -XEN_EPERM);
    CU_ASSERT_EQUAL(store_follow(1, 9, serial), -XEN_ENOENT);
    CU_ASSERT_EQUAL(store_follow(1, 2, serial + 1), -XEN_ENOENT);
    CU_ASSERT_EQUAL(store_follow(1, 1, 0), -XEN_ENOENT);
    CU_ASSERT_EQUAL(store_next(1, 2, &next), 0);
    CU_ASSERT(next.floor_kib == 5120 && next.target_kib == 0);
    CU_ASSERT_EQUAL(store_follow(1, 2, serial), 0);
    CU_ASSERT_EQUAL(store_next(1, 2, &next), 0);
    CU_ASSERT_EQUAL(next.target_kib, 5120);
    core_audit();
    /* It hears of an end; and ends itself when it is alone. */
    CU_ASSERT_EQUAL(exceptions(1), 0);
    end_domain(2, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(exceptions(1), 1);
    CU_ASSERT_EQUAL(store_next(1, 0, &next), 0);
    CU_ASSERT(next.domid == 2 && next.state == LAGAN_STORE_DOMAIN_ended);
    CU_ASSERT_EQUAL(host_runs(1000000), CORE_RUNNING);
    CU_ASSERT_EQUAL(store_next(1, 0, &next), 0);
    CU_ASSERT_EQUAL(next.domid, 3);
    end_domain(3, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(1000000), 0x10);
    CU_ASSERT(said(host_log(), "domain shop ended: poweroff"));
}

/* The others go on when it ends first; what is left over is nobody's. */
static void store_server_gone(void)
{
    struct lagan_host_store_next next;

    start(6000);
    module("domain name=a mem=5M");
    module("domain name=shop mem=5M serves=store");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    end_domain(1, SHUTDOWN_crash);
    CU_ASSERT_EQUAL(host_runs(1000000), CORE_RUNNING);
    CU_ASSERT_EQUAL(store_next(2, 0, &next), -XEN_EPERM);
    end_domain(2, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(1000000), 0x11);
}

static void store_refused(void)
{
    start(9000);
    module("domain name=shop mem=5M serves=store");
    module("domain name=other mem=5M serves=store");
    module("domain name=a mem=5M");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    CU_ASSERT(said(host_log(), "domain other ended: error: another domain serves the store"));
    end_domain(2, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(1000000), 0x11);
    start(9000);
    module("console=hvc0");
    module("domain name=shop mem=5M serves=store");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    CU_ASSERT(said(host_log(), "domain shop ended: error: dom0 serves the store"));
    end_domain(0, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(1000000), 0x11);
    /* The service ends when nobody is left: who waits for that would keep the host up for ever. */
    start(9000);
    module("domain name=shop mem=3M serves=store");
    module("domain name=a mem=3M");
    module("domain name=b mem=3M after=shop");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    CU_ASSERT(said(host_log(), "domain b ended: error: it comes after one that serves the store"));
    end_domain(2, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(100000000), 0x11);
    /* Nobody to be served. */
    start(9000);
    module("domain name=shop mem=5M serves=store");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    CU_ASSERT_EQUAL(host_runs(1000000), 0x10);
}

static const struct test_case cases[] = {
    {"the store is served", store_served},
    {"the store's server goes", store_server_gone},
    {"who may not serve", store_refused},
    {NULL, NULL},
};

const struct suite suite_store_service = {"store_service", cases, NULL, NULL};
