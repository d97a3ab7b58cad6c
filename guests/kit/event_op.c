/* SPDX-License-Identifier: MIT
 *
 * The event channel operations, one function each.
 */
#include "kit/event.h"
#include "kit/hypercall.h"

/* Hands out the port of a successful operation, to be taken by vCPU `cpu`. */
static long give(long rc, uint32_t from, uint32_t *port, uint32_t cpu)
{
    if (rc == 0) {
        event_belongs_to(from, cpu);
        *port = from;
    }
    return rc;
}

long event_bind_virq(uint32_t virq, uint32_t vcpu, uint32_t *port)
{
    struct evtchn_bind_virq op = {.virq = virq, .vcpu = vcpu};
    long rc = hv_event(EVTCHNOP_bind_virq, &op);

    return give(rc, op.port, port, vcpu);
}

long event_bind_ipi(uint32_t vcpu, uint32_t *port)
{
    struct evtchn_bind_ipi op = {.vcpu = vcpu};
    long rc = hv_event(EVTCHNOP_bind_ipi, &op);

    return give(rc, op.port, port, vcpu);
}

long event_alloc_unbound(uint16_t domain, uint16_t remote, uint32_t *port)
{
    struct evtchn_alloc_unbound op = {.dom = domain, .remote_dom = remote};
    long rc = hv_event(EVTCHNOP_alloc_unbound, &op);

    return give(rc, op.port, port, 0);
}

long event_bind_interdomain(uint16_t remote, uint32_t remote_port, uint32_t *port)
{
    struct evtchn_bind_interdomain op = {.remote_dom = remote, .remote_port = remote_port};
    long rc = hv_event(EVTCHNOP_bind_interdomain, &op);

    return give(rc, op.local_port, port, 0);
}

long event_send(uint32_t port)
{
    struct evtchn_send op = {.port = port};

    return hv_event(EVTCHNOP_send, &op);
}

long event_close(uint32_t port)
{
    struct evtchn_close op = {.port = port};

    return hv_event(EVTCHNOP_close, &op);
}

long event_bind_vcpu(uint32_t port, uint32_t vcpu)
{
    struct evtchn_bind_vcpu op = {.port = port, .vcpu = vcpu};
    long rc = hv_event(EVTCHNOP_bind_vcpu, &op);

    if (rc == 0) {
        event_belongs_to(port, vcpu);
    }
    return rc;
}

long event_status(uint32_t port, struct evtchn_status *status)
{
    status->dom = DOMID_SELF;
    status->port = port;
    return hv_event(EVTCHNOP_status, status);
}

long event_unmask_call(uint32_t port)
{
    struct evtchn_unmask op = {.port = port};

    return hv_event(EVTCHNOP_unmask, &op);
}
