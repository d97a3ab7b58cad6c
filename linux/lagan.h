/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls to the hypervisor beyond Xen's own. The numbers and structures are in <lagan/...>, which Lagan's public
 * headers are (MIT); what Linux knows of hypercalls does the rest.
 */
#ifndef LAGAN_H
#define LAGAN_H

#include <linux/errno.h>
#include <linux/types.h>
#include <xen/xen.h>
#include <asm/xen/hypercall.h>

/*
 * -ENOSYS: there is no such service, as on Xen itself, on other hypervisors and on none. Pointers are addresses in the
 * kernel; whether the caller may be interrupted is the service's business.
 */
static inline long lagan_call(unsigned int number, unsigned long command, const void *argument,
                              unsigned long count)
{
    if (!xen_pv_domain())
        return -ENOSYS;
    return xen_single_call(number, command, (unsigned long)argument, count, 0, 0);
}

#endif
