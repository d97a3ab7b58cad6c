/* SPDX-License-Identifier: MIT
 *
 * Model-specific registers, control registers, CPUID, XCR0 and the time-stamp counter: the numbers
 * that more than one file uses, and one accessor per instruction.
 */
#pragma once

#include <lagan/types.h>

#define MSR_TSC                0x00000010
#define MSR_APIC_BASE          0x0000001b
#define MSR_TSC_ADJUST         0x0000003b
#define MSR_BIOS_SIGN_ID       0x0000008b
#define MSR_ARCH_CAPABILITIES  0x0000010a
#define MSR_SYSENTER_CS        0x00000174
#define MSR_SYSENTER_ESP       0x00000175
#define MSR_SYSENTER_EIP       0x00000176
#define MSR_MCG_CAP            0x00000179
#define MSR_MCG_STATUS         0x0000017a
#define MSR_PERFEVTSEL0        0x00000186
#define MSR_MISC_ENABLE        0x000001a0
#define MSR_DEBUGCTL           0x000001d9
#define MSR_PAT                0x00000277
#define MSR_FIXED_CTR_CTRL     0x0000038d
#define MSR_PERF_GLOBAL_STATUS 0x0000038e
#define MSR_PERF_GLOBAL_CTRL   0x0000038f
#define MSR_PERF_GLOBAL_OVF    0x00000390
#define MSR_MC0_CTL            0x00000400 /* + 4 a bank: CTL, STATUS, ADDR, MISC */
#define MSR_PMC0               0x000000c1
#define MSR_TSC_DEADLINE       0x000006e0
#define MSR_X2APIC_FIRST       0x00000800 /* + offset of the xAPIC register / 16 */
#define MSR_XSS                0x00000da0
#define MSR_EFER               0xc0000080
#define MSR_STAR               0xc0000081
#define MSR_LSTAR              0xc0000082
#define MSR_CSTAR              0xc0000083
#define MSR_SYSCALL_MASK       0xc0000084
#define MSR_FS_BASE            0xc0000100
#define MSR_GS_BASE            0xc0000101
#define MSR_KERNEL_GS_BASE     0xc0000102
#define MSR_TSC_AUX            0xc0000103

#define APIC_BASE_BSP    (UINT64_C(1) << 8)
#define APIC_BASE_X2APIC (UINT64_C(1) << 10)
#define APIC_BASE_ENABLE (UINT64_C(1) << 11)

#define EFER_SCE   (UINT64_C(1) << 0)
#define EFER_LME   (UINT64_C(1) << 8)
#define EFER_LMA   (UINT64_C(1) << 10)
#define EFER_NX    (UINT64_C(1) << 11)
#define EFER_FFXSR (UINT64_C(1) << 14)

#define CR0_PE (UINT64_C(1) << 0)
#define CR0_MP (UINT64_C(1) << 1)
#define CR0_EM (UINT64_C(1) << 2)
#define CR0_TS (UINT64_C(1) << 3)
#define CR0_ET (UINT64_C(1) << 4)
#define CR0_NE (UINT64_C(1) << 5)
#define CR0_WP (UINT64_C(1) << 16)
#define CR0_AM (UINT64_C(1) << 18)
#define CR0_NW (UINT64_C(1) << 29)
#define CR0_CD (UINT64_C(1) << 30)
#define CR0_PG (UINT64_C(1) << 31)

#define CR4_VME        (UINT64_C(1) << 0)
#define CR4_PVI        (UINT64_C(1) << 1)
#define CR4_TSD        (UINT64_C(1) << 2)
#define CR4_DE         (UINT64_C(1) << 3)
#define CR4_PSE        (UINT64_C(1) << 4)
#define CR4_PAE        (UINT64_C(1) << 5)
#define CR4_MCE        (UINT64_C(1) << 6)
#define CR4_PGE        (UINT64_C(1) << 7)
#define CR4_PCE        (UINT64_C(1) << 8)
#define CR4_OSFXSR     (UINT64_C(1) << 9)
#define CR4_OSXMMEXCPT (UINT64_C(1) << 10)
#define CR4_UMIP       (UINT64_C(1) << 11)
#define CR4_LA57       (UINT64_C(1) << 12)
#define CR4_FSGSBASE   (UINT64_C(1) << 16)
#define CR4_PCIDE      (UINT64_C(1) << 17)
#define CR4_OSXSAVE    (UINT64_C(1) << 18)
#define CR4_SMEP       (UINT64_C(1) << 20)
#define CR4_SMAP       (UINT64_C(1) << 21)
#define CR4_PKE        (UINT64_C(1) << 22)

struct cpuid_regs {
    uint32_t a, b, c, d;
};

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;

    __asm__ volatile("cpuid"
                     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

/* A read of an MSR that the CPU lacks is #GP: ask CPUID first, or use boot's fault-safe variant. */
static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

/* The counter as it is somewhere near this instruction; the CPU may execute it early or late. */
static inline uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* The counter after all earlier loads were done: what clocks compare across CPUs. (LFENCE
 * serialises on Intel, and on AMD where it was made dispatch serialising, as it is on every CPU
 * since Zen.) */
static inline uint64_t rdtsc_ordered(void)
{
    __asm__ volatile("lfence" : : : "memory");
    return rdtsc();
}

#define LAGAN_CONTROL_REGISTER(n)                                      \
    static inline uint64_t read_cr##n(void)                            \
    {                                                                  \
        uint64_t v;                                                    \
                                                                       \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v) : : "memory"); \
        return v;                                                      \
    }                                                                  \
    static inline void write_cr##n(uint64_t v)                         \
    {                                                                  \
        __asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory");     \
    }

LAGAN_CONTROL_REGISTER(0)
LAGAN_CONTROL_REGISTER(2)
LAGAN_CONTROL_REGISTER(3)
LAGAN_CONTROL_REGISTER(4)

#undef LAGAN_CONTROL_REGISTER

static inline uint64_t xgetbv(uint32_t index)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
    return (uint64_t)high << 32 | low;
}

static inline void xsetbv(uint32_t index, uint64_t value)
{
    __asm__ volatile("xsetbv"
                     :
                     : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint64_t read_flags(void)
{
    uint64_t v;

    __asm__ volatile("pushfq; pop %0" : "=r"(v) : : "memory");
    return v;
}

#define FLAGS_IF (UINT64_C(1) << 9)

/* Turns interrupts off and says, in what irq_restore() takes, whether they were on. */
static inline uint64_t irq_save(void)
{
    uint64_t flags = read_flags();

    __asm__ volatile("cli" : : : "memory");
    return flags;
}

static inline void irq_restore(uint64_t flags)
{
    if (flags & FLAGS_IF)
        __asm__ volatile("sti" : : : "memory");
}
