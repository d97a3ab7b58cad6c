/* SPDX-License-Identifier: MIT
 *
 * sysctl: what the control domain asks of the host as a whole, as the public ABI <xen/sysctl.h> of
 * interface version 0x15 defines it: domains, log, memory. Processors, nodes, pools of processors and
 * CPUID are hcall_sysctl_host.c.
 */
#include <lagan/arch.h>

#include "mm/heap.h"
#include "xen/console.h"
#include "xen/control.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"
#include "xen/log.h"
#include "arch_current.h"

/* ---- domains ---- */

static int list_domains(struct xen_sysctl *op)
{
    struct xen_sysctl_getdomaininfolist *l = &op->u.getdomaininfolist;
    guest_ptr_t to = guest_ptr((uint64_t)l->buffer.p);
    struct xen_domctl_getdomaininfo info;
    unsigned id = l->first_domain;
    uint32_t count = 0;

    for (; count < l->max_domains && id < DOMID_FIRST_RESERVED; id++) {
        struct domain *d = domain_find_next((domid_t)id);

        if (!d)
            break;
        id = d->id;
        control_info(d, &info);
        domain_put(d);
        if (copy_to_guest(guest_ptr_add(to, count * sizeof(info)), &info, sizeof(info)))
            return -XEN_EFAULT;
        count++;
    }
    l->num_domains = count;
    return 0;
}

/* ---- the log ---- */

#define PIECE 256U

static int read_console(struct xen_sysctl *op)
{
    struct xen_sysctl_readconsole *r = &op->u.readconsole;
    guest_ptr_t to = guest_ptr((uint64_t)r->buffer.p);
    uint32_t index = r->incremental ? r->index : log_oldest(), done = 0;
    char piece[PIECE];

    while (done < r->count) {
        size_t n = log_read(&index, piece, min_u64(sizeof(piece), r->count - done));

        if (n == 0)
            break;
        if (copy_to_guest(guest_ptr_add(to, done), piece, n))
            return -XEN_EFAULT;
        done += (uint32_t)n;
    }
    if (r->clear)
        log_forget(index);
    r->count = done;
    r->index = index;
    return 0;
}

#define KEYS_MAX 64 /* each may print pages */

static int debug_keys_op(const struct xen_sysctl *op)
{
    char keys[KEYS_MAX];
    uint32_t count = op->u.debug_keys.nr_keys;

    if (count > sizeof(keys))
        return -XEN_E2BIG;
    if (copy_from_guest(keys, guest_ptr((uint64_t)op->u.debug_keys.keys.p), count))
        return -XEN_EFAULT;
    for (uint32_t i = 0; i < count; i++)
        console_debug_key(keys[i]);
    return 0;
}

/* ---- memory ---- */

/* Only of all addresses, or of all of the one node. */
static int available(struct xen_sysctl *op)
{
    struct xen_sysctl_availheap *a = &op->u.availheap;

    if (a->node < -1 || a->node > 0)
        return -XEN_EINVAL;
    if (a->min_bitwidth || a->max_bitwidth)
        return -XEN_EOPNOTSUPP;
    a->avail_bytes = heap_free_pages() << PAGE_SHIFT;
    return 0;
}

static int host_op(struct xen_sysctl *op, bool *write_back)
{
    *write_back = true;
    switch (op->cmd) {
    case XEN_SYSCTL_getdomaininfolist:
        return list_domains(op);
    case XEN_SYSCTL_readconsole:
        return read_console(op);
    case XEN_SYSCTL_debug_keys:
        return debug_keys_op(op);
    case XEN_SYSCTL_availheap:
        return available(op);
    default:
        return control_host_op(op, write_back);
    }
}

int64_t hcall_sysctl(const struct hypercall_args *args)
{
    guest_ptr_t arg = guest_ptr(args->a[0]);
    struct xen_sysctl op;
    bool write_back = false;
    int rc;

    if (!current_vcpu()->domain->privileged)
        return -XEN_EPERM;
    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
        return -XEN_EACCES;
    if (!control_begin())
        return hypercall_continue(args);
    rc = host_op(&op, &write_back);
    control_end();
    if (write_back && copy_to_guest(arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    return rc;
}
