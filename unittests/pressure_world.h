/* SPDX-License-Identifier: MIT
 *
 * A host with two domains, and a control domain if that is wanted: what the tests of pressure_op begin with. For
 * test_pressure*.c only.
 */
#pragma once

#include <string.h>

#include "include/public/lagan/pressure.h"
#include "unittests/core_world.h"
#include "xen/pressure.h"

enum { PAGES = 6400, STEP = 100000000 };

static struct domain *dom0, *a, *b;
static uint32_t port_a, port_0;

static int64_t op(struct domain *d, unsigned command)
{
    return CORE_CALL(d->vcpu[0], LAGAN_HYPERVISOR_pressure_op, command, core_va(0));
}

static void fill(struct domain *d, uint64_t pages)
{
    while (d->account.pages < pages)
        (void)core_frame(d);
}

static inline void release(struct domain *d, uint64_t pages)
{
    while (d->account.pages > pages)
        CU_ASSERT_EQUAL_FATAL(account_release(&d->account, mfn(d->account.first)), 0);
}

static struct domain *new_domain(uint64_t min, uint64_t max)
{
    struct domain *d = core_domain(1, max);

    pressure_remove(d);
    pressure_add(d, min, max / 2, max);
    return d;
}

static uint32_t bind(struct domain *d, uint32_t virq)
{
    int port = event_bind_virq(d, virq, 0);

    CU_ASSERT_FATAL(port > 0);
    return (uint32_t)port;
}

/* True if the event came since the last question. */
static bool told(struct domain *d, uint32_t port)
{
    uint64_t *word = (uint64_t *)&d->shared_info->evtchn_pending[port / 64];
    bool was = *word >> (port % 64) & 1;

    *word &= ~(UINT64_C(1) << (port % 64));
    return was;
}

/* a and b own 2000 pages each, may have 1000..4000; a control domain if `control`. */
static void start(bool control)
{
    core_start(PAGES);
    dom0 = NULL;
    if (control) {
        struct domain_config config = {.id = 0, .vcpus = 1, .max_pages = 500, .privileged = true};

        CU_ASSERT_EQUAL_FATAL(domain_create(&config, &dom0), 0);
        domain_unpause(dom0);
        core_vcpu_up(dom0->vcpu[0]);
        port_0 = bind(dom0, LAGAN_VIRQ_PRESSURE);
    }
    a = new_domain(1000, 4000);
    b = new_domain(1000, 4000);
    port_a = bind(a, LAGAN_VIRQ_PRESSURE);
    fill(a, 2000);
    fill(b, 2000);
}

static void end(void)
{
    core_kill(a);
    core_kill(b);
    if (dom0)
        core_kill(dom0);
    core_end();
}

static inline struct lagan_pressure_state *state(struct domain *d)
{
    CU_ASSERT_EQUAL(op(d, LAGAN_PRESSURE_get), 0);
    return core_at(0);
}

static struct lagan_pressure_need *need(uint64_t working_set)
{
    struct lagan_pressure_need *n = core_at(0);

    memset(n, 0, sizeof(*n));
    n->working_set = working_set;
    return n;
}

static inline struct lagan_pressure_order *order(domid_t id, uint64_t pages)
{
    struct lagan_pressure_order *o = core_at(0);

    *o = (struct lagan_pressure_order){.domid = id, .pages = pages};
    return o;
}

static void switch_on(void)
{
    struct lagan_pressure_host *h = core_at(0);

    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_host), 0);
    h->flags = LAGAN_PRESSURE_POLICY;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_set_host), 0);
}
