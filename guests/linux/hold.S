/* SPDX-License-Identifier: MIT
 *
 * void hold_registers(struct hold *h): loads all registers but the stack pointer from *h, spins in user mode for
 * h->spins turns, so that interrupts and switches of the virtual processor fall into it, does one thing that enters
 * the kernel, spins again, and stores all registers into *h. The offsets are those of struct hold (threads.c).
 */
#define GPR_IN     0
#define GPR_OUT    120
#define VECTOR_IN  256
#define VECTOR_OUT 1280
#define SPINS      2304
#define ACTION     2312
#define FLAGS      2320
#define WIDTH      2328

    .macro each op
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    \op \n
    .endr
    .endm
    .macro sse_load n
    movdqu VECTOR_IN + 64 * \n(%rdi), %xmm\n
    .endm
    .macro sse_store n
    movdqu %xmm\n, VECTOR_OUT + 64 * \n(%rdi)
    .endm
    .macro avx_load n
    vmovdqu VECTOR_IN + 64 * \n(%rdi), %ymm\n
    .endm
    .macro avx_store n
    vmovdqu %ymm\n, VECTOR_OUT + 64 * \n(%rdi)
    .endm
    .macro avx512_load n
    vmovdqu64 VECTOR_IN + 64 * \n(%rdi), %zmm\n
    .endm
    .macro avx512_store n
    vmovdqu64 %zmm\n, VECTOR_OUT + 64 * \n(%rdi)
    .endm
    .macro vectors what
    cmpl $256, WIDTH(%rdi)
    jb 1f
    ja 2f
    each avx_\what
    jmp 3f
1:  each sse_\what
    jmp 3f
2:  each avx512_\what
3:
    .endm

/* The frame, from the stack pointer upwards: h, turns left, turns, action, flags. */
#define H      0
#define LEFT   8
#define TURNS  16
#define TO     24
#define RFLAGS 32

    .text
    .global hold_registers
    .type hold_registers, @function
hold_registers:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    sub $40, %rsp
    mov %rdi, H(%rsp)
    mov SPINS(%rdi), %rax
    mov %rax, LEFT(%rsp)
    mov %rax, TURNS(%rsp)
    mov FLAGS(%rdi), %rax
    mov %rax, RFLAGS(%rsp)
    mov ACTION(%rdi), %eax
    lea actions(%rip), %rcx
    mov (%rcx, %rax, 8), %rax
    mov %rax, TO(%rsp)
    vectors load
    mov GPR_IN + 0(%rdi), %rax
    mov GPR_IN + 8(%rdi), %rbx
    mov GPR_IN + 16(%rdi), %rcx
    mov GPR_IN + 24(%rdi), %rdx
    mov GPR_IN + 32(%rdi), %rbp
    mov GPR_IN + 40(%rdi), %rsi
    mov GPR_IN + 56(%rdi), %r8
    mov GPR_IN + 64(%rdi), %r9
    mov GPR_IN + 72(%rdi), %r10
    mov GPR_IN + 80(%rdi), %r11
    mov GPR_IN + 88(%rdi), %r12
    mov GPR_IN + 96(%rdi), %r13
    mov GPR_IN + 104(%rdi), %r14
    mov GPR_IN + 112(%rdi), %r15
    mov GPR_IN + 48(%rdi), %rdi
1:  decq LEFT(%rsp)
    jnz 1b
    pushq RFLAGS(%rsp)
    popfq
    jmp *TO(%rsp)

hold_ud2:
    ud2
    jmp after
hold_breakpoint:
    int3
    jmp after
hold_syscall:
    syscall
    .global hold_after_syscall
hold_after_syscall:
    jmp after
hold_read:
    movb (%rbx), %ah
    jmp after
hold_write:
    movb %al, (%rbx)

after:
    pushfq
    popq RFLAGS(%rsp)
    xchg %rax, TURNS(%rsp)
    mov %rax, LEFT(%rsp)
    mov TURNS(%rsp), %rax
1:  decq LEFT(%rsp)
    jnz 1b
    xchg %rdi, H(%rsp)
    mov %rax, GPR_OUT + 0(%rdi)
    mov %rbx, GPR_OUT + 8(%rdi)
    mov %rcx, GPR_OUT + 16(%rdi)
    mov %rdx, GPR_OUT + 24(%rdi)
    mov %rbp, GPR_OUT + 32(%rdi)
    mov %rsi, GPR_OUT + 40(%rdi)
    mov H(%rsp), %rax
    mov %rax, GPR_OUT + 48(%rdi)
    mov %r8, GPR_OUT + 56(%rdi)
    mov %r9, GPR_OUT + 64(%rdi)
    mov %r10, GPR_OUT + 72(%rdi)
    mov %r11, GPR_OUT + 80(%rdi)
    mov %r12, GPR_OUT + 88(%rdi)
    mov %r13, GPR_OUT + 96(%rdi)
    mov %r14, GPR_OUT + 104(%rdi)
    mov %r15, GPR_OUT + 112(%rdi)
    vectors store
    mov RFLAGS(%rsp), %rax
    mov %rax, FLAGS(%rdi)
    cld
    add $40, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
    .size hold_registers, . - hold_registers

    .section .rodata
    .balign 8
actions:
    .quad after, hold_ud2, hold_breakpoint, hold_syscall, hold_read, hold_write
    .section .note.GNU-stack, "", @progbits
