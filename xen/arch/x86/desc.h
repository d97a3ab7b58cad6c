/* SPDX-License-Identifier: MIT
 *
 * Each CPU's segment descriptors, task state and stacks.
 *
 * A CPU's descriptors fill one page, which every GDT has as its page 14: the guest's window of 16
 * pages (its own 14, then ours) and, on an idle CPU, a GDT that begins 14 pages below wherever the
 * page is mapped. So our selectors (layout.h) are the same at all times. The CPU's TSS is in the
 * same page.
 *
 * A stack is 32 KiB, aligned to that, so that cpu_info() works on every part of it:
 *
 *   +0      four small stacks of 3 KiB each: #DF, #MC, NMI, #DB (from the bottom)
 *   +12K    guard, never mapped
 *   +16K    the stack proper, up to struct cpu_info at the very top
 *
 * What can hit the hypervisor at any instruction, even between SYSCALL and the first instruction
 * that loads our stack pointer, has a small stack: NMI, #MC, #DB (by a data breakpoint that MOV SS
 * held back) and #DF.
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/layout.h"

#define STACK_GUARD_OFFSET (3 * PAGE_SIZE)
enum ist { IST_NONE, IST_DF, IST_MC, IST_NMI, IST_DB, IST_END };
STATIC_ASSERT((IST_END - 1) * IST_SIZE <= STACK_GUARD_OFFSET);

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7]; /* enum ist counts from 1 */
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map; /* beyond the limit: no port is open to ring 3 */
} LAGAN_PACKED;
STATIC_ASSERT(sizeof(struct tss) == 104);

/* Makes the page of a CPU, or makes it anew. The boot CPU's needs no memory; for others 0 or
 * -XEN_ENOMEM. */
int desc_prepare(unsigned cpu) LAGAN_MUST_CHECK;
/* On the CPU itself: loads GDT, task register, an empty LDT, and null data segments. */
void desc_load(unsigned cpu);

/* The frame of a CPU's descriptors, for page 14 of the GDT window of the vCPU it runs. */
mfn_t cpu_gdt_page(unsigned cpu);
/* Base of the GDT of a CPU that runs no guest. */
uint64_t idle_gdt_va(unsigned cpu);
/* Makes `base` the base of this CPU's GDT. Segment registers keep what they have. */
void load_gdt_at(uint64_t base);

/* Makes [base, base + 8 * entry_count) this CPU's LDT; entry_count is 1..8192. */
void load_ldt(uint64_t base, unsigned entry_count);
void load_no_ldt(void);
