/* SPDX-License-Identifier: MIT
 *
 * For assembly: what the ways in and out have in common, with and without isolated page tables. The
 * general registers are pushed and popped in the order of struct cpu_user_regs.
 */
#pragma once

#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/layout.h"

#ifdef __ASSEMBLY__
/* clang-format off */
        .macro  push_gprs
        push    %rdi
        push    %rsi
        push    %rdx
        push    %rcx
        push    %rax
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        .endm

        .macro  pop_gprs
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rax
        pop     %rcx
        pop     %rdx
        pop     %rsi
        pop     %rdi
        .endm

/* SYSCALL's targets, one a CPU: each saves RAX, keeps the guest's RSP in it, loads the CPU's stack.
 * save and top are macros that give the addresses for CPU n. */
        .macro  syscall_stubs name, entry, save, top
        .balign SYSCALL_STUB_SIZE
        .globl  \name
        .hidden \name
\name:
        .set    n, 0
        .rept   ENTRY_MAX_CPUS
        .balign SYSCALL_STUB_SIZE
        movabs  %rax, (\save)
        mov     %rsp, %rax
        movabs  $(\top), %rsp
        jmp     \entry
        .set    n, n + 1
        .endr
        .endm

/* RSP = guest_regs, which are to be loaded: goes to `label` unless SYSRET can do it. RAX and RCX are
 * used. */
        .macro  unless_sysret label
        cmpl    $ENTRY_SYSCALL, REGS_entry_vector(%rsp)
        jne     \label
        cmpw    $GUEST_CS64, REGS_cs(%rsp)
        jne     \label
        cmpw    $GUEST_DS, REGS_ss(%rsp)
        jne     \label
        mov     REGS_rip(%rsp), %rcx
        mov     %rcx, %rax
        shl     $16, %rax
        sar     $16, %rax
        cmp     %rcx, %rax
        jne     \label
        .endm
/* clang-format on */
#endif
