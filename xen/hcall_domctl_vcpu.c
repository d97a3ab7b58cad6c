/* SPDX-License-Identifier: MIT
 *
 * domctl on one vCPU: its registers, its place, what it has done.
 */
#include <lagan/arch.h>
#include <lagan/nospec.h>

#include "mm/heap.h"
#include "xen/control.h"
#include "xen/guest_access.h"
#include "arch_current.h"

static struct vcpu *find(struct domain *d, uint32_t id)
{
    return id < d->vcpu_count ? d->vcpu[index_nospec(id, d->vcpu_count)] : NULL;
}

/* ---- registers ---- */

/* With the domain's lock held, and v kept off its CPU by the caller. */
static int take_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
    int rc = v->initialised ? arch_vcpu_set_registers(v, c) : arch_vcpu_initialise(v, c);

    if (rc)
        return rc;
    v->initialised = true;
    v->down = !(c->flags & VGCF_online);
    return 0;
}

static int set_context(struct vcpu *v, guest_ptr_t from)
{
    struct vcpu_guest_context *c = page_alloc(order_of_bytes(sizeof(*c)), 0);
    int rc;

    if (!c)
        return -XEN_ENOMEM;
    rc = copy_from_guest(c, from, sizeof(*c));
    if (!rc) {
        domain_pause(v->domain);
        spin_lock(&v->domain->lock);
        rc = v->domain->state == DOMAIN_ALIVE ? take_context(v, c) : -XEN_EINVAL;
        spin_unlock(&v->domain->lock);
        domain_unpause(v->domain);
    }
    page_free(c, order_of_bytes(sizeof(*c)));
    return rc;
}

static int get_context(struct vcpu *v, guest_ptr_t to)
{
    struct vcpu_guest_context *c;
    int rc = 0;

    if (!v->initialised)
        return -XEN_ENODATA;
    c = page_alloc(order_of_bytes(sizeof(*c)), HEAP_CLEAR);
    if (!c)
        return -XEN_ENOMEM;
    domain_pause(v->domain);
    spin_lock(&v->domain->lock); /* what it refers to is there as long as it is not taken apart */
    if (v->domain->state == DOMAIN_ALIVE)
        arch_vcpu_context(v, c);
    else
        rc = -XEN_EINVAL;
    spin_unlock(&v->domain->lock);
    domain_unpause(v->domain);
    if (!rc)
        rc = copy_to_guest(to, c, sizeof(*c));
    page_free(c, order_of_bytes(sizeof(*c)));
    return rc;
}

static int context(struct domain *d, const struct xen_domctl *op)
{
    struct vcpu *v = find(d, op->u.vcpucontext.vcpu);
    guest_ptr_t where = guest_ptr((uint64_t)op->u.vcpucontext.ctxt.p);

    if (!v || d == current_vcpu()->domain)
        return -XEN_EINVAL;
    return op->cmd == XEN_DOMCTL_setvcpucontext ? set_context(v, where) : get_context(v, where);
}

/* ---- what it does ---- */

static int info(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_getvcpuinfo *i = &op->u.getvcpuinfo;
    struct vcpu *v = find(d, i->vcpu);

    if (!v)
        return -XEN_ESRCH;
    i->online = !v->down;
    i->blocked = v->blocked;
    i->running = atomic_load(&v->sched.unit.on_cpu);
    i->cpu_time = sched_cpu_time(v);
    i->cpu = v->sched.cpu;
    return 0;
}

static int trigger(struct domain *d, const struct xen_domctl *op)
{
    struct vcpu *v = find(d, op->u.sendtrigger.vcpu);

    if (op->u.sendtrigger.trigger != XEN_DOMCTL_SENDTRIGGER_NMI)
        return -XEN_ENOSYS;
    if (!v)
        return -XEN_EINVAL;
    v->arch.nmi_pending = true;
    v->exit_work = 1;
    vcpu_kick(v);
    return 0;
}

/* ---- where it runs ---- */

#define AFFINITY_KNOWN (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT | XEN_VCPUAFFINITY_FORCE)

/* Soft affinity is a wish, which the scheduler knows better than to ask for: it is taken and heard
 * of no more. */
static int set_affinity(struct vcpu *v, struct xen_domctl_vcpuaffinity *a)
{
    uint64_t cpus;
    int rc = 0;

    if (a->flags & XEN_VCPUAFFINITY_HARD) {
        rc = control_get_bits(&a->cpumap_hard, &cpus);
        if (!rc)
            rc = sched_set_affinity(v, (cpumask_t){cpus});
        if (!rc)
            rc = control_put_bits(&a->cpumap_hard, cpus & arch_online_cpus().bits);
    }
    if (!rc && a->flags & XEN_VCPUAFFINITY_SOFT) {
        rc = control_get_bits(&a->cpumap_soft, &cpus);
        if (!rc)
            rc = control_put_bits(&a->cpumap_soft,
                                  cpus & sched_get_affinity(v).bits & arch_online_cpus().bits);
    }
    return rc;
}

static int get_affinity(struct vcpu *v, struct xen_domctl_vcpuaffinity *a)
{
    int rc = 0;

    if (a->flags & XEN_VCPUAFFINITY_HARD)
        rc = control_put_bits(&a->cpumap_hard, sched_get_affinity(v).bits);
    if (!rc && a->flags & XEN_VCPUAFFINITY_SOFT)
        rc = control_put_bits(&a->cpumap_soft, cpumask_all().bits);
    return rc;
}

static int affinity(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    struct vcpu *v = find(d, a->vcpu);

    if (!v)
        return -XEN_ESRCH;
    if (!(a->flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)) ||
        a->flags & ~(uint32_t)AFFINITY_KNOWN)
        return -XEN_EINVAL;
    return op->cmd == XEN_DOMCTL_setvcpuaffinity ? set_affinity(v, a) : get_affinity(v, a);
}

int control_vcpu_op(struct domain *d, struct xen_domctl *op, bool *write_back)
{
    switch (op->cmd) {
    case XEN_DOMCTL_setvcpucontext:
    case XEN_DOMCTL_getvcpucontext:
        return context(d, op);
    case XEN_DOMCTL_getvcpuinfo:
        *write_back = true;
        return info(d, op);
    case XEN_DOMCTL_setvcpuaffinity:
    case XEN_DOMCTL_getvcpuaffinity:
        return affinity(d, op);
    case XEN_DOMCTL_sendtrigger:
        return trigger(d, op);
    default:
        return -XEN_ENOSYS;
    }
}
