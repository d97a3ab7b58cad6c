/* SPDX-License-Identifier: MIT
 *
 * The decoder of writes to page tables, against encodings by hand; and what the instructions
 * compute, against this processor.
 */
#include <string.h>

#include "suite.h"
#include "unittests/mm_kit.h"
#include "xen/arch/x86/pv_ptwr_decode.h"

#define NONE PTWR_NO_REG

static const struct decode_case {
    const char *what;
    uint8_t code[15];
    struct ptwr_insn insn; /* length 0: refused */
} decode_cases[] = {
    {"mov %rax,(%rbx)", {0x48, 0x89, 0x03}, {PTWR_MOV, 3, 8, 0, .base = 3, .index = NONE}},
    {"mov %r9,8(%r12)",
     {0x4d, 0x89, 0x4c, 0x24, 0x08},
     {PTWR_MOV, 5, 8, 9, .base = 12, .index = NONE, .displacement = 8}},
    {"mov %ecx,(%rdi,%r8,4)",
     {0x42, 0x89, 0x0c, 0x87},
     {PTWR_MOV, 4, 4, 1, .base = 7, .index = 8, .scale = 2}},
    {"movq $-1,0x1000(%rax)",
     {0x48, 0xc7, 0x80, 0, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff},
     {PTWR_MOV, 11, 8, NONE, .base = 0, .index = NONE, .displacement = 0x1000, .immediate = ~0ULL}},
    {"movw $0x8001,(%rcx)",
     {0x66, 0xc7, 0x01, 0x01, 0x80},
     {PTWR_MOV, 5, 2, NONE, .base = 1, .index = NONE, .immediate = 0xffffffffffff8001}},
    {"movb $7,(%rsp)",
     {0xc6, 0x04, 0x24, 7},
     {PTWR_MOV, 4, 1, NONE, .base = 4, .index = NONE, .immediate = 7}},
    {"xchg %rax,(%rdi)", {0x48, 0x87, 0x07}, {PTWR_XCHG, 3, 8, 0, .base = 7, .index = NONE}},
    {"lock andb $0xfd,(%rbx)",
     {0xf0, 0x80, 0x23, 0xfd},
     {PTWR_AND, 4, 1, NONE, .base = 3, .index = NONE, .immediate = 0xfffffffffffffffd}},
    {"lock cmpxchg %rsi,(%rdi)",
     {0xf0, 0x48, 0x0f, 0xb1, 0x37},
     {PTWR_CMPXCHG, 5, 8, 6, .base = 7, .index = NONE}},
    {"lock btr %rax,(%rdi)",
     {0xf0, 0x48, 0x0f, 0xb3, 0x07},
     {PTWR_BTR, 5, 8, 0, .base = 7, .index = NONE}},
    {"lock btsq $6,(%rdi)",
     {0xf0, 0x48, 0x0f, 0xba, 0x2f, 6},
     {PTWR_BTS, 6, 8, NONE, .base = 7, .index = NONE, .immediate = 6}},
    {"btcl $1,(%rdi)",
     {0x0f, 0xba, 0x3f, 1},
     {PTWR_BTC, 4, 4, NONE, .base = 7, .index = NONE, .immediate = 1}},
    {"lock xadd %ax,(%rdi)",
     {0xf0, 0x66, 0x0f, 0xc1, 0x07},
     {PTWR_XADD, 5, 2, 0, .base = 7, .index = NONE}},
    {"orl $0x100,(%rdi)",
     {0x81, 0x0f, 0, 1, 0, 0},
     {PTWR_OR, 6, 4, NONE, .base = 7, .index = NONE, .immediate = 0x100}},
    {"mov %ah,(%rdi)",
     {0x88, 0x27},
     {PTWR_MOV, 2, 1, 0, .high_byte = true, .base = 7, .index = NONE}},
    {"mov %spl,(%rdi)", {0x40, 0x88, 0x27}, {PTWR_MOV, 3, 1, 4, .base = 7, .index = NONE}},
    {"mov %rax,0x10(%rip)",
     {0x48, 0x89, 0x05, 0x10, 0, 0, 0},
     {PTWR_MOV, 7, 8, 0, .base = NONE, .index = NONE, .rip_relative = true, .displacement = 0x10}},
    {"mov %rax,0x1234 (no base)",
     {0x48, 0x89, 0x04, 0x25, 0x34, 0x12, 0, 0},
     {PTWR_MOV, 8, 8, 0, .base = NONE, .index = NONE, .displacement = 0x1234}},
    {"mov %eax,(%edi)",
     {0x67, 0x89, 0x07},
     {PTWR_MOV, 3, 4, 0, .address32 = true, .base = 7, .index = NONE}},
    {"mov %rax,8(%rbp,%rcx,2)",
     {0x48, 0x89, 0x44, 0x4d, 0x08},
     {PTWR_MOV, 5, 8, 0, .base = 5, .index = 1, .scale = 1, .displacement = 8}},
    {"movnti %rax,-1(%rbp)",
     {0x48, 0x0f, 0xc3, 0x45, 0xff},
     {PTWR_MOV, 5, 8, 0, .base = 5, .index = NONE, .displacement = -1}},
    {"notq", {0x48, 0xf7, 0x17}, {PTWR_NOT, 3, 8, NONE, .base = 7, .index = NONE}},
    {"negl", {0xf7, 0x1f}, {PTWR_NEG, 2, 4, NONE, .base = 7, .index = NONE}},
    {"incb", {0xfe, 0x07}, {PTWR_INC, 2, 1, NONE, .base = 7, .index = NONE}},
    {"decq", {0x48, 0xff, 0x0f}, {PTWR_DEC, 3, 8, NONE, .base = 7, .index = NONE}},
    {"REX before another prefix does not count",
     {0x48, 0x66, 0x89, 0x07},
     {PTWR_MOV, 4, 2, 0, .base = 7, .index = NONE}},
    {"register form", {0x48, 0x89, 0xc3}, {0}},
    {"cmpb", {0x80, 0x3f, 1}, {0}},
    {"cmp", {0x48, 0x39, 0x07}, {0}},
    {"a load", {0x48, 0x8b, 0x07}, {0}},
    {"bt", {0x48, 0x0f, 0xa3, 0x07}, {0}},
    {"btq imm", {0x48, 0x0f, 0xba, 0x27, 1}, {0}},
    {"testq", {0x48, 0xf7, 0x07, 1, 0, 0, 0}, {0}},
    {"mulq", {0x48, 0xf7, 0x27}, {0}},
    {"callq *", {0xff, 0x17}, {0}},
    {"pushq", {0xff, 0x37}, {0}},
    {"FS", {0x64, 0x48, 0x89, 0x07}, {0}},
    {"GS", {0x65, 0x48, 0x89, 0x07}, {0}},
    {"stosq", {0x48, 0xab}, {0}},
    {"movq with a register field", {0x48, 0xc7, 0x0f, 1, 0, 0, 0}, {0}},
    {"cmpxchg16b", {0x48, 0x0f, 0xc7, 0x0f}, {0}},
};

static bool same(const struct ptwr_insn *a, const struct ptwr_insn *b)
{
    return a->op == b->op && a->length == b->length && a->bytes == b->bytes && a->reg == b->reg &&
           a->high_byte == b->high_byte && a->address32 == b->address32 && a->base == b->base &&
           a->index == b->index && a->scale == b->scale && a->rip_relative == b->rip_relative &&
           a->displacement == b->displacement && a->immediate == b->immediate;
}

/* MOV and XCHG of a whole entry have a short way of their own, which a prefix that changes nothing turns off: both
 * say the same of every REX prefix and every ModRM byte, but for the length. */
static void test_short_way(void)
{
    for (unsigned n = 0; n < 16 * 2 * 256; n++) {
        uint8_t code[15] = {0x3e,
                            (uint8_t)(0x40 | n % 16),
                            n / 16 % 2 ? 0x87 : 0x89,
                            (uint8_t)(n / 32),
                            0x25,
                            0x12,
                            0x34,
                            0x56,
                            0x78};
        struct ptwr_insn brief, whole;
        bool ok = ptwr_decode(code + 1, sizeof(code) - 1, &brief);

        if (ok != ptwr_decode(code, sizeof(code), &whole)) {
            CU_FAIL("one way decodes it, the other does not");
        } else if (ok) {
            whole.length--;
            CU_ASSERT(same(&brief, &whole));
            CU_ASSERT(!ptwr_decode(code + 1, brief.length - 1U, &whole));
        }
    }
}

static void test_decode(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(decode_cases); i++) {
        const struct decode_case *c = &decode_cases[i];
        struct ptwr_insn insn;
        bool ok = ptwr_decode(c->code, sizeof(c->code), &insn);

        if (ok != (c->insn.length != 0) || (ok && !same(&insn, &c->insn))) {
            printf("case: %s\n", c->what);
            CU_FAIL("decoded otherwise");
        }
        /* Each byte of it is needed, and none behind it. */
        if (ok)
            CU_ASSERT_FALSE(ptwr_decode(c->code, insn.length - 1U, &insn));
        CU_ASSERT(!ok || ptwr_decode(c->code, c->insn.length, &insn));
    }
}

/* ---- what they compute ---- */

struct machine {
    uint64_t memory, reg, rax, rflags;
};

#define FLAGS 0x8d5u /* OF SF ZF AF PF CF */

/* One instruction on this processor: with register or RAX operands of every size. */
#define RUN(m, text)                                                                        \
    __asm__ volatile("push %3\n popfq\n" text "\n pushfq\n pop %3\n"                        \
                     : "+m"((m)->memory), "+c"((m)->reg), "+a"((m)->rax), "+d"((m)->rflags) \
                     :                                                                      \
                     : "cc", "memory")
#define SIZES(name, bytes, m)                   \
    do {                                        \
        if ((bytes) == 1)                       \
            RUN(m, "lock " name "b %%cl, %0");  \
        else if ((bytes) == 2)                  \
            RUN(m, "lock " name "w %%cx, %0");  \
        else if ((bytes) == 4)                  \
            RUN(m, "lock " name "l %%ecx, %0"); \
        else                                    \
            RUN(m, "lock " name "q %%rcx, %0"); \
    } while (0)
#define ALONE(name, bytes, m)            \
    do {                                 \
        if ((bytes) == 1)                \
            RUN(m, "lock " name "b %0"); \
        else if ((bytes) == 2)           \
            RUN(m, "lock " name "w %0"); \
        else if ((bytes) == 4)           \
            RUN(m, "lock " name "l %0"); \
        else                             \
            RUN(m, "lock " name "q %0"); \
    } while (0)
#define BITS(name, bytes, m)                    \
    do {                                        \
        if ((bytes) == 2)                       \
            RUN(m, "lock " name "w %%cx, %0");  \
        else if ((bytes) == 4)                  \
            RUN(m, "lock " name "l %%ecx, %0"); \
        else                                    \
            RUN(m, "lock " name "q %%rcx, %0"); \
    } while (0)

static void run_real(enum ptwr_op op, unsigned bytes, struct machine *m)
{
    switch (op) {
    case PTWR_ADD:
        SIZES("add", bytes, m);
        break;
    case PTWR_OR:
        SIZES("or", bytes, m);
        break;
    case PTWR_ADC:
        SIZES("adc", bytes, m);
        break;
    case PTWR_SBB:
        SIZES("sbb", bytes, m);
        break;
    case PTWR_AND:
        SIZES("and", bytes, m);
        break;
    case PTWR_SUB:
        SIZES("sub", bytes, m);
        break;
    case PTWR_XOR:
        SIZES("xor", bytes, m);
        break;
    case PTWR_XCHG:
        SIZES("xchg", bytes, m);
        break;
    case PTWR_XADD:
        SIZES("xadd", bytes, m);
        break;
    case PTWR_CMPXCHG:
        SIZES("cmpxchg", bytes, m);
        break;
    case PTWR_BTS:
        BITS("bts", bytes, m);
        break;
    case PTWR_BTR:
        BITS("btr", bytes, m);
        break;
    case PTWR_BTC:
        BITS("btc", bytes, m);
        break;
    case PTWR_NOT:
        ALONE("not", bytes, m);
        break;
    case PTWR_NEG:
        ALONE("neg", bytes, m);
        break;
    case PTWR_INC:
        ALONE("inc", bytes, m);
        break;
    case PTWR_DEC:
        ALONE("dec", bytes, m);
        break;
    case PTWR_MOV:
    case PTWR_CMP:
        break;
    }
}

static uint64_t cut(uint64_t v, unsigned bytes)
{
    return bytes == 8 ? v : v & ((UINT64_C(1) << 8 * bytes) - 1);
}

/* Flags that the manuals leave open are not compared. */
static uint64_t defined_flags(enum ptwr_op op)
{
    switch (op) {
    case PTWR_OR:
    case PTWR_AND:
    case PTWR_XOR:
        return FLAGS & ~0x10u;
    case PTWR_BTS:
    case PTWR_BTR:
    case PTWR_BTC:
        return 0x41; /* CF, and ZF stays */
    default:
        return FLAGS;
    }
}

static void compare(enum ptwr_op op, unsigned bytes, struct machine before)
{
    struct ptwr_insn insn = {.op = op, .bytes = (uint8_t)bytes, .reg = 1};
    struct machine real = before;
    struct ptwr_effect e;
    uint64_t reg = before.reg, rax = before.rax;
    bool is_bit = op >= PTWR_BTS && op <= PTWR_BTC, ok;

    if (is_bit) {
        if (bytes == 1)
            return;
        before.reg = real.reg = reg = reg % (bytes * 8);
    }
    run_real(op, bytes, &real);
    ok = ptwr_execute(&insn, before.memory, before.reg, before.rax, before.rflags, &e);
    CU_ASSERT_TRUE_FATAL(ok);
    if (e.writes_register)
        *(op == PTWR_CMPXCHG ? &rax : &reg) = e.reg;
    if (cut(real.memory, bytes) != e.memory || cut(real.reg, bytes) != cut(reg, bytes) ||
        cut(real.rax, bytes) != cut(rax, bytes) ||
        ((real.rflags ^ e.rflags) & defined_flags(op)) != 0) {
        printf("op %d, %u bytes, %lx with %lx, rax %lx: %lx flags %lx, really %lx %lx\n", (int)op,
               bytes, before.memory, before.reg, before.rax, e.memory, e.rflags & FLAGS,
               real.memory, real.rflags & FLAGS);
        CU_FAIL_FATAL("computed otherwise than this processor");
    }
}

static uint64_t interesting(uint64_t *r)
{
    static const uint64_t v[] = {0,          1,      0x7f,       0x80,       0xff,       0x7fff,
                                 0x8000,     0xffff, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX,
                                 1ULL << 63, ~0ULL,  0x10,       0xf};

    return kit_random(r) % 3 ? v[kit_random(r) % ARRAY_SIZE(v)]
                             : kit_random(r) << 16 ^ kit_random(r);
}

static void test_execute(void)
{
    static const unsigned sizes[] = {1, 2, 4, 8};
    uint64_t r = kit_seed(17);

    for (unsigned n = 0; n < 100000; n++) {
        struct machine m = {interesting(&r), interesting(&r), interesting(&r),
                            (kit_random(&r) & FLAGS) | 0x202};
        enum ptwr_op op = (enum ptwr_op)(kit_random(&r) % (PTWR_DEC + 1));

        if (kit_random(&r) % 4 == 0)
            m.rax = m.memory;
        if (op != PTWR_CMP && op != PTWR_MOV)
            compare(op, sizes[kit_random(&r) % 4], m);
    }
}

static void test_execute_corners(void)
{
    struct ptwr_insn insn = {.op = PTWR_BTS, .bytes = 4, .reg = 1};
    struct ptwr_effect e;

    CU_ASSERT_FALSE(ptwr_execute(&insn, 0, 32, 0, 0, &e)); /* another word */
    CU_ASSERT_FALSE(ptwr_execute(&insn, 0, ~0ULL, 0, 0, &e));
    CU_ASSERT(ptwr_execute(&insn, 0, 31, 0, 0, &e) && e.memory == 0x80000000);
    insn.reg = PTWR_NO_REG; /* immediate: modulo the size */
    CU_ASSERT(ptwr_execute(&insn, 0, 33, 0, 0, &e) && e.memory == 2);
    insn = (struct ptwr_insn){.op = PTWR_MOV, .bytes = 2, .reg = 1};
    CU_ASSERT(ptwr_execute(&insn, ~0ULL, 0x12345, 0, 0x8d7, &e));
    CU_ASSERT(e.memory == 0x2345 && e.rflags == 0x8d7 && !e.writes_register);
    insn.op = PTWR_CMP;
    CU_ASSERT_FALSE(ptwr_execute(&insn, 0, 0, 0, 0, &e));
}

static const struct test_case cases[] = {
    {"decoding", test_decode},
    {"the short way", test_short_way},
    {"execution, against this processor", test_execute},
    {"execution, corners", test_execute_corners},
    {0},
};
const struct suite suite_ptwr_decode = {"ptwr decode", cases, NULL, NULL};
