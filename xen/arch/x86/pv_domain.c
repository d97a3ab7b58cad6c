/* SPDX-License-Identifier: MIT
 *
 * The x86 part of a domain's life, and what is shown of a vCPU that crashed it.
 */
#include <lagan/assert.h>
#include <lagan/printk.h>

#include "mm/heap.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/pti.h"
#include "xen/arch/x86/pv.h"

int arch_domain_init(struct domain *d)
{
    d->arch.isolated = d->account.l4_copied = pti_isolates(d->privileged);
    return pv_windows_init(d);
}

void arch_domain_destroy(struct domain *d)
{
    ASSERT(pti_audit());
    pv_windows_destroy(d);
    slab_free(d->arch.cpuid);
}

void arch_dump_vcpu(struct vcpu *v)
{
    const struct cpu_user_regs *r = v == current_vcpu() ? &cpu_info()->guest_regs : &v->arch.regs;

    log_warn("  vcpu %u in guest %s mode on CPU %u, cr2 %016lx, l4 %lx\n", v->id,
             v->arch.kernel_mode ? "kernel" : "user", v->sched.cpu, v->arch.ctrlreg[2],
             v->arch.l4_kernel.n);
    log_warn("  rip %04x:%016lx rsp %04x:%016lx flags %08lx\n", r->cs, r->rip, r->ss, r->rsp,
             r->rflags);
    log_warn("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
    log_warn("  rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", r->rsi, r->rdi, r->rbp, r->r8);
    log_warn("  r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", r->r9, r->r10, r->r11, r->r12);
    log_warn("  r13 %016lx r14 %016lx r15 %016lx\n", r->r13, r->r14, r->r15);
}
