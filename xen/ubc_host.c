/* SPDX-License-Identifier: MIT
 *
 * The buffer cache's work that is nobody's call: what the heap has left behind when it asked for idle pages, and what
 * is to be done when memory has run out. A timer on CPU 0 takes bounded steps for as long as there is any.
 */
#include "xen/ubc_host.h"

#include <lagan/arch.h>

#include "mm/claim.h"
#include "ubc/ubc.h"
#include "xen/domain.h"
#include "xen/timer.h"

static struct timer timer;

/* Wherever it is, it is at most that late. */
#define SOON_NS UINT64_C(1000000)

static void work(void)
{
    timer_set(&timer, arch_time_ns() + SOON_NS);
}

static void step(struct timer *t)
{
    uint64_t when = ubc_housekeep();

    if (when)
        timer_set(t, when);
}

void ubc_host_tell(domid_t id)
{
    struct domain *d = domain_find(id);

    if (!d)
        return;
    event_raise_global_virq(d, LAGAN_VIRQ_UBC);
    domain_put(d);
}

void ubc_host_start(void)
{
    timer_init(&timer, step, 0);
    ubc_set_work(work, ubc_host_tell);
    claim_watch(ubc_lack);
}
