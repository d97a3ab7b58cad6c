/* SPDX-License-Identifier: MIT
 *
 * A decoder for privileged instructions, and nothing else. It answers for instructions that have
 * raised #GP already, so that it may be as narrow as it likes: what it does not know goes back to
 * the guest as the fault it is. It must only never take one instruction for another, or its length
 * for another.
 *
 * An instruction is: legacy prefixes in any order, at most one REX prefix that counts (the one
 * right before the opcode), one or two opcode bytes, then for some a ModRM byte or an immediate
 * byte. None of ours has a displacement: memory forms are refused.
 *
 * INV-DEC-1: no byte at or beyond bytes[count] is read, and length <= count <= PV_INSN_MAX.
 * INV-DEC-2: the verdict depends on the first `length` bytes alone.
 */
#include "xen/arch/x86/pv_decode.h"

#define REX_B 1
#define REX_R 4
#define REX_W 8

struct cursor {
    const uint8_t *bytes;
    size_t count;
    size_t at;
};

struct prefixes {
    bool operand16, address32, rep;
    uint8_t rex;
    enum pv_segment segment;
};

static bool next_byte(struct cursor *c, uint8_t *b)
{
    if (c->at >= c->count || c->at >= PV_INSN_MAX)
        return false;
    *b = c->bytes[c->at++];
    return true;
}

/* Reads prefixes and the first opcode byte. LOCK counts as an opcode that is not ours: none of ours
 * takes it, and on some CPUs it turns CR0 into CR8. */
static bool read_prefixes(struct cursor *c, struct prefixes *p, uint8_t *opcode)
{
    *p = (struct prefixes){.segment = PV_SEG_FLAT};
    for (;;) {
        if (!next_byte(c, opcode))
            return false;
        if (*opcode >= 0x40 && *opcode <= 0x4f) {
            p->rex = *opcode;
            continue;
        }
        switch (*opcode) {
        case 0x26: /* ES, CS, SS, DS: flat in 64-bit mode, and ignored even after FS or GS */
        case 0x2e:
        case 0x36:
        case 0x3e:
            break;
        case 0x64:
            p->segment = PV_SEG_FS;
            break;
        case 0x65:
            p->segment = PV_SEG_GS;
            break;
        case 0x66:
            p->operand16 = true;
            break;
        case 0x67:
            p->address32 = true;
            break;
        case 0xf2:
        case 0xf3:
            p->rep = true;
            break;
        default:
            return true;
        }
        p->rex = 0; /* a REX prefix that another prefix follows is ignored */
    }
}

/* The register forms behind 0f 01. */
static bool decode_group7(struct cursor *c, const struct prefixes *p, struct pv_insn *insn)
{
    uint8_t modrm;

    if (!next_byte(c, &modrm))
        return false;
    switch (modrm) {
    case 0xd1:
        insn->op = PV_OP_XSETBV;
        return !p->operand16 && !p->rep;
    case 0xf9:
        insn->op = PV_OP_RDTSCP;
        return true;
    default:
        if ((modrm & 0xf8) != 0xf0)
            return false;
        insn->op = PV_OP_LMSW;
        insn->reg = (uint8_t)((modrm & 7) | (p->rex & REX_B ? 8 : 0));
        return true;
    }
}

/* 0f 20 to 0f 23. The mod bits of their ModRM byte mean nothing: it is always the register form. */
static bool decode_mov_sysreg(struct cursor *c, const struct prefixes *p, uint8_t opcode,
                              struct pv_insn *insn)
{
    static const enum pv_op ops[] = {PV_OP_MOV_FROM_CR, PV_OP_MOV_FROM_DR, PV_OP_MOV_TO_CR,
                                     PV_OP_MOV_TO_DR};
    uint8_t modrm;

    if (!next_byte(c, &modrm))
        return false;
    insn->op = ops[opcode - 0x20];
    insn->reg = (uint8_t)((modrm & 7) | (p->rex & REX_B ? 8 : 0));
    insn->sysreg = (uint8_t)((modrm >> 3 & 7) | (p->rex & REX_R ? 8 : 0));
    return true;
}

static bool decode_two_byte(struct cursor *c, const struct prefixes *p, struct pv_insn *insn)
{
    uint8_t opcode;

    if (!next_byte(c, &opcode))
        return false;
    switch (opcode) {
    case 0x01:
        return decode_group7(c, p, insn);
    case 0x06:
        insn->op = PV_OP_CLTS;
        return true;
    case 0x09:
        insn->op = PV_OP_CACHE_FLUSH;
        return true;
    case 0x20:
    case 0x21:
    case 0x22:
    case 0x23:
        return decode_mov_sysreg(c, p, opcode, insn);
    case 0x30:
        insn->op = PV_OP_WRMSR;
        return true;
    case 0x31:
        insn->op = PV_OP_RDTSC;
        return true;
    case 0x32:
        insn->op = PV_OP_RDMSR;
        return true;
    default:
        return false;
    }
}

/* Port I/O: bit 0 of each opcode chooses between a byte and the operand size (REX.W does not
 * count). */
static bool decode_port_io(struct cursor *c, const struct prefixes *p, uint8_t opcode,
                           struct pv_insn *insn)
{
    insn->bytes = !(opcode & 1) ? 1 : p->operand16 ? 2 : 4;
    if (opcode <= 0x6f) {
        insn->op = opcode <= 0x6d ? PV_OP_INS : PV_OP_OUTS;
        insn->rep = p->rep;
        insn->address32 = p->address32;
        insn->segment = insn->op == PV_OP_OUTS ? p->segment : PV_SEG_FLAT;
        return true;
    }
    insn->op = opcode & 2 ? PV_OP_OUT : PV_OP_IN;
    insn->port_immediate = opcode < 0xe8;
    return !insn->port_immediate || next_byte(c, &insn->port);
}

static bool decode_one_byte(struct cursor *c, const struct prefixes *p, uint8_t opcode,
                            struct pv_insn *insn)
{
    switch (opcode) {
    case 0x0f:
        return decode_two_byte(c, p, insn);
    case 0x6c:
    case 0x6d:
    case 0x6e:
    case 0x6f:
    case 0xe4:
    case 0xe5:
    case 0xe6:
    case 0xe7:
    case 0xec:
    case 0xed:
    case 0xee:
    case 0xef:
        return decode_port_io(c, p, opcode, insn);
    case 0xf4:
        insn->op = PV_OP_HLT;
        return true;
    case 0xfa:
        insn->op = PV_OP_CLI;
        return true;
    case 0xfb:
        insn->op = PV_OP_STI;
        return true;
    default:
        return false;
    }
}

bool pv_decode(const uint8_t *bytes, size_t count, struct pv_insn *insn)
{
    struct cursor c = {.bytes = bytes, .count = count};
    struct prefixes p;
    uint8_t opcode;

    *insn = (struct pv_insn){0};
    if (!read_prefixes(&c, &p, &opcode) || !decode_one_byte(&c, &p, opcode, insn))
        return false;
    insn->length = (uint8_t)c.at;
    return true;
}
