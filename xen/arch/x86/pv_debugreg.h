/* SPDX-License-Identifier: MIT
 *
 * What guests may put into debug registers: pure checks.
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/layout.h"
#include "xen/arch/x86/pv_msr_policy.h" /* address_canonical() */

#define DR6_ONES     UINT64_C(0xffff0ff0) /* bits that read as 1; bit 12 reads as 0 */
#define DR6_WRITABLE UINT64_C(0x0000e00f)
#define DR7_ONES     UINT64_C(0x00000400)
#define DR7_WRITABLE \
    UINT64_C(0xffff03ff) /* enables, GE, LE, kinds and lengths; not GD, not RTM \
                          */

/* DR0..3: 0; -XEN_EINVAL: not canonical; -XEN_EPERM: the hypervisor's. A breakpoint is at most 8
 * bytes and aligned to its length, so that one below the hypervisor's part cannot reach into it. */
static inline int debugreg_address_check(uint64_t va)
{
    if (!address_canonical(va))
        return -XEN_EINVAL;
    return va >= VA_HV_START && va < VA_HV_END ? -XEN_EPERM : 0;
}

/* Forces the reserved bits; the upper half must be 0. */
static inline int debugreg_dr6_fix(uint64_t *value)
{
    if (*value > UINT32_MAX)
        return -XEN_EINVAL;
    *value = (*value & DR6_WRITABLE) | DR6_ONES;
    return 0;
}

/* As above. Breakpoint kind 2 (I/O) exists only with CR4.DE, and then takes no 8-byte length. */
static inline int debugreg_dr7_fix(uint64_t *value, bool de)
{
    if (*value > UINT32_MAX)
        return -XEN_EINVAL;
    for (unsigned i = 0; i < 4; i++) {
        unsigned kind = (unsigned)(*value >> (16 + 4 * i)) & 3;
        unsigned length = (unsigned)(*value >> (18 + 4 * i)) & 3;

        if (kind == 2 && (!de || length == 2))
            return -XEN_EINVAL;
    }
    *value = (*value & DR7_WRITABLE) | DR7_ONES;
    return 0;
}
