/* SPDX-License-Identifier: MIT
 *
 * Where exceptions and interrupts arrive: 256 stubs, which make every frame alike and join.
 *
 * The frame becomes a struct cpu_user_regs (without its last four members, which hardware does not
 * save). If ring 3 was interrupted it lies at guest_regs, by TSS.RSP0, and entry.S goes on with it.
 * If the hypervisor was, a C function deals with it and we return to where it says.
 *
 * Four vectors have small stacks (desc.h). #DB of ring 3 is an ordinary guest exception, so its
 * frame is copied to guest_regs first; NMI, #MC and #DF are handled right there, whoever was
 * interrupted. If that was ring 3 the way back is the ordinary one all the same: another vCPU of the
 * guest may have changed the descriptor of CS or SS meanwhile, and only guest_iretq may fault.
 *
 * Interrupts are off throughout (all are interrupt gates); IRETQ puts them back.
 */
#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/gprs.h"
#include "xen/arch/x86/layout.h"
#include "xen/arch/x86/smap.h"

/* Of the 32 exceptions, those for which hardware pushes an error code: 8, 10-14, 17, 21, 29, 30. */
#define ERROR_CODE_MASK 0x60227d00
#define IST_MASK        0x00040104 /* 2, 8, 18; 1 is special */

/* Copies the frame at RSP on a small stack to guest_regs, and makes RSP point there. */
        .macro  move_to_guest_regs
        mov     %rsp, %rsi
        mov     %rsp, %rdi
        or      $(STACK_SIZE - 1), %rdi
        sub     $(CPUINFO_SIZE - 1), %rdi
        mov     %rdi, %rax
        mov     $(REGS_es / 8), %ecx
        rep movsq
        mov     %rax, %rsp
        .endm

        .section .text, "ax", @progbits
        .code64
        .balign 16
        .globl  trap_stubs
        .hidden trap_stubs
trap_stubs:
        .set    n, 0
        .rept   256
        .balign 16
        .if     n >= 32 || !((ERROR_CODE_MASK >> (n & 31)) & 1)
        push    $0
        .endif
        movl    $n, 4(%rsp)
        .if     n == 1
        jmp     trap_debug
        .elseif n < 32 && ((IST_MASK >> (n & 31)) & 1)
        jmp     trap_small_stack
        .else
        jmp     trap_common
        .endif
        .set    n, n + 1
        .endr

        .balign 16
trap_common:
        push_gprs
        cld
        testb   $3, REGS_cs(%rsp)
        jnz     guest_trap_entry
trap_hypervisor:
        ASM_CLAC
        mov     %rsp, %rdi
        sub     $8, %rsp                /* the frame is 168 bytes: align the stack for C */
        cmpl    $32, REGS_entry_vector(%rdi)
        jae     1f
        call    hv_trap
        jmp     trap_return
1:      call    hv_interrupt
trap_return:
        add     $8, %rsp
        pop_gprs
        add     $8, %rsp
        iretq

trap_small_stack:
        push_gprs
        cld
        ASM_CLAC
        mov     %rsp, %rdi
        sub     $8, %rsp
        call    hv_trap_small_stack
        testb   $3, (8 + REGS_cs)(%rsp)
        jz      trap_return
        add     $8, %rsp
        move_to_guest_regs
        /* NMIs are held back until an IRETQ, and the guest may be left by SYSRET: here is one. */
        mov     %rsp, %rax
        push    $HV_DS
        push    %rax
        pushf
        push    $HV_CS
        lea     guest_return(%rip), %rax
        push    %rax
        iretq

trap_debug:
        push_gprs
        cld
        testb   $3, REGS_cs(%rsp)
        jz      trap_hypervisor
        move_to_guest_regs
        jmp     guest_trap_entry

        .section .note.GNU-stack, "", @progbits
