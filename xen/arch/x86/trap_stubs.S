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
 *
 * All of this is in the section that guests' own page tables map when they are isolated; the sites
 * marked so then lead to pti_entry.S.
 */
#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/gprs.h"
#include "xen/arch/x86/layout.h"
#include "xen/arch/x86/pti.h"
#include "xen/arch/x86/smap.h"

/* Of the 32 exceptions, those for which hardware pushes an error code: 8, 10-14, 17, 21, 29, 30. */
#define ERROR_CODE_MASK 0x60227d00

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

        .section .entry.text, "ax", @progbits
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
        .elseif n == 2
        jmp     trap_nmi
        .elseif n == 8
        jmp     trap_df
        .elseif n == 18
        jmp     trap_mc
        .else
        jmp     trap_common
        .endif
        .set    n, n + 1
        .endr

        .balign 16
trap_common:
        PTI_SITE(pti_trap)
        push_gprs
        cld
        testb   $3, REGS_cs(%rsp)
        jnz     guest_trap_entry
        .globl  trap_hypervisor
        .hidden trap_hypervisor
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

        /* A site that is overwritten needs five bytes of its own. */
trap_nmi:
        PTI_SITE(pti_nmi)
        jmp.d32 trap_small_stack
trap_df:
        PTI_SITE(pti_df)
        jmp.d32 trap_small_stack
trap_mc:
        PTI_SITE(pti_mc)
        jmp.d32 trap_small_stack

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
        .globl  trap_leave_small_stack
        .hidden trap_leave_small_stack
trap_leave_small_stack:
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
        PTI_SITE(pti_debug)
        push_gprs
        cld
        testb   $3, REGS_cs(%rsp)
        jz      trap_hypervisor
        move_to_guest_regs
        jmp     guest_trap_entry

        .section .note.GNU-stack, "", @progbits
