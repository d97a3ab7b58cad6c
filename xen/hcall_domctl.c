/* SPDX-License-Identifier: MIT
 *
 * domctl: the control domain makes, describes and ends domains, as the public ABI <xen/domctl.h> of
 * interface version 0x15 defines it.
 *
 * A call's record is read once; what is changed in it goes back whole. What takes long is made again
 * with the record as it was, so each operation is either done in one go or finds what it has done.
 * Operations on vCPUs are hcall_domctl_vcpu.c, what is not for paravirtual guests or not for this
 * hypervisor hcall_domctl_refused.c.
 */
#include <lagan/string.h>

#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/type.h"
#include "xen/control.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"
#include "arch_current.h"
#include "arch_inline.h"

/* ---- creation and description ---- */

/* The number of the new domain has to get to the caller, or nobody could end it: that its record can
 * be written is tried before. */
static int create(struct xen_domctl *op, guest_ptr_t arg)
{
    struct domain *d;
    int rc = copy_to_guest(arg, op, sizeof(*op));

    if (rc)
        return rc;
    rc = control_create(op, &d);
    if (rc)
        return rc;
    op->domain = d->id;
    domain_put(d);
    return 0;
}

/* Of the domain with this number, or else of the one with the next higher. */
static int describe(struct xen_domctl *op)
{
    struct domain *d = domain_find_next(op->domain);

    if (!d)
        return -XEN_ESRCH;
    control_info(d, &op->u.getdomaininfo);
    op->domain = d->id;
    domain_put(d);
    return 0;
}

/* ---- memory ---- */

static int max_mem(struct domain *d, const struct xen_domctl *op)
{
    account_set_max_pages(&d->account, op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10));
    return 0;
}

/* What a frame of d is used for, in the ABI's terms. */
static uint64_t use_of_frame(struct domain *d, mfn_t m)
{
    static const uint64_t use[] = {[TYPE_L1] = XEN_DOMCTL_PFINFO_L1TAB,
                                   [TYPE_L2] = XEN_DOMCTL_PFINFO_L2TAB,
                                   [TYPE_L3] = XEN_DOMCTL_PFINFO_L3TAB,
                                   [TYPE_L4] = XEN_DOMCTL_PFINFO_L4TAB};
    unsigned type;

    if (!arch_mfn_valid(m) || !frame_get(m, d->id))
        return XEN_DOMCTL_PFINFO_XTAB;
    type = type_of(m);
    frame_put(m);
    return type < ARRAY_SIZE(use) ? use[type] : 0;
}

#define FRAMES_MAX 1024 /* in one call, as a toolstack asks for them */

static int frames_info(struct domain *d, const struct xen_domctl *op)
{
    guest_ptr_t list = guest_ptr((uint64_t)op->u.getpageframeinfo3.array.p);
    uint64_t count = op->u.getpageframeinfo3.num, entry;

    if (count > FRAMES_MAX)
        return -XEN_E2BIG;
    for (uint64_t i = 0; i < count; i++) {
        guest_ptr_t at = guest_ptr_add(list, i * sizeof(entry));

        if (copy_from_guest(&entry, at, sizeof(entry)))
            return -XEN_EFAULT;
        entry = use_of_frame(d, mfn(entry));
        if (copy_to_guest(at, &entry, sizeof(entry)))
            return -XEN_EFAULT;
    }
    return 0;
}

/* A page of the domain is filled with stubs for its hypercalls. */
static int hypercall_init(struct domain *d, const struct xen_domctl *op)
{
    mfn_t m = mfn(op->u.hypercall_init.gmfn);
    int rc = frame_get_writable(m, d->id);

    if (rc)
        return rc == -XEN_ERESTART ? rc : -XEN_EACCES;
    arch_hypercall_page(arch_map_frame(m));
    frame_put_writable(m);
    return 0;
}

/* ---- scheduling, time, identity ---- */

static int schedule(struct domain *d, struct xen_domctl *op, bool *write_back)
{
    struct xen_domctl_scheduler_op *s = &op->u.scheduler_op;

    if (s->sched_id != XEN_SCHEDULER_CREDIT2)
        return -XEN_EINVAL;
    switch (s->cmd) {
    case XEN_DOMCTL_SCHEDOP_getinfo:
        s->u.credit2.weight = (uint16_t)d->sched.weight;
        s->u.credit2.cap = (uint16_t)d->sched.cap;
        *write_back = true;
        return 0;
    case XEN_DOMCTL_SCHEDOP_putinfo: /* a weight of 0 leaves it as it is */
        return sched_set_weight(d, s->u.credit2.weight ? s->u.credit2.weight : d->sched.weight,
                                s->u.credit2.cap);
    default:
        return -XEN_EINVAL;
    }
}

/* The TSC is never emulated: what asks for it always is refused. */
static int set_tsc(const struct xen_domctl *op)
{
    uint32_t mode = op->u.tsc_info.tsc_mode;

    return mode == 0 || mode == 2 ? 0 : -XEN_EINVAL;
}

static int get_tsc(struct xen_domctl *op)
{
    op->u.tsc_info = (struct xen_domctl_tsc_info){.gtsc_khz = (uint32_t)arch_tsc_khz()};
    return 0;
}

static int set_handle(struct domain *d, const struct xen_domctl *op)
{
    spin_lock(&d->lock);
    memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
    spin_unlock(&d->lock);
    return 0;
}

static int node_affinity(struct xen_domctl *op, bool *write_back)
{
    *write_back = true;
    return control_put_bits(&op->u.nodeaffinity.nodemap, 1);
}

/* ---- CPUID ---- */

static int get_policy(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_cpu_policy *p = &op->u.cpu_policy;
    struct xen_cpuid_leaf *leaf = page_alloc(0, 0);
    unsigned count;
    int rc = 0;

    if (!leaf)
        return -XEN_ENOMEM;
    count = arch_cpu_policy_leaves(CPU_POLICY_GUEST, d, leaf);
    if (p->leaves.p && p->nr_leaves < count)
        rc = -XEN_ENOBUFS;
    else if (p->leaves.p)
        rc = copy_to_guest(guest_ptr((uint64_t)p->leaves.p), leaf, count * sizeof(*leaf));
    p->nr_leaves = p->leaves.p ? count : CPU_POLICY_LEAVES_MAX;
    p->nr_msrs = 0;
    page_free(leaf, 0);
    return rc;
}

/* Before it runs for the first time: kernels look once, and nobody else does meanwhile. A domain that
 * came with the boot runs. */
static int set_policy(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_cpu_policy *p = &op->u.cpu_policy;
    struct xen_cpuid_leaf *leaf;
    unsigned bad = 0;
    int rc;

    p->err_leaf = p->err_subleaf = p->err_msr = UINT32_MAX;
    if (d->started || !d->tools)
        return -XEN_EEXIST;
    if (p->nr_leaves > CPU_POLICY_LEAVES_MAX || p->nr_msrs > 1)
        return -XEN_E2BIG;
    leaf = page_alloc(0, 0);
    if (!leaf)
        return -XEN_ENOMEM;
    rc = copy_from_guest(leaf, guest_ptr((uint64_t)p->leaves.p), p->nr_leaves * sizeof(*leaf));
    if (!rc)
        rc = arch_cpu_policy_set(d, leaf, p->nr_leaves, &bad);
    if ((rc == -XEN_EINVAL || rc == -XEN_ERANGE) && bad < p->nr_leaves) {
        p->err_leaf = leaf[bad].leaf;
        p->err_subleaf = leaf[bad].subleaf;
    }
    page_free(leaf, 0);
    return rc;
}

STATIC_ASSERT(CPU_POLICY_LEAVES_MAX * sizeof(struct xen_cpuid_leaf) <= PAGE_SIZE);

/* ---- the call ---- */

/* A domain cannot wait for itself. */
static int on_another(struct domain *d, int (*op)(struct domain *d))
{
    return d == current_vcpu()->domain ? -XEN_EINVAL : op(d);
}

static int on_domain(struct domain *d, struct xen_domctl *op, bool *write_back)
{
    switch (op->cmd) {
    case XEN_DOMCTL_destroydomain:
        return on_another(d, control_destroy);
    case XEN_DOMCTL_pausedomain:
        return on_another(d, control_pause);
    case XEN_DOMCTL_unpausedomain:
        return on_another(d, control_unpause);
    case XEN_DOMCTL_resumedomain:
        return on_another(d, control_resume);
    case XEN_DOMCTL_max_vcpus: /* it has them since it was made */
        return op->u.max_vcpus.max == d->vcpu_count ? 0 : -XEN_EINVAL;
    case XEN_DOMCTL_max_mem:
        return max_mem(d, op);
    case XEN_DOMCTL_getpageframeinfo3:
        return frames_info(d, op);
    case XEN_DOMCTL_hypercall_init:
        return hypercall_init(d, op);
    case XEN_DOMCTL_scheduler_op:
        return schedule(d, op, write_back);
    case XEN_DOMCTL_setdomainhandle:
        return set_handle(d, op);
    case XEN_DOMCTL_set_address_size:
        return op->u.address_size.size == 64 ? 0 : -XEN_EINVAL;
    case XEN_DOMCTL_get_address_size:
        op->u.address_size.size = 64;
        *write_back = true;
        return 0;
    case XEN_DOMCTL_settscinfo:
        return set_tsc(op);
    case XEN_DOMCTL_gettscinfo:
        *write_back = true;
        return get_tsc(op);
    case XEN_DOMCTL_setnodeaffinity: /* there is one node */
        return 0;
    case XEN_DOMCTL_getnodeaffinity:
        return node_affinity(op, write_back);
    case XEN_DOMCTL_get_cpu_policy:
        *write_back = true;
        return get_policy(d, op);
    case XEN_DOMCTL_set_cpu_policy:
        *write_back = true;
        return set_policy(d, op);
    default:
        return -XEN_ENOSYS;
    }
}

static int named_domain(struct xen_domctl *op, bool *write_back)
{
    struct domain *d = domain_find(op->domain);
    int rc;

    if (!d)
        return -XEN_ESRCH;
    rc = on_domain(d, op, write_back);
    if (rc == -XEN_ENOSYS)
        rc = control_vcpu_op(d, op, write_back);
    if (rc == -XEN_ENOSYS)
        rc = control_refused(d, op);
    domain_put(d);
    return rc;
}

static int run(struct xen_domctl *op, guest_ptr_t arg, bool *write_back)
{
    switch (op->cmd) {
    case XEN_DOMCTL_createdomain:
        *write_back = true;
        return create(op, arg);
    case XEN_DOMCTL_getdomaininfo:
        *write_back = true;
        return describe(op);
    default:
        return named_domain(op, write_back);
    }
}

int64_t hcall_domctl(const struct hypercall_args *args)
{
    guest_ptr_t arg = guest_ptr(args->a[0]);
    struct xen_domctl op;
    bool write_back = false;
    int rc;

    if (!current_vcpu()->domain->privileged)
        return -XEN_EPERM;
    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return -XEN_EACCES;
    if (!control_begin())
        return hypercall_continue(args);
    rc = run(&op, arg, &write_back);
    control_end();
    if (rc == -XEN_ERESTART)
        return hypercall_continue(args);
    if (write_back && copy_to_guest(arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    return rc;
}
