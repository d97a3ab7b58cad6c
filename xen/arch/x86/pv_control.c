/* SPDX-License-Identifier: MIT
 *
 * The machine's part of control over domains (xen/control.h): a vCPU's registers from outside, and a
 * domain's own view of CPUID.
 */
#include <lagan/string.h>

#include "mm/heap.h"
#include "xen/arch/x86/pci_config.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_cpuid_leaves.h"
#include "xen/arch/x86/pv_hypercall.h"
#include "xen/arch/x86/pv_vcpu.h"
#include "xen/arch/x86/time.h"
#include "xen/control.h"

/* ---- CPUID ---- */

static const struct cpuid_policy *policy_of(enum cpu_policy_kind kind, const struct domain *d)
{
    if (kind == CPU_POLICY_MACHINE)
        return pv_cpuid_machine();
    return d && d->arch.cpuid ? d->arch.cpuid : pv_cpuid_guest();
}

unsigned arch_cpu_policy_leaves(enum cpu_policy_kind kind, const struct domain *d,
                                struct xen_cpuid_leaf *leaf)
{
    return cpuid_policy_list(policy_of(kind, d), leaf);
}

uint32_t arch_cpu_features(enum cpu_policy_kind kind, unsigned i)
{
    return cpuid_policy_features(policy_of(kind, NULL), i);
}

STATIC_ASSERT(sizeof(struct cpuid_policy) <= SLAB_MAX);

int arch_cpu_policy_set(struct domain *d, const struct xen_cpuid_leaf *leaf, unsigned count,
                        unsigned *bad)
{
    struct cpuid_policy *p = slab_alloc(sizeof(*p));
    int rc;

    if (!p)
        return -XEN_ENOMEM;
    *p = *pv_cpuid_guest();
    rc = cpuid_policy_restrict(p, leaf, count, bad);
    if (rc) {
        slab_free(p);
        return rc;
    }
    slab_free(d->arch.cpuid);
    d->arch.cpuid = p;
    return 0;
}

uint64_t arch_tsc_khz(void)
{
    return time_tsc_khz();
}

bool arch_pci_device_exists(uint16_t segment, uint8_t bus, uint8_t devfn)
{
    const unsigned status = 0x06; /* a virtual function does not say who has made it */

    return pci_config_read((struct pci_function){segment, bus, devfn}, status, 2) != UINT16_MAX;
}

void arch_hypercall_page(void *page)
{
    pv_write_hypercall_page(page);
}

/* ---- registers ---- */

static void give_callbacks(const struct vcpu *v, struct vcpu_guest_context *c)
{
    c->event_callback_eip = v->arch.event.address;
    c->failsafe_callback_eip = v->arch.failsafe.address;
    c->syscall_callback_eip = v->arch.syscall.address;
    if (v->arch.failsafe.mask_events)
        c->flags |= VGCF_failsafe_disables_events;
    if (v->arch.syscall.mask_events)
        c->flags |= VGCF_syscall_disables_events;
    for (unsigned i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++) {
        const struct pv_trap *t = &v->arch.traps[i];

        c->trap_ctxt[i] = (struct trap_info){.vector = (uint8_t)i,
                                             .flags = (uint8_t)(t->dpl | (t->mask_events ? 4 : 0)),
                                             .cs = t->cs,
                                             .address = t->address};
    }
}

static void give_tables(const struct vcpu *v, struct vcpu_guest_context *c)
{
    c->ldt_base = v->arch.ldt_base;
    c->ldt_ents = v->arch.ldt_entry_count;
    c->gdt_ents = v->arch.gdt_entry_count;
    for (unsigned i = 0; i < (c->gdt_ents + 511) / 512; i++)
        c->gdt_frames[i] = v->arch.gdt_frame[i].n;
    c->ctrlreg[3] = v->arch.l4_kernel.n << PAGE_SHIFT;
    if (v->arch.l4_user.n != MFN_INVALID.n)
        c->ctrlreg[1] = v->arch.l4_user.n << PAGE_SHIFT;
}

void arch_vcpu_context(struct vcpu *v, struct vcpu_guest_context *c)
{
    bool kernel = v->arch.kernel_mode;

    memset(c, 0, sizeof(*c));
    fpu_save_image(v, &c->fpu_ctxt);
    c->flags = VGCF_i387_valid | (kernel ? VGCF_in_kernel : 0) | (v->down ? 0 : VGCF_online);
    c->user_regs = v->arch.regs;
    /* What the guest believes of its flags: its I/O privilege level, and interrupts as its mask says. */
    c->user_regs.rflags &= ~(uint64_t)(3 << 12 | 1 << 9);
    c->user_regs.rflags |= (uint64_t)v->arch.iopl << 12;
    if (!v->info->evtchn_upcall_mask)
        c->user_regs.rflags |= 1 << 9;
    c->kernel_ss = v->arch.kernel_ss;
    c->kernel_sp = v->arch.kernel_sp;
    c->fs_base = v->arch.fs_base;
    c->gs_base_kernel = kernel ? v->arch.gs_base_active : v->arch.gs_base_inactive;
    c->gs_base_user = kernel ? v->arch.gs_base_inactive : v->arch.gs_base_active;
    c->ctrlreg[0] = v->arch.ctrlreg[0];
    c->ctrlreg[2] = v->arch.ctrlreg[2];
    c->ctrlreg[4] = pv_read_cr4(v);
    for (unsigned i = 0; i < 8; i++)
        c->debugreg[i] = v->arch.debugreg[i];
    give_tables(v, c);
    give_callbacks(v, c);
}

/* A toolstack changes a register or two of a guest that it goes on with. */
int arch_vcpu_set_registers(struct vcpu *v, const struct vcpu_guest_context *c)
{
    if (c->ctrlreg[3] >> PAGE_SHIFT != v->arch.l4_kernel.n || !(c->flags & VGCF_in_kernel) ||
        !v->arch.kernel_mode)
        return -XEN_EINVAL;
    pv_take_registers(v, &c->user_regs);
    return 0;
}
