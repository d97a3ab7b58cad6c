/* SPDX-License-Identifier: MIT
 *
 * Threads that come and go, more of them than there are processors, and each knows what its registers, its segment
 * bases, its stack and its own variables have to be. While all registers hold random values it spins in user mode, is
 * interrupted, and enters the kernel in one way or another: exceptions, system calls, faults of pages that are not
 * there yet. Signals arrive at any moment. Stacks are mapped for each thread and unmapped under the other processors'
 * eyes: the next thread must find an empty one at the same address, not what a stale translation shows.
 *
 * A register lost on any way into the hypervisor or the guest's kernel and back, a base that a switch did not bring
 * along, a page of somebody else's: each is one fault with the register's name.
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "probe.h"

#define PROCESSES   3
#define THREADS     8 /* of each process, at a time */
#define STACK_SIZE  (32 * 4096ul)
#define GPRS        15
#define VECTORS     16
#define FLAGS_FIXED 0x202ul /* interrupts on, and the bit that is always set */
#define FLAGS_FREE  0x8d5ul /* carry, parity, adjust, zero, sign, overflow */
#define DIRECTION   0x400ul

/* hold.S knows the offsets. */
struct hold {
    uint64_t in[GPRS], out[GPRS], unused[2];
    uint64_t vector_in[VECTORS][8], vector_out[VECTORS][8];
    uint64_t spins, action, flags, width;
};

_Static_assert(offsetof(struct hold, vector_in) == 256 && offsetof(struct hold, spins) == 2304,
               "the offsets of hold.S");

enum action { NOTHING, INVALID, BREAKPOINT, SYSTEM_CALL, READ, WRITE, ACTIONS };

void hold_registers(struct hold *h);
extern const char hold_after_syscall[];

static const char *const gpr_names[GPRS] = {"rax", "rbx", "rcx", "rdx", "rbp", "rsi", "rdi", "r8",
                                            "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
enum { RAX = 0, RBX = 1, RCX = 2, R11 = 10 };

struct thread {
    uint64_t number; /* what %gs:0 reads; differs from thread to thread */
    pthread_t id;
    uint8_t *stack;
    bool started;
};

static unsigned width;
static uint64_t flags_free;
static struct thread threads[THREADS];
static __thread struct thread *self;
static __thread uint64_t own_number;

static unsigned usable_width(void)
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

/* Both bases are this thread's. Only for threads: the first one of a process has no base of its own in GS. */
static bool check_bases(const char *when)
{
    uint64_t fs, gs;

    __asm__ volatile("movq %%fs:0, %0; movq %%gs:0, %1" : "=r"(fs), "=r"(gs));
    return expect(fs == (uint64_t)pthread_self() && self != NULL && own_number == self->number,
                  "%s: FS base %lx, own number %lx", when, fs, own_number) &&
           expect(gs == own_number, "%s: %%gs:0 is %lx, not %lx", when, gs, own_number);
}

static void spoil(int number)
{
    (void)number;
    __asm__ volatile("pxor %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7; pxor %%xmm15, %%xmm15; fninit" ::
                         : "xmm0", "xmm7", "xmm15");
    if (self != NULL)
        check_bases("in a signal handler");
}

/* The exceptions that a thread makes itself: it goes on behind the instruction. */
static void step_over(int number, siginfo_t *info, void *context)
{
    ucontext_t *c = context;

    (void)info;
    if (number == SIGILL)
        c->uc_mcontext.gregs[REG_RIP] += 2;
    spoil(number);
}

static void prepare(struct hold *h, enum action action, uint8_t *page, uint64_t *random)
{
    memset(h, 0, sizeof(*h));
    for (unsigned i = 0; i < GPRS; i++)
        h->in[i] = next_random(random);
    for (unsigned i = 0; i < VECTORS; i++)
        for (unsigned k = 0; k < width / 64; k++)
            h->vector_in[i][k] = next_random(random);
    h->spins = 1 + next_random(random) % (next_random(random) % 8 ? 500 : 50000);
    h->action = action;
    h->width = width;
    h->flags = FLAGS_FIXED | (next_random(random) & flags_free);
    if (action == SYSTEM_CALL)
        h->in[RAX] = next_random(random) % 2 ? SYS_sched_yield : SYS_getppid;
    if (action == READ || action == WRITE)
        h->in[RBX] = (uint64_t)page;
}

/* What the registers have to be, given what was done. */
static void check_registers(const struct hold *h, const uint8_t *page)
{
    uint64_t want[GPRS], flags = h->flags;
    enum action action = (enum action)h->action;

    memcpy(want, h->in, sizeof(want));
    if (action == SYSTEM_CALL) {
        want[RAX] = h->in[RAX] == SYS_sched_yield ? 0 : (uint64_t)getppid();
        want[RCX] = (uint64_t)hold_after_syscall;
        want[R11] = flags;
    }
    if (action == READ)
        want[RAX] &= ~0xff00ul;
    for (unsigned i = 0; i < GPRS; i++)
        expect(h->out[i] == want[i], "%s is %lx, not %lx (action %u)", gpr_names[i], h->out[i],
               want[i], action);
    expect(memcmp(h->vector_in, h->vector_out, sizeof(h->vector_in)) == 0,
           "a vector register differs (action %u)", action);
    if (action == WRITE)
        expect(page[0] == (uint8_t)h->in[RAX], "the page has %x, not %x", page[0],
               (uint8_t)h->in[RAX]);
}

/* Registers under one action; its flags are compared too. */
static void hold_once(struct hold *h, enum action action, uint8_t *page, uint64_t *random)
{
    uint64_t flags;

    prepare(h, action, page, random);
    flags = h->flags;
    hold_registers(h);
    expect(h->flags == flags, "flags are %lx, not %lx (action %u)", h->flags, flags, action);
    check_registers(h, page);
    check_bases("afterwards");
}

/* Marks each page of the stack below, which nobody has used yet, goes down it, and looks again on the way back. */
static void __attribute__((noinline)) go_down(unsigned depth)
{
    volatile uint64_t here[512];

    for (unsigned i = 0; i < 512; i += 64)
        here[i] = own_number + depth * 1000 + i;
    if (depth > 0)
        go_down(depth - 1);
    else
        sched_yield();
    for (unsigned i = 0; i < 512; i += 64)
        if (!expect(here[i] == own_number + depth * 1000 + i, "the stack has %lx in depth %u",
                    here[i], depth))
            return;
}

static void *live(void *argument)
{
    struct thread *me = argument;
    uint64_t random = me->number * 0x9e3779b97f4a7c15 | 1;
    uint8_t *pages;
    struct hold h;

    own_number = me->number;
    expect(syscall(SYS_arch_prctl, ARCH_SET_GS, &me->number) == 0, "ARCH_SET_GS: %m");
    /* From here on signal handlers look at the bases. */
    __atomic_store_n(&self, me, __ATOMIC_RELEASE);
    /* The lower half is not used before go_down(): it was mapped for this thread and has to be empty. */
    for (unsigned i = 0; i < STACK_SIZE / 2; i += 4096)
        if (!expect(*(uint64_t *)(me->stack + i) == 0, "a new stack has %lx",
                    *(uint64_t *)(me->stack + i)))
            break;
    pages = mmap(NULL, ACTIONS * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (expect(pages != MAP_FAILED, "mmap: %m")) {
        for (unsigned i = 0; i < 2 * ACTIONS; i++)
            hold_once(&h, (enum action)(i % ACTIONS), pages + i % ACTIONS * 4096, &random);
        munmap(pages, ACTIONS * 4096);
    }
    go_down(20);
    check_bases("at the end");
    __atomic_store_n(&self, NULL, __ATOMIC_RELEASE);
    return me;
}

static void start(struct thread *t, uint64_t number)
{
    pthread_attr_t attributes;

    t->number = number;
    t->started = false;
    t->stack =
        mmap(NULL, STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!expect(t->stack != MAP_FAILED, "mmap: %m"))
        return;
    expect(mprotect(t->stack, STACK_SIZE, PROT_READ | PROT_WRITE) == 0, "mprotect: %m");
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, t->stack, STACK_SIZE);
    t->started = expect(pthread_create(&t->id, &attributes, live, t) == 0, "pthread_create");
    pthread_attr_destroy(&attributes);
}

static void finish(struct thread *t)
{
    void *who = NULL;

    if (t->started)
        expect(pthread_join(t->id, &who) == 0 && who == t, "pthread_join gives %p, not %p", who,
               (void *)t);
    if (t->stack != MAP_FAILED)
        munmap(t->stack, STACK_SIZE);
}

static void work(unsigned index)
{
    const struct itimerval often = {{0, 1100 + index * 300}, {0, 1100}};
    struct sigaction exceptions = {.sa_sigaction = step_over, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction any = {.sa_handler = spoil, .sa_flags = SA_RESTART};
    uint64_t random = 88172645463325252u + index, count = 0;

    sigaction(SIGILL, &exceptions, NULL);
    sigaction(SIGTRAP, &exceptions, NULL);
    sigaction(SIGUSR1, &any, NULL);
    sigaction(SIGALRM, &any, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        start(&threads[i], (uint64_t)(index + 1) << 40 | ++count);
    for (unsigned round = 0; round < probe_rounds * 4; round++) {
        struct thread *t = &threads[next_random(&random) % THREADS];

        if (t->started)
            pthread_kill(t->id, SIGUSR1);
        finish(t);
        start(t, (uint64_t)(index + 1) << 40 | ++count);
    }
    for (unsigned i = 0; i < THREADS; i++)
        finish(&threads[i]);
}

/* Debian's Xen lets a user program's direction flag into the guest's kernel, which falls over it. */
static bool direction_is_safe(void)
{
    char extra[32] = "";
    FILE *file = fopen("/sys/hypervisor/version/extra", "r");

    if (file == NULL)
        return true;
    if (fgets(extra, sizeof(extra), file) == NULL)
        extra[0] = '\0';
    fclose(file);
    return strstr(extra, "lagan") != NULL;
}

void probe_threads(void)
{
    width = usable_width();
    flags_free = FLAGS_FREE | (direction_is_safe() ? DIRECTION : 0);
    in_children(PROCESSES, work);
}
