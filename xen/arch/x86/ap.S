/* SPDX-License-Identifier: MIT
 *
 * The trampoline of application processors. smp.c copies it to a page below 640 KiB, where a CPU
 * starts in real mode at offset 0, and fills in the words at its end. It runs wherever it is put:
 * its own address is what CS says. The tables it loads (boot.S's, with our slots added) map it
 * where it is, so paging can be turned on.
 */
#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/layout.h"

#define OFF(sym) (sym - ap_trampoline)

        .section .rodata, "a", @progbits
        .balign 16
        .globl  ap_trampoline, ap_trampoline_end, ap_data
        .hidden ap_trampoline, ap_trampoline_end, ap_data
        .code16
ap_trampoline:
        cli
        cld
        mov     %cs, %ax
        mov     %ax, %ds
        movzwl  %ax, %ebx
        shl     $4, %ebx                /* our physical address */
        lgdtl   OFF(ap_gdtr)
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmpl   *OFF(ap_far32)

        .code32
ap_32:
        mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        /* One CPU passes for each time smp.c says so: a straggler that was given up stays here. */
        mov     $1, %eax
        xor     %ecx, %ecx
        lock cmpxchgl %ecx, OFF(ap_ticket)(%ebx)
        jne     3f
        mov     %cr4, %eax
        or      $0x20, %eax             /* PAE */
        mov     %eax, %cr4
        mov     OFF(ap_cr3)(%ebx), %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx       /* EFER: LME, NXE */
        rdmsr
        or      $0x900, %eax
        wrmsr
        mov     %cr0, %eax
        and     $0x9fffffff, %eax       /* caches on: CD and NW are set after a reset */
        or      $0x80010001, %eax       /* PG, WP, PE */
        mov     %eax, %cr0
        ljmpl   *OFF(ap_far64)(%ebx)
3:      hlt
        jmp     3b

        .code64
ap_64:
        xor     %eax, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %ebx, %ebx
        mov     OFF(ap_stack)(%rbx), %rsp
        sub     $CPUINFO_SIZE, %rsp
        and     $-16, %rsp
        xor     %ebp, %ebp
        mov     OFF(ap_entry)(%rbx), %rax
        call    *%rax
        ud2

        .balign 8
ap_gdt:
        .quad   0
        .quad   0x00af9a000000ffff      /* 0x08: 64-bit code */
        .quad   0x00cf92000000ffff      /* 0x10: data */
        .quad   0x00cf9a000000ffff      /* 0x18: 32-bit code */
ap_gdt_end:

/* struct ap_data of smp.c: what the copy needs to know of where it is, and of whom it starts. */
        .balign 8
ap_data:
ap_entry:       .quad 0
ap_stack:       .quad 0
ap_cr3:         .long 0
ap_ticket:      .long 0
ap_far32:       .long OFF(ap_32)
                .short 0x18
                .short 0
ap_far64:       .long OFF(ap_64)
                .short 0x08
ap_gdtr:        .short ap_gdt_end - ap_gdt - 1
                .long OFF(ap_gdt)
ap_trampoline_end:

        .section .note.GNU-stack, "", @progbits
