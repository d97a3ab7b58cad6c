/* SPDX-License-Identifier: MIT
 *
 * Processes with other values in all x87, SSE and AVX registers, more of them than there are vCPUs, so that
 * every switch has to save and load them, by the guest kernel and by the hypervisor. Each process also
 * sleeps, forks and takes signals in between, since those are other ways through the kernel.
 */
#include <cpuid.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

#define REGISTERS 16

struct vector {
    uint64_t word[8];
};

struct registers {
    struct vector v[REGISTERS];
} __attribute__((aligned(64)));

static int width; /* 128, 256 or 512 bits */

static int usable_width(void)
{
    unsigned a, b, c, d, low, high;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return 128;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 6) != 6 || !(c & bit_AVX))
        return 128;
    __get_cpuid_count(7, 0, &a, &b, &c, &d);
    return (low & 0xe6) == 0xe6 && (b & bit_AVX512F) ? 512 : 256;
}

#define EACH(op)                                                                                   \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) \
        op(15)
#define SSE_LOAD(n)   "movdqu " #n "*64(%0), %%xmm" #n "\n\t"
#define SSE_STORE(n)  "movdqu %%xmm" #n ", " #n "*64(%0)\n\t"
#define AVX_LOAD(n)   "vmovdqu " #n "*64(%0), %%ymm" #n "\n\t"
#define AVX_STORE(n)  "vmovdqu %%ymm" #n ", " #n "*64(%0)\n\t"
#define AVX5_LOAD(n)  "vmovdqu64 " #n "*64(%0), %%zmm" #n "\n\t"
#define AVX5_STORE(n) "vmovdqu64 %%zmm" #n ", " #n "*64(%0)\n\t"

/* The system call stands between load and store: the kernel may do what it likes, and the registers must stay. */
#define ROUND_TRIP(load, store)                                                              \
    __asm__ volatile(                                                                        \
        EACH(load) "mov %2, %%eax; mov %1, %%rdi; xor %%esi, %%esi; syscall\n\t" EACH(store) \
        :                                                                                    \
        : "r"(r), "r"(argument), "r"(call)                                                   \
        : "rax", "rcx", "r11", "rdi", "rsi", "memory")

static void round_trip(struct registers *r, int call, const void *argument)
{
    if (width == 512)
        ROUND_TRIP(AVX5_LOAD, AVX5_STORE);
    else if (width == 256)
        ROUND_TRIP(AVX_LOAD, AVX_STORE);
    else
        ROUND_TRIP(SSE_LOAD, SSE_STORE);
}

static volatile unsigned alarms;

static void spoil(int number)
{
    (void)number;
    alarms++;
    __asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm7, %%xmm7; fninit" ::: "xmm0", "xmm7");
}

static void check_round(unsigned index, unsigned round, uint64_t *random)
{
    static const struct timespec moment = {0, 200000};
    struct registers want, got;
    long double x87 = (long double)next_random(random) / 3, x87_after;
    uint32_t mxcsr = 0x1f80 | (uint32_t)(index & 3) << 13, mxcsr_after;

    for (unsigned i = 0; i < REGISTERS; i++)
        for (unsigned k = 0; k < 8; k++)
            want.v[i].word[k] = k * 64 < (unsigned)width ? next_random(random) : 0;
    got = want;
    __asm__ volatile("ldmxcsr %0; fldt %1" : : "m"(mxcsr), "m"(x87));
    round_trip(&got, round % 3 ? 24 /* sched_yield */ : 35 /* nanosleep */, &moment);
    __asm__ volatile("fstpt %1; stmxcsr %0" : "=m"(mxcsr_after), "=m"(x87_after));
    expect(memcmp(&want, &got, sizeof(want)) == 0, "vector registers differ in round %u", round);
    expect(mxcsr == mxcsr_after, "MXCSR %x, was %x", mxcsr_after, mxcsr);
    expect(memcmp(&x87, &x87_after, 10) == 0, "x87 register differs in round %u", round);
}

static void work(unsigned index)
{
    const struct itimerval often = {{0, 900}, {0, 900}}, never = {{0, 0}, {0, 0}};
    uint64_t random = 0x9e3779b97f4a7c15 + index;

    signal(SIGALRM, spoil);
    for (unsigned round = 0; round < probe_rounds * 10; round++) {
        check_round(index, round, &random);
        if (round % 50 == 0)
            setitimer(ITIMER_REAL, round % 100 ? &often : &never, NULL);
        if (round % 64 == 0) {
            pid_t pid = fork();

            if (pid == 0) {
                check_round(index, round, &random);
                _exit(0);
            }
            waitpid(pid, NULL, 0);
        }
    }
    expect(alarms > 0, "no alarm came");
}

void probe_xstate(void)
{
    width = usable_width();
    in_children(6, work);
}
