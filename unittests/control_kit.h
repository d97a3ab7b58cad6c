/* SPDX-License-Identifier: MIT
 *
 * What the tests of domctl and sysctl share: a control domain, and the record of a call in its memory.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "mm/frame.h"
#include "unittests/core_world.h"
#include "xen/control.h"

enum { CONTROL_BUFFER = 2048 }; /* for lists, behind the record */

static inline struct domain *control_world(void)
{
    const struct domain_config config = {.privileged = true, .vcpus = 1, .max_pages = 100};
    struct domain *d;

    core_start(4000);
    control_reaper_start();
    core_log_start = 0;
    if (domain_create(&config, &d))
        abort();
    domain_unpause(d);
    core_vcpu_up(d->vcpu[0]);
    return d;
}

static inline struct xen_domctl *domctl_record(unsigned cmd, domid_t id)
{
    struct xen_domctl *op = core_at(0);

    memset(op, 0, sizeof(*op));
    op->cmd = cmd;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = id;
    return op;
}

static inline int64_t domctl_call(struct domain *caller)
{
    return CORE_CALL(caller->vcpu[0], __HYPERVISOR_domctl, core_va(0));
}

static inline struct xen_sysctl *sysctl_record(unsigned cmd)
{
    struct xen_sysctl *op = core_at(0);

    memset(op, 0, sizeof(*op));
    op->cmd = cmd;
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return op;
}

static inline int64_t sysctl_call(struct domain *caller)
{
    return CORE_CALL(caller->vcpu[0], __HYPERVISOR_sysctl, core_va(0));
}
