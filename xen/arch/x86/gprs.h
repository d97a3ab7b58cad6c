/* SPDX-License-Identifier: MIT
 *
 * For assembly: the general registers, pushed and popped in the order of struct cpu_user_regs.
 */
#pragma once

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
/* clang-format on */
#endif
