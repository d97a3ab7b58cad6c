/* SPDX-License-Identifier: MIT
 *
 * Direct writes to page tables (the writable_pagetables assist).
 */
#pragma once

#include "xen/arch/x86/pv.h"

/* As below, for a write to memory that is mapped read-only. */
bool pv_ptwr_emulate(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address);

/* As below, of a domain with devices, where no L1 table is. Only in the kernel's half of the address space: a
 * program may have been given device memory for reading alone, and what the kernel writes there for
 * it has to fail. */
bool pv_device_write(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address);

/* A page fault of the current vCPU v at `address`; regs->error_code says how. True: it was a write
 * to one of its L1 tables or to guarded device memory and has been acted out, or the instruction is
 * to be tried again. False: it is the guest's, and nothing has changed. */
static inline bool pv_ptwr_fault(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address)
{
    const uint32_t present = 1, write = 2, reserved = 8, fetch = 16;

    return (regs->error_code & (present | write | reserved | fetch)) == (present | write) &&
           (pv_ptwr_emulate(v, regs, address) ||
            (unlikely(v->domain->privileged) && (int64_t)address < 0 &&
             pv_device_write(v, regs, address)));
}
