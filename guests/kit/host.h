/* SPDX-License-Identifier: MIT
 *
 * Our hypervisor's host_op, for the control domain. Xen has no such call (-ENOSYS).
 */
#pragma once

#include "kit/hypercall.h"
#include "lagan/host.h"

static inline long hv_host(unsigned command, void *argument)
{
    return hypercall2(LAGAN_HYPERVISOR_host_op, command, ptr_arg(argument));
}
