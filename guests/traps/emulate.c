/* SPDX-License-Identifier: MIT
 *
 * Privileged instructions of the guest kernel, that the hypervisor emulates or refuses with #GP,
 * and the guest's user mode, for which it emulates nothing.
 */
#include "kit/kit.h"
#include "kit/lib.h"
#include "traps/traps.h"

/* The instruction's operand and result. */
static uint64_t value;
static uint32_t msr;

#define INSTRUCTION(name, text)                                          \
    static void name(void *argument)                                     \
    {                                                                    \
        (void)argument;                                                  \
        __asm__ volatile(text : "+a"(value) : : "memory", "rcx", "rdx"); \
    }
INSTRUCTION(read_cr0, "mov %%cr0, %%rax")
INSTRUCTION(write_cr0, "mov %%rax, %%cr0")
INSTRUCTION(read_cr2, "mov %%cr2, %%rax")
INSTRUCTION(write_cr2, "mov %%rax, %%cr2")
INSTRUCTION(read_cr3, "mov %%cr3, %%rax")
INSTRUCTION(write_cr3, "mov %%rax, %%cr3")
INSTRUCTION(read_cr4, "mov %%cr4, %%rax")
INSTRUCTION(write_cr4, "mov %%rax, %%cr4")
INSTRUCTION(read_cr8, "mov %%cr8, %%rax")
INSTRUCTION(read_dr0, "mov %%db0, %%rax")
INSTRUCTION(write_dr0, "mov %%rax, %%db0")
INSTRUCTION(do_cli, "cli")
INSTRUCTION(do_sti, "sti")
INSTRUCTION(do_clts, "clts")
INSTRUCTION(do_wbinvd, "wbinvd")
INSTRUCTION(do_invd, "invd")
INSTRUCTION(do_ltr, "ltr %%ax")
INSTRUCTION(do_lidt, "lidt (%%rsp)")
INSTRUCTION(do_lldt, "lldt %%ax")
INSTRUCTION(do_swapgs, "swapgs")
INSTRUCTION(do_sysret, "sysretq")
INSTRUCTION(do_vmmcall, "vmmcall")
INSTRUCTION(do_invlpg, "invlpg (%%rsp)")
INSTRUCTION(do_xsetbv, "xor %%ecx, %%ecx; xor %%edx, %%edx; xsetbv")
INSTRUCTION(in_byte, "mov $0x378, %%dx; in %%dx, %%al")
INSTRUCTION(in_long, "mov $0x378, %%dx; in %%dx, %%eax")

static void read_msr(void *argument)
{
    uint32_t low, high;

    (void)argument;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    value = (uint64_t)high << 32 | low;
}

static void write_msr(void *argument)
{
    (void)argument;
    __asm__ volatile("wrmsr" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(msr));
}

/* Runs it with an operand: the vector. */
static unsigned run(guarded_fn *instruction, uint64_t operand)
{
    value = operand;
    return guarded(instruction, NULL).vector;
}

static void check_refused(const char *name, guarded_fn *instruction, uint64_t operand,
                          unsigned vector)
{
    unsigned got = run(instruction, operand);

    check_true(name, got == vector, "vector %u, expected %u", got, vector);
}

/* As the hypervisor says, which may have been told to do without. */
static bool has_xsave(void)
{
    uint32_t a = 1, b, c = 0, d;

    __asm__ volatile("ud2; .ascii \"xen\"; cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (c >> 26 & 1) != 0;
}

static void check_control(void)
{
    uint64_t cr0, cr4, l4 = va_to_mfn((void *)kit_start_info->pt_base) * PAGE_SIZE;
    bool osxsave;

    check_begin("cr0");
    check_part(run(read_cr0, 0) == TRAP_NONE && (value & 0x80000001) == 0x80000001, "%lx", value);
    cr0 = value & ~8UL;
    check_part(run(write_cr0, cr0) == TRAP_NONE, "written back");
    check_part(run(write_cr0, cr0 | 8) == TRAP_NONE, "TS set");
    check_part(run(read_cr0, 0) == TRAP_NONE && value == (cr0 | 8), "TS not seen: %lx", value);
    check_part(run(do_clts, 0) == TRAP_NONE, "CLTS");
    check_part(run(read_cr0, 0) == TRAP_NONE && value == cr0, "TS not cleared: %lx", value);
    check_part(run(write_cr0, cr0 ^ 0x10000) == 13, "WP changed");
    check_end();

    check_begin("cr2");
    check_part(run(write_cr2, 0x1234) == TRAP_NONE, "write");
    check_part(run(read_cr2, 0) == TRAP_NONE && value == 0x1234, "%lx", value);
    check_end();

    check_begin("cr3");
    check_part(run(read_cr3, 0) == TRAP_NONE && value == l4, "%lx, not %lx", value, l4);
    check_part(run(write_cr3, l4) == TRAP_NONE, "the same again");
    check_part(run(write_cr3, va_to_mfn(&value) * PAGE_SIZE) == 13, "a page that is no table");
    check_end();

    check_begin("cr4");
    check_part(run(read_cr4, 0) == TRAP_NONE && (value & 0x20) != 0, "%lx", value);
    cr4 = value;
    check_part(run(write_cr4, 0) == TRAP_NONE, "written 0");
    check_part(run(read_cr4, 0) == TRAP_NONE && value == cr4, "%lx, not %lx", value, cr4);
    check_part(run(write_cr4, ~0UL) == TRAP_NONE, "written all ones");
    check_part(run(read_cr4, 0) == TRAP_NONE && (value & ~0x5066cUL) == 0, "%lx", value);
    osxsave = (value & 0x40000) != 0;
    check_part(osxsave == has_xsave() && (!osxsave || run(do_xsetbv, 7) == TRAP_NONE), "XCR0 7");
    check_part(run(write_cr4, cr4) == TRAP_NONE, "written back");
    check_end();

    check_refused("cr8", read_cr8, 0, 13);
}

static void check_instructions(void)
{
    struct physdev_set_iopl iopl = {.iopl = 1};

    check_result("iopl-1", hv_physdev(PHYSDEVOP_set_iopl, &iopl), 0);
    iopl.iopl = 4;
    check_result("iopl-4", hv_physdev(PHYSDEVOP_set_iopl, &iopl), -XEN_EINVAL);
    check_begin("cli-sti");
    check_part(run(do_cli, 0) == TRAP_NONE && upcalls_open(), "CLI");
    check_part(run(do_sti, 0) == TRAP_NONE && upcalls_open(), "STI");
    check_end();
    check_begin("in");
    check_part(run(in_byte, 0) == TRAP_NONE && (value & 0xff) == 0xff, "byte %lx", value);
    check_part(run(in_long, 0) == TRAP_NONE && value == 0xffffffff, "long %lx", value);
    check_end();
    check_refused("wbinvd", do_wbinvd, 0, TRAP_NONE);
    check_refused("invd", do_invd, 0, 13);
    check_refused("ltr", do_ltr, 0, 13);
    check_refused("lldt", do_lldt, 0, 13);
    check_refused("lidt", do_lidt, 0, 13);
    check_refused("swapgs", do_swapgs, 0, 13);
    check_refused("sysret", do_sysret, 0, 13);
    check_refused("invlpg", do_invlpg, 0, 13);
    check_refused("vmmcall", do_vmmcall, 0, 6);
    (void)run(read_cr4, 0);
    (void)run(write_cr4, value | 0x40000); /* XSETBV exists for who has set OSXSAVE */
    check_refused("xsetbv-no-x87", do_xsetbv, 6, has_xsave() ? 13 : 6);
    check_refused("xsetbv-unknown", do_xsetbv, 1UL << 30 | 3, has_xsave() ? 13 : 6);
    check_begin("debug-register");
    check_part(run(write_dr0, 0x1000) == TRAP_NONE, "write");
    check_part(run(read_dr0, 0) == TRAP_NONE && value == 0x1000, "%lx", value);
    check_part(run(write_dr0, 0xffff820000000000UL) == 13, "a hypervisor address");
    check_part(run(write_dr0, 0) == TRAP_NONE, "write 0");
    check_end();
}

/* ---- MSRs ---- */

static unsigned get(uint32_t which)
{
    msr = which;
    return run(read_msr, 0);
}

static unsigned put(uint32_t which, uint64_t to)
{
    msr = which;
    return run(write_msr, to);
}

static void check_msrs(void)
{
    check_begin("msr-read");
    check_part(get(0x277) == TRAP_NONE && value == 0x50100070406UL, "PAT %lx", value);
    check_part(get(0x1b) == TRAP_NONE && (value & 0xfffff900) == 0xfee00900, "APIC base %lx",
               value);
    check_part(get(0xc0000080) == TRAP_NONE && (value & 0x501) == 0x501, "EFER %lx", value);
    check_part(get(0x10) == TRAP_NONE, "TSC");
    check_end();
    check_begin("msr-read-refused");
    check_part(get(0x1234567) == 13, "no such register");
    check_part(get(0xc0000082) == 13, "LSTAR");
    check_part(get(0x1234567) == 13 && value == 0, "a value from a refused read");
    check_end();
    check_begin("msr-write-refused");
    check_part(put(0x1234567, 0) == 13, "no such register");
    check_part(put(0xc0000082, 0xffff820000000000UL) == 13, "LSTAR");
    check_part(put(0xc0000081, 0) == 13, "STAR");
    check_part(put(0x277, 0x0007040600070406UL) == 13, "PAT");
    check_part(put(0xc0000080, 0) == 13, "EFER");
    check_part(put(0x1b, 0xfee00000) == 13, "APIC base");
    check_part(put(0xc0000101, 0x0000900000000000UL) == 13, "GS base that is not canonical");
    check_part(put(0xc0000103, 1UL << 40) == 13, "TSC_AUX of 41 bits");
    check_end();
    check_begin("msr-bases");
    check_part(put(0xc0000101, 0x123000) == TRAP_NONE, "GS base");
    check_part(get(0xc0000101) == TRAP_NONE && value == 0x123000, "GS base %lx", value);
    check_part(put(0xc0000100, 0x456000) == TRAP_NONE, "FS base");
    check_part(get(0xc0000100) == TRAP_NONE && value == 0x456000, "FS base %lx", value);
    check_part(put(0xc0000101, 0) == TRAP_NONE && put(0xc0000100, 0) == TRAP_NONE, "zero");
    check_end();
}

/* ---- CPUID ---- */

static void cpuid(uint32_t leaf, uint32_t registers[4])
{
    __asm__ volatile(XEN_CPUID
                     : "=a"(registers[0]), "=b"(registers[1]), "=c"(registers[2]),
                       "=d"(registers[3])
                     : "0"(leaf), "2"(0));
}

/* The prefix before another instruction is a plain #UD, at the prefix. */
static void prefixed_nop(void *argument)
{
    (void)argument;
    __asm__ volatile(XEN_EMULATE_PREFIX "nop");
}

static void forced_cpuid(void *argument)
{
    uint32_t registers[4];

    (void)argument;
    cpuid(0x40000000, registers);
    user_exit(registers[1]);
}

static void check_cpuid(void)
{
    uint32_t r[4];
    struct fault fault;

    check_begin("cpuid");
    cpuid(0x40000000, r);
    check_part(r[0] >= 0x40000002 && memcmp(&r[1], "XenVMMXenVMM", 12) == 0, "%x %x %x %x", r[0],
               r[1], r[2], r[3]);
    cpuid(0x40000001, r);
    check_part(r[0] >= 0x40011, "version %x", r[0]);
    cpuid(1, r);
    check_part((r[2] >> 31 & 1) == 1, "no hypervisor: %x", r[2]);
    check_part((r[3] & (1U << 3 | 1U << 13)) == 0, "PSE or PGE: %x", r[3]);
    check_part((r[3] & (1U << 6 | 1U << 9)) == (1U << 6 | 1U << 9), "no PAE or APIC: %x", r[3]);
    check_end();
    fault = guarded_user(forced_cpuid, NULL);
    check_true("cpuid-user", fault.vector == TRAP_SYSCALL && fault.frame.rax == 0x566e6558,
               "vector %u RAX %lx", fault.vector, fault.frame.rax);
    fault = guarded(prefixed_nop, NULL);
    check_true("prefix-alone",
               fault.vector == 6 && memcmp((void *)fault.frame.rip, "\x0f\x0bxen", 5) == 0,
               "vector %u RIP %lx", fault.vector, fault.frame.rip);
}

/* In user mode all of them are #GP. */
static void check_user_mode(void)
{
    static guarded_fn *const instructions[] = {read_cr0,  write_cr0, read_cr2, read_cr3, write_cr3,
                                               write_cr4, read_dr0,  do_cli,   do_sti,   do_clts,
                                               do_wbinvd, in_byte,   read_msr, write_msr};

    check_begin("user-privileged");
    for (unsigned i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++) {
        unsigned vector;

        msr = 0xc0000101;
        vector = guarded_user(instructions[i], NULL).vector;
        check_part(vector == 13, "instruction %u: vector %u", i, vector);
    }
    check_end();
}

void check_emulation(void)
{
    check_control();
    check_instructions();
    check_msrs();
    check_cpuid();
    check_user_mode();
}
