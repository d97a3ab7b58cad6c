/* SPDX-License-Identifier: MIT
 *
 * Code compiled for processes, in the hypervisor (xen/foreign.h), and what it finds there instead
 * of a C library.
 *
 * Interrupts are off: one would push its frame onto the red zone. NMI, machine check and debug
 * exceptions have stacks of their own. The vCPU that may be in the CPU has its FPU registers and FS
 * base there: both are put away. When none is (an idle CPU), fpu_save() has already been called.
 *
 * Our own code that a library calls may let interrupts in (foreign_pause()): it has no red zone, the
 * caller's cannot reach across a call, and handlers use no SSE and switch to nobody.
 *
 * Some of the libraries' objects have constructors, which choose among variants for this CPU. They
 * run before the first use.
 */
#include "xen/foreign.h"

#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/string.h>

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/cpuctl.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/sections.h"
#include "arch_inline.h"

#define MXCSR_DEFAULT 0x1f80
#define GUARD_WORD    UINT64_C(0x5dfe29c3a7104e00) /* with a zero byte, as is usual */

/* Where a process has its thread's control block. */
static const struct {
    uint64_t unused[5];
    uint64_t guard;
} control_block = {.guard = GUARD_WORD};
STATIC_ASSERT(offsetof(__typeof__(control_block), guard) == 0x28);

static struct {
    uint64_t fs_base[MAX_CPUS]; /* [cpu] during a call: the vCPU's */
    bool inside[MAX_CPUS];      /* [cpu] the CPU executes such code */
    bool constructed;           /* the boot CPU calls first */
} foreign;

/* Our own stack is aligned to 8 bytes only: nothing in ring 0 uses SSE. Every register that a callee
 * need not keep is lost. */
static int call_aligned(int (*function)(void *argument), void *argument)
{
    int result;

    __asm__ volatile("mov %%rsp, %%rbx\n\t"
                     "and $-16, %%rsp\n\t"
                     "call *%[function]\n\t"
                     "mov %%rbx, %%rsp"
                     : "=a"(result), "+D"(argument), [function] "+r"(function)
                     :
                     : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
    return result;
}

static int run_constructors(void *unused)
{
    (void)unused;
    for (void (*const *f)(void) = init_array_start; f < init_array_end; f++)
        (*f)();
    return 0;
}

static void begin(void)
{
    uint32_t mxcsr = MXCSR_DEFAULT;

    interrupts_off();
    if (current_vcpu())
        fpu_save(current_vcpu());
    foreign.fs_base[arch_cpu()] = rdmsr(MSR_FS_BASE);
    wrmsr(MSR_FS_BASE, (uintptr_t)&control_block);
    write_cr0(read_cr0() & ~(uint64_t)CR0_TS);
    __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr) : "memory");
    foreign.inside[arch_cpu()] = true;
}

static void end(void)
{
    foreign.inside[arch_cpu()] = false;
    wrmsr(MSR_FS_BASE, foreign.fs_base[arch_cpu()]);
    if (current_vcpu())
        fpu_restore(current_vcpu());
    interrupts_on();
}

int foreign_call(int (*function)(void *argument), void *argument)
{
    int result;

    begin();
    if (!foreign.constructed) {
        (void)call_aligned(run_constructors, NULL);
        foreign.constructed = true;
    }
    result = call_aligned(function, argument);
    end();
    return result;
}

bool foreign_pause(void)
{
    bool inside = foreign.inside[arch_cpu()];

    foreign.inside[arch_cpu()] = false;
    if (inside)
        interrupts_on();
    return inside;
}

void foreign_resume(bool paused)
{
    if (!paused)
        return;
    interrupts_off();
    foreign.inside[arch_cpu()] = true;
}

/* ---- what the libraries' objects refer to ---- */

LAGAN_NORETURN void __stack_chk_fail(void);
void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void free(void *p);
unsigned long long ZSTD_trace_decompress_begin(const void *context);
void ZSTD_trace_decompress_end(unsigned long long trace, const void *what);

void __stack_chk_fail(void)
{
    arch_panic("a decoder has overrun its stack frame");
}

/* Every decoder is given an allocator; nothing calls these. */
void *malloc(size_t bytes)
{
    (void)bytes;
    return NULL;
}

void *calloc(size_t count, size_t bytes)
{
    (void)count;
    (void)bytes;
    return NULL;
}

void free(void *p)
{
    BUG_ON(p);
}

/* libzstd's weak references for tracers: an address of 0 is too far for a call. 0: no trace. */
unsigned long long ZSTD_trace_decompress_begin(const void *context)
{
    (void)context;
    return 0;
}

void ZSTD_trace_decompress_end(unsigned long long trace, const void *what)
{
    (void)trace;
    (void)what;
}
