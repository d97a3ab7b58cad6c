/* SPDX-License-Identifier: MIT
 *
 * Page tables of the calling domain: one L1 entry by virtual address, pins, base pointers, flushes,
 * LDT.
 */
#include <lagan/arch.h>

#include "mm/type.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_vcpu.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"
#include "arch_inline.h"

/* Set in the count of a restarted call, by ourselves: *done already counts earlier rounds. */
#define COUNT_RESTARTED 0x80000000u

#define L1_INDEX(va) ((unsigned)((va) >> PAGE_SHIFT) & 511)

static cpumask_t domain_tlb_cpus(struct domain *d)
{
    return (cpumask_t){atomic_load(&d->account.tlb_cpus)};
}

/* ---- flushes ---- */

/* A guest's set of vCPUs: a bitmap of as many 64-bit words as its vCPUs need. We flush on every CPU
 * that may hold a translation of the domain, which includes those vCPUs' CPUs; the bitmap must
 * still be readable. */
static int flush_targets(struct vcpu *v, guest_ptr_t bitmap, cpumask_t *cpus)
{
    uint64_t word;
    int rc = copy_from_guest(&word, bitmap, sizeof(word));

    *cpus = domain_tlb_cpus(v->domain);
    return rc;
}

static bool va_flush_is_local(uint64_t flags)
{
    return (flags & ~(uint64_t)UVMF_FLUSHTYPE_MASK) == UVMF_LOCAL;
}

/* A flush of some or all vCPUs; the bitmap must be readable, before anything is changed. */
static int va_flush_check(struct vcpu *v, uint64_t flags)
{
    uint64_t target = flags & ~(uint64_t)UVMF_FLUSHTYPE_MASK;
    cpumask_t cpus;

    if (target == UVMF_LOCAL || target == UVMF_ALL)
        return 0;
    return flush_targets(v, guest_ptr(target), &cpus);
}

/* The CPUs are looked up after the entry was changed:
 *
 *      update                                another CPU begins to run a vCPU of the domain
 *      changes the entry (locked write)      enters tlb_cpus (locked), loads CR3
 *      reads tlb_cpus                        walks the tables
 *
 * If the read does not find the CPU there, the CPU entered later, and its walks see the new entry.
 * In the other order it could walk the old entry and not be asked to forget it. */
static void va_flush(struct vcpu *v, uint64_t va, uint64_t flags)
{
    cpumask_t cpus = va_flush_is_local(flags) ? cpumask_of(arch_cpu()) : domain_tlb_cpus(v->domain);

    switch (flags & UVMF_FLUSHTYPE_MASK) {
    case UVMF_TLB_FLUSH:
        arch_tlb_flush(cpus);
        break;
    case UVMF_INVLPG:
        arch_tlb_flush_page(cpus, va);
        break;
    }
}

int64_t hcall_update_va_mapping(const struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    uint64_t va = args->a[0], entry = args->a[1], flags = args->a[2];
    mfn_t l1;
    int rc;

    if (!guest_range_ok(guest_ptr(va & PAGE_MASK), PAGE_SIZE))
        return -XEN_EINVAL;
    rc = va_flush_check(v, flags);
    if (rc)
        return rc;
    rc = table_walk_l1(v->arch.l4_kernel, va, &l1);
    if (rc)
        return rc;
    rc = table_update(&v->domain->account, l1, L1_INDEX(va), entry, false);
    if (rc == -XEN_ERESTART)
        return hypercall_continue(args);
    if (rc)
        return rc;
    va_flush(v, va, flags);
    return 0;
}

/* ---- mmuext_op ---- */

static int flush_op(struct vcpu *v, const struct mmuext_op *op)
{
    cpumask_t cpus = cpumask_of(arch_cpu());
    bool page = false;
    int rc = 0;

    switch (op->cmd) {
    case MMUEXT_INVLPG_MULTI:
        page = true;
        /* fall through */
    case MMUEXT_TLB_FLUSH_MULTI:
        rc = flush_targets(v, guest_ptr((uint64_t)op->arg2.vcpumask.p), &cpus);
        break;
    case MMUEXT_INVLPG_ALL:
        page = true;
        /* fall through */
    case MMUEXT_TLB_FLUSH_ALL:
        cpus = domain_tlb_cpus(v->domain);
        break;
    case MMUEXT_INVLPG_LOCAL:
        page = true;
        break;
    }
    if (rc)
        return rc;
    if (!page)
        arch_tlb_flush(cpus);
    else if (guest_range_ok(guest_ptr(op->arg1.linear_addr), 1))
        arch_tlb_flush_page(cpus, op->arg1.linear_addr);
    return 0;
}

static int set_ldt(struct vcpu *v, const struct mmuext_op *op)
{
    uint64_t base = op->arg1.linear_addr;
    unsigned entries = op->arg2.nr_ents;

    if (entries > 8192 || base % PAGE_SIZE ||
        !guest_range_ok(guest_ptr(base), entries * sizeof(uint64_t)))
        return -XEN_EINVAL;
    return pv_set_ldt(v, base, entries);
}

static int one_op(struct vcpu *v, const struct mmuext_op *op)
{
    struct account *a = &v->domain->account;

    switch (op->cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
        return table_pin(a, mfn(op->arg1.mfn), op->cmd - MMUEXT_PIN_L1_TABLE + 1);
    case MMUEXT_UNPIN_TABLE:
        return table_unpin(a, mfn(op->arg1.mfn));
    case MMUEXT_NEW_BASEPTR:
        return pv_new_baseptr(v, mfn(op->arg1.mfn));
    case MMUEXT_NEW_USER_BASEPTR:
        return pv_new_user_baseptr(v, mfn(op->arg1.mfn));
    case MMUEXT_TLB_FLUSH_LOCAL:
    case MMUEXT_INVLPG_LOCAL:
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI:
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_INVLPG_ALL:
        return flush_op(v, op);
    case MMUEXT_SET_LDT:
        return set_ldt(v, op);
    default:
        return -XEN_ENOSYS;
    }
}

/* How many operations earlier rounds of a restarted call have done: the guest's own counter says
 * so. */
static int64_t report_done(guest_ptr_t done, bool restarted, uint32_t count)
{
    uint32_t before = 0;

    if (!done.va)
        return 0;
    if (restarted && copy_from_guest(&before, done, sizeof(before)))
        return -XEN_EFAULT;
    count += before;
    return copy_to_guest(done, &count, sizeof(count));
}

int64_t hcall_mmuext_op(const struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    guest_ptr_t ops = guest_ptr(args->a[0]), done = guest_ptr(args->a[2]);
    bool restarted = args->a[1] & COUNT_RESTARTED;
    uint32_t count = (uint32_t)args->a[1] & ~COUNT_RESTARTED, i;
    domid_t foreign = (domid_t)args->a[3];
    int64_t rc = 0;

    if (foreign != DOMID_SELF && foreign != v->domain->id)
        return v->domain->privileged ? -XEN_ESRCH : -XEN_EPERM;
    if (!guest_range_ok(ops, count * sizeof(struct mmuext_op)))
        return -XEN_EFAULT;
    for (i = 0; i < count && !rc; i++) {
        struct mmuext_op op;

        if (i && arch_preempt_pending())
            rc = -XEN_ERESTART;
        else if (copy_from_guest(&op, guest_ptr_add(ops, i * sizeof(op)), sizeof(op)))
            rc = -XEN_EFAULT;
        else
            rc = one_op(v, &op);
        if (rc)
            break;
    }
    if (report_done(done, restarted, i))
        return -XEN_EFAULT;
    if (rc == -XEN_ERESTART) {
        struct hypercall_args rest = {{guest_ptr_add(ops, i * sizeof(struct mmuext_op)).va,
                                       (count - i) | COUNT_RESTARTED, done.va, args->a[3]}};

        return hypercall_continue(&rest);
    }
    return rc;
}
