/* SPDX-License-Identifier: MIT
 *
 * event_channel_op: each decoder copies its argument in once, finds the domain, decides whether the
 * caller may, calls event.h, and copies the result out. A result that cannot be copied out is
 * undone, so that a call which failed has changed nothing.
 */
#include "arch_current.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"

static struct domain *caller(void)
{
    return current_vcpu()->domain;
}

/* The domain that an operation on others names, with a reference: -XEN_ESRCH, or -XEN_EPERM when it
 * is another one and the caller does not control it. */
static int find_target(domid_t id, struct domain **d)
{
    *d = domain_find_target(id);
    if (!*d)
        return -XEN_ESRCH;
    if (*d == caller() || caller()->privileged)
        return 0;
    domain_put(*d);
    return -XEN_EPERM;
}

/* The new port (or error) of d goes to the guest, or the port goes again. */
static int hand_out(struct domain *d, int port, guest_ptr_t where)
{
    evtchn_port_t value = (evtchn_port_t)port;

    if (port < 0)
        return port;
    if (copy_to_guest(where, &value, sizeof(value)) == 0)
        return 0;
    (void)event_close(d, value); /* -XEN_EINVAL: the guest has guessed and closed it itself */
    return -XEN_EFAULT;
}

static int op_alloc_unbound(guest_ptr_t arg)
{
    struct evtchn_alloc_unbound op;
    struct domain *d;
    int rc;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    rc = find_target(op.dom, &d);
    if (rc)
        return rc;
    rc = event_alloc_unbound(d, op.remote_dom == DOMID_SELF ? caller()->id : op.remote_dom);
    rc = hand_out(d, rc, guest_ptr_add(arg, offsetof(struct evtchn_alloc_unbound, port)));
    domain_put(d);
    return rc;
}

static int op_bind_interdomain(guest_ptr_t arg)
{
    struct evtchn_bind_interdomain op;
    struct domain *remote;
    int rc;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    remote = domain_find_target(op.remote_dom);
    if (!remote)
        return -XEN_ESRCH;
    rc = event_bind_interdomain(caller(), remote, op.remote_port);
    rc = hand_out(caller(), rc,
                  guest_ptr_add(arg, offsetof(struct evtchn_bind_interdomain, local_port)));
    domain_put(remote);
    return rc;
}

static int op_bind_virq(guest_ptr_t arg)
{
    struct evtchn_bind_virq op;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    return hand_out(caller(), event_bind_virq(caller(), op.virq, op.vcpu),
                    guest_ptr_add(arg, offsetof(struct evtchn_bind_virq, port)));
}

static int op_bind_ipi(guest_ptr_t arg)
{
    struct evtchn_bind_ipi op;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    return hand_out(caller(), event_bind_ipi(caller(), op.vcpu),
                    guest_ptr_add(arg, offsetof(struct evtchn_bind_ipi, port)));
}

/* send, close and unmask take a port and nothing else. */
STATIC_ASSERT(sizeof(struct evtchn_close) == sizeof(evtchn_port_t));
STATIC_ASSERT(sizeof(struct evtchn_send) == sizeof(evtchn_port_t));
STATIC_ASSERT(sizeof(struct evtchn_unmask) == sizeof(evtchn_port_t));

static int64_t op_send(const struct hypercall_args *args)
{
    evtchn_port_t port;
    int rc;

    if (copy_from_guest(&port, guest_ptr(args->a[1]), sizeof(port)))
        return -XEN_EFAULT;
    rc = event_send(caller(), port);
    return unlikely(rc == -XEN_ERESTART) ? hypercall_continue(args) : rc;
}

static int op_on_port(uint64_t op, guest_ptr_t arg)
{
    evtchn_port_t port;

    if (copy_from_guest(&port, arg, sizeof(port)))
        return -XEN_EFAULT;
    return op == EVTCHNOP_close ? event_close(caller(), port) : event_unmask(caller(), port);
}

static int op_status(guest_ptr_t arg)
{
    struct evtchn_status op;
    struct domain *d;
    int rc;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    rc = find_target(op.dom, &d);
    if (rc)
        return rc;
    rc = event_status(d, op.port, &op);
    domain_put(d);
    if (rc)
        return rc;
    return copy_to_guest(arg, &op, sizeof(op)) ? -XEN_EFAULT : 0;
}

static int op_bind_vcpu(guest_ptr_t arg)
{
    struct evtchn_bind_vcpu op;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    return event_bind_vcpu(caller(), op.port, op.vcpu);
}

/* Another domain must be paused: its vCPUs would go on using what is taken from them. */
static int64_t op_reset(const struct hypercall_args *args)
{
    struct evtchn_reset op;
    struct domain *d;
    int rc;

    if (copy_from_guest(&op, guest_ptr(args->a[1]), sizeof(op)))
        return -XEN_EFAULT;
    rc = find_target(op.dom, &d);
    if (rc)
        return rc;
    rc = d != caller() && d->pause_count == 0 ? -XEN_EINVAL : event_reset(d);
    domain_put(d);
    return rc == -XEN_ERESTART ? hypercall_continue(args) : rc;
}

/* The only result is a constant, so it is written first: a control block could not be taken back.
 */
static int op_init_control(guest_ptr_t arg)
{
    const uint8_t link_bits = EVTCHN_FIFO_LINK_BITS;
    struct evtchn_init_control op;

    if (copy_from_guest(&op, arg, sizeof(op)) ||
        copy_to_guest(guest_ptr_add(arg, offsetof(struct evtchn_init_control, link_bits)),
                      &link_bits, sizeof(link_bits)))
        return -XEN_EFAULT;
    return event_init_control(caller(), op.vcpu, mfn(op.control_gfn), op.offset);
}

static int op_expand_array(guest_ptr_t arg)
{
    struct evtchn_expand_array op;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    return event_expand_array(caller(), mfn(op.array_gfn));
}

static int op_set_priority(guest_ptr_t arg)
{
    struct evtchn_set_priority op;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    return event_set_priority(caller(), op.port, op.priority);
}

/* Only the control domain has devices. */
static int op_bind_pirq(guest_ptr_t arg)
{
    struct evtchn_bind_pirq op;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    if (!caller()->privileged)
        return -XEN_EPERM;
    return hand_out(caller(), event_bind_pirq(caller(), op.pirq, op.flags & BIND_PIRQ__WILL_SHARE),
                    guest_ptr_add(arg, offsetof(struct evtchn_bind_pirq, port)));
}

static LAGAN_NOINLINE int64_t other_op(const struct hypercall_args *args)
{
    guest_ptr_t arg = guest_ptr(args->a[1]);

    switch (args->a[0]) {
    case EVTCHNOP_close:
    case EVTCHNOP_unmask:
        return op_on_port(args->a[0], arg);
    case EVTCHNOP_alloc_unbound:
        return op_alloc_unbound(arg);
    case EVTCHNOP_bind_interdomain:
        return op_bind_interdomain(arg);
    case EVTCHNOP_bind_virq:
        return op_bind_virq(arg);
    case EVTCHNOP_bind_ipi:
        return op_bind_ipi(arg);
    case EVTCHNOP_status:
        return op_status(arg);
    case EVTCHNOP_bind_vcpu:
        return op_bind_vcpu(arg);
    case EVTCHNOP_reset:
        return op_reset(args);
    case EVTCHNOP_init_control:
        return op_init_control(arg);
    case EVTCHNOP_expand_array:
        return op_expand_array(arg);
    case EVTCHNOP_set_priority:
        return op_set_priority(arg);
    case EVTCHNOP_bind_pirq:
        return op_bind_pirq(arg);
    default:
        return -XEN_ENOSYS;
    }
}

/* Most calls are sends: they do without what the other operations need. */
int64_t hcall_event_channel_op(const struct hypercall_args *args)
{
    if (likely(args->a[0] == EVTCHNOP_send))
        return op_send(args);
    return other_op(args);
}
