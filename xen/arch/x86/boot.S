/* SPDX-License-Identifier: MIT
 *
 * From the boot loader to C.
 *
 * Two headers, two kinds of loader: multiboot2 for GRUB 2, which loads us by our ELF program
 * headers, and multiboot1 for QEMU's -kernel, which does not know ELF64 and needs the addresses
 * spelt out. Both enter boot_start in 32-bit protected mode, paging off, with a magic number in EAX
 * and the physical address of what they have to tell in EBX. Both are kept in registers, and
 * nothing outside the image is written before C has found out where the loader put its information
 * and the modules.
 *
 * The page tables made here map the first 4 GiB twice over: at address 0, to reach what the loader
 * left, and our first 4 MiB at VA_IMAGE. hvmap.c replaces them. Application processors come through
 * them too, on their way from the trampoline (ap.S).
 */
#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/layout.h"

#define PHYS(sym) (sym - VA_IMAGE + IMAGE_PHYS)

#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x00010003 /* page-aligned modules, memory map, address fields are valid */
#define MB2_MAGIC 0xe85250d6

#define PTE_TABLE 0x003 /* present, writable */
#define PTE_LARGE 0x083 /* 2 MiB page */

        .section .multiboot, "ax", @progbits
        .balign 8
.Lmb1_header:
        .long   MB1_MAGIC
        .long   MB1_FLAGS
        .long   -(MB1_MAGIC + MB1_FLAGS)
        .long   PHYS(.Lmb1_header)
        .long   IMAGE_PHYS              /* load address: the file from its first section on */
        .long   image_load_end_phys
        .long   image_end_phys
        .long   boot_start_phys

        .balign 8
.Lmb2_header:
        .long   MB2_MAGIC
        .long   0                       /* i386 protected mode */
        .long   .Lmb2_end - .Lmb2_header
        .long   -(MB2_MAGIC + (.Lmb2_end - .Lmb2_header))

        .balign 8
        .short  1, 0                    /* information request: basic memory, map */
        .long   16
        .long   4, 6
        .balign 8
        .short  1, 1                    /* likewise, but nice to have: loader's name, EFI, ACPI */
        .long   32
        .long   2, 12, 14, 15, 17, 20
        .balign 8
        .short  6, 0                    /* page-aligned modules */
        .long   8
        .balign 8
        .short  0, 0                    /* end */
        .long   8
.Lmb2_end:

        .section .init.text, "ax", @progbits
        .code32
        .globl  boot_start
        .hidden boot_start
boot_start:
        cld
        cli
        mov     %eax, %ebp              /* the magic number */
        mov     %ebx, %esi              /* the information */
        rdtsc                           /* every CPU with long mode has it, and 32-bit ones since 1993 */
        mov     %eax, PHYS(boot_tsc)
        mov     %edx, PHYS(boot_tsc + 4)

        /* Not every loader clears what the file does not fill. */
        mov     $image_load_end_phys, %edi
        mov     $image_end_phys, %ecx
        sub     %edi, %ecx
        shr     $2, %ecx
        xor     %eax, %eax
        rep stosl
        mov     $PHYS(cpu0_stack + STACK_SIZE), %esp

        /* Is this a CPU that can run us: CPUID, long mode, no-execute? */
        pushf
        pop     %eax
        mov     %eax, %ecx
        xor     $(1 << 21), %eax
        push    %eax
        popf
        pushf
        pop     %eax
        cmp     %eax, %ecx
        je      no_long_mode
        mov     $0x80000000, %eax
        cpuid
        cmp     $0x80000001, %eax
        jb      no_long_mode
        mov     $0x80000001, %eax
        cpuid
        bt      $29, %edx
        jnc     no_long_mode
        bt      $20, %edx
        jnc     no_long_mode

        /* Identity: one L4 and one L3 entry, four L2 tables of 2 MiB pages. */
        movl    $PHYS(boot_l3 + PTE_TABLE), PHYS(boot_l4)
        xor     %ecx, %ecx
        mov     $PHYS(boot_l2 + PTE_TABLE), %eax
1:      mov     %eax, PHYS(boot_l3)(, %ecx, 8)
        add     $4096, %eax
        inc     %ecx
        cmp     $4, %ecx
        jb      1b
        xor     %ecx, %ecx
        mov     $PTE_LARGE, %eax
1:      mov     %eax, PHYS(boot_l2)(, %ecx, 8)
        add     $0x200000, %eax
        inc     %ecx
        cmp     $2048, %ecx
        jb      1b
        /* The image, at its own address. */
        movl    $PHYS(boot_image_l3 + PTE_TABLE), PHYS(boot_l4 + SLOT_HV * 8)
        movl    $PHYS(boot_image_l2 + PTE_TABLE), PHYS(boot_image_l3)
        movl    $(IMAGE_PHYS + PTE_LARGE), PHYS(boot_image_l2)
        movl    $(IMAGE_PHYS + 0x200000 + PTE_LARGE), PHYS(boot_image_l2 + 8)

        mov     $PHYS(boot_l4), %eax
        call    enter_long_mode
        lgdt    PHYS(boot_gdtr)
        ljmp    $0x08, $PHYS(1f)

        .code64
1:      movabs  $high_start, %rax
        jmp     *%rax

        .code32
/* EAX: physical address of the L4 table. Keeps EBP and ESI. The trampoline has its own. */
enter_long_mode:
        mov     %eax, %cr3
        mov     %cr4, %eax
        or      $0x20, %eax             /* PAE */
        mov     %eax, %cr4
        mov     $0xc0000080, %ecx       /* EFER: LME, NXE */
        rdmsr
        or      $0x900, %eax
        wrmsr
        mov     %cr0, %eax
        or      $0x80010001, %eax       /* PG, WP, PE */
        mov     %eax, %cr0
        ret

/* Too early for anything but the serial port at its usual place and the VGA text screen. */
no_long_mode:
        mov     $PHYS(no_long_mode_text), %esi
        mov     $0xb8000, %edi
1:      lodsb
        test    %al, %al
        jz      2f
        mov     $0x3f8, %edx
        out     %al, %dx
        mov     $0x0f, %ah
        stosw
        jmp     1b
2:      hlt
        jmp     2b

        .code64
high_start:
        xor     %eax, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %eax, %fs
        mov     %eax, %gs
        lea     cpu0_stack + STACK_SIZE - CPUINFO_SIZE(%rip), %rsp
        and     $-16, %rsp
        push    $2                      /* no flag set */
        popf
        mov     %ebp, %edi
        xor     %ebp, %ebp
        call    x86_start
        ud2

/* void stack_switch_call(uint64_t top, void (*fn)(void)): leaves the present stack for good. */
        .section .text, "ax", @progbits
        .globl  stack_switch_call
        .hidden stack_switch_call
stack_switch_call:
        lea     -CPUINFO_SIZE(%rdi), %rsp
        and     $-16, %rsp
        xor     %ebp, %ebp
        call    *%rsi
        ud2

        .section .init.data, "aw", @progbits
        .balign 8
        .globl  boot_gdt
        .hidden boot_gdt
boot_gdt:
        .quad   0
        .quad   0x00af9a000000ffff      /* 0x08: 64-bit code */
        .quad   0x00cf92000000ffff      /* 0x10: data */
        .quad   0x00cf9a000000ffff      /* 0x18: 32-bit code, for the trampoline */
boot_gdt_end:
boot_gdtr:
        .short  boot_gdt_end - boot_gdt - 1
        .long   PHYS(boot_gdt)
        .long   0
no_long_mode_text:
        .asciz  "Lagan needs a 64-bit CPU with no-execute pages.\r\n"

/* The time stamp counter when the loader handed over. */
        .section .data, "aw", @progbits
        .balign 8
        .globl  boot_tsc
        .hidden boot_tsc
boot_tsc:
        .quad   0

        .section .bss.init, "aw", @nobits
        .balign 4096
        .globl  boot_l4
        .hidden boot_l4
boot_l4:
        .skip   4096
boot_l3:
        .skip   4096
boot_l2:
        .skip   4096 * 4
boot_image_l3:
        .skip   4096
boot_image_l2:
        .skip   4096

        .section .note.GNU-stack, "", @progbits
