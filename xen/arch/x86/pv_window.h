/* SPDX-License-Identifier: MIT
 *
 * L1 entries of the descriptor windows: shared by pv_desc.c and pv_ldt.c only.
 */
#pragma once

#include "mm/pte.h"
#include "xen/arch/x86/pv.h"

#define WINDOW_PAGES     32
#define WINDOW_LDT_FIRST 16 /* page of the window at which the LDT begins */
#define WINDOW_CPU_PAGE  14 /* the CPU's own descriptors */

/* Supervisor, never executable, not global. Writable: the CPU sets the accessed bit of descriptors.
 */
#define WINDOW_ENTRY_FLAGS (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX)

static inline uint64_t window_entry(mfn_t m)
{
    return m.n << PAGE_SHIFT | WINDOW_ENTRY_FLAGS;
}

static inline void window_write(struct vcpu *v, unsigned page, uint64_t entry)
{
    __atomic_store_n(&v->arch.window_l1[page], entry, __ATOMIC_RELEASE);
}

static inline void invlpg(uint64_t va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* Takes the references under which a guest's frame may be in a window: -XEN_EINVAL when it is not a
 * frame of v's domain or not acceptable, -XEN_EBUSY when it is in use as something else. */
int window_frame_get(struct vcpu *v, mfn_t m) LAGAN_MUST_CHECK;
void window_frame_put(mfn_t m);

/* The current vCPU's window, or part of it, changed: drops this CPU's translations of these pages.
 */
void window_flush(const struct vcpu *v, unsigned first, unsigned count);
