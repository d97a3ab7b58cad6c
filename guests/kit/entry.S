/* SPDX-License-Identifier: MIT
 *
 * Where a test guest begins and where the hypervisor calls it back. Everything here runs in ring 3: the
 * guest kernel and the guest's user mode are told apart by the hypervisor only.
 *
 * A bounce frame is, from the stack pointer upwards: RCX, R11, [error code], RIP, CS, RFLAGS, RSP, SS.
 * The entry stubs bring it into the form of struct trap_frame (trap.h), call C, and go back by the iret
 * hypercall, which restores every register and the event mask together.
 */
#include <xen/elfnote.h>

#define HCALL_IRET 23

.macro note type, kind, value:vararg
    .pushsection .note.Xen, "a", @note
    .p2align 2
    .long 2f - 1f, 4f - 3f, \type
1:  .asciz "Xen"
2:  .p2align 2
3:  \kind \value
4:  .p2align 2
    .popsection
.endm

/* Two kinds of image: as Linux is built, linked high with a note for everything; and, with KIT_BARE, as small kernels
 * are: from address 0 up, entered where the ELF header says, the list of frames behind the image. */
note XEN_ELFNOTE_GUEST_OS, .asciz, "lagan-guest-kit"
note XEN_ELFNOTE_GUEST_VERSION, .asciz, "1"
note XEN_ELFNOTE_XEN_VERSION, .asciz, "xen-3.0"
note XEN_ELFNOTE_LOADER, .asciz, "generic"
note XEN_ELFNOTE_HYPERCALL_PAGE, .quad, kit_hypercall_page
#ifndef KIT_BARE
note XEN_ELFNOTE_VIRT_BASE, .quad, 0xffffffff80000000
note XEN_ELFNOTE_PADDR_OFFSET, .quad, 0
note XEN_ELFNOTE_INIT_P2M, .quad, 0x8000000000
note XEN_ELFNOTE_ENTRY, .quad, kit_entry
note XEN_ELFNOTE_FEATURES, .asciz, "!writable_page_tables|pae_pgdir_above_4gb"
note XEN_ELFNOTE_PAE_MODE, .asciz, "yes"
note XEN_ELFNOTE_HV_START_LOW, .quad, 0xffff800000000000
note XEN_ELFNOTE_L1_MFN_VALID, .quad, 1, 1
#endif

/* What the registers are at the first instruction (start.h), before anything has changed one. */
    .text
    .globl kit_entry
kit_entry:
    .set i, 0
    .irp register, rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15
    mov %\register, (kit_entry_state + 8 * i)(%rip)
    .set i, i + 1
    .endr
    .irp register, cs, ss, ds, es, fs, gs
    mov %\register, %eax
    mov %rax, (kit_entry_state + 8 * i)(%rip)
    .set i, i + 1
    .endr
    pushf
    pop (kit_entry_state + 8 * 22)(%rip)
    cld
    lea kit_cpu_regions + 32768(%rip), %rsp
    mov %rsi, %rdi
    xor %ebp, %ebp
    call kit_start
    ud2

/* A second or later vCPU: VCPUOP_initialise has set RSP to its own stack. */
    .globl kit_ap_entry
kit_ap_entry:
    cld
    xor %ebp, %ebp
    call kit_ap_start
    ud2

/* ---- entry stubs ---- */

.macro save_registers
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
.endm

/* One stub: a vector, and whether the hypervisor pushes an error code with it. */
.macro stub vector, has_code
    .p2align 4
kit_stub_\vector:
    mov (%rsp), %rcx
    mov 8(%rsp), %r11
    .if \has_code
    add $16, %rsp
    .else
    movq $0, 8(%rsp)
    add $8, %rsp
    .endif
    push $\vector
    jmp trap_common
    .pushsection .rodata
    .quad kit_stub_\vector
    .popsection
.endm

    .pushsection .rodata
    .globl kit_stubs
    .p2align 3
kit_stubs:
    .popsection
.altmacro
.set v, 0
.rept 32
    .if v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21
    stub %v, 1
    .else
    stub %v, 0
    .endif
    .set v, v + 1
.endr
.noaltmacro
    stub 128, 0 /* int $0x80 */
    stub 129, 0 /* int $0x81, never open to user mode */
    stub 256, 0 /* the event callback */
    stub 257, 0 /* the system call callback */
    stub 258, 0 /* the NMI callback */

trap_common:
    save_registers
    mov %rsp, %rdi
    mov %rsp, %rbp
    and $-16, %rsp
    cld
    call kit_trap
    mov %rbp, %rsp
    .globl kit_leave
kit_leave: /* RSP: a struct trap_frame to go back to */
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp           /* vector and error code */
    pushq $0                /* flags: restore all registers */
    push %rcx
    push %r11
    push %rax
    mov $HCALL_IRET, %eax
    syscall
    ud2

/* The failsafe frame has DS, ES, FS, GS between R11 and RIP. They are noted, the registers made null, and the rest is
 * handled as vector 259. */
    .globl kit_failsafe
kit_failsafe:
    .set i, 0
    .rept 4
    mov (16 + 8 * i)(%rsp), %rcx
    mov %rcx, (kit_failsafe_selectors + 8 * i)(%rip)
    .set i, i + 1
    .endr
    mov (%rsp), %rcx
    mov 8(%rsp), %r11
    movq $0, 40(%rsp)
    add $40, %rsp
    push $259
    push %rax
    xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    pop %rax
    jmp trap_common

/* ---- guarded calls ---- */

/* int kit_guarded(void (*run)(void *), void *argument, uint64_t *saved_rsp): calls run(argument) with
 * the stack pointer noted, so that kit_guard_recover() can leave it from a trap handler.
 * 0: it returned; 1: it was left. */
    .globl kit_guarded
kit_guarded:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdx)
    mov %rdi, %rax
    mov %rsi, %rdi
    sub $8, %rsp
    call *%rax
    add $8, %rsp
    xor %eax, %eax
1:  pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret

/* Entered by the iret hypercall with RSP as kit_guarded() noted it. */
    .globl kit_guard_recover
kit_guard_recover:
    cld
    mov $1, %eax
    jmp 1b

    .pushsection .bss
    .globl kit_failsafe_selectors
    .p2align 3
kit_failsafe_selectors:
    .skip 32
    .globl kit_entry_state
kit_entry_state:
    .skip 8 * 23
    .popsection

/* The hypervisor fills this with its stubs before the guest starts. */
    .pushsection .text.hypercall_page, "ax"
    .globl kit_hypercall_page
    .p2align 12
kit_hypercall_page:
    .skip 4096, 0xcc
    .popsection

    .section .note.GNU-stack, "", @progbits
