/* SPDX-License-Identifier: MIT
 *
 * Into the hypervisor and back when guests run with page tables of their own (pti.h).
 *
 * Everything here up to the loading of CR3, and from there on back, sees only what those tables map:
 * this section, the IDT and the CPU's entry page. That page has a stack for each way in: the
 * hardware's frame lands there, is copied to where it would be otherwise, and the ordinary code goes
 * on (entry.S, trap_stubs.S). Whether the CPU still has a guest's tables loaded is asked of CR3
 * itself, and not of any flag: NMI, #MC and #DB may strike between any two instructions, and go back
 * with the CR3 that they have found. full_cr3 is cleared by whoever has left the guest's tables for good,
 * so that pti_leave() can tell whether somebody did not.
 *
 * The end of a CPU's stride, less one, is found from any of its stacks by setting low bits; all that is
 * needed lies at fixed distances from it.
 */
#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/gprs.h"
#include "xen/arch/x86/layout.h"
#include "xen/arch/x86/pti.h"
#include "xen/arch/x86/smap.h"

/* From the end less one: a byte of the entry page, of cpu_info, the top of a small stack. */
#define IN_ENTRY(offset) (ENTRY_PAGE_OFFSET - STACK_STRIDE + 1 + (offset))
#define IN_INFO(offset)  (1 - CPUINFO_SIZE + (offset))
#define IST_TOP(n)       (1 - STACK_SIZE + (n) * IST_SIZE)

/* Of the entry page's stack n: 0 is for what has no small stack. */
#define ENTRY_TOP(n)     (ENTRY_STACKS + ((n) + 1) * ENTRY_STACK_SIZE)

#define CPU_ENTRY(n)     (VA_STACKS + (n) * STACK_STRIDE + ENTRY_PAGE_OFFSET)
#define ENTRY_RAX(n)     (CPU_ENTRY(n) + ENTRY_syscall_rax)
#define ENTRY_STACK(n)   (CPU_ENTRY(n) + ENTRY_TOP(0))

/* reg = end of the CPU's stride, less one */
        .macro  stride_end reg
        mov     %rsp, \reg
        or      $(STACK_STRIDE - 1), \reg
        .endm

        .section .entry.text, "ax", @progbits
        .code64

/* ---- SYSCALL: RCX and R11 are taken, RAX is the guest's RSP ---- */

        syscall_stubs pti_syscall_stubs, pti_syscall, ENTRY_RAX(n), ENTRY_STACK(n)
        syscall_stubs pti_syscall32_stubs, pti_syscall32, ENTRY_RAX(n), ENTRY_STACK(n)

#define ON_STACK(field) (ENTRY_##field - ENTRY_TOP(0) + 8)

        .macro  pti_syscall_to entry
        push    %rax
        mov     %cr3, %rax
        cmp     %rax, ON_STACK(exit_cr3)(%rsp)
        jne     1f                      /* this guest is not isolated */
        mov     ON_STACK(full_cr3)(%rsp), %rax
        mov     %rax, %cr3
        movq    $0, ON_STACK(full_cr3)(%rsp)
1:      stride_end %rax
        push    ON_STACK(syscall_rax)(%rsp)
        pop     IN_INFO(CPUINFO_syscall_rax)(%rax)
        lea     IN_INFO(REGS_es)(%rax), %rax
        xchg    %rax, %rsp
        mov     (%rax), %rax
        jmp     \entry
        .endm

        .balign 16
pti_syscall:
        pti_syscall_to syscall_entry

pti_syscall32:
        pti_syscall_to syscall32_entry

/* ---- exceptions and interrupts: vector and error code are pushed, no register is saved ---- */

        .globl  pti_trap, pti_debug, pti_nmi, pti_mc, pti_df
        .hidden pti_trap, pti_debug, pti_nmi, pti_mc, pti_df

        .balign 16
pti_trap:
        testb   $3, 16(%rsp)
        jnz     pti_trap_guest
        /* The hypervisor was interrupted. The way to the guest is interrupted at one instruction only. */
        push    %rax
        lea     pti_iretq(%rip), %rax
        cmp     %rax, 16(%rsp)
        pop     %rax
        je      pti_iret_fault
        push_gprs
        cld
        jmp     trap_hypervisor

/* From ring 3, on whichever stack of the entry page. */
pti_trap_guest:
        push    %rax
        push    %rcx
        stride_end %rcx
        mov     %cr3, %rax
        cmp     %rax, IN_ENTRY(ENTRY_exit_cr3)(%rcx)
        jne     1f
        mov     IN_ENTRY(ENTRY_full_cr3)(%rcx), %rax
        mov     %rax, %cr3
        movq    $0, IN_ENTRY(ENTRY_full_cr3)(%rcx)
1:      lea     IN_INFO(REGS_es)(%rcx), %rcx
        xchg    %rcx, %rsp
        push    56(%rcx)                /* ss */
        push    48(%rcx)
        push    40(%rcx)
        push    32(%rcx)
        push    24(%rcx)                /* rip */
        push    16(%rcx)                /* vector, error code */
        mov     8(%rcx), %rax
        mov     (%rcx), %rcx
        push_gprs
        cld
        jmp     guest_trap_entry

/* IRETQ has faulted, under the guest's tables. guest_regs still has all that was to be loaded, and is
 * told why it was not. */
pti_iret_fault:
        mov     (%rsp), %rbx
        stride_end %rax
        mov     IN_ENTRY(ENTRY_full_cr3)(%rax), %rcx
        mov     %rcx, %cr3
        movq    $0, IN_ENTRY(ENTRY_full_cr3)(%rax)
        lea     IN_INFO(0)(%rax), %rsp
        mov     %rbx, REGS_error_code(%rsp)
        cld
        jmp     iret_fault_saved

/* Those with a small stack. What they leave in the entry page of the registers of whoever was
 * interrupted is wiped, as another guest might read it there; on the way back to ring 0 under a
 * guest's tables it is needed once more. Saved, from the top of the stack: the frame (48), RAX, RCX,
 * the CR3 that was found. */
        .macro  pti_small_stack ist, handler
        push    %rax
        push    %rcx
        mov     %cr3, %rax
        push    %rax
        stride_end %rcx
        cmp     %rax, IN_ENTRY(ENTRY_exit_cr3)(%rcx)
        jne     1f
        mov     IN_ENTRY(ENTRY_full_cr3)(%rcx), %rax
        mov     %rax, %cr3
1:      lea     IST_TOP(\ist)(%rcx), %rcx
        xchg    %rcx, %rsp
        push    (%rcx)                  /* the CR3 that was found */
        push    64(%rcx)                /* ss */
        push    56(%rcx)
        push    48(%rcx)
        push    40(%rcx)
        push    32(%rcx)                /* rip */
        push    24(%rcx)                /* vector, error code */
        mov     16(%rcx), %rax
        movq    $0, 16(%rcx)
        push    8(%rcx)
        movq    $0, 8(%rcx)
        pop     %rcx
        push_gprs
        cld
        ASM_CLAC
        mov     %rsp, %rdi              /* aligned: 22 words were pushed */
        call    \handler
        testb   $3, REGS_cs(%rsp)
        jnz     pti_leave_small_stack
        stride_end %rcx
        mov     REGS_es(%rsp), %rax     /* the CR3 that was found */
        cmp     %rax, IN_ENTRY(ENTRY_exit_cr3)(%rcx)
        jne     pti_back
        mov     REGS_rax(%rsp), %rax
        mov     %rax, IN_ENTRY(ENTRY_TOP(\ist) - 56)(%rcx)
        mov     REGS_rcx(%rsp), %rax
        mov     %rax, IN_ENTRY(ENTRY_TOP(\ist) - 64)(%rcx)
        mov     REGS_rflags(%rsp), %rax /* hv_trap() takes TF away */
        mov     %rax, IN_ENTRY(ENTRY_TOP(\ist) - 24)(%rcx)
        pop_gprs
        stride_end %rax
        lea     IN_ENTRY(ENTRY_TOP(\ist) - 72)(%rax), %rsp
        pop     %rax
        mov     %rax, %cr3
        pop     %rcx
        pop     %rax
        add     $8, %rsp
        iretq
        .endm

pti_nmi:
        pti_small_stack IST_INDEX_NMI, hv_trap_small_stack
pti_mc:
        pti_small_stack IST_INDEX_MC, hv_trap_small_stack
pti_df:
        pti_small_stack IST_INDEX_DF, hv_trap_small_stack
pti_debug:
        testb   $3, 16(%rsp)
        jnz     pti_trap_guest
        pti_small_stack IST_INDEX_DB, hv_trap

/* A guest was interrupted: its tables have been left for good. */
pti_leave_small_stack:
        stride_end %rcx
        movq    $0, IN_ENTRY(ENTRY_full_cr3)(%rcx)
        jmp     trap_leave_small_stack

/* To ring 0 that had the hypervisor's tables loaded. */
pti_back:
        pop_gprs
        add     $8, %rsp
        iretq

/* ---- back to the guest: RSP = guest_regs, interrupts are off ---- */

        .macro  pti_to_guest
        pop_gprs
        stride_end %rax
        lea     IN_ENTRY(ENTRY_exit)(%rax), %rsp
        mov     (ENTRY_exit_cr3 - ENTRY_exit)(%rsp), %rax
        mov     %rax, %cr3
        pop     %rax
        .endm

        .balign 16
        .globl  pti_restore
        .hidden pti_restore
pti_restore:
        orb     $3, REGS_cs(%rsp)       /* as entry.S does */
        orb     $3, REGS_ss(%rsp)
        mov     %rsp, %rdi
        call    pti_leave
        test    %al, %al
        jz      guest_restore
        unless_sysret 1f
        pti_to_guest
        mov     (%rsp), %rcx            /* rip */
        mov     16(%rsp), %r11          /* rflags */
        mov     24(%rsp), %rsp
        sysretq
1:      pti_to_guest
pti_iretq:
        iretq

        .section .note.GNU-stack, "", @progbits
