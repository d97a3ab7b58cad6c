/* SPDX-License-Identifier: MIT
 *
 * SHA-256 over whole blocks: OpenSSL's function, from Debian's static library (one object of it is linked: it
 * needs nothing but a word that says what the processor can do). It has a form with the processor's own SHA
 * instructions, and one in general registers for those that have none; the forms with vector registers in between
 * are not used.
 *
 * The SHA instructions work in XMM registers, which are the guest's (fpu.c). All sixteen are put aside and
 * put back around the call; it uses no wider part of them, and none of these instructions touches what lies above,
 * or any control register. Nothing switches meanwhile, and no interrupt handler uses such registers. A guest's
 * CR0.TS is cleared for as long.
 */
#include <lagan/arch.h>

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/sha256.h"

#define CAP_SHA (1u << 29) /* of word 2: leaf 7, EBX */

/* The library's: which instructions it may use. */
uint32_t OPENSSL_ia32cap_P[4];
void sha256_block_data_order(uint32_t *state, const void *data, size_t blocks);

void sha256_cpu_init(void)
{
    if (cpuid(0, 0).a >= 7)
        OPENSSL_ia32cap_P[2] = cpuid(7, 0).b & CAP_SHA;
}

struct xmm_registers {
    uint8_t byte[16][16];
};

static void put_aside(struct xmm_registers *x)
{
    __asm__ volatile("movups %%xmm0, 0x00(%0)\n\tmovups %%xmm1, 0x10(%0)\n\t"
                     "movups %%xmm2, 0x20(%0)\n\tmovups %%xmm3, 0x30(%0)\n\t"
                     "movups %%xmm4, 0x40(%0)\n\tmovups %%xmm5, 0x50(%0)\n\t"
                     "movups %%xmm6, 0x60(%0)\n\tmovups %%xmm7, 0x70(%0)\n\t"
                     "movups %%xmm8, 0x80(%0)\n\tmovups %%xmm9, 0x90(%0)\n\t"
                     "movups %%xmm10, 0xa0(%0)\n\tmovups %%xmm11, 0xb0(%0)\n\t"
                     "movups %%xmm12, 0xc0(%0)\n\tmovups %%xmm13, 0xd0(%0)\n\t"
                     "movups %%xmm14, 0xe0(%0)\n\tmovups %%xmm15, 0xf0(%0)"
                     :
                     : "r"(x)
                     : "memory");
}

static void put_back(const struct xmm_registers *x)
{
    __asm__ volatile("movups 0x00(%0), %%xmm0\n\tmovups 0x10(%0), %%xmm1\n\t"
                     "movups 0x20(%0), %%xmm2\n\tmovups 0x30(%0), %%xmm3\n\t"
                     "movups 0x40(%0), %%xmm4\n\tmovups 0x50(%0), %%xmm5\n\t"
                     "movups 0x60(%0), %%xmm6\n\tmovups 0x70(%0), %%xmm7\n\t"
                     "movups 0x80(%0), %%xmm8\n\tmovups 0x90(%0), %%xmm9\n\t"
                     "movups 0xa0(%0), %%xmm10\n\tmovups 0xb0(%0), %%xmm11\n\t"
                     "movups 0xc0(%0), %%xmm12\n\tmovups 0xd0(%0), %%xmm13\n\t"
                     "movups 0xe0(%0), %%xmm14\n\tmovups 0xf0(%0), %%xmm15"
                     :
                     : "r"(x)
                     : "memory");
}

void arch_sha256_blocks(uint32_t state[8], const void *data, size_t blocks)
{
    struct xmm_registers guests;
    uint64_t cr0;

    if (!OPENSSL_ia32cap_P[2]) {
        sha256_block_data_order(state, data, blocks);
        return;
    }
    cr0 = read_cr0();
    if (cr0 & CR0_TS)
        __asm__ volatile("clts" : : : "memory");
    put_aside(&guests);
    sha256_block_data_order(state, data, blocks);
    put_back(&guests);
    __builtin_memset(&guests, 0, sizeof(guests));
    __asm__ volatile("" : : "r"(&guests) : "memory"); /* that is not to be left out */
    if (cr0 & CR0_TS)
        write_cr0(cr0);
}
