/* SPDX-License-Identifier: MIT
 *
 * The context switch. It happens at one place only: in SOFTIRQ_SCHEDULE, on the way back to a guest
 * or in the idle loop, with no lock held; the stack holds nothing that is still needed, so it is
 * simply started afresh.
 *
 * INV-CTX-1: while a vCPU's translations may be in a CPU's TLB, the CPU is in the account's
 *            tlb_cpus: it enters before CR3 is loaded and leaves after another CR3 was.
 * INV-CTX-2: the loaded GDT is mapped at any instruction: it is the CPU's own while CR3 changes.
 * INV-CTX-3: no register holds what another domain left in it (fpu.c, debug registers, segment
 *            bases).
 */
#include <lagan/string.h>

#include "mm/pcache.h"
#include "mm/scrub.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/cpuctl.h"
#include "xen/arch/x86/ctx.h"
#include "xen/arch/x86/desc.h"
#include "xen/arch/x86/feature.h"
#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pti.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_bounce.h"
#include "xen/arch/x86/pv_time.h"
#include "xen/arch/x86/segment.h"
#include "xen/softirq.h"
#include "xen/vcpu_timer.h"
#include "arch_inline.h"

LAGAN_NORETURN void reset_stack_and_return(void);
LAGAN_NORETURN void reset_stack_and_idle(void);

static void save_segments(struct vcpu *v)
{
    struct cpu_user_regs *regs = &v->arch.regs;

    regs->ds = read_ds();
    regs->es = read_es();
    regs->fs = read_fs();
    regs->gs = read_gs();
    v->arch.fs_base = rdmsr(MSR_FS_BASE);
    v->arch.gs_base_active = rdmsr(MSR_GS_BASE);
    v->arch.gs_base_inactive = rdmsr(MSR_KERNEL_GS_BASE);
}

static void save_vcpu(struct vcpu *v)
{
    v->arch.regs = cpu_info()->guest_regs;
    save_segments(v);
    pv_debugreg_save(v);
    fpu_save(v);
}

/* False if a selector could not be loaded: it is null now, and the guest must hear of it. */
static bool load_segments(const struct vcpu *v)
{
    const struct cpu_user_regs *regs = &v->arch.regs;
    bool ok = load_ds(regs->ds);

    ok = load_es(regs->es) && ok;
    ok = load_fs(regs->fs) && ok;
    ok = load_gs(regs->gs) && ok;
    wrmsr(MSR_FS_BASE, v->arch.fs_base);
    wrmsr(MSR_GS_BASE, v->arch.gs_base_active);
    wrmsr(MSR_KERNEL_GS_BASE, v->arch.gs_base_inactive);
    return ok;
}

/* The vCPU's GDT lies in its domain's slot: it would be gone under another CR3, and any exception,
 * an NMI too, needs a GDT. The CPU's own is mapped under each. */
static void leave_window(void)
{
    load_gdt_at(idle_gdt_va(arch_cpu()));
}

static void load_address_space(struct vcpu *v)
{
    unsigned cpu = arch_cpu();
    mfn_t l4 = v->arch.kernel_mode ? v->arch.l4_kernel : v->arch.l4_user;

    leave_window();
    if (pti_used())
        pti_forget();
    account_cpu_enter(&v->domain->account, cpu);
    pv_window_set_cpu(v, cpu);
    write_cr3(l4.n << PAGE_SHIFT);
    load_gdt_at(pv_gdt_va(v));
    pv_load_ldt(v);
}

/* Writing CR4 serialises, reading it costs nothing, and most vCPUs want the same. */
static void load_cr4(uint64_t value)
{
    if (read_cr4() != value)
        write_cr4(value);
}

/* Written when a vCPU begins to run, and when it stops: other vCPUs see there whether it waits for a
 * CPU, when they would spin for it in vain, and for how long it has. v's address space is loaded.
 * The record lies at an address of the guest kernel's, which user mode's page tables need not map, or
 * map elsewhere. */
static void write_runstate(struct vcpu *v)
{
    bool user = !v->arch.kernel_mode;

    if (!v->runstate_area.va)
        return;
    if (user)
        write_cr3(v->arch.l4_kernel.n << PAGE_SHIFT);
    vcpu_runstate_update_area(v);
    if (user)
        write_cr3(v->arch.l4_user.n << PAGE_SHIFT);
}

static void load_vcpu(struct vcpu *v)
{
    struct cpu_info *info = cpu_info();
    bool segments_ok;

    info->current = v; /* an LDT page may be needed while segments are loaded */
    load_address_space(v);
    segments_ok = load_segments(v);
    load_cr4(pv_real_cr4(v));
    fpu_restore(v);
    pv_debugreg_restore(v);
    if (cpu_has_rdtscp())
        wrmsr(MSR_TSC_AUX, v->arch.tsc_aux);
    info->guest_regs = v->arch.regs;
    pv_update_time(v);
    write_runstate(v);
    if (!segments_ok && v->arch.failsafe.address)
        pv_inject_failsafe(&info->guest_regs);
}

static void unload_address_space(void)
{
    load_no_ldt();
    leave_window();
    write_cr3(hv_l4_phys());
}

void arch_context_switch(struct vcpu *prev, struct vcpu *next)
{
    if (prev) {
        save_vcpu(prev);
        write_runstate(prev);
    }
    if (next) {
        load_vcpu(next);
    } else {
        cpu_info()->current = NULL;
        unload_address_space();
    }
    if (prev && (!next || next->domain != prev->domain))
        account_cpu_leave(&prev->domain->account, arch_cpu());
    sched_switch_done(prev);
    if (next)
        reset_stack_and_return();
    reset_stack_and_idle();
}

void idle_loop(void)
{
    for (;;) {
        softirq_run();
        while (!softirq_pending() && scrub_pending())
            scrub_step();
        while (!softirq_pending() && pcache_tidy_pending())
            pcache_tidy();
        interrupts_off();
        if (!softirq_pending())
            wait_for_interrupt();
        interrupts_on();
    }
}
