/* SPDX-License-Identifier: MIT
 *
 * Segment bases: threads with bases of their own, set by arch_prctl() and, where the kernel allows them, by the
 * instructions, keep them over switches, signals and forks; so do the TLS descriptors that 32-bit programs use.
 */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <sched.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

#define HWCAP2_FSGSBASE 2

static bool by_instruction;

static void set_gs(uint64_t base)
{
    if (by_instruction)
        __asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xd8" : : "a"(base)); /* wrgsbase %rax */
    else
        expect(syscall(SYS_arch_prctl, ARCH_SET_GS, base) == 0, "ARCH_SET_GS: %m");
}

static uint64_t get_gs(void)
{
    uint64_t base = 0;

    if (by_instruction)
        __asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xc8" : "=a"(base)); /* rdgsbase %rax */
    else
        expect(syscall(SYS_arch_prctl, ARCH_GET_GS, &base) == 0, "ARCH_GET_GS: %m");
    return base;
}

static uint64_t read_gs(void)
{
    uint64_t value;

    __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
    return value;
}

static void check_bases(unsigned index)
{
    uint64_t *high = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    high[0] = 0x4000 + index;
    for (unsigned round = 0; round < probe_rounds * 5; round++) {
        set_gs((uint64_t)high);
        sched_yield();
        if (round % 16 == 0)
            usleep(100);
        if (!expect(get_gs() == (uint64_t)high && read_gs() == high[0], "base %lx, was %p",
                    get_gs(), (void *)high))
            return;
        /* A base without memory below it, then the null selector, which has to clear it or leave it. */
        set_gs(0x7000);
        sched_yield();
        expect(get_gs() == 0x7000, "base %lx, was 7000", get_gs());
    }
}

/* A TLS descriptor: the selector is in GS, and its base comes from the GDT that the kernel loads for each thread. */
static void check_tls(unsigned index)
{
    uint32_t *low =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    struct user_desc desc = {.entry_number = 12 + index % 3,
                             .base_addr = (unsigned)(uint64_t)low,
                             .limit = 0xfffff,
                             .seg_32bit = 1,
                             .limit_in_pages = 1,
                             .useable = 1};

    low[0] = 0x5000 + index;
    /* The 64-bit entry point of set_thread_area() is no system call; the one of 32-bit programs is, by int 0x80. */
    for (unsigned round = 0; round < probe_rounds * 5; round++) {
        struct user_desc *below = (struct user_desc *)(low + 512);
        long rc;
        uint32_t value;

        *below = desc;
        __asm__ volatile("int $0x80"
                         : "=a"(rc)
                         : "a"(243), "b"(below)
                         : "memory", "r8", "r9", "r10", "r11");
        if (rc == -38)
            skip("the kernel has no 32-bit system calls");
        if (!expect((int)rc == 0, "set_thread_area: %d", (int)rc))
            return;
        __asm__ volatile("mov %0, %%gs" : : "r"((uint16_t)(desc.entry_number << 3 | 3)));
        sched_yield();
        __asm__ volatile("movl %%gs:0, %0" : "=r"(value));
        if (!expect(value == low[0], "TLS entry %u reads %x", desc.entry_number, value))
            return;
    }
}

void probe_segments(void)
{
    by_instruction = false;
    in_children(4, check_bases);
    by_instruction = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0;
    in_children(4, check_bases);
    in_children(6, check_tls);
}
