/* SPDX-License-Identifier: MIT
 *
 * isolate: what a vCPU has in its registers is there whenever it looks, and nothing of anybody
 * else's. Each vCPU fills x87, SSE and AVX state, debug registers, selectors from its own GDT and
 * LDT, segment bases, TSC_AUX and its general registers with values that no other vCPU has, of this
 * domain or of another (seed=N), and then looks at them over and over while they share CPUs, in
 * kernel and in user mode.
 *
 * ms=N: for how long (2000).
 */
#include "kit/kit.h"
#include "kit/lib.h"

const char guest_name[] = "isolate";

#define DATA       0x00cff3000000ffffUL
#define FXSAVE_TO  416 /* bytes of an FXSAVE image that have a meaning */
#define XMM_FIRST  160
#define DR7_WRITES 0x99990055 /* all four, writes of 8 bytes */

#define SOON         (60000 * MS)
#define ROUNDS_LEAST 4

static struct tenant {
    uint64_t gdt[512] PAGE_ALIGNED;
    uint64_t ldt[512] PAGE_ALIGNED;
    uint8_t first[512] __attribute__((aligned(64)));
    uint8_t later[512] __attribute__((aligned(64)));
    uint64_t wide[16][4], wide_later[16][4];
    uint64_t value; /* no other vCPU anywhere has it */
    uint64_t target[2];
    uint16_t es, fs, gs;
    bool avx, aux;
    uint64_t xcr0; /* 0: there is none */
    volatile uint64_t done, rounds, switches;
    volatile uint64_t hits;
    char what[64];
    uint64_t got, wanted;
} tenants[KIT_CPUS_MAX];

static uint64_t end_time;

static bool wrong(struct tenant *t, const char *what, uint64_t got, uint64_t wanted)
{
    if (got == wanted) {
        return false;
    }
    if (t->what[0] == '\0') {
        (void)kit_snprintf(t->what, sizeof(t->what), "%s", what);
        t->got = got;
        t->wanted = wanted;
    }
    return true;
}

static uint64_t of(const struct tenant *t, unsigned n)
{
    return t->value * 0x0001000100010001UL + n * 0x0101010101010101UL;
}

/* ---- floating point ---- */

static void set_xcr0(void *argument)
{
    __asm__ volatile("mov %%cr4, %%rax; or $0x40000, %%eax; mov %%rax, %%cr4;"
                     "xor %%ecx, %%ecx; xor %%edx, %%edx; mov %0, %%rax; xsetbv"
                     :
                     : "r"(argument)
                     : "rax", "rcx", "rdx");
}

#define FILL_YMM(n) __asm__ volatile("vmovdqu %0, %%ymm" #n : : "m"(t->wide[n]))
#define FILL_XMM(n) __asm__ volatile("movdqu %0, %%xmm" #n : : "m"(t->wide[n]))
#define READ_YMM(n) __asm__ volatile("vmovdqu %%ymm" #n ", %0" : "=m"(t->wide_later[n]))
#define EACH_OF_4(what, a, b, c, d) \
    do {                            \
        what(a);                    \
        what(b);                    \
        what(c);                    \
        what(d);                    \
    } while (0)
#define EACH_OF_16(what)                 \
    do {                                 \
        EACH_OF_4(what, 0, 1, 2, 3);     \
        EACH_OF_4(what, 4, 5, 6, 7);     \
        EACH_OF_4(what, 8, 9, 10, 11);   \
        EACH_OF_4(what, 12, 13, 14, 15); \
    } while (0)

static void fill_fpu(struct tenant *t)
{
    uint32_t mxcsr = 0x1f80 | (uint32_t)(t->value & 3) << 13; /* rounding */
    uint16_t control = (uint16_t)(0x37f & ~((t->value & 1) << 8));

    __asm__ volatile("fninit; fldcw %0; ldmxcsr %1" : : "m"(control), "m"(mxcsr));
    for (unsigned i = 0; i < 8; i++) {
        uint64_t number = of(t, i) >> 2;

        __asm__ volatile("fildll %0" : : "m"(number));
    }
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned j = 0; j < 4; j++) {
            t->wide[i][j] = of(t, 16 + 4 * i + j);
        }
    }
    if (t->avx) {
        EACH_OF_16(FILL_YMM);
    } else {
        EACH_OF_16(FILL_XMM);
    }
    __asm__ volatile("fxsave64 %0" : "=m"(t->first));
}

static uint64_t xcr0(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void look_at_fpu(struct tenant *t)
{
    __asm__ volatile("fxsave64 %0" : "=m"(t->later));
    for (unsigned i = 0; i < FXSAVE_TO; i++) {
        (void)wrong(t, i < XMM_FIRST ? "x87" : "xmm", t->later[i], t->first[i]);
    }
    for (unsigned i = 0; i < 16; i++) {
        (void)wrong(t, "xmm pattern", memcmp(&t->later[XMM_FIRST + 16 * i], t->wide[i], 16) != 0,
                    0);
    }
    if (t->xcr0 != 0) {
        (void)wrong(t, "xcr0", xcr0(), t->xcr0);
    }
    if (!t->avx) {
        return;
    }
    EACH_OF_16(READ_YMM);
    (void)wrong(t, "ymm", memcmp(t->wide, t->wide_later, sizeof(t->wide)) != 0, 0);
}

/* ---- segments ---- */

static void fill_segments(struct tenant *t, unsigned id)
{
    struct mmuext_op op = {.cmd = MMUEXT_SET_LDT};
    unsigned long frames[16] = {va_to_mfn(t->gdt)};
    unsigned entry = 32 + (unsigned)(t->value % 64) * 2;

    t->gdt[entry] = t->gdt[entry + 1] = t->ldt[entry] = DATA;
    (void)page_make_readonly(t->gdt);
    (void)page_make_readonly(t->ldt);
    (void)wrong(t, "set_gdt", (uint64_t)hv_set_gdt(frames, 512), 0);
    op.arg1.linear_addr = (uint64_t)t->ldt;
    op.arg2.nr_ents = entry + 1;
    (void)wrong(t, "set_ldt", (uint64_t)hv_mmuext(&op, 1), 0);
    t->es = (uint16_t)(entry * 8 + 7);
    t->fs = (uint16_t)(entry * 8 + 3);
    t->gs = (uint16_t)(entry * 8 + 11);
    t->target[0] = of(t, 100);
    t->target[1] = of(t, 101);
    (void)id;
    (void)wrong(t, "user gs", (uint64_t)hv_set_segment_base(SEGBASE_GS_USER_SEL, t->gs), 0);
    __asm__ volatile("mov %0, %%es; mov %1, %%fs" : : "r"(t->es), "r"(t->fs));
    (void)hv_set_segment_base(SEGBASE_FS, (uint64_t)&t->target[0]);
    (void)hv_set_segment_base(SEGBASE_GS_KERNEL, (uint64_t)&t->target[1]);
    (void)hv_set_segment_base(SEGBASE_GS_USER, (uint64_t)&t->value);
}

static void look_at_segments(struct tenant *t)
{
    uint64_t by_fs, by_gs;
    uint16_t es, fs, gs;
    uint32_t limit = 0;

    __asm__ volatile("mov %%es, %0; mov %%fs, %1; mov %%gs, %2" : "=r"(es), "=r"(fs), "=r"(gs));
    (void)wrong(t, "es", es, t->es);
    (void)wrong(t, "fs", fs, t->fs);
    (void)wrong(t, "gs", gs, t->gs);
    __asm__ volatile("mov %%fs:0, %0; mov %%gs:0, %1" : "=r"(by_fs), "=r"(by_gs));
    (void)wrong(t, "by fs", by_fs, t->target[0]);
    (void)wrong(t, "by gs", by_gs, t->target[1]);
    /* Present in one's own tables only, at this entry. */
    __asm__ volatile("lsl %1, %0" : "+r"(limit) : "r"((uint32_t)t->fs) : "cc");
    (void)wrong(t, "gdt", limit, 0xffffffff);
    limit = 0;
    __asm__ volatile("lsl %1, %0" : "+r"(limit) : "r"((uint32_t)t->es) : "cc");
    (void)wrong(t, "ldt", limit, 0xffffffff);
}

/* ---- debug registers, TSC_AUX ---- */

static void write_aux(void *argument)
{
    __asm__ volatile("wrmsr" : : "a"((uint32_t)(uint64_t)argument), "d"(0), "c"(0xc0000103));
}

static uint32_t read_aux(void)
{
    uint32_t aux;

    __asm__ volatile("rdtscp" : "=c"(aux) : : "rax", "rdx");
    return aux;
}

static void read_aux_once(void *argument)
{
    *(uint32_t *)argument = read_aux();
}

/* Every other tenant watches its own part of the bait; the others watch nothing, and touch all of it. It is
 * at the same address in each domain. Every third has RDTSC trap in user mode. */
static volatile uint64_t bait[KIT_CPUS_MAX * 4];

static bool watches(const struct tenant *t)
{
    return t->value & 1;
}

static bool hides_tsc(const struct tenant *t)
{
    return t->value % 3 == 1;
}

static void set_tsd(void *argument)
{
    (void)argument;
    __asm__ volatile("mov %%cr4, %%rax; or $4, %%eax; mov %%rax, %%cr4" : : : "rax");
}

static uint64_t watched(const struct tenant *t, unsigned i)
{
    return (uint64_t)&bait[t->value % KIT_CPUS_MAX * 4 + i];
}

static bool watchpoint_hit(struct trap_frame *frame)
{
    struct tenant *t = &tenants[this_cpu()->id];

    (void)wrong(t, "watchpoint", watches(t) ? 0 : frame->rip, 0);
    t->hits++;
    return true;
}

static void fill_others(struct tenant *t)
{
    uint32_t seen = 0;

    for (unsigned i = 0; i < 4; i++) {
        (void)hypercall2(__HYPERVISOR_set_debugreg, i, watched(t, i));
    }
    if (watches(t)) {
        (void)hypercall2(__HYPERVISOR_set_debugreg, 7, DR7_WRITES);
    }
    if (hides_tsc(t)) {
        (void)guarded(set_tsd, NULL);
    }
    t->aux = guarded(write_aux, (void *)(t->value + 7)).vector == TRAP_NONE &&
             guarded(read_aux_once, &seen).vector == TRAP_NONE && seen == t->value + 7;
}

static void look_at_others(struct tenant *t)
{
    uint64_t before;

    for (unsigned i = 0; i < 4; i++) {
        (void)wrong(t, "debug register", (uint64_t)hypercall1(__HYPERVISOR_get_debugreg, i),
                    watched(t, i));
    }
    (void)wrong(t, "dr7", (uint64_t)hypercall1(__HYPERVISOR_get_debugreg, 7) & 0xffff00ff,
                watches(t) ? DR7_WRITES : 0);
    if (watches(t)) {
        before = t->hits;
        *(volatile uint64_t *)watched(t, t->rounds % 4) = 0;
        (void)wrong(t, "hits of the watchpoint", t->hits - before, 1);
    }
    for (unsigned i = 0; i < KIT_CPUS_MAX * 4 && !watches(t); i++) {
        bait[i]++;
    }
    if (t->aux) {
        (void)wrong(t, "tsc_aux", read_aux(), t->value + 7);
    }
}

/* ---- general registers, in kernel and in user mode ----
 *
 * All fifteen but RSP hold a value derived from RAX; after some thousand turns of a loop that only
 * counts RCX, what has changed is or'ed together into RAX. In user mode the user's GS base is
 * looked at as well. */
uint64_t isolate_registers(uint64_t value, uint64_t turns);
void isolate_user(void);
void isolate_user_tsc(void);

__asm__(".text\n"
        ".macro isolate_turns\n"
        "mov %rdi, %rax; mov %rsi, %rcx\n"
        ".irp r, rdx, rbx, rsi, rbp, r8, r9, r10, r11, r12, r13, r14, r15\n"
        "lea 1(%rax), %rax; mov %rax, %\\r\n"
        ".endr\n"
        "1: dec %rcx; jnz 1b\n"
        "xor %ecx, %ecx\n"
        "mov %rdi, %rax\n"
        ".irp r, rdx, rbx, rsi, rbp, r8, r9, r10, r11, r12, r13, r14, r15\n"
        "lea 1(%rax), %rax; xor %rax, %\\r; or %\\r, %rcx\n"
        ".endr\n"
        "mov %rcx, %rax\n"
        ".endm\n"
        "isolate_registers: push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "isolate_turns\n"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n"
        /* RDI: where the arguments are */
        "isolate_user_tsc: rdtsc\n"
        "isolate_user: mov 8(%rdi), %rsi; mov (%rdi), %rdi\n"
        "isolate_turns\n"
        "mov %gs:0, %rdx\n"
        "syscall; ud2\n");

static void look_at_registers(struct tenant *t)
{
    (void)wrong(t, "general registers", isolate_registers(of(t, 200), 2000), 0);
}

static void look_in_user_mode(struct tenant *t)
{
    uint64_t arguments[2] = {of(t, 300), 20000};
    struct iret_frame to = {(uint64_t)isolate_user, FLAT_USER_CS | 3, 0x202, user_stack_top(),
                            FLAT_USER_SS};
    struct fault fault;

    to.rip = (uint64_t)isolate_user_tsc;
    fault = guarded_iret(&to, arguments);
    if (hides_tsc(t)) {
        (void)wrong(t, "rdtsc in user mode", fault.vector, 13);
        to.rip = (uint64_t)isolate_user;
        fault = guarded_iret(&to, arguments);
    }
    (void)wrong(t, "user mode's way out", fault.vector, TRAP_SYSCALL);
    (void)wrong(t, "user registers", fault.frame.rax, 0);
    (void)wrong(t, "user gs base", fault.frame.rdx, t->value);
}

/* ---- */

static void live(void *argument)
{
    struct tenant *t = argument;
    unsigned id = (unsigned)(t - tenants);
    struct mmuext_op op = {.cmd = MMUEXT_NEW_USER_BASEPTR};

    op.arg1.mfn = va_to_mfn((void *)kit_start_info->pt_base);
    (void)wrong(t, "user base", (uint64_t)hv_mmuext(&op, 1), 0);
    /* Not on all: the others must not find it in their registers nor in XCR0. */
    t->avx = t->value % 3 != 0 && guarded(set_xcr0, (void *)7).vector == TRAP_NONE;
    t->xcr0 = t->avx ? 7 : guarded(set_xcr0, (void *)3).vector == TRAP_NONE ? 3 : 0;
    fill_segments(t, id);
    fill_others(t);
    fill_fpu(t);
    /* At least a few rounds, however slow the host is. */
    while ((time_now() < end_time || t->rounds < ROUNDS_LEAST) && t->what[0] == '\0') {
        look_at_fpu(t);
        look_at_segments(t);
        look_at_others(t);
        look_at_registers(t);
        look_in_user_mode(t);
        t->rounds++;
        if (t->rounds % 4 == 0) {
            (void)hv_sched(SCHEDOP_yield, NULL);
        }
    }
    (void)hypercall2(__HYPERVISOR_set_debugreg, 7, 0);
    t->done = 1;
}

static bool failsafe_seen(struct trap_frame *frame)
{
    struct tenant *t = &tenants[this_cpu()->id];

    (void)frame;
    (void)wrong(t, "failsafe callback", 1, 0);
    return true;
}

void guest_main(void)
{
    unsigned count = cpu_count();
    uint64_t seed = args_number("seed", 1);
    char name[32];

    trap_set_handler(TRAP_FAILSAFE, failsafe_seen);
    trap_set_handler(1, watchpoint_hit);
    end_time = time_now() + args_number("ms", 2000) * MS;
    for (unsigned id = 0; id < count; id++) {
        tenants[id].value = seed * KIT_CPUS_MAX + id + 1;
    }
    for (unsigned id = 1; id < count; id++) {
        check_part(cpu_start(id, live, &tenants[id]) == 0, "vCPU %u does not start", id);
    }
    live(&tenants[0]);
    for (unsigned id = 0; id < count; id++) {
        struct tenant *t = &tenants[id];

        (void)wait_for(&t->done, 1, SOON);
        (void)kit_snprintf(name, sizeof(name), "vcpu-%u", id);
        check_begin(name);
        check_part(t->what[0] == '\0', "%s: %lx, expected %lx (round %lu)", t->what, t->got,
                   t->wanted, t->rounds);
        check_part(t->done == 1 && t->rounds >= ROUNDS_LEAST, "only %lu rounds", t->rounds);
        check_end();
        (void)kit_snprintf(name, sizeof(name), "avx-%u", id);
        if (t->value % 3 != 0 && !t->avx) {
            check_skip(name, "no AVX here");
        }
    }
}
