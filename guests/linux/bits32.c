/* SPDX-License-Identifier: MIT
 *
 * A 32-bit program, without a C library, since those of Debian's amd64 have none: system calls by int 0x80 and by the
 * entry point that the kernel's 32-bit vDSO offers, memory, a signal handler, a child. Exit status 0 if all of
 * it is as it should be, else the number of the check that was not.
 */
#include <stdint.h>

enum {
    CALL_EXIT = 1,
    CALL_FORK = 2,
    CALL_WRITE = 4,
    CALL_WAITPID = 7,
    CALL_GETPID = 20,
    CALL_KILL = 37
};
enum { CALL_UNAME = 122, CALL_SIGRETURN = 119, CALL_SIGACTION = 67, CALL_MMAP2 = 192 };
#define AT_SYSINFO 32
#define SIGUSR1    10

void start(const uint32_t *stack) __attribute__((used));

static uint32_t sysinfo;
static volatile uint32_t signals;

__asm__(".globl _start\n_start: xor %ebp, %ebp; mov %esp, %eax; and $-16, %esp; push %eax; push "
        "%eax; push %eax; "
        "push %eax; call start\n\t"
        ".globl give_back\ngive_back: pop %eax; mov $119, %eax; int $0x80");
void give_back(void);

static int32_t call(uint32_t number, uint32_t a, uint32_t b, uint32_t c)
{
    int32_t result;

    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

static int32_t call_by_vdso(uint32_t number, uint32_t a, uint32_t b, uint32_t c)
{
    int32_t result;

    __asm__ volatile("call *%5"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c), "m"(sysinfo)
                     : "memory", "cc");
    return result;
}

static int32_t map_page(void)
{
    int32_t result;

    /* 6 arguments, the last of them, 0, in EBP. */
    __asm__ volatile("push %%ebp; xor %%ebp, %%ebp; int $0x80; pop %%ebp"
                     : "=a"(result)
                     : "a"(CALL_MMAP2), "b"(0), "c"(4096), "d"(3), "S"(0x22), "D"(-1)
                     : "memory");
    return result;
}

static void on_signal(int number)
{
    signals += (uint32_t)number;
}

static void check(uint32_t number, int holds)
{
    if (!holds)
        for (;;)
            call(CALL_EXIT, number, 0, 0);
}

static void check_signals(uint32_t pid)
{
    const struct {
        void (*handler)(int);
        uint32_t mask, flags;
        void (*restorer)(void);
    } action = {on_signal, 0, 0x04000000, give_back};

    check(10, call(CALL_SIGACTION, SIGUSR1, (uint32_t)&action, 0) == 0);
    for (uint32_t i = 1; i <= 100; i++) {
        check(11, call(CALL_KILL, pid, SIGUSR1, 0) == 0);
        check(12, signals == i * SIGUSR1);
    }
}

static void check_children(void)
{
    for (uint32_t i = 0; i < 20; i++) {
        int32_t status = 0, pid = call(CALL_FORK, 0, 0, 0);

        if (pid == 0)
            call(CALL_EXIT, i, 0, 0);
        check(20, pid > 0);
        check(21, call(CALL_WAITPID, (uint32_t)pid, (uint32_t)&status, 0) == pid);
        check(22, status == (int32_t)i << 8);
    }
}

void start(const uint32_t *stack)
{
    const uint32_t *aux = stack + 1 + stack[0] + 1;
    int32_t pid = call(CALL_GETPID, 0, 0, 0), page;
    uint16_t code;

    while (*aux++)
        ;
    for (; aux[0]; aux += 2)
        if (aux[0] == AT_SYSINFO)
            sysinfo = aux[1];
    __asm__("mov %%cs, %0" : "=r"(code));
    check(1, sizeof(void *) == 4 && pid > 0);
    check(2, code == 0x23);
    check(3, sysinfo != 0);
    for (unsigned i = 0; i < 1000; i++)
        check(4, call_by_vdso(CALL_GETPID, 0, 0, 0) == pid && call(CALL_GETPID, 0, 0, 0) == pid);
    page = map_page();
    check(5, (uint32_t)page < 0xfffff000);
    *(volatile uint32_t *)page = 5;
    check(6, call(CALL_WRITE, 99, (uint32_t)page, 4) == -9);
    check(7, call_by_vdso(CALL_WRITE, 1, 16, 4) == -14);
    check_signals((uint32_t)pid);
    check_children();
    check(0, 0);
}
