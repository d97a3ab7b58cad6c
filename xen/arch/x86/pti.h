/* SPDX-License-Identifier: MIT
 *
 * Page-table isolation: a guest runs with page tables in which the hypervisor is not mapped, but for
 * what it takes to get in and out. docs/pv-cpu.md says against what, and draws it.
 *
 * Where no guest is isolated none of this costs anything: a boot that wants it overwrites a few
 * places of the ways in and out with jumps (PTI_SITE) and takes other SYSCALL stubs.
 */
#pragma once

#ifdef __ASSEMBLY__

/* clang-format off */
/* The five bytes from here on, whole instructions to which nobody jumps, become a jump to `to`. */
#define PTI_SITE(to)                                                                               \
    991 : .pushsection .pti_sites, "a", @progbits;                                                 \
    .quad 991b, to;                                                                                \
    .popsection
/* clang-format on */

#else

#include <lagan/types.h>
#include "mm/account.h"
#include "xen/arch/x86/desc.h"

/* The page of a CPU that is mapped in its guests' tables too, at VA_STACKS + n * STACK_STRIDE +
 * ENTRY_PAGE_OFFSET. Nothing in it is worth reading for the guest that the CPU runs. */
#define ENTRY_STACK_WORDS 32 /* the frame, three registers, a fault of IRETQ: half of it */
struct entry_stack {
    uint64_t word[ENTRY_STACK_WORDS];
};
/* The last that is loaded of a guest's registers: RAX, and what IRETQ takes. */
struct exit_frame {
    uint64_t rax, rip, cs, rflags, rsp, ss;
};
struct entry_page {
    uint64_t full_cr3; /* of the tables to be loaded on the way in; 0: a guest's have been left */
    uint64_t exit_cr3; /* of the guest's */
    uint64_t syscall_rax;
    struct tss tss LAGAN_ALIGNED(16);
    union {
        struct entry_stack stack[IST_END]; /* [IST_NONE]: for what has no small stack */
        struct {
            uint64_t below[ENTRY_STACK_WORDS - 6];
            struct exit_frame exit; /* at the top of the first */
        };
    } LAGAN_ALIGNED(256);
} LAGAN_ALIGNED(4096);

struct cpu_user_regs;

/* On the boot CPU, in feature_init(): decides whether guests are isolated. */
void pti_choose(void);
/* Are any? Then no translation of ours may be global. */
extern bool pti_is_used; /* [c] after pti_choose() */
static inline bool pti_used(void)
{
    return pti_is_used;
}
/* Is a domain that begins now? */
bool pti_isolates(bool privileged);

/* On the boot CPU, with the heap, before other CPUs start and with interrupts off: makes its tables,
 * and turns the ways in and out. Without isolation it only says so in the log. */
void pti_init(void);
/* Makes a CPU's entry page and tables, or completes them. 0 or -XEN_ENOMEM. */
int pti_prepare(unsigned cpu) LAGAN_MUST_CHECK;
/* The entry page of a CPU, or NULL: none has been made. */
struct entry_page *pti_entry_page(unsigned cpu);
/* SYSCALL's targets for 64-bit and 32-bit code on this CPU, where pti_used(). */
uint64_t pti_syscall_target(unsigned cpu, bool compat);

/* Where pti_used(): this CPU is about to run another vCPU. Forgets the copies of L4 tables, and what
 * the last one has left in the entry page. */
void pti_forget(void);
/* From pti_entry.S, with interrupts off, when nothing but loading the registers is left to do. False: the
 * current vCPU runs with the tables that are loaded. True: the entry page is ready for it, and its
 * exit_cr3 leads to a copy of the vCPU's L4 table that is as good as the original. */
bool pti_leave(const struct cpu_user_regs *regs);

/* Checks that every CPU's tables map what they should and nothing else (INV-PTI-1); names the first
 * fault of each. */
bool pti_audit(void);

#endif
