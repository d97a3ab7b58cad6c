/* SPDX-License-Identifier: MIT
 *
 * The ways into the guest kernel that only the trap path uses; see pv.h for the public ones. All
 * act on the current vCPU, whose registers are `regs`.
 */
#pragma once

#include <lagan/types.h>

#define X86_EFLAGS_TF   0x100
#define X86_EFLAGS_IF   0x200
#define X86_EFLAGS_DF   0x400
#define X86_EFLAGS_IOPL 0x3000
#define X86_EFLAGS_NT   0x4000
#define X86_EFLAGS_RF   0x10000
#define X86_EFLAGS_VM   0x20000
#define X86_EFLAGS_AC   0x40000
#define X86_EFLAGS_VIF  0x80000
#define X86_EFLAGS_VIP  0x100000
#define X86_EFLAGS_MBS  0x2 /* always one */

#define PF_PRESENT 1
#define PF_WRITE   2
#define PF_USER    4
#define PF_FETCH   16

struct cpu_user_regs;
struct vcpu;

static inline bool is_canonical(uint64_t address)
{
    return (int64_t)(address << 16) >> 16 == (int64_t)address;
}

void pv_inject_event(struct cpu_user_regs *regs);
void pv_inject_nmi(struct cpu_user_regs *regs);
/* Some of DS, ES, FS, GS could not be loaded when the vCPU came back to a CPU; they are null, and
 * regs->ds, es, fs and gs hold the selectors that the guest meant to have. */
void pv_inject_failsafe(struct cpu_user_regs *regs);
/* SYSCALL by 64-bit guest user mode of v, the current vCPU: the registered callback, else #UD. */
void pv_inject_syscall(struct vcpu *v, struct cpu_user_regs *regs);
/* SYSCALL by 32-bit code: the registered callback in user mode, else #UD. */
void pv_inject_syscall32(struct cpu_user_regs *regs);
/* pv_iret.c: HYPERVISOR_iret of v, the current vCPU in kernel mode: its registers become those of the frame at its
 * stack pointer. A guest without a frame there is crashed. */
void pv_iret(struct vcpu *v, struct cpu_user_regs *regs);
