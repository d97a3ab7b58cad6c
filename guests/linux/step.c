/* SPDX-License-Identifier: MIT
 *
 * What a debugger does: a child is single-stepped through a known piece of code, stopped by breakpoints in its text,
 * by the processor's debug registers, and at its system calls. A debug exception from user space goes
 * by way of the hypervisor, and so do the debug registers.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

#define LOOPS 200

volatile uint64_t watched[2];

/* Three instructions a round; the labels are where breakpoints go. */
extern const uint8_t loop_start[], loop_store[], loop_end[];

static void run_loop(void)
{
    __asm__ volatile(".globl loop_start, loop_store, loop_end\n\t"
                     "mov %1, %%ecx\n\t"
                     "loop_start: nop\n\t"
                     "loop_store: mov %%rcx, %0\n\t"
                     "dec %%ecx\n\t"
                     "jnz loop_start\n\t"
                     "loop_end: nop"
                     : "=m"(watched[0])
                     : "i"(LOOPS)
                     : "rcx", "cc");
}

static pid_t start_child(void)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        run_loop();
        for (unsigned i = 0; i < 5; i++)
            syscall(SYS_getppid);
        _exit(7);
    }
    expect(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "the child has not stopped: %x",
           (unsigned)status);
    return pid;
}

/* Lets the child go on; returns the signal that stopped it, or -1 at its end. */
static int resume(pid_t pid, enum __ptrace_request how)
{
    int status = 0;

    expect(ptrace(how, pid, NULL, NULL) == 0, "ptrace %d: %m", (int)how);
    expect(waitpid(pid, &status, 0) == pid, "waitpid: %m");
    if (WIFSTOPPED(status))
        return WSTOPSIG(status);
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 7, "the child's end: %x", (unsigned)status);
    return -1;
}

static uint64_t address_of(pid_t pid)
{
    struct user_regs_struct regs;

    expect(ptrace(PTRACE_GETREGS, pid, NULL, &regs) == 0, "GETREGS: %m");
    return regs.rip;
}

static uint64_t peek_debug(pid_t pid, unsigned n)
{
    return (uint64_t)ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[n]), NULL);
}

static void poke_debug(pid_t pid, unsigned n, uint64_t value)
{
    expect(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[n]), value) == 0,
           "DR%u = %lx: %m", n, value);
}

static uint64_t plant_breakpoint(pid_t pid, const uint8_t *at)
{
    uint64_t old;

    errno = 0;
    old = (uint64_t)ptrace(PTRACE_PEEKTEXT, pid, at, NULL);
    expect(errno == 0, "PEEKTEXT: %m");
    expect(ptrace(PTRACE_POKETEXT, pid, at, (old & ~UINT64_C(0xff)) | 0xcc) == 0, "POKETEXT: %m");
    return old;
}

/* Runs to the loop, then steps: each of its instructions has to be seen, in order and once. */
static void check_steps(void)
{
    pid_t pid = start_child();
    uint64_t old = plant_breakpoint(pid, loop_start);
    struct user_regs_struct regs;
    unsigned steps = 0, starts = 0;

    expect(resume(pid, PTRACE_CONT) == SIGTRAP, "no breakpoint");
    expect(address_of(pid) == (uint64_t)loop_start + 1, "breakpoint at %lx", address_of(pid));
    expect(ptrace(PTRACE_POKETEXT, pid, loop_start, old) == 0, "POKETEXT: %m");
    ptrace(PTRACE_GETREGS, pid, NULL, &regs);
    regs.rip = (uint64_t)loop_start;
    expect(ptrace(PTRACE_SETREGS, pid, NULL, &regs) == 0, "SETREGS: %m");
    while (address_of(pid) != (uint64_t)loop_end && steps < 10 * LOOPS) {
        starts += address_of(pid) == (uint64_t)loop_start;
        steps++;
        if (!expect(resume(pid, PTRACE_SINGLESTEP) == SIGTRAP, "no trap after step %u", steps))
            break;
    }
    expect(starts == LOOPS && steps == 4 * LOOPS, "%u rounds in %u steps", starts, steps);
    expect(resume(pid, PTRACE_CONT) == -1, "it does not end");
}

/* A breakpoint on an address and one on data, by debug registers. */
static void check_debug_registers(void)
{
    pid_t pid = start_child();
    unsigned executed = 0, written = 0;

    poke_debug(pid, 0, (uint64_t)loop_start);
    poke_debug(pid, 1, (uint64_t)&watched[0]);
    poke_debug(pid, 7, 0x5 | UINT64_C(0xd) << 20); /* DR0 execute, DR1 write of four bytes */
    while (resume(pid, PTRACE_CONT) == SIGTRAP && executed + written < 10 * LOOPS) {
        uint64_t status = peek_debug(pid, 6);

        executed += (unsigned)(status & 1);
        written += (unsigned)(status >> 1 & 1);
        poke_debug(pid, 6, 0);
    }
    expect(executed == LOOPS, "DR0 stopped it %u times, of %u", executed, LOOPS);
    expect(written == LOOPS, "DR1 stopped it %u times, of %u", written, LOOPS);
}

static void check_system_calls(void)
{
    pid_t pid = start_child();
    unsigned stops = 0;
    struct user_regs_struct regs;

    while (resume(pid, PTRACE_SYSCALL) == SIGTRAP && stops < 100) {
        ptrace(PTRACE_GETREGS, pid, NULL, &regs);
        stops += regs.orig_rax == SYS_getppid;
    }
    expect(stops == 10, "%u stops at getppid(), of 10", stops);
}

void probe_step(void)
{
    for (unsigned round = 0; round < probe_rounds / 50 + 1; round++) {
        check_steps();
        check_debug_registers();
        check_system_calls();
    }
}
