/* SPDX-License-Identifier: MIT
 *
 * Offsets and numbers that assembly shares with C; offsets.c asserts each of them.
 */
#pragma once

/* struct cpu_user_regs */
#define REGS_r15          0
#define REGS_rbp          32
#define REGS_r11          48
#define REGS_rax          80
#define REGS_rcx          88
#define REGS_rdi          112
#define REGS_error_code   120
#define REGS_entry_vector 124
#define REGS_rip          128
#define REGS_cs           136
#define REGS_rflags       144
#define REGS_rsp          152
#define REGS_ss           160
#define REGS_es           168
#define REGS_SIZE         200

/* struct cpu_info, from its start, which is also the start of guest_regs */
#define CPUINFO_current         200
#define CPUINFO_cpu             208
#define CPUINFO_softirq_pending 212
#define CPUINFO_syscall_rax     216
#define CPUINFO_SIZE            248

/* struct entry_page (pti.h) */
#define ENTRY_full_cr3    0
#define ENTRY_exit_cr3    8
#define ENTRY_syscall_rax 16
#define ENTRY_STACKS      256 /* the first stack's lowest byte */
#define ENTRY_STACK_SIZE  256
#define ENTRY_exit        464

/* struct vcpu */
#define VCPU_info      0
#define VCPU_exit_work 8

/* entry_vector of a guest that entered by SYSCALL: it may be left by SYSRET */
#define ENTRY_SYSCALL 0x100

/* Bytes from one CPU's system call stub to the next's */
#define SYSCALL_STUB_SIZE 32
#define ENTRY_MAX_CPUS    64 /* MAX_CPUS */
