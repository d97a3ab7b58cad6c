/* SPDX-License-Identifier: MIT
 *
 * modify_ldt(): a paravirtual kernel gives its LDT's pages to the hypervisor, which checks each descriptor. A
 * segment's base must be added, its limit kept, 32-bit code in it must run, and a child's table must be a
 * copy of its parent's, not the same one. Switching between processes with other tables must load the right one.
 */
#include <asm/ldt.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

static sigjmp_buf back;

static void faulted(int number)
{
    siglongjmp(back, number);
}

static long set_entry(unsigned entry, uint32_t base, uint32_t limit, unsigned contents)
{
    struct user_desc desc = {.entry_number = entry,
                             .base_addr = base,
                             .limit = limit,
                             .seg_32bit = 1,
                             .contents = contents & 3,
                             .useable = 1};

    return syscall(SYS_modify_ldt, 0x11, &desc, sizeof(desc));
}

static uint16_t selector(unsigned entry)
{
    return (uint16_t)(entry << 3 | 7);
}

/* A byte by way of a segment, or -1 if that faults. */
static int read_through(unsigned entry, uint64_t offset)
{
    uint8_t byte;

    if (sigsetjmp(back, 1))
        return -1;
    __asm__ volatile("mov %1, %%gs; movb %%gs:(%2), %0; mov %3, %%gs"
                     : "=q"(byte)
                     : "r"(selector(entry)), "r"(offset), "r"((uint16_t)0));
    return byte;
}

/* Each child has a table of its own, and a base of its own in it. */
static void try_segments(unsigned index)
{
    uint8_t *low =
        mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    low[0] = (uint8_t)(0x40 + index);
    low[5000] = 0x77;
    for (unsigned round = 0; round < probe_rounds; round++) {
        unsigned entry = (round * 37 + index) % 8192;
        int first, far;

        if (!expect(set_entry(entry, (uint32_t)(uint64_t)low, 8191, 0) == 0, "entry %u: %m", entry))
            break;
        first = read_through(entry, 0);
        sched_yield();
        far = read_through(entry, 5000);
        if (!expect(first == 0x40 + (int)index && far == 0x77, "entry %u reads %x %x", entry,
                    (unsigned)first, (unsigned)far))
            break;
    }
}

/* `mov %cs:(%eax), %al; lret` as 32-bit code: a 64-bit process has nothing in DS. */
static const uint8_t code_32[] = {0x2e, 0x8a, 0x00, 0xcb};

struct far_pointer {
    uint32_t offset;
    uint16_t selector;
} __attribute__((packed));

/*
 * The far call pushes 32 bits of the return address, and the code uses 32 bits of the stack pointer: this
 * program is linked below 4 GiB, and the stack is the upper page of the code's own memory meanwhile.
 */
static uint8_t call_32(const uint8_t *code, unsigned entry, uint8_t *at)
{
    struct far_pointer to = {(uint32_t)(uint64_t)code, selector(entry)};
    uint64_t result = (uint64_t)at, old_sp;

    __asm__ volatile("mov %%rsp, %1; mov %3, %%rsp; lcall *(%2); mov %1, %%rsp"
                     : "+a"(result), "=&r"(old_sp)
                     : "r"(&to), "r"((uint64_t)code + 8192)
                     : "memory", "cc");
    return (uint8_t)result;
}
static void run_32(unsigned index)
{
    uint8_t *low = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    struct user_desc desc = {.entry_number = 3,
                             .limit = 0xfffff,
                             .seg_32bit = 1,
                             .contents = MODIFY_LDT_CONTENTS_CODE,
                             .limit_in_pages = 1,
                             .useable = 1};

    (void)index;
    memcpy(low, code_32, sizeof(code_32));
    low[2048] = 0x5a;
    expect(syscall(SYS_modify_ldt, 0x11, &desc, sizeof(desc)) == 0, "code segment: %m");
    for (unsigned round = 0; round < probe_rounds; round++)
        expect(call_32(low, 3, low + 2048) == 0x5a, "32-bit code in the LDT reads wrong");
}

static void check_refusals(void)
{
    struct user_desc desc = {.entry_number = 8192, .limit = 1, .useable = 1};

    /* Linux returns 32 bits of the error here, which the C library takes for success. */
    expect((int)syscall(SYS_modify_ldt, 0x11, &desc, sizeof(desc)) == -EINVAL,
           "entry 8192 is taken");
    expect(read_through(8000, 0) == -1, "an empty entry can be loaded");
}

static void check_table_copied(unsigned index)
{
    uint64_t words[64];

    (void)index;
    expect(syscall(SYS_modify_ldt, 0, words, sizeof(words)) > 0 && words[2] != 0,
           "the parent's entry is not there");
    expect(set_entry(2, 0, 0, 0) == 0, "entry 2: %m");
}

static void with_own_table(unsigned index)
{
    uint64_t words[64] = {0};

    (void)index;
    check_refusals();
    expect(set_entry(2, 0x1000, 0xfff, 0) == 0, "entry 2: %m");
    in_children(2, check_table_copied);
    syscall(SYS_modify_ldt, 0, words, sizeof(words));
    expect((words[2] & 0xffff) == 0xfff, "a child has changed its parent's table: %lx", words[2]);
}

void probe_ldt(void)
{
    signal(SIGSEGV, faulted);
    if (set_entry(0, 0, 0xfff, 0) < 0 && errno == ENOSYS)
        skip("the kernel has no modify_ldt");
    in_children(1, with_own_table);
    in_children(4, try_segments);
    in_children(2, run_32);
}
