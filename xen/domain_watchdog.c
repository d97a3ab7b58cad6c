/* SPDX-License-Identifier: MIT
 *
 * A guest's watchdogs. Time goes on while the domain is paused or waits for a CPU: what it watches
 * is whether the guest does its work, and a control domain that pauses one for long stops its
 * watchdog first, as under Xen.
 *
 * A watchdog that is set anew at the very moment when it goes off has gone off: timer_stop() does
 * not wait for the handler.
 */
#include "xen/domain_watchdog.h"

#include <lagan/nospec.h>

#include "arch_inline.h"
#include "xen/domain.h"

#define SECOND_NS UINT64_C(1000000000)

static void expired(struct timer *t)
{
    domain_shutdown(container_of(t, struct domain_watchdog, timer)->domain, SHUTDOWN_watchdog);
}

void domain_watchdog_init(struct domain *d)
{
    for (unsigned i = 0; i < DOMAIN_WATCHDOGS; i++) {
        timer_init(&d->watchdog[i].timer, expired, arch_cpu());
        d->watchdog[i].domain = d;
        d->watchdog[i].used = false;
    }
}

void domain_watchdog_destroy(struct domain *d)
{
    for (unsigned i = 0; i < DOMAIN_WATCHDOGS; i++)
        timer_kill(&d->watchdog[i].timer);
}

static void arm(struct domain_watchdog *w, uint32_t seconds)
{
    timer_set(&w->timer, arch_time_ns() + seconds * SECOND_NS);
}

int domain_watchdog_start(struct domain *d, uint32_t seconds)
{
    int id = -XEN_ENOSPC;

    spin_lock(&d->lock);
    for (unsigned i = 0; i < DOMAIN_WATCHDOGS && id < 0; i++) {
        if (d->watchdog[i].used)
            continue;
        d->watchdog[i].used = true;
        arm(&d->watchdog[i], seconds);
        id = (int)i + 1;
    }
    spin_unlock(&d->lock);
    return id;
}

int domain_watchdog_set(struct domain *d, uint32_t id, uint32_t seconds)
{
    struct domain_watchdog *w;
    int rc = 0;

    if (id == 0 || id > DOMAIN_WATCHDOGS)
        return -XEN_EINVAL;
    w = &d->watchdog[index_nospec(id - 1, DOMAIN_WATCHDOGS)];
    spin_lock(&d->lock);
    if (!w->used) {
        rc = -XEN_EINVAL;
    } else if (seconds == 0) {
        w->used = false;
        timer_stop(&w->timer);
    } else {
        arm(w, seconds);
    }
    spin_unlock(&d->lock);
    return rc;
}
