/* SPDX-License-Identifier: MIT
 *
 * Instructions by which guests write page-table entries in memory: decoding (pv_ptwr_decode.c), and
 * what they do to the word in memory (pv_ptwr_alu.c). Pure: no guest memory is touched.
 */
#pragma once

#include <lagan/types.h>

#define PTWR_INSN_MAX 15

enum ptwr_op { /* the first eight as the opcodes number them */
               PTWR_ADD,
               PTWR_OR,
               PTWR_ADC,
               PTWR_SBB,
               PTWR_AND,
               PTWR_SUB,
               PTWR_XOR,
               PTWR_CMP, /* never decoded: does not write */
               PTWR_MOV,
               PTWR_XCHG,
               PTWR_XADD,
               PTWR_CMPXCHG,
               PTWR_BTS,
               PTWR_BTR,
               PTWR_BTC,
               PTWR_NOT,
               PTWR_NEG,
               PTWR_INC,
               PTWR_DEC,
};

#define PTWR_NO_REG 0xff

struct ptwr_insn {
    enum ptwr_op op;
    uint8_t length;             /* bytes, prefixes included */
    uint8_t bytes;              /* of the operand in memory: 1, 2, 4, 8 */
    uint8_t reg;                /* source register 0..15, or PTWR_NO_REG: `immediate` it is */
    bool high_byte;             /* the source is bits 15:8 of register `reg` (AH, CH, DH, BH) */
    bool address32;             /* the address is cut to 32 bits */
    uint8_t base, index, scale; /* address = base + (index << scale) + displacement */
    bool rip_relative;          /* the base is the address of the next instruction */
    int64_t displacement;
    uint64_t immediate; /* sign-extended to 64 bits */
};

/* Decodes 64-bit code. True, and *insn is filled, if the bytes begin with a write to memory of a
 * kind that changes a page-table entry: MOV, XCHG, XADD, CMPXCHG, BTS, BTR, BTC, NOT, NEG, INC,
 * DEC and the two-operand ALU instructions, with or without LOCK; FS and GS addressing is not
 * known. Reads nothing beyond bytes[count - 1]. */
bool ptwr_decode(const uint8_t *bytes, size_t count, struct ptwr_insn *insn) LAGAN_MUST_CHECK;

/* What the processor would do: `memory` is the operand in memory, `source` the register or
 * immediate, `rax` the accumulator (CMPXCHG), in as many low bytes as the operand has. */
struct ptwr_effect {
    uint64_t memory;      /* the operand afterwards */
    bool writes_register; /* XCHG, XADD, a CMPXCHG that did not match (then it is RAX) */
    uint64_t reg;
    uint64_t rflags;
};
/* False: a bit number beyond the operand, which addresses another word. */
bool ptwr_execute(const struct ptwr_insn *insn, uint64_t memory, uint64_t source, uint64_t rax,
                  uint64_t rflags, struct ptwr_effect *effect) LAGAN_MUST_CHECK;
