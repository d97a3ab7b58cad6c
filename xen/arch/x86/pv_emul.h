/* SPDX-License-Identifier: MIT
 *
 * Shared by the parts of the emulator; nobody else includes this.
 */
#pragma once

#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_decode.h"

#define RFLAGS_TF (UINT64_C(1) << 8)
#define RFLAGS_DF (UINT64_C(1) << 10)
#define RFLAGS_RF (UINT64_C(1) << 16)

#define TRAP_DB 1
#define TRAP_UD 6
#define TRAP_GP 13

#define PFEC_WRITE 2
#define PFEC_USER  4

/* Access rights of a selector's descriptor in the layout of its upper half; 0: there is none. */
static inline uint32_t selector_rights(uint16_t selector)
{
    uint32_t rights = 0;

    __asm__ volatile("lar %1, %0" : "+r"(rights) : "r"((uint32_t)selector) : "cc");
    return rights;
}

/* General register by its number in an instruction (rax, rcx, rdx, rbx, rsp, ...). */
uint64_t *emul_gpr(struct cpu_user_regs *regs, unsigned number);

/* True if the guest runs 64-bit code. */
bool emul_runs_64bit_code(const struct cpu_user_regs *regs);
/* Room for an instruction, in whole words: they are copied faster. */
#define EMUL_FETCH_MAX 16
/* Copies up to PV_INSN_MAX bytes from RIP on, fewer if the next page cannot be read; how many. What comes behind
 * them in `bytes` means nothing. */
size_t emul_fetch(const struct cpu_user_regs *regs, uint8_t bytes[EMUL_FETCH_MAX]);

/* The instruction is done: moves RIP past it, and raises the single-step trap if it is armed. */
enum emul_result emul_retire(struct cpu_user_regs *regs, unsigned length);
/* As above without moving RIP: one step of a repeated instruction is done. */
enum emul_result emul_step(struct cpu_user_regs *regs);

/* pv_emul_io.c: port instructions, permission included. */
enum emul_result emul_port_io(struct vcpu *v, struct cpu_user_regs *regs,
                              const struct pv_insn *insn);
