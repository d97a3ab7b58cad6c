/* SPDX-License-Identifier: MIT
 *
 * Page-table entries: mmu_update by machine address, update_va_mapping by virtual address.
 *
 * An update that takes a table out of use may leave much to be torn down. That table is parked in
 * the vCPU (arch.old_table) and is finished before anything else is done, here or in the next call
 * of the vCPU that changes page tables: the call is restarted until it is. So the guest always
 * finds a table that it has unlinked free for another use, and each vCPU has at most one parked.
 *
 * When an entry above L1 that was present changes, the domain's CPUs are flushed before the guest
 * hears of it. Our own safety does not depend on that (INV-TYPE-1 does not care which entry led to
 * a table), but the ABI's guests may do so: an entry of an upper level cannot be flushed by
 * address.
 */
#include "xen/hcall_mmu.h"

#include <lagan/arch.h>

#include "mm/frame.h"
#include "mm/pte.h"
#include "mm/type.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"
#include "arch_current.h"
#include "arch_inline.h"

/* ---- for both files ---- */

int mmu_get_domain(struct vcpu *v, domid_t id, struct domain **d)
{
    *d = v->domain;
    if (id == DOMID_SELF || id == v->domain->id)
        return 0;
    if (!v->domain->privileged)
        return -XEN_EPERM;
    *d = domain_find(id);
    return *d ? 0 : -XEN_ESRCH;
}

void mmu_put_domain(struct vcpu *v, struct domain *d)
{
    if (d && d != v->domain)
        domain_put(d);
}

/* As above for the owner of what is mapped; NULL: not RAM at all. The control domain may name
 * devices, and hypervisor pages, and map its own memory so. */
static int get_frames_domain(struct vcpu *v, domid_t id, struct domain **d)
{
    *d = NULL;
    if (id != DOMID_IO && id != DOMID_XEN)
        return mmu_get_domain(v, id, d);
    if (v->domain->privileged)
        *d = v->domain;
    return 0;
}

cpumask_t mmu_domain_cpus(const struct domain *d)
{
    return (cpumask_t){atomic_load(&((struct domain *)d)->account.tlb_cpus)};
}

/* A vCPU that does not run has left nothing in a TLB: whoever runs instead has loaded CR3. One that
 * is put on a CPU just now loads it after this was read, and so after the guest's change. */
int mmu_vcpu_cpus(const struct vcpu *v, guest_ptr_t bitmap, cpumask_t *cpus)
{
    const struct domain *d = v->domain;
    uint64_t word;
    int rc = copy_from_guest(&word, bitmap, sizeof(word));

    if (rc)
        return rc;
    *cpus = cpumask_none();
    for (unsigned i = 0; i < d->vcpu_count; i++)
        if ((word >> i & 1) && atomic_load(&d->vcpu[i]->sched.unit.on_cpu))
            *cpus = cpumask_or(*cpus, cpumask_of(d->vcpu[i]->sched.cpu));
    return 0;
}

STATIC_ASSERT(MAX_VCPUS <= 64);

/* How many entries earlier rounds have done is in the guest's own counter. A guest that gives no place for it,
 * or one that cannot be written, does not get to know: what was done is done (as on Xen). */
static LAGAN_NOINLINE void report_done(guest_ptr_t where, bool restarted, uint32_t count)
{
    uint32_t before = 0;

    if (restarted && copy_from_guest(&before, where, sizeof(before)))
        return;
    count += before;
    (void)!copy_to_guest(where, &count, sizeof(count));
}

static LAGAN_NOINLINE int64_t continue_round(const struct hypercall_args *args, size_t entry_bytes,
                                             uint32_t done)
{
    uint32_t count = (uint32_t)args->a[1] & ~MMU_COUNT_RESTARTED;
    struct hypercall_args rest = *args;

    rest.a[0] += done * entry_bytes;
    rest.a[1] = (count - done) | MMU_COUNT_RESTARTED;
    return hypercall_continue(&rest);
}

int64_t mmu_end_round(const struct hypercall_args *args, size_t entry_bytes, uint32_t done, int rc)
{
    if (args->a[2])
        report_done(guest_ptr(args->a[2]), args->a[1] & MMU_COUNT_RESTARTED, done);
    return likely(rc != -XEN_ERESTART) ? rc : continue_round(args, entry_bytes, done);
}

int mmu_drop_parked(struct vcpu *v, bool begun)
{
    if (likely(v->arch.old_table.n == MFN_INVALID.n))
        return 0;
    if (begun && arch_preempt_pending())
        return -XEN_ERESTART;
    return table_drop(&v->arch.old_table);
}

/* ---- mmu_update(list, count, done, domains) ---- */

#define COMMAND_MASK    (sizeof(uint64_t) - 1) /* of ptr: the rest is a machine address */
#define TABLES_OF_SHIFT 16 /* of `domains`: 1 + whose tables, or 0; below: whose frames */

struct batch {
    struct vcpu *v;
    struct domain *tables; /* whose page tables change */
    struct domain *frames; /* whose frames they are to map; NULL: no RAM at all */
    bool flush;
};

static int batch_begin(struct batch *b, uint32_t domains)
{
    domid_t frames = (domid_t)domains;
    int rc = 0;

    *b = (struct batch){.v = current_vcpu()};
    b->tables = b->v->domain;
    if (domains >> TABLES_OF_SHIFT)
        rc = mmu_get_domain(b->v, (domid_t)((domains >> TABLES_OF_SHIFT) - 1), &b->tables);
    if (rc)
        return rc;
    rc = get_frames_domain(b->v, frames, &b->frames);
    if (rc) {
        b->frames = NULL;
        mmu_put_domain(b->v, b->tables);
    }
    return rc;
}

static void batch_end(struct batch *b)
{
    if (b->flush)
        arch_tlb_flush(mmu_domain_cpus(b->tables));
    mmu_put_domain(b->v, b->frames);
    mmu_put_domain(b->v, b->tables);
}

static int update_machphys(const struct batch *b, mfn_t m, uint64_t gfn)
{
    if (!b->frames || !frame_get(m, b->frames->id))
        return -XEN_EINVAL;
    arch_m2p_set(m, gfn);
    frame_put(m);
    return 0;
}

static int update_entry(struct batch *b, uint64_t address, uint64_t entry, bool preserve_ad)
{
    struct table_change c = {
        .entry = entry, .from = b->frames ? b->frames->id : DOMID_IO, .preserve_ad = preserve_ad};
    int rc = table_update(&b->tables->account, mfn(address >> PAGE_SHIFT), pte_slot(address), &c);

    b->v->arch.old_table = c.old_table;
    b->flush |= c.upper;
    return rc;
}

static int update_one(struct batch *b, guest_ptr_t where)
{
    struct mmu_update u;

    if (copy_from_guest(&u, where, sizeof(u)))
        return -XEN_EFAULT;
    switch (u.ptr & COMMAND_MASK) {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_NO_TRANSLATE: /* differs for guests that do not know machine frames only */
    case MMU_PT_UPDATE_PRESERVE_AD:
        return update_entry(b, u.ptr, u.val, (u.ptr & COMMAND_MASK) == MMU_PT_UPDATE_PRESERVE_AD);
    case MMU_MACHPHYS_UPDATE:
        return update_machphys(b, mfn(u.ptr >> PAGE_SHIFT), u.val);
    default:
        return -XEN_ENOSYS;
    }
}

int64_t hcall_mmu_update(const struct hypercall_args *args)
{
    uint32_t count = (uint32_t)args->a[1] & ~MMU_COUNT_RESTARTED, i = 0;
    guest_ptr_t list = guest_ptr(args->a[0]);
    struct batch b;
    int rc;

    if (!guest_range_ok(list, count * sizeof(struct mmu_update)))
        return -XEN_EFAULT;
    rc = batch_begin(&b, (uint32_t)args->a[3]);
    if (rc)
        return rc;
    for (;;) {
        rc = mmu_drop_parked(b.v, i > 0);
        if (rc || i == count)
            break;
        rc = i && arch_preempt_pending()
                 ? -XEN_ERESTART
                 : update_one(&b, guest_ptr_add(list, i * sizeof(struct mmu_update)));
        if (rc)
            break;
        i++;
    }
    batch_end(&b);
    return mmu_end_round(args, sizeof(struct mmu_update), i, rc);
}

/* ---- update_va_mapping(va, entry, flags), ..._otherdomain(va, entry, flags, domain) ---- */

static int va_flush_targets(const struct vcpu *v, uint64_t flags, cpumask_t *cpus)
{
    uint64_t target = flags & ~(uint64_t)UVMF_FLUSHTYPE_MASK;

    if (target == UVMF_LOCAL)
        *cpus = cpumask_of(arch_cpu());
    else if (target == UVMF_ALL)
        *cpus = mmu_domain_cpus(v->domain);
    else
        return mmu_vcpu_cpus(v, guest_ptr(target), cpus);
    return 0;
}

static int update_va(struct vcpu *v, uint64_t va, uint64_t entry, domid_t from)
{
    struct table_change c = {.entry = entry, .from = from};
    mfn_t l1;
    int rc = table_walk_l1(v->arch.l4_kernel, va, &l1);

    if (rc == 0)
        rc = table_drop(&v->arch.old_table);
    if (rc)
        return rc;
    rc = table_update(&v->domain->account, l1, pte_index(va, 1), &c);
    v->arch.old_table = c.old_table;
    return rc;
}

static int64_t update_va_mapping(struct vcpu *v, const struct hypercall_args *args, domid_t from)
{
    uint64_t va = args->a[0], flags = args->a[2];
    cpumask_t cpus;
    int rc;

    if (!guest_range_ok(guest_ptr(va & PAGE_MASK), PAGE_SIZE))
        return -XEN_EINVAL;
    rc = update_va(v, va, args->a[1], from);
    if (rc == -XEN_ERESTART)
        return hypercall_continue(args);
    /* The bitmap is read after the change (see mmu_vcpu_cpus()). */
    if (rc == 0 && (flags & UVMF_FLUSHTYPE_MASK) != UVMF_NONE)
        rc = va_flush_targets(v, flags, &cpus);
    if (rc)
        return rc;
    if ((flags & UVMF_FLUSHTYPE_MASK) == UVMF_TLB_FLUSH)
        arch_tlb_flush(cpus);
    else if ((flags & UVMF_FLUSHTYPE_MASK) == UVMF_INVLPG)
        arch_tlb_flush_page(cpus, va);
    return 0;
}

int64_t hcall_update_va_mapping(const struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();

    return update_va_mapping(v, args, v->domain->id);
}

int64_t hcall_update_va_mapping_otherdomain(const struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    struct domain *d;
    int64_t result;
    int rc = get_frames_domain(v, (domid_t)args->a[3], &d);

    if (rc)
        return rc;
    result = update_va_mapping(v, args, d ? d->id : DOMID_IO);
    mmu_put_domain(v, d);
    return result;
}
