/* SPDX-License-Identifier: MIT
 *
 * Called by entry.S only. All act for the current vCPU; regs are its registers at the top of the
 * stack.
 */
#pragma once

#include <lagan/types.h>

struct cpu_user_regs;

/* SYSCALL from 64-bit code: a hypercall of the guest kernel or a system call of guest user mode. */
void guest_syscall(struct cpu_user_regs *regs);
/* SYSCALL from 32-bit code. */
void guest_syscall32(struct cpu_user_regs *regs);
/* An exception or interrupt that came in ring 3; interrupts are off on entry. */
void guest_trap(struct cpu_user_regs *regs);
/* IRETQ could not load the guest's state: regs are that state, with the fault's vector and error code.
 * cr2 is the address if it was a page fault. */
void pv_iret_fault(struct cpu_user_regs *regs, uint64_t cr2);
/* Softirqs, then NMI, then events. Interrupts are off on return, and no softirq is pending. May
 * switch to another vCPU, and then never returns. */
void guest_exit_work(void);
/* Runs the hypercall that the guest kernel asks for (xen/hypercall.c). */
void hypercall(struct cpu_user_regs *regs);
