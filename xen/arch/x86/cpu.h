/* SPDX-License-Identifier: MIT
 *
 * What each CPU knows of itself. It lives at the top of the CPU's stack, so that it is found from
 * the stack pointer alone: no segment base is used by the hypervisor, and GS stays the guest's at
 * all times.
 *
 * Stacks are at fixed addresses (layout.h); cpu_info sits in the last bytes of each. Its first
 * member is the register frame of the interrupted guest: hardware and entry.S push it there.
 */
#pragma once

#include <lagan/lock.h>
#include <lagan/types.h>
#include "xen/arch/x86/layout.h"

struct vcpu;

struct cpu_info {
    struct cpu_user_regs guest_regs; /* of the guest interrupted last */
    struct vcpu *current;            /* NULL while the CPU idles */
    unsigned cpu;
    _Atomic uint32_t softirq_pending; /* bit n: enum softirq n is wanted */
    uint64_t syscall_rax;             /* scratch of the syscall stub */
    struct lock_trace locks;
};

/* entry.S relies on it: TSS.RSP0 points behind ss, and hardware aligns it to 16 when pushing. */
STATIC_ASSERT(sizeof(struct cpu_user_regs) == 200);
STATIC_ASSERT((sizeof(struct cpu_info) - offsetof(struct cpu_user_regs, es)) % 16 == 0);

static inline struct cpu_info *cpu_info_of(unsigned cpu)
{
    return (struct cpu_info *)(VA_STACKS + (uint64_t)(cpu + 1) * STACK_STRIDE -
                               sizeof(struct cpu_info));
}

static inline struct cpu_info *cpu_info(void)
{
    uint64_t sp;

    __asm__("mov %%rsp, %0" : "=r"(sp));
    return (struct cpu_info *)((sp | (STACK_SIZE - 1)) + 1 - sizeof(struct cpu_info));
}

/* The vCPU in whose context this CPU runs; NULL while it idles. */
static inline struct vcpu *current_vcpu(void)
{
    return cpu_info()->current;
}
