/* SPDX-License-Identifier: MIT
 *
 * The x86 part of a vCPU's life (pv_vcpu.c), called by the portable xen/domain.c and
 * xen/hcall_vcpu.c and by the domain builder.
 */
#pragma once

#include <lagan/types.h>
#include "xen/domain.h"

/* Where the builder wants vCPU 0 to begin: guest virtual addresses, and the validated top-level
 * table. */
struct pv_start {
    mfn_t l4;
    uint64_t entry, stack, start_info;
};

/* Takes a reference and an L4 type reference for a base pointer. -XEN_EINVAL and like type_get().
 */
int pv_take_l4(struct domain *d, mfn_t l4) LAGAN_MUST_CHECK;
int arch_vcpu_start_of_day(struct vcpu *v, const struct pv_start *start) LAGAN_MUST_CHECK;
/* General registers as a guest or a toolstack gives them, made safe. v does not run. */
void pv_take_registers(struct vcpu *v, const struct cpu_user_regs *from);
/* What of RFLAGS a guest may really run with. */
uint64_t pv_real_flags(uint64_t rflags);
