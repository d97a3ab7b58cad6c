/* SPDX-License-Identifier: MIT
 *
 * mmuext_op: pins, base pointers, flushes, LDT, and clearing and copying of whole frames.
 *
 * The list is worked off one by one and stops at the first error; a preempted operation keeps its
 * place in memory of its own (type.c), so that the call is simply made again from it on. The base
 * pointer that a vCPU leaves is parked as hcall_mmu.c says.
 */
#include "xen/hcall_mmu.h"

#include <lagan/arch.h>

#include "mm/frame.h"
#include "mm/type.h"
#include "xen/arch/x86/pv.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"
#include "arch_current.h"
#include "arch_inline.h"

static int flush(const struct vcpu *v, const struct mmuext_op *op)
{
    cpumask_t cpus = cpumask_of(arch_cpu());
    bool page = op->cmd == MMUEXT_INVLPG_LOCAL || op->cmd == MMUEXT_INVLPG_MULTI ||
                op->cmd == MMUEXT_INVLPG_ALL;
    int rc = 0;

    if (op->cmd == MMUEXT_TLB_FLUSH_ALL || op->cmd == MMUEXT_INVLPG_ALL)
        cpus = mmu_domain_cpus(v->domain);
    else if (op->cmd == MMUEXT_TLB_FLUSH_MULTI || op->cmd == MMUEXT_INVLPG_MULTI)
        rc = mmu_vcpu_cpus(v, guest_ptr((uint64_t)op->arg2.vcpumask.p), &cpus);
    if (rc)
        return -XEN_EINVAL; /* what Xen says to a bad bitmap here; in update_va_mapping -XEN_EFAULT */
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

/* A frame that is to be written on the domain's behalf. */
static int get_writable(mfn_t m, const struct domain *d)
{
    int rc = frame_get_writable(m, d->id);

    return rc == -XEN_EBUSY ? -XEN_EINVAL : rc;
}

static int clear_page(const struct domain *d, mfn_t m)
{
    int rc = get_writable(m, d);

    if (rc)
        return rc;
    arch_clear_page(arch_map_frame(m));
    frame_put_writable(m);
    return 0;
}

static int copy_page(const struct domain *d, mfn_t to, mfn_t from)
{
    int rc;

    if (!frame_get(from, d->id))
        return -XEN_EINVAL;
    rc = get_writable(to, d);
    if (rc == 0) {
        arch_copy_page(arch_map_frame(to), arch_map_frame(from));
        frame_put_writable(to);
    }
    frame_put(from);
    return rc;
}

/* Of domains without devices nobody else sees the memory: they may not hold up the machine. */
static int flush_cache(const struct domain *d)
{
    if (!d->privileged)
        return -XEN_EACCES;
    arch_cache_flush();
    return 0;
}

/* Operations on the caller itself. */
static int own_op(struct vcpu *v, const struct mmuext_op *op)
{
    switch (op->cmd) {
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
        return flush(v, op);
    case MMUEXT_FLUSH_CACHE:
        return flush_cache(v->domain);
    case MMUEXT_SET_LDT:
        return set_ldt(v, op);
    case MMUEXT_FLUSH_CACHE_GLOBAL: /* no guest is known to ask for it */
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
        return -XEN_EOPNOTSUPP;
    default:
        return -XEN_ENOSYS;
    }
}

/* d owns the frames that the operation names. */
static int one_op(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    switch (op->cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
        return table_pin(&d->account, mfn(op->arg1.mfn), op->cmd - MMUEXT_PIN_L1_TABLE + 1);
    case MMUEXT_UNPIN_TABLE:
        return table_unpin(&d->account, mfn(op->arg1.mfn));
    case MMUEXT_CLEAR_PAGE:
        return clear_page(d, mfn(op->arg1.mfn));
    case MMUEXT_COPY_PAGE:
        return copy_page(d, mfn(op->arg1.mfn), mfn(op->arg2.src_mfn));
    default:
        return d == v->domain ? own_op(v, op) : -XEN_EPERM;
    }
}

int64_t hcall_mmuext_op(const struct hypercall_args *args)
{
    uint32_t count = (uint32_t)args->a[1] & ~MMU_COUNT_RESTARTED, i = 0;
    guest_ptr_t list = guest_ptr(args->a[0]);
    struct vcpu *v = current_vcpu();
    struct domain *d;
    int rc;

    if (!guest_range_ok(list, count * sizeof(struct mmuext_op)))
        return -XEN_EFAULT;
    rc = mmu_get_domain(v, (domid_t)args->a[3], &d);
    if (rc)
        return rc;
    for (;;) {
        struct mmuext_op op;

        rc = mmu_drop_parked(v, i > 0);
        if (rc || i == count)
            break;
        if (i && arch_preempt_pending())
            rc = -XEN_ERESTART;
        else if (copy_from_guest(&op, guest_ptr_add(list, i * sizeof(op)), sizeof(op)))
            rc = -XEN_EFAULT;
        else
            rc = one_op(v, d, &op);
        if (rc)
            break;
        i++;
    }
    mmu_put_domain(v, d);
    return mmu_end_round(args, sizeof(struct mmuext_op), i, rc);
}
