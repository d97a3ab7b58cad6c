/* SPDX-License-Identifier: MIT
 *
 * Exceptions that become signals: each must arrive with the right number, code and address, on the stack
 * that was asked for, and the interrupted registers must be there again afterwards. A paravirtual
 * kernel gets every one of these exceptions through a frame that the hypervisor has made.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "probe.h"

#define ALT_BYTES 65536

static struct {
    uint8_t alt[ALT_BYTES];
    sigjmp_buf back;
    volatile siginfo_t info;
    volatile uint64_t handler_sp, trap_number, error_code;
    volatile unsigned alarms;
} state;

static void catch_fault(int number, siginfo_t *info, void *context)
{
    const ucontext_t *u = context;

    (void)number;
    memcpy((void *)&state.info, info, sizeof(*info));
    state.handler_sp = (uint64_t)__builtin_frame_address(0);
    state.trap_number = (uint64_t)u->uc_mcontext.gregs[REG_TRAPNO];
    state.error_code = (uint64_t)u->uc_mcontext.gregs[REG_ERR];
    siglongjmp(state.back, 1);
}

static void install(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    expect(sigaction(number, &action, NULL) == 0, "sigaction %d: %m", number);
}

static bool on_alt_stack(void)
{
    uint64_t sp = state.handler_sp;

    return sp > (uint64_t)state.alt && sp <= (uint64_t)state.alt + ALT_BYTES;
}

/* ---- what the processor finds wrong ---- */

static void divide(void)
{
    __asm__ volatile("xor %%eax, %%eax; xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx" ::
                         : "rax", "rcx", "rdx", "cc");
}

static void undefined(void)
{
    __asm__ volatile("ud2");
}

static void breakpoint(void)
{
    __asm__ volatile("int3");
}

static void read_null(void)
{
    __asm__ volatile("movb 16, %%al" ::: "rax");
}

static void privileged(void)
{
    __asm__ volatile("hlt");
}

static void non_canonical(void)
{
    __asm__ volatile("movabs $0x1234567812345678, %%rax; movb (%%rax), %%al" ::: "rax");
}

static void to_kernel(void)
{
    __asm__ volatile("movq $-4096, %%rax; movb (%%rax), %%al" ::: "rax");
}

static uint8_t *beyond_file;

static void past_end(void)
{
    *(volatile uint8_t *)beyond_file = 1;
}

/* Pushes until the stack is used up. */
static void overflow(void)
{
    __asm__ volatile("1: push $0; jmp 1b" ::: "memory");
}

#define ANY_ADDRESS 1

static const struct fault {
    const char *name;
    void (*cause)(void);
    int number, code;
    uint64_t trap, address; /* ANY_ADDRESS: whatever it is */
} faults[] = {
    {"divide", divide, SIGFPE, FPE_INTDIV, 0, ANY_ADDRESS},
    {"ud2", undefined, SIGILL, ILL_ILLOPN, 6, ANY_ADDRESS},
    {"int3", breakpoint, SIGTRAP, SI_KERNEL, 3, 0},
    {"null", read_null, SIGSEGV, SEGV_MAPERR, 14, 16},
    {"hlt", privileged, SIGSEGV, SI_KERNEL, 13, 0},
    {"non-canonical", non_canonical, SIGSEGV, SI_KERNEL, 13, 0},
    {"kernel address", to_kernel, SIGSEGV, SEGV_MAPERR, 14, (uint64_t)-4096},
    {"file's end", past_end, SIGBUS, BUS_ADRERR, 14, ANY_ADDRESS},
    {"stack overflow", overflow, SIGSEGV, SEGV_MAPERR, 14, ANY_ADDRESS},
};

static void check_fault(const struct fault *f)
{
    memset((void *)&state.info, 0, sizeof(state.info));
    if (sigsetjmp(state.back, 1) == 0) {
        f->cause();
        expect(false, "%s: nothing happened", f->name);
        return;
    }
    expect(state.info.si_signo == f->number, "%s: signal %d", f->name, state.info.si_signo);
    expect(state.info.si_code == f->code, "%s: code %d", f->name, state.info.si_code);
    expect(state.trap_number == f->trap, "%s: trap %lu", f->name, state.trap_number);
    expect(f->address == ANY_ADDRESS || (uint64_t)state.info.si_addr == f->address,
           "%s: address %p", f->name, state.info.si_addr);
    expect(on_alt_stack(), "%s: not on the alternate stack", f->name);
}

/* ---- interrupted registers ---- */

static void count_alarm(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    state.alarms++;
    /* What the kernel saved is what has to come back, not what is here now. */
    __asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm15, %%xmm15; xor %%ebx, %%ebx; std; cld" ::
                         : "rbx", "xmm0", "xmm15", "cc");
}

/* Goes round with known values in registers and flags until the alarm has struck often enough. */
static void keep_registers(void)
{
    const struct itimerval often = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};

    setitimer(ITIMER_REAL, &often, NULL);
    while (state.alarms < probe_rounds) {
        uint64_t rbx, r12, r15, low, high;

        __asm__ volatile(
            "movabs $0x1122334455667788, %%rbx; mov $0x1212, %%r12; mov $0x1515, %%r15\n\t"
            "movq %%rbx, %%xmm0; movq %%r12, %%xmm15; mov $20000, %%ecx\n\t"
            "1: stc; dec %%ecx; jnc 2f; jnz 1b\n\t"
            "2: movq %%xmm0, %3; movq %%xmm15, %4; mov %%rbx, %0; mov %%r12, %1; "
            "mov %%r15, %2"
            : "=m"(rbx), "=m"(r12), "=m"(r15), "=r"(low), "=r"(high)
            :
            : "rbx", "rcx", "r12", "r15", "xmm0", "xmm15", "cc");
        if (!expect(rbx == 0x1122334455667788 && r12 == 0x1212 && r15 == 0x1515 && low == rbx &&
                        high == r12,
                    "registers after a signal: %lx %lx %lx %lx %lx", rbx, r12, r15, low, high))
            break;
    }
    setitimer(ITIMER_REAL, &never, NULL);
}

void probe_signals(void)
{
    static const int numbers[] = {SIGFPE, SIGILL, SIGTRAP, SIGSEGV, SIGBUS};
    stack_t stack = {.ss_sp = state.alt, .ss_size = ALT_BYTES};
    char name[] = "/tmp/probe-XXXXXX";
    int file = mkstemp(name);

    expect(file >= 0, "%s: %m", name);
    beyond_file = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    expect(beyond_file != MAP_FAILED, "mmap of an empty file: %m");
    unlink(name);
    expect(sigaltstack(&stack, NULL) == 0, "sigaltstack: %m");
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        install(numbers[i], catch_fault);
    for (unsigned round = 0; round < probe_rounds; round++)
        for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
            check_fault(&faults[i]);
    install(SIGALRM, count_alarm);
    keep_registers();
}
