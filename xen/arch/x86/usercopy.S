/* SPDX-License-Identifier: MIT
 *
 * Copies to and from memory that a guest may have unmapped, or never mapped. The caller has checked that
 * the range is the guest's.
 *
 * size_t usercopy(void *dst, const void *src, size_t bytes): number of bytes NOT copied; on a fault, those
 * before it were. Eight bytes at a time, then the rest.
 * size_t userclear(void *dst, size_t bytes): the same with zeroes.
 */
#include "xen/arch/x86/extable.h"
#include "xen/arch/x86/smap.h"

        .section .text, "ax", @progbits
        .code64

        .globl  usercopy
        .hidden usercopy
        .balign 16
usercopy:
        ASM_STAC
        mov     %rdx, %rcx
        shr     $3, %rcx
        and     $7, %edx
.Lcopy_words:
        rep movsq
        mov     %edx, %ecx
.Lcopy_bytes:
        rep movsb
        mov     %rcx, %rax
        ASM_CLAC
        ret
.Lcopy_words_fault:
        lea     (%rdx, %rcx, 8), %rcx
        /* The fault lay in a word that may begin before it: try the rest by bytes. */
        jmp     .Lcopy_bytes
.Lcopy_bytes_fault:
        mov     %rcx, %rax
        ASM_CLAC
        ret
        EX_TABLE(.Lcopy_words, .Lcopy_words_fault)
        EX_TABLE(.Lcopy_bytes, .Lcopy_bytes_fault)

        .globl  userclear
        .hidden userclear
        .balign 16
userclear:
        ASM_STAC
        xor     %eax, %eax
        mov     %rsi, %rcx
        shr     $3, %rcx
        and     $7, %esi
.Lclear_words:
        rep stosq
        mov     %esi, %ecx
.Lclear_bytes:
        rep stosb
        mov     %rcx, %rax
        ASM_CLAC
        ret
.Lclear_words_fault:
        lea     (%rsi, %rcx, 8), %rcx
        jmp     .Lclear_bytes
.Lclear_bytes_fault:
        mov     %rcx, %rax
        ASM_CLAC
        ret
        EX_TABLE(.Lclear_words, .Lclear_words_fault)
        EX_TABLE(.Lclear_bytes, .Lclear_bytes_fault)

        .section .note.GNU-stack, "", @progbits
