/* SPDX-License-Identifier: MIT
 *
 * What the instructions of pv_ptwr_decode.h compute: the new word, the register, the flags.
 *
 * Flags follow the manuals; those that the manuals leave undefined keep their values (AF after
 * logical operations is cleared, as processors do).
 */
#include "xen/arch/x86/pv_ptwr_decode.h"

#define FLAG_CF 0x001u
#define FLAG_PF 0x004u
#define FLAG_AF 0x010u
#define FLAG_ZF 0x040u
#define FLAG_SF 0x080u
#define FLAG_OF 0x800u
#define FLAGS   (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

static uint64_t mask_of(unsigned bytes)
{
    return bytes == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * bytes)) - 1;
}

static bool top_bit(uint64_t v, unsigned bytes)
{
    return v >> (8 * bytes - 1) & 1;
}

/* PF, ZF, SF */
static uint64_t result_flags(uint64_t r, unsigned bytes)
{
    uint64_t f = 0;

    r &= mask_of(bytes);
    if (!__builtin_parity((unsigned)(r & 0xff)))
        f |= FLAG_PF;
    if (r == 0)
        f |= FLAG_ZF;
    if (top_bit(r, bytes))
        f |= FLAG_SF;
    return f;
}

static uint64_t add(uint64_t a, uint64_t b, unsigned carry, unsigned bytes, uint64_t *flags)
{
    uint64_t r = (a + b + carry) & mask_of(bytes);
    bool carries = r < (a & mask_of(bytes)) || (carry && r == (a & mask_of(bytes)));

    *flags = result_flags(r, bytes) | (carries ? FLAG_CF : 0);
    if ((a ^ b ^ r) & 0x10)
        *flags |= FLAG_AF;
    if (top_bit((a ^ r) & (b ^ r), bytes))
        *flags |= FLAG_OF;
    return r;
}

static uint64_t subtract(uint64_t a, uint64_t b, unsigned borrow, unsigned bytes, uint64_t *flags)
{
    uint64_t m = mask_of(bytes), r = (a - b - borrow) & m;
    bool borrows = (a & m) < (b & m) || (borrow && (a & m) == (b & m));

    *flags = result_flags(r, bytes) | (borrows ? FLAG_CF : 0);
    if ((a ^ b ^ r) & 0x10)
        *flags |= FLAG_AF;
    if (top_bit((a ^ b) & (a ^ r), bytes))
        *flags |= FLAG_OF;
    return r;
}

static uint64_t logical(enum ptwr_op op, uint64_t a, uint64_t b, unsigned bytes, uint64_t *flags)
{
    uint64_t r = op == PTWR_OR ? a | b : op == PTWR_AND ? a & b : a ^ b;

    r &= mask_of(bytes);
    *flags = result_flags(r, bytes);
    return r;
}

/* INC and DEC leave CF alone. */
static uint64_t step(enum ptwr_op op, uint64_t a, unsigned bytes, uint64_t *flags)
{
    uint64_t carry = *flags & FLAG_CF;
    uint64_t r = op == PTWR_INC ? add(a, 1, 0, bytes, flags) : subtract(a, 1, 0, bytes, flags);

    *flags = (*flags & ~(uint64_t)FLAG_CF) | carry;
    return r;
}

static bool test_bit(const struct ptwr_insn *insn, uint64_t a, uint64_t number, uint64_t *r,
                     uint64_t *flags)
{
    unsigned bits = insn->bytes * 8u;
    uint64_t bit;

    if (insn->reg == PTWR_NO_REG)
        number %= bits;
    if (number >= bits)
        return false;
    bit = UINT64_C(1) << number;
    *flags = (*flags & ~(uint64_t)FLAG_CF) | (a & bit ? FLAG_CF : 0);
    *r = insn->op == PTWR_BTS ? a | bit : insn->op == PTWR_BTR ? a & ~bit : a ^ bit;
    return true;
}

/* All but MOV and XCHG. */
static LAGAN_NOINLINE bool compute(const struct ptwr_insn *insn, uint64_t memory, uint64_t source,
                                   uint64_t rax, uint64_t rflags, struct ptwr_effect *effect)
{
    uint64_t m = mask_of(insn->bytes), flags = rflags & FLAGS, a = memory & m, b = source & m;
    unsigned carry = rflags & FLAG_CF;
    uint64_t r = b;

    *effect = (struct ptwr_effect){.reg = a};
    switch (insn->op) {
    case PTWR_ADD:
    case PTWR_ADC:
        r = add(a, b, insn->op == PTWR_ADC ? carry : 0, insn->bytes, &flags);
        break;
    case PTWR_SUB:
    case PTWR_SBB:
        r = subtract(a, b, insn->op == PTWR_SBB ? carry : 0, insn->bytes, &flags);
        break;
    case PTWR_OR:
    case PTWR_AND:
    case PTWR_XOR:
        r = logical(insn->op, a, b, insn->bytes, &flags);
        break;
    case PTWR_XADD:
        effect->writes_register = true;
        r = add(a, b, 0, insn->bytes, &flags);
        break;
    case PTWR_CMPXCHG:
        (void)subtract(rax & m, a, 0, insn->bytes, &flags);
        effect->writes_register = a != (rax & m);
        if (effect->writes_register)
            r = a;
        break;
    case PTWR_BTS:
    case PTWR_BTR:
    case PTWR_BTC:
        if (!test_bit(insn, a, source, &r, &flags))
            return false;
        break;
    case PTWR_NOT:
        r = ~a & m;
        break;
    case PTWR_NEG:
        r = subtract(0, a, 0, insn->bytes, &flags);
        break;
    case PTWR_INC:
    case PTWR_DEC:
        r = step(insn->op, a, insn->bytes, &flags);
        break;
    default:
        return false;
    }
    effect->memory = r;
    effect->rflags = (rflags & ~(uint64_t)FLAGS) | flags;
    return true;
}

bool ptwr_execute(const struct ptwr_insn *insn, uint64_t memory, uint64_t source, uint64_t rax,
                  uint64_t rflags, struct ptwr_effect *effect)
{
    uint64_t m;

    if (insn->op != PTWR_MOV && insn->op != PTWR_XCHG)
        return compute(insn, memory, source, rax, rflags, effect);
    m = mask_of(insn->bytes);
    *effect = (struct ptwr_effect){.memory = source & m,
                                   .writes_register = insn->op == PTWR_XCHG,
                                   .reg = memory & m,
                                   .rflags = rflags};
    return true;
}
