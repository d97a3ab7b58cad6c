/* SPDX-License-Identifier: MIT
 *
 * The decoder against a table, and against the assembler: `bytes` of the second table come from the
 * assembler itself, so that encodings are not taken from the same head twice.
 */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "xen/arch/x86/pv_decode.h"

/* One assembled instruction: its length, then its bytes. */
#define ASM(name, text)                                                         \
    extern const uint8_t asm_##name[], asm_##name##_end[];                      \
    __asm__(".pushsection .rodata\nasm_" #name ": " text "\nasm_" #name "_end:" \
            " .popsection")

ASM(cr0_r15, "mov %cr0, %r15");
ASM(rax_cr4, "mov %rax, %cr4");
ASM(cr8_rbx, "mov %cr8, %rbx");
ASM(dr7_rdx, "mov %dr7, %rdx");
ASM(r9_dr3, "mov %r9, %dr3");
ASM(clts, "clts");
ASM(lmsw, "lmsw %cx");
ASM(lmsw_r9, "lmsw %r9w");
ASM(rdmsr, "rdmsr");
ASM(wrmsr, "wrmsr");
ASM(wbinvd, "wbinvd");
ASM(cli, "cli");
ASM(sti, "sti");
ASM(hlt, "hlt");
ASM(in8, "in $0x61, %al");
ASM(in16, "in %dx, %ax");
ASM(in32, "in %dx, %eax");
ASM(out8, "out %al, %dx");
ASM(out16, "out %ax, $0x80");
ASM(out32, "out %eax, %dx");
ASM(insb, "rep insb");
ASM(insl32, "addr32 rep insl");
ASM(outsw, "outsw");
ASM(outs_fs, "outsb %fs:(%rsi), %dx");
ASM(outs_gs, "rep outsl %gs:(%rsi), %dx");
ASM(xsetbv, "xsetbv");
ASM(rdtsc, "rdtsc");
ASM(rdtscp, "rdtscp");

static const struct {
    const uint8_t *begin, *end;
    struct pv_insn want; /* length is the assembler's */
} assembled[] = {
#define ROW(name, ...)                \
    {                                 \
        asm_##name, asm_##name##_end, \
        {                             \
            __VA_ARGS__               \
        }                             \
    }
    ROW(cr0_r15, .op = PV_OP_MOV_FROM_CR, .reg = 15, .sysreg = 0),
    ROW(rax_cr4, .op = PV_OP_MOV_TO_CR, .reg = 0, .sysreg = 4),
    ROW(cr8_rbx, .op = PV_OP_MOV_FROM_CR, .reg = 3, .sysreg = 8),
    ROW(dr7_rdx, .op = PV_OP_MOV_FROM_DR, .reg = 2, .sysreg = 7),
    ROW(r9_dr3, .op = PV_OP_MOV_TO_DR, .reg = 9, .sysreg = 3),
    ROW(clts, .op = PV_OP_CLTS),
    ROW(lmsw, .op = PV_OP_LMSW, .reg = 1),
    ROW(lmsw_r9, .op = PV_OP_LMSW, .reg = 9),
    ROW(rdmsr, .op = PV_OP_RDMSR),
    ROW(wrmsr, .op = PV_OP_WRMSR),
    ROW(wbinvd, .op = PV_OP_CACHE_FLUSH),
    ROW(cli, .op = PV_OP_CLI),
    ROW(sti, .op = PV_OP_STI),
    ROW(hlt, .op = PV_OP_HLT),
    ROW(in8, .op = PV_OP_IN, .bytes = 1, .port_immediate = true, .port = 0x61),
    ROW(in16, .op = PV_OP_IN, .bytes = 2),
    ROW(in32, .op = PV_OP_IN, .bytes = 4),
    ROW(out8, .op = PV_OP_OUT, .bytes = 1),
    ROW(out16, .op = PV_OP_OUT, .bytes = 2, .port_immediate = true, .port = 0x80),
    ROW(out32, .op = PV_OP_OUT, .bytes = 4),
    ROW(insb, .op = PV_OP_INS, .bytes = 1, .rep = true),
    ROW(insl32, .op = PV_OP_INS, .bytes = 4, .rep = true, .address32 = true),
    ROW(outsw, .op = PV_OP_OUTS, .bytes = 2),
    ROW(outs_fs, .op = PV_OP_OUTS, .bytes = 1, .segment = PV_SEG_FS),
    ROW(outs_gs, .op = PV_OP_OUTS, .bytes = 4, .rep = true, .segment = PV_SEG_GS),
    ROW(xsetbv, .op = PV_OP_XSETBV),
    ROW(rdtsc, .op = PV_OP_RDTSC),
    ROW(rdtscp, .op = PV_OP_RDTSCP),
};

static bool insn_equal(const struct pv_insn *a, const struct pv_insn *b)
{
    return a->op == b->op && a->length == b->length && a->reg == b->reg && a->sysreg == b->sysreg &&
           a->bytes == b->bytes && a->rep == b->rep && a->address32 == b->address32 &&
           a->port_immediate == b->port_immediate && a->port == b->port && a->segment == b->segment;
}

static void test_assembled(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(assembled); i++) {
        size_t length = (size_t)(assembled[i].end - assembled[i].begin);
        struct pv_insn want = assembled[i].want, got;

        want.length = (uint8_t)length;
        CU_ASSERT(pv_decode(assembled[i].begin, length, &got) && insn_equal(&got, &want));
        for (size_t n = 0; n < length; n++) /* cut short: never an instruction */
            CU_ASSERT_FALSE(pv_decode(assembled[i].begin, n, &got));
    }
}

struct bytes {
    unsigned count;
    uint8_t b[16];
};

static void test_refused(void)
{
    static const struct bytes refused[] = {
        {1, {0x90}},                     /* nop */
        {3, {0xf0, 0x0f, 0x20}},         /* lock, cut short */
        {4, {0xf0, 0x0f, 0x20, 0xc0}},   /* lock mov cr0 */
        {2, {0xf0, 0xfa}},               /* lock cli */
        {3, {0x0f, 0x01, 0xf8}},         /* swapgs */
        {3, {0x0f, 0x01, 0xd0}},         /* xgetbv */
        {3, {0x0f, 0x01, 0xd9}},         /* vmmcall */
        {3, {0x0f, 0x01, 0x30}},         /* lmsw (%rax): memory form */
        {3, {0x0f, 0x01, 0x10}},         /* lgdt */
        {4, {0x66, 0x0f, 0x01, 0xd1}},   /* xsetbv with a prefix it does not take */
        {2, {0x0f, 0x33}},               /* rdpmc */
        {2, {0x0f, 0xa2}},               /* cpuid */
        {2, {0x0f, 0x0b}},               /* ud2 */
        {2, {0x0f, 0x24}},               /* mov tr */
        {2, {0xcd, 0x80}},               /* int $0x80 */
        {1, {0xcf}},                     /* iret */
        {1, {0x9d}},                     /* popf */
        {16, {[0 ... 14] = 0x66, 0xfa}}, /* an instruction of 16 bytes */
    };
    struct pv_insn insn;

    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        CU_ASSERT_FALSE(pv_decode(refused[i].b, refused[i].count, &insn));
}

static void test_prefixes(void)
{
    static const uint8_t longest[15] = {[0 ... 13] = 0x66, 0xfa};
    static const uint8_t rex_lost[] = {0x44, 0x66, 0x0f, 0x20, 0xc0};  /* REX, then 66: no cr8 */
    static const uint8_t rex_twice[] = {0x45, 0x41, 0x0f, 0x20, 0xc0}; /* the last one counts */
    static const uint8_t segment_kept[] = {0x64, 0x3e, 0x6e};          /* DS after FS: ignored */
    static const uint8_t rex_w[] = {0x48, 0xed};                       /* still 32 bits wide */
    static const uint8_t mod_ignored[] = {0x0f, 0x22, 0x18}; /* mod 0: a register all the same */
    struct pv_insn insn;

    CU_ASSERT(pv_decode(longest, 15, &insn) && insn.op == PV_OP_CLI && insn.length == 15);
    CU_ASSERT(pv_decode(rex_lost, 5, &insn) && insn.sysreg == 0 && insn.length == 5);
    CU_ASSERT(pv_decode(rex_twice, 5, &insn) && insn.sysreg == 0 && insn.reg == 8);
    CU_ASSERT(pv_decode(segment_kept, 3, &insn) && insn.segment == PV_SEG_FS);
    CU_ASSERT(pv_decode(rex_w, 2, &insn) && insn.bytes == 4);
    CU_ASSERT(pv_decode(mod_ignored, 3, &insn) && insn.op == PV_OP_MOV_TO_CR && insn.sysreg == 3 &&
              insn.reg == 0 && insn.length == 3);
}

/* INV-DEC-1 and INV-DEC-2 on random bytes in a buffer of exactly that size (a build with ASan sees
 * a read behind it). */
static void test_random(void)
{
    static const uint8_t likely_bytes[] = {0x0f, 0x66, 0x67, 0xf3, 0x48, 0x4f, 0x64, 0x6c,
                                           0x6f, 0xe4, 0xef, 0x20, 0x22, 0x01, 0xfa, 0x30};
    unsigned decoded = 0;

    srandom((unsigned)test_seed);
    for (unsigned round = 0; round < 100000; round++) {
        size_t count = (size_t)random() % 17;
        uint8_t *bytes = malloc(count ? count : 1);
        struct pv_insn insn, again;

        for (size_t i = 0; i < count; i++)
            bytes[i] = random() & 1 ? likely_bytes[random() % 16] : (uint8_t)random();
        if (pv_decode(bytes, count, &insn)) {
            decoded++;
            CU_ASSERT(insn.length >= 1 && insn.length <= count && insn.length <= PV_INSN_MAX);
            CU_ASSERT(pv_decode(bytes, insn.length, &again) && insn_equal(&insn, &again));
            CU_ASSERT_FALSE(pv_decode(bytes, insn.length - 1U, &again));
        }
        free(bytes);
    }
    CU_ASSERT(decoded > 1000);
}

static const struct test_case cases[] = {
    {"every instruction, as the assembler encodes it", test_assembled},
    {"what is not ours", test_refused},
    {"prefixes", test_prefixes},
    {"random bytes", test_random},
    {NULL, NULL},
};

const struct suite suite_pv_decode = {.name = "pv_decode", .cases = cases};
