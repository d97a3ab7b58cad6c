/* SPDX-License-Identifier: MIT
 *
 * The inline part of the machine contract (lagan/arch.h) on the host. Machine memory is a sparse
 * mapping: frame n is at host_arena + n pages, whether or not host_reset() made it RAM.
 */
#pragma once

#include <lagan/arch.h>
#include <sched.h>

struct frame;

extern _Thread_local unsigned host_this_cpu;
extern unsigned char *host_arena;
extern struct frame *host_frame_table;

#define ARCH_FRAME_TABLE host_frame_table

bool arch_mfn_valid(mfn_t m);

/* Of the simulated machine that a test brings (sim_sched.c). */
_Atomic uint32_t *arch_softirq_word(unsigned cpu);

static inline unsigned arch_cpu(void)
{
    return host_this_cpu;
}

static inline _Atomic uint32_t *arch_own_softirqs(void)
{
    return arch_softirq_word(arch_cpu());
}

/* For what a softirq shares with a handler on its CPU. A test with handlers says what arrives when they
 * are on again. */
extern void (*host_irqs_on)(void);

static inline void arch_irqs_off(void)
{
}

static inline void arch_irqs_on(void)
{
    if (host_irqs_on)
        host_irqs_on();
}

/* Test threads outnumber the host's processors, so a spinning one gives way. */
static inline void arch_relax(void)
{
    sched_yield();
}

static inline void *arch_map_frame(mfn_t m)
{
    return host_arena + (m.n << PAGE_SHIFT);
}

static inline mfn_t arch_frame_of(const void *p)
{
    return mfn((uint64_t)((const unsigned char *)p - host_arena) >> PAGE_SHIFT);
}
