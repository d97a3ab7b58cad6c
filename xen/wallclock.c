/* SPDX-License-Identifier: MIT
 *
 * The control domain keeps the time (NTP, the battery-backed clock), the hypervisor's clock keeps
 * running: so what changes is their difference, and system time never jumps.
 *
 * The base is changed first, then each domain's copy, one at a time under its lock: a domain that is
 * being made reads the base once more when it can be found.
 */
#include "xen/wallclock.h"

#include <lagan/arch.h>

#include "xen/domain.h"

#define SECOND_NS   UINT64_C(1000000000)
#define SECONDS_MAX UINT64_C(17179869184) /* the year 2514: nanoseconds stay far below 64 bits */

void wallclock_tell(struct domain *d)
{
    spin_lock(&d->lock);
    arch_update_wallclock(d);
    spin_unlock(&d->lock);
}

int wallclock_set(uint64_t seconds, uint32_t ns, uint64_t system_time)
{
    uint64_t now;
    domid_t next = 0;
    struct domain *d;

    if (seconds > SECONDS_MAX || ns >= SECOND_NS)
        return -XEN_EINVAL;
    now = seconds * SECOND_NS + ns;
    if (system_time > now)
        return -XEN_EINVAL;
    arch_set_wallclock(now - system_time);
    while ((d = domain_find_next(next))) {
        next = (domid_t)(d->id + 1);
        wallclock_tell(d);
        domain_put(d);
    }
    return 0;
}
