/* SPDX-License-Identifier: MIT
 *
 * From a guest into the hypervisor and back.
 *
 * SYSCALL does not switch stacks and leaves us with no free register, so every CPU has an entry stub of
 * its own (LSTAR) that knows the CPU's stack by address. Exceptions and interrupts arrive through the
 * stubs of trap_stubs.S, which jump to guest_trap_entry when ring 3 was interrupted. Either way the guest's
 * registers then form cpu_info->guest_regs at the top of the stack.
 *
 * The way back (guest_return) runs with interrupts off from the last look for pending work to the IRETQ or
 * SYSRET. SYSRET is used when the guest came by SYSCALL (it may lose RCX and R11) and everything it would
 * load is what it can load; its RIP must be canonical, since SYSRET checks that in ring 0 on some CPUs. IRETQ
 * may fault on what a guest asked for: guest_iretq is in the exception table, and the fault becomes the
 * guest's (iret_fault), as if the target had raised it.
 *
 * Guests whose page tables are isolated come in and go out by pti_entry.S, which is put around this.
 */
#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/extable.h"
#include "xen/arch/x86/gprs.h"
#include "xen/arch/x86/layout.h"
#include "xen/arch/x86/pti.h"
#include "xen/arch/x86/smap.h"

#define CPU_STACK_TOP(n) (VA_STACKS + ((n) + 1) * STACK_STRIDE)
/* Where hardware would push: just below es (TSS.RSP0 says the same). */
#define CPU_REGS_TOP(n)  (CPU_STACK_TOP(n) - CPUINFO_SIZE + REGS_es)
#define CPU_RAX(n)       (CPU_STACK_TOP(n) - CPUINFO_SIZE + CPUINFO_syscall_rax)

        .section .text, "ax", @progbits
        .code64

        syscall_stubs syscall_stubs, syscall_entry, CPU_RAX(n), CPU_REGS_TOP(n)     /* LSTAR: 64-bit code */
        syscall_stubs syscall32_stubs, syscall32_entry, CPU_RAX(n), CPU_REGS_TOP(n) /* CSTAR: 32-bit code */

/* RCX: guest RIP, R11: guest RFLAGS, RAX: guest RSP; interrupts are off, DF, TF, NT and AC clear (SFMASK). */
        .macro  syscall_frame cs
        push    $GUEST_DS
        push    %rax
        push    %r11
        push    $\cs
        push    %rcx
        push    syscall_word(%rip)
        mov     (CPUINFO_syscall_rax - REGS_error_code)(%rsp), %rax
        push_gprs
        mov     %rsp, %rdi
        xor     %ebp, %ebp
        sti
        .endm

        .pushsection .rodata, "a", @progbits
        .balign 8
syscall_word:                           /* error_code, entry_vector */
        .long   0, ENTRY_SYSCALL
        .popsection

        .balign 16
        .globl  syscall32_entry
        .hidden syscall32_entry
syscall32_entry:
        syscall_frame GUEST_CS32
        call    guest_syscall32
        jmp     guest_return

/* All registers are saved at guest_regs = RSP, interrupts are off. */
        .balign 16
        .globl  guest_trap_entry
        .hidden guest_trap_entry
guest_trap_entry:
        ASM_CLAC
        mov     %rsp, %rdi
        xor     %ebp, %ebp
        call    guest_trap
        jmp     guest_return

        .balign 16
        .globl  syscall_entry
        .hidden syscall_entry
syscall_entry:
        syscall_frame GUEST_CS64
        call    guest_syscall

/* RSP = guest_regs; the current vCPU runs on. */
        .globl  guest_return
        .hidden guest_return
guest_return:
        cli
        cmpl    $0, CPUINFO_softirq_pending(%rsp)
        jne     .Lexit_work
        mov     CPUINFO_current(%rsp), %rax
        cmpl    $0, VCPU_exit_work(%rax)
        jne     .Lexit_work
        mov     VCPU_info(%rax), %rcx
        cmpb    $0, (%rcx)              /* evtchn_upcall_pending */
        je      .Lrestore
        cmpb    $0, 1(%rcx)             /* evtchn_upcall_mask: the vCPU's own, it does not change meanwhile */
        je      .Lexit_work
.Lrestore:
        PTI_SITE(pti_restore)
        /* No way leads to ring 0: whoever set cs and ss, both get RPL 3 before an IRETQ (ss below; the site above
         * is overwritten, and needs an instruction of five bytes or more of its own); interrupts stay on. */
        orb     $3, REGS_cs(%rsp)
        .globl  guest_restore
        .hidden guest_restore
guest_restore:
        .if     guest_restore - .Lrestore < 5
        .error  "no room for the jump to pti_restore"
        .endif
        unless_sysret .Liretq
        pop_gprs
        mov     (REGS_rip - REGS_error_code)(%rsp), %rcx
        mov     (REGS_rflags - REGS_error_code)(%rsp), %r11
        mov     (REGS_rsp - REGS_error_code)(%rsp), %rsp
        sysretq

.Liretq:
        orb     $3, REGS_ss(%rsp)
        pop_gprs
        add     $8, %rsp
        .globl  guest_iretq
        .hidden guest_iretq
guest_iretq:
        iretq
        EX_TABLE(guest_iretq, iret_fault)

.Lexit_work:
        call    guest_exit_work         /* returns with interrupts off */
        jmp     .Lrestore

/* IRETQ to the guest faulted: its registers are live again but for the five that IRETQ would have loaded,
 * which are still in place above RSP; vector and error code of the fault lie below them (trap_hv.c). The
 * guest is told (pv_iret_fault). */
iret_fault:
        sub     $8, %rsp
        push_gprs
        .globl  iret_fault_saved
        .hidden iret_fault_saved
iret_fault_saved:
        mov     %rsp, %rdi
        mov     %cr2, %rsi              /* if it was a page fault */
        xor     %ebp, %ebp
        sti
        call    pv_iret_fault
        jmp     guest_return

/* RSP = this CPU's cpu_info, in one step: an interrupt may come in between, and must find a stack that does not
 * reach into it. */
        .macro  stack_bottom
        mov     %rsp, %rax
        or      $(STACK_SIZE - 1), %rax
        lea     -(CPUINFO_SIZE - 1)(%rax), %rsp
        .endm

/* void reset_stack_and_return(void): leaves whatever is on the stack; guest_regs and current are set. */
        .globl  reset_stack_and_return
        .hidden reset_stack_and_return
reset_stack_and_return:
        stack_bottom
        jmp     guest_return

/* void reset_stack_and_idle(void): the same, for a CPU that has nothing to run. */
        .globl  reset_stack_and_idle
        .hidden reset_stack_and_idle
reset_stack_and_idle:
        stack_bottom
        and     $-16, %rsp
        xor     %ebp, %ebp
        call    idle_loop
        ud2

        .section .note.GNU-stack, "", @progbits
