/* SPDX-License-Identifier: MIT
 *
 * Time as user space sees it: no clock goes back, whichever vCPU reads it, the vDSO agrees with the system
 * call, a sleep is not shorter than asked for, and the vsyscall page still answers.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

static sigjmp_buf back;

static void faulted(int number)
{
    siglongjmp(back, number);
}

static int64_t nanoseconds(const struct timespec *t)
{
    return t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
}

static int64_t by_vdso(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return nanoseconds(&t);
}

static int64_t by_call(clockid_t clock)
{
    struct timespec t;

    syscall(SYS_clock_gettime, clock, &t);
    return nanoseconds(&t);
}

/* All children share the last time that any of them has read. */
static _Atomic int64_t *latest;

static void read_clock(unsigned index)
{
    (void)index;
    for (unsigned round = 0; round < probe_rounds * 200; round++) {
        int64_t before = *latest,
                now = round % 8 ? by_vdso(CLOCK_MONOTONIC) : by_call(CLOCK_MONOTONIC);

        if (!expect(now >= before, "CLOCK_MONOTONIC went back by %ld ns", before - now))
            return;
        while (before < now && !__atomic_compare_exchange_n((int64_t *)latest, &before, now, false,
                                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            ;
    }
}

static void check_agreement(clockid_t clock)
{
    for (unsigned round = 0; round < probe_rounds; round++) {
        int64_t a = by_call(clock), b = by_vdso(clock), c = by_call(clock);

        if (!expect(a <= b && b <= c, "clock %d: system call %ld, vDSO %ld, system call %ld", clock,
                    a, b, c))
            return;
    }
}

static void check_sleep(int64_t length)
{
    struct timespec t = {0, length};
    int64_t before = by_call(CLOCK_MONOTONIC);

    nanosleep(&t, NULL);
    expect(by_call(CLOCK_MONOTONIC) - before >= length, "a sleep of %ld ns was shorter", length);
}

static const char *own_maps(void)
{
    static char text[65536];
    int file = open("/proc/self/maps", O_RDONLY);

    for (size_t at = 0; at < sizeof(text) - 1;) {
        ssize_t got = read(file, text + at, sizeof(text) - 1 - at);

        if (got <= 0)
            break;
        at += (size_t)got;
    }
    close(file);
    return text;
}

static void check_vsyscall(void)
{
    struct timeval by_page = {0, 0}, by_libc;
    int (*page)(struct timeval *, void *) = (int (*)(struct timeval *, void *))0xffffffffff600000;

    /* Debian has it only with vsyscall=xonly on the command line. */
    if (!strstr(own_maps(), "[vsyscall]"))
        return;
    signal(SIGSEGV, faulted);
    if (sigsetjmp(back, 1)) {
        expect(false, "the vsyscall page faults");
        return;
    }
    page(&by_page, NULL);
    gettimeofday(&by_libc, NULL);
    expect(by_libc.tv_sec - by_page.tv_sec <= 60 && by_libc.tv_sec >= by_page.tv_sec,
           "vsyscall says %ld, gettimeofday() %ld", by_page.tv_sec, by_libc.tv_sec);
}

void probe_clock(void)
{
    latest = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check_agreement(CLOCK_MONOTONIC);
    check_agreement(CLOCK_REALTIME);
    check_agreement(CLOCK_BOOTTIME);
    in_children(4, read_clock);
    for (int64_t length = 1000; length < 100000000; length *= 7)
        check_sleep(length);
    check_vsyscall();
}
