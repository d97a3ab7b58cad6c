/* SPDX-License-Identifier: MIT
 *
 * The reaper of the control domain's domains: those of which others still hold frames when they have
 * been taken apart. (When the control domain itself is gone, bootreap.c ends them all: on the same
 * CPU and in the same way, so the two never work on one domain at a time.)
 *
 * A timer on CPU 0 goes on with each until nothing is left of it. It finds them by a flag: the list
 * of domains is short, and nothing has to be kept in step with it.
 */
#include "arch_inline.h"
#include "xen/control.h"
#include "xen/timer.h"
#include <lagan/arch.h>

#define SOON_NS  UINT64_C(100000)   /* there is more to be given back */
#define LATER_NS UINT64_C(20000000) /* others hold what is left */

static struct timer reaper;

/* One step of one; when there is to be another, or UINT64_MAX. */
static uint64_t reap_one(struct domain *d, uint64_t now)
{
    int rc = d->reaped ? domain_kill(d) : 0;

    if (!rc)
        return UINT64_MAX;
    return now + (rc == -XEN_EAGAIN ? LATER_NS : SOON_NS);
}

static void reap(struct timer *t)
{
    uint64_t next = UINT64_MAX, now = arch_time_ns();
    struct domain *d;

    for (unsigned id = 0; id < DOMID_FIRST_RESERVED; id++) {
        d = domain_find_next((domid_t)id);
        if (!d)
            break;
        id = d->id;
        next = min_u64(next, reap_one(d, now));
        domain_put(d);
    }
    if (next != UINT64_MAX)
        timer_set(t, next);
}

void control_reaper_start(void)
{
    timer_init(&reaper, reap, 0);
}

void control_reap(struct domain *d)
{
    atomic_store(&d->reaped, true);
    timer_set(&reaper, arch_time_ns());
}
