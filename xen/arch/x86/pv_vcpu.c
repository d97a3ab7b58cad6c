/* SPDX-License-Identifier: MIT
 *
 * The x86 part of a vCPU's life: creation, start of day, VCPUOP_initialise, end.
 *
 * VCPUOP_initialise decodes and checks the whole context before anything changes (the page tables
 * and the GDT are claimed first, since that alone can fail); then the vCPU takes it over in one go.
 */
#include <lagan/string.h>

#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/type.h"
#include "xen/arch/x86/layout.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_bounce.h"
#include "xen/arch/x86/pv_vcpu.h"

STATIC_ASSERT(256 * sizeof(struct pv_trap) <= PAGE_SIZE);

int arch_vcpu_init(struct vcpu *v)
{
    int rc;

    v->arch.l4_kernel = v->arch.l4_user = v->arch.old_table = MFN_INVALID;
    v->arch.kernel_mode = true;
    v->arch.traps = page_alloc(0, HEAP_CLEAR | HEAP_FOR(HEAP_VCPUS));
    if (!v->arch.traps)
        return -XEN_ENOMEM;
    rc = fpu_vcpu_init(v);
    if (rc) {
        page_free(v->arch.traps, 0);
        v->arch.traps = NULL;
    }
    return rc;
}

void arch_vcpu_destroy(struct vcpu *v)
{
    if (!v->arch.traps)
        return;
    fpu_vcpu_destroy(v);
    page_free(v->arch.traps, 0);
    v->arch.traps = NULL;
}

static void drop_table(mfn_t *l4)
{
    if (l4->n == MFN_INVALID.n)
        return;
    type_put(*l4);
    frame_put(*l4);
    *l4 = MFN_INVALID;
}

void arch_vcpu_relinquish(struct vcpu *v)
{
    pv_destroy_gdt(v);
    pv_destroy_ldt(v);
    table_abandon(&v->arch.l4_kernel);
    table_abandon(&v->arch.l4_user);
    table_abandon(&v->arch.old_table);
}

int pv_take_l4(struct domain *d, mfn_t l4)
{
    int rc;

    if (!frame_get(l4, d->id))
        return -XEN_EINVAL;
    rc = type_get(l4, TYPE_L4);
    if (rc)
        frame_put(l4);
    return rc == -XEN_EBUSY ? -XEN_EINVAL : rc;
}

int arch_vcpu_start_of_day(struct vcpu *v, const struct pv_start *start)
{
    struct cpu_user_regs *regs = &v->arch.regs;
    int rc = pv_take_l4(v->domain, start->l4);

    if (rc)
        return rc;
    v->arch.l4_kernel = start->l4;
    memset(regs, 0, sizeof(*regs));
    regs->rip = start->entry;
    regs->rsp = start->stack;
    regs->rsi = start->start_info;
    regs->cs = GUEST_CS64;
    regs->ss = GUEST_DS;
    regs->rflags = X86_EFLAGS_IF | X86_EFLAGS_MBS;
    v->arch.kernel_ss = GUEST_DS;
    v->arch.kernel_sp = start->stack;
    return 0;
}

/* ---- other base pointers ---- */

int pv_new_baseptr(struct vcpu *v, mfn_t l4)
{
    int rc = table_drop(&v->arch.old_table);

    if (rc == 0)
        rc = pv_take_l4(v->domain, l4);
    if (rc)
        return rc;
    v->arch.old_table = v->arch.l4_kernel;
    v->arch.l4_kernel = l4;
    write_cr3(l4.n << PAGE_SHIFT);
    return 0;
}

int pv_new_user_baseptr(struct vcpu *v, mfn_t l4)
{
    int rc = table_drop(&v->arch.old_table);

    if (rc == 0 && l4.n)
        rc = pv_take_l4(v->domain, l4);
    if (rc)
        return rc;
    v->arch.old_table = v->arch.l4_user;
    v->arch.l4_user = l4.n ? l4 : MFN_INVALID;
    return 0;
}

/* ---- VCPUOP_initialise ---- */

static int check_context(const struct vcpu_guest_context *c)
{
    if (!is_canonical(c->fs_base) || !is_canonical(c->gs_base_kernel) ||
        !is_canonical(c->gs_base_user))
        return -XEN_EINVAL;
    if (c->gdt_ents > FIRST_HV_GDT_ENTRY)
        return -XEN_EINVAL;
    if (!(c->flags & VGCF_in_kernel))
        return -XEN_EINVAL;
    return 0;
}

/* DS, ES, FS and GS are loaded by ring 0, which could load its own descriptors: not with RPL 3. */
static uint16_t safe_selector(uint16_t selector)
{
    return selector >> 3 >= FIRST_HV_GDT_ENTRY && !(selector & 4) ? selector | 3 : selector;
}

void pv_take_registers(struct vcpu *v, const struct cpu_user_regs *from)
{
    struct cpu_user_regs *regs = &v->arch.regs;

    *regs = *from;
    regs->cs |= 3;
    regs->ss |= 3;
    regs->ds = safe_selector(regs->ds);
    regs->es = safe_selector(regs->es);
    regs->fs = safe_selector(regs->fs);
    regs->gs = safe_selector(regs->gs);
    regs->error_code = 0;
    regs->entry_vector = 0;
    v->arch.iopl = (uint8_t)(from->rflags >> 12 & 3);
    regs->rflags = pv_real_flags(regs->rflags);
}

static void take_registers(struct vcpu *v, const struct vcpu_guest_context *c)
{
    pv_take_registers(v, &c->user_regs);
    v->arch.kernel_ss = c->kernel_ss;
    v->arch.kernel_sp = c->kernel_sp;
    v->arch.fs_base = c->fs_base;
    v->arch.gs_base_active = c->gs_base_kernel;
    v->arch.gs_base_inactive = c->gs_base_user;
    v->arch.ctrlreg[0] = c->ctrlreg[0];
    v->arch.ctrlreg[4] = c->ctrlreg[4] & pv_cr4_guest_settable();
    if (c->flags & VGCF_i387_valid)
        fpu_load_image(v, &c->fpu_ctxt);
}

static void take_callbacks(struct vcpu *v, const struct vcpu_guest_context *c)
{
    v->arch.event = (struct pv_callback){c->event_callback_eip, true};
    v->arch.failsafe = (struct pv_callback){c->failsafe_callback_eip,
                                            (c->flags & VGCF_failsafe_disables_events) != 0};
    v->arch.syscall = (struct pv_callback){c->syscall_callback_eip,
                                           (c->flags & VGCF_syscall_disables_events) != 0};
    for (unsigned i = 0; i < 256; i++) {
        const struct trap_info *t = &c->trap_ctxt[i];

        v->arch.traps[i] = (struct pv_trap){t->address, (uint16_t)(t->cs | 3),
                                            (uint8_t)(t->flags & 3), (t->flags & 4) != 0};
    }
}

static int claim_gdt(struct vcpu *v, const struct vcpu_guest_context *c)
{
    mfn_t frames[PV_GDT_FRAMES];
    unsigned count = (unsigned)(c->gdt_ents + 511) / 512;

    for (unsigned i = 0; i < count; i++)
        frames[i] = mfn(c->gdt_frames[i]);
    return pv_set_gdt(v, frames, (unsigned)c->gdt_ents);
}

/* CR3, and in CR1's place the table of user mode (0: none). */
static int claim_tables(struct vcpu *v, const struct vcpu_guest_context *c)
{
    mfn_t kernel = mfn(c->ctrlreg[3] >> PAGE_SHIFT), user = mfn(c->ctrlreg[1] >> PAGE_SHIFT);
    int rc = pv_take_l4(v->domain, kernel);

    if (rc)
        return rc;
    if (user.n && (rc = pv_take_l4(v->domain, user)) != 0) {
        drop_table(&kernel);
        return rc;
    }
    v->arch.l4_kernel = kernel;
    v->arch.l4_user = user.n ? user : MFN_INVALID;
    return 0;
}

/* All that can fail: nothing is kept then. */
static int claim_all(struct vcpu *v, const struct vcpu_guest_context *c)
{
    int rc = claim_tables(v, c);

    if (rc)
        return rc;
    rc = claim_gdt(v, c);
    if (rc == 0) {
        rc = pv_set_ldt(v, c->ldt_base, (unsigned)c->ldt_ents);
        if (rc)
            pv_destroy_gdt(v);
    }
    if (rc) {
        drop_table(&v->arch.l4_kernel);
        drop_table(&v->arch.l4_user);
    }
    return rc;
}

int arch_vcpu_initialise(struct vcpu *v, const struct vcpu_guest_context *c)
{
    int rc = check_context(c);

    if (!rc)
        rc = claim_all(v, c);
    if (rc)
        return rc;
    v->arch.kernel_mode = true;
    take_registers(v, c);
    take_callbacks(v, c);
    for (unsigned i = 0; i < 8; i++)
        if (pv_set_debugreg(v, i, c->debugreg[i]))
            v->arch.debugreg[i] = i == 6 ? 0xffff0ff0 : i == 7 ? 0x400 : 0;
    return 0;
}
