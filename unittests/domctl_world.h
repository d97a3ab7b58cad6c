/* SPDX-License-Identifier: MIT
 *
 * A control domain, and a domain that it makes: what the tests of domctl begin with. For test_domctl.c only.
 */
#pragma once

#include "unittests/control_kit.h"

#define ID 77 /* of a domain that is made under a number of the caller's choice */

static struct domain *dom0;

static void start(void)
{
    dom0 = control_world();
}

static void end(void)
{
    core_kill(dom0);
    core_end();
}

/* A good record for a new domain. */
static struct xen_domctl *creation(void)
{
    struct xen_domctl *op = domctl_record(XEN_DOMCTL_createdomain, 0);

    op->u.createdomain = (struct xen_domctl_createdomain){.max_vcpus = 2,
                                                          .max_evtchn_port = 1023,
                                                          .max_grant_frames = -1,
                                                          .max_maptrack_frames = -1,
                                                          .grant_opts = 1};
    return op;
}

static struct domain *created(void)
{
    struct xen_domctl *op = creation();
    struct domain *d;

    op->u.createdomain.handle[3] = 0xab;
    CU_ASSERT_EQUAL(domctl_call(dom0), 0);
    d = domain_find(op->domain);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    return d;
}

static int64_t simple(unsigned cmd, domid_t id)
{
    (void)domctl_record(cmd, id);
    return domctl_call(dom0);
}

/* Until nothing of it is left; d is the test's reference. */
static void destroyed(struct domain *d)
{
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_destroydomain, d->id), 0);
    domain_put(d);
}
