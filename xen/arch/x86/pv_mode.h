/* SPDX-License-Identifier: MIT
 *
 * The change between guest kernel and guest user mode, for the two paths that do nothing else as often
 * (pv_bounce.c, pv_iret.c); the others call pv_toggle_mode().
 */
#pragma once

#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/segment.h"
#include "xen/domain.h"

/* v is the current vCPU, and in the other mode. */
static LAGAN_INLINE void pv_enter_mode(struct vcpu *v, bool kernel)
{
    v->arch.kernel_mode = kernel;
    swapgs();
    write_cr3((kernel ? v->arch.l4_kernel : v->arch.l4_user).n << PAGE_SHIFT);
}
