/* SPDX-License-Identifier: MIT
 *
 * Loops of frequent work, measured by the time stamp counter, which under `qemu -icount` counts instructions: the
 * rows of the benchmark. Each loop runs a few times and the smallest figure is printed, so that
 * what a timer's tick added is left out:
 *
 *   BENCH name figure        instructions for one round
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "probe.h"

#define TRIALS 5

static void system_calls(unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++)
        syscall(SYS_getppid);
}

static void page_faults(unsigned rounds)
{
    uint64_t bytes = (uint64_t)rounds << 12;
    volatile uint8_t *area =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    expect(area != MAP_FAILED, "mmap: %m");
    for (uint64_t at = 0; at < bytes; at += 4096)
        area[at] = 1;
    munmap((void *)area, bytes);
}

static void forks(unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(0);
        waitpid(pid, NULL, 0);
    }
}

static void fork_execs(unsigned rounds)
{
    static char *const arguments[] = {"probe", NULL};

    for (unsigned i = 0; i < rounds; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            int nowhere = open("/dev/null", O_WRONLY);

            dup2(nowhere, 2);
            execv("/proc/self/exe", arguments);
            _exit(1);
        }
        waitpid(pid, NULL, 0);
    }
}

static void protects(unsigned rounds)
{
    uint64_t bytes = 16 << 12;
    uint8_t *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    for (unsigned i = 0; i < rounds; i++)
        mprotect(area, bytes, i % 2 ? PROT_READ | PROT_WRITE : PROT_READ);
    munmap(area, bytes);
}

static void pipe_ping_pong(unsigned rounds)
{
    int to[2], from[2];
    char byte = 0;
    pid_t pid;

    expect(pipe(to) == 0 && pipe(from) == 0, "pipe: %m");
    pid = fork();
    if (pid == 0) {
        close(to[1]);
        while (read(to[0], &byte, 1) == 1 && write(from[1], &byte, 1) == 1)
            ;
        _exit(0);
    }
    for (unsigned i = 0; i < rounds; i++)
        if (write(to[1], &byte, 1) != 1 || read(from[0], &byte, 1) != 1)
            expect(false, "pipe: %m");
    for (unsigned i = 0; i < 2; i++) {
        close(to[i]);
        close(from[i]);
    }
    waitpid(pid, NULL, 0);
}

static void signals_taken(unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++)
        raise(SIGUSR1);
}

static void ignore(int number)
{
    (void)number;
}

static const struct {
    const char *name;
    void (*run)(unsigned rounds);
    unsigned rounds;
} loops[] = {
    {"syscall", system_calls, 1000},      {"page-fault", page_faults, 1000},
    {"mprotect-16-pages", protects, 200}, {"fork-exit-wait", forks, 20},
    {"fork-exec-wait", fork_execs, 20},   {"pipe-ping-pong", pipe_ping_pong, 200},
    {"signal", signals_taken, 200},
};

void probe_loops(void)
{
    signal(SIGUSR1, ignore);
    for (unsigned i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        uint64_t best = UINT64_MAX;

        for (unsigned trial = 0; trial < TRIALS; trial++) {
            uint64_t start = __rdtsc(), taken;

            loops[i].run(loops[i].rounds);
            taken = (__rdtsc() - start) / loops[i].rounds;
            best = taken < best ? taken : best;
        }
        printf("BENCH %s %lu\n", loops[i].name, best);
        fflush(stdout);
    }
}
