/* SPDX-License-Identifier: MIT
 *
 * A control domain that speaks for others, and what it is told of them.
 */
#include "pressure_world.h"

static struct lagan_pressure_report_for *need_of(struct domain *d, uint64_t working_set)
{
    struct lagan_pressure_report_for *r = core_at(0);

    *r = (struct lagan_pressure_report_for){.domid = d->id, .need.working_set = working_set};
    return r;
}

/* The control domain speaks for a, and hears of its targets; b speaks for itself, and its targets are its own affair. */
static void spoken_for(void)
{
    struct lagan_pressure_host *h = core_at(0);
    struct lagan_pressure_domain *d = core_at(0);

    start(true);
    need_of(a, 1500)->need.flags = 1;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_report_for), -XEN_EINVAL);
    need_of(a, 1500)->need.reserved[0] = 1;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_report_for), -XEN_EINVAL);
    need_of(a, 1500)->need.stall_ppm = 1000001;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_report_for), -XEN_EINVAL);
    CU_ASSERT_FALSE(a->pressure.spoken_for);
    need(1500);
    CU_ASSERT_EQUAL(op(b, LAGAN_PRESSURE_report), 0);
    switch_on();
    core_pass(2 * STEP);
    need(2500);
    CU_ASSERT_EQUAL(op(b, LAGAN_PRESSURE_report), 0);
    core_pass(3 * STEP);
    CU_ASSERT_FALSE(told(dom0, port_0));
    need_of(a, 2200);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_report_for), 0);
    core_pass(2 * STEP);
    CU_ASSERT_TRUE(told(dom0, port_0));
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_host), 0);
    CU_ASSERT_EQUAL(h->events, LAGAN_PRESSURE_EVENT_TARGET);
    memset(d, 0, sizeof(*d));
    d->domid = a->id;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_domain), 0);
    CU_ASSERT_EQUAL(d->need.working_set, 2200);
    CU_ASSERT_EQUAL(d->state.flags, LAGAN_PRESSURE_MANAGED);
    CU_ASSERT_EQUAL(d->state.target, 2200 + 2200 / 16 + BALLOON_PORTION / 2);
    CU_ASSERT_EQUAL(d->goal, d->state.target);
    core_pass(2 * STEP);
    CU_ASSERT_FALSE(told(dom0, port_0)); /* it stays as it is */
    domain_get(a);
    domain_shutdown(a, SHUTDOWN_poweroff);
    need_of(a, 1000);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_report_for), -XEN_EPERM);
    domain_put(a);
    end();
}

/* Where a target goes is known before others have made room. */
static void goal(void)
{
    struct lagan_pressure_domain *d = core_at(0);

    start(true);
    fill(b, 4000);
    switch_on();
    need_of(b, 1000)->need.free = 3000;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_report_for), 0);
    need_of(a, 3000);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_report_for), 0);
    core_pass(3 * STEP);
    memset(d, 0, sizeof(*d));
    d->domid = a->id;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PRESSURE_get_domain), 0);
    CU_ASSERT_EQUAL(d->goal, 3000 + 3000 / 16 + BALLOON_PORTION / 2);
    CU_ASSERT(d->state.target < d->goal);
    end();
}

static const struct test_case cases[] = {
    {"spoken for", spoken_for},
    {"where a target goes", goal},
    {NULL, NULL},
};

const struct suite suite_pressure_for = {"pressure for others", cases, NULL, NULL};
