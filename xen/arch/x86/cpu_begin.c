/* SPDX-License-Identifier: MIT
 *
 * What a CPU needs before it can run vCPUs (cpu_begin.h).
 */
#include "xen/arch/x86/cpu_begin.h"

#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pti.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/time.h"
#include "xen/arch/x86/watchdog.h"
#include "xen/sched.h"
#include "xen/timer.h"
#include "arch_inline.h"

/* entry.S: one stub a CPU, SYSCALL_STUB_SIZE bytes each. */
extern const uint8_t syscall_stubs[], syscall32_stubs[];

static void point_syscalls_here(unsigned cpu)
{
    uint64_t lstar = (uint64_t)(syscall_stubs + cpu * SYSCALL_STUB_SIZE);
    uint64_t cstar = (uint64_t)(syscall32_stubs + cpu * SYSCALL_STUB_SIZE);

    wrmsr(MSR_LSTAR, pti_used() ? pti_syscall_target(cpu, false) : lstar);
    wrmsr(MSR_CSTAR, pti_used() ? pti_syscall_target(cpu, true) : cstar);
    wrmsr(MSR_SYSENTER_CS, 0); /* SYSENTER by a guest is #GP */
}

void cpu_begin(void)
{
    unsigned cpu = arch_cpu();

    point_syscalls_here(cpu);
    fpu_cpu_init();
    timer_cpu_init(cpu);
    sched_cpu_init(cpu);
    time_cpu_start();
    watchdog_cpu_start();
}
