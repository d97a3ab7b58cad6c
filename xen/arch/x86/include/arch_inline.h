/* SPDX-License-Identifier: MIT
 *
 * The inline part of the machine contract (lagan/arch.h) on x86.
 */
#pragma once

#include <lagan/arch.h>
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/cpuctl.h"
#include "xen/arch/x86/layout.h"

#define ARCH_FRAME_TABLE ((struct frame *)VA_FRAMES)

static inline unsigned arch_cpu(void)
{
    return cpu_info()->cpu;
}

static inline _Atomic uint32_t *arch_softirq_word(unsigned cpu)
{
    return &cpu_info_of(cpu)->softirq_pending;
}

static inline _Atomic uint32_t *arch_own_softirqs(void)
{
    return &cpu_info()->softirq_pending;
}

/* hvmap_frames.c: the largest piece of RAM, in frame numbers, and all the others. Constant after
 * boot. */
extern struct arch_ram {
    uint64_t start, end;
} arch_largest_ram;
bool arch_mfn_valid_elsewhere(mfn_t m);

static inline bool arch_mfn_valid(mfn_t m)
{
    return likely(m.n >= arch_largest_ram.start && m.n < arch_largest_ram.end) ||
           arch_mfn_valid_elsewhere(m);
}

static inline void arch_irqs_off(void)
{
    interrupts_off();
}

static inline void arch_irqs_on(void)
{
    interrupts_on();
}

static inline void arch_relax(void)
{
    __builtin_ia32_pause();
}

static inline void *arch_map_frame(mfn_t m)
{
    return (void *)(VA_DIRECT + (m.n << PAGE_SHIFT));
}

static inline mfn_t arch_frame_of(const void *p)
{
    return mfn(((uint64_t)p - VA_DIRECT) >> PAGE_SHIFT);
}
