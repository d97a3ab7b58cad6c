/* SPDX-License-Identifier: MIT
 *
 * A decoder for instructions that write memory in ways that make sense for a page-table entry.
 *
 * It answers for instructions that have raised a write fault, so it may be narrow: what it does not
 * know goes back to the guest as the fault it is. Nothing depends on its being right but the guest
 * itself, as every new entry is checked like one in a hypercall.
 *
 * An instruction is: legacy prefixes in any order, a REX prefix right before the opcode, one or two
 * opcode bytes, ModRM with SIB and displacement (a memory form), an immediate.
 *
 * INV-PTWR-1: no byte at or beyond bytes[count] is read, and length <= count <= PTWR_INSN_MAX.
 * INV-PTWR-2: the verdict depends on the first `length` bytes alone.
 */
#include "xen/arch/x86/pv_ptwr_decode.h"

#define REX_B 1
#define REX_X 2
#define REX_R 4
#define REX_W 8

struct cursor {
    const uint8_t *bytes;
    size_t count, at;
    bool ended; /* something lay beyond the end */
    bool operand16;
    uint8_t rex;
};

static uint8_t next_byte(struct cursor *c)
{
    if (c->at >= c->count || c->at >= PTWR_INSN_MAX) {
        c->ended = true;
        return 0;
    }
    return c->bytes[c->at++];
}

/* Little-endian, sign-extended. */
static int64_t next_signed(struct cursor *c, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)next_byte(c) << (8 * i);
    return (int64_t)(v << (64 - 8 * bytes)) >> (64 - 8 * bytes);
}

/* Prefixes up to the first opcode byte, which is returned. LOCK changes nothing: what we write is
 * written atomically in any case. REP before XCHG, MOV and locked instructions are hints for lock
 * elision. */
static uint8_t read_prefixes(struct cursor *c, struct ptwr_insn *insn)
{
    for (;;) {
        uint8_t b = next_byte(c);

        if (b >= 0x40 && b <= 0x4f) {
            c->rex = b;
            continue;
        }
        switch (b) {
        case 0x26: /* ES, CS, SS, DS: flat */
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0xf0:
        case 0xf2:
        case 0xf3:
            break;
        case 0x66:
            c->operand16 = true;
            break;
        case 0x67:
            insn->address32 = true;
            break;
        default:
            return b;
        }
        c->rex = 0; /* a REX prefix that another prefix follows is ignored */
    }
}

/* SIB: no index is register 4, no base is register 5 without displacement of its own. */
static void decode_sib(struct cursor *c, unsigned mod, struct ptwr_insn *insn)
{
    uint8_t sib = next_byte(c);
    uint8_t index = (uint8_t)((sib >> 3 & 7) | (c->rex & REX_X ? 8 : 0));

    insn->scale = sib >> 6;
    if (index != 4)
        insn->index = index;
    if (mod == 0 && (sib & 7) == 5)
        insn->displacement = next_signed(c, 4);
    else
        insn->base = (uint8_t)((sib & 7) | (c->rex & REX_B ? 8 : 0));
}

/* ModRM's middle field; the rest is the address. False: a register form. */
static bool decode_modrm(struct cursor *c, struct ptwr_insn *insn, unsigned *middle)
{
    uint8_t modrm = next_byte(c);
    unsigned mod = modrm >> 6;

    *middle = modrm >> 3 & 7;
    if (mod == 3)
        return false;
    insn->base = insn->index = PTWR_NO_REG;
    if ((modrm & 7) == 4) {
        decode_sib(c, mod, insn);
    } else if (mod == 0 && (modrm & 7) == 5) {
        insn->rip_relative = true;
        insn->displacement = next_signed(c, 4);
    } else {
        insn->base = (uint8_t)((modrm & 7) | (c->rex & REX_B ? 8 : 0));
    }
    if (mod != 0)
        insn->displacement = next_signed(c, mod == 1 ? 1 : 4);
    return true;
}

static void source_register(const struct cursor *c, struct ptwr_insn *insn, unsigned middle)
{
    insn->reg = (uint8_t)(middle | (c->rex & REX_R ? 8 : 0));
    if (insn->bytes == 1 && !c->rex && middle >= 4) {
        insn->reg = (uint8_t)(middle - 4);
        insn->high_byte = true;
    }
}

/* 80, 81, 83 ALU; c6, c7 MOV; f6, f7 NOT, NEG; fe, ff INC, DEC; 0f ba BTS, BTR, BTC: the middle
 * field chooses, then comes the immediate, if any. */
static bool group_op(unsigned opcode, unsigned middle, struct ptwr_insn *insn, unsigned *immediate)
{
    *immediate = 0;
    switch (opcode) {
    case 0x80:
    case 0x81:
    case 0x83:
        insn->op = (enum ptwr_op)middle;
        *immediate = opcode == 0x81 ? (insn->bytes == 8 ? 4 : insn->bytes) : 1;
        return middle != PTWR_CMP;
    case 0xc6:
    case 0xc7:
        insn->op = PTWR_MOV;
        *immediate = insn->bytes == 8 ? 4 : insn->bytes;
        return middle == 0;
    case 0xf6:
    case 0xf7:
        insn->op = middle == 2 ? PTWR_NOT : PTWR_NEG;
        return middle == 2 || middle == 3;
    case 0xfe:
    case 0xff:
        insn->op = middle == 0 ? PTWR_INC : PTWR_DEC;
        return middle <= 1;
    case 0x0fba:
        insn->op = (enum ptwr_op)(PTWR_BTS + (middle - 5));
        *immediate = 1;
        return middle >= 5;
    default:
        return false;
    }
}

/* The operation of an opcode with a register source; false: none of ours. */
static bool register_op(unsigned opcode, enum ptwr_op *op)
{
    switch (opcode) {
    case 0x00: /* the ALU instructions, by bits 5:3 */
    case 0x01:
    case 0x08:
    case 0x09:
    case 0x10:
    case 0x11:
    case 0x18:
    case 0x19:
    case 0x20:
    case 0x21:
    case 0x28:
    case 0x29:
    case 0x30:
    case 0x31:
        *op = (enum ptwr_op)(opcode >> 3);
        return true;
    case 0x86:
    case 0x87:
        *op = PTWR_XCHG;
        return true;
    case 0x88:
    case 0x89:
    case 0x0fc3: /* MOVNTI */
        *op = PTWR_MOV;
        return true;
    case 0x0fab:
        *op = PTWR_BTS;
        return true;
    case 0x0fb3:
        *op = PTWR_BTR;
        return true;
    case 0x0fbb:
        *op = PTWR_BTC;
        return true;
    case 0x0fb0:
    case 0x0fb1:
        *op = PTWR_CMPXCHG;
        return true;
    case 0x0fc0:
    case 0x0fc1:
        *op = PTWR_XADD;
        return true;
    default:
        return false;
    }
}

/* Even opcodes have byte operands, but for those that have none. */
static bool is_byte_op(unsigned opcode)
{
    return !(opcode & 1) && opcode != 0x0fba;
}

/* What kernels do most: MOV or XCHG of a whole entry whose address is in one register. */
static LAGAN_INLINE bool decode_usual(const uint8_t *bytes, size_t count, struct ptwr_insn *insn)
{
    if (count < 3 || (bytes[0] & ~(REX_R | REX_B)) != (0x40 | REX_W) ||
        (bytes[1] != 0x87 && bytes[1] != 0x89) || bytes[2] >= 0x40 || (bytes[2] & 6) == 4)
        return false;
    *insn = (struct ptwr_insn){.op = bytes[1] == 0x87 ? PTWR_XCHG : PTWR_MOV,
                               .length = 3,
                               .bytes = 8,
                               .reg = (uint8_t)(bytes[2] >> 3 | (bytes[0] & REX_R) << 1),
                               .base = (uint8_t)((bytes[2] & 7) | (bytes[0] & REX_B) << 3),
                               .index = PTWR_NO_REG};
    return true;
}

static LAGAN_NOINLINE bool decode_any(const uint8_t *bytes, size_t count, struct ptwr_insn *insn)
{
    struct cursor c = {.bytes = bytes, .count = count};
    unsigned opcode, middle, immediate = 0;
    bool has_register;

    *insn = (struct ptwr_insn){.reg = PTWR_NO_REG};
    opcode = read_prefixes(&c, insn);
    if (opcode == 0x0f)
        opcode = 0x0f00 | next_byte(&c);
    insn->bytes = is_byte_op(opcode) ? 1 : c.rex & REX_W ? 8 : c.operand16 ? 2 : 4;
    has_register = register_op(opcode, &insn->op);
    if (!decode_modrm(&c, insn, &middle))
        return false;
    if (has_register)
        source_register(&c, insn, middle);
    else if (!group_op(opcode, middle, insn, &immediate))
        return false;
    if (immediate)
        insn->immediate = (uint64_t)next_signed(&c, immediate);
    insn->length = (uint8_t)c.at;
    return !c.ended;
}

bool ptwr_decode(const uint8_t *bytes, size_t count, struct ptwr_insn *insn)
{
    return decode_usual(bytes, count, insn) || decode_any(bytes, count, insn);
}
