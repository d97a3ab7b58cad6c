/* SPDX-License-Identifier: MIT
 *
 * Event channels (two-level and FIFO), as the public ABI <xen/event_channel.h> defines them.
 * The head comment of event.c has the invariants.
 */
#pragma once

#include <lagan/lock.h>
#include <lagan/types.h>
#include <xen/event_channel.h>
#include <xen/xen.h>

struct domain;
struct vcpu;
struct event_port;   /* event.c */
struct event_fifo;   /* event_fifo.c */

struct event_domain {
    struct spinlock lock;          /* LK_EVENT */
    struct event_port **bucket;    /* [e] pages of ports, allocated as they are needed */
    unsigned port_count;           /* [e] ports that exist (bound or free) */
    unsigned max_port;             /* [c] highest number that may be allocated */
    struct event_fifo *fifo;       /* [e] NULL: two-level */
};

struct event_vcpu {
    _Atomic uint32_t virq_port[NR_VIRQS]; /* [e] 0: not bound */
    uint32_t polled_port; /* SCHEDOP_poll with one port: which; 0: several or none */
};

/* Called by domain_create() and for teardown. destroy closes every port (the peers see them unbound)
 * and frees all: preemptible, -XEN_ERESTART until done. */
int event_domain_init(struct domain *d, unsigned max_port) LAGAN_MUST_CHECK;
int event_domain_destroy(struct domain *d) LAGAN_MUST_CHECK;
void event_vcpu_init(struct vcpu *v);

/* Raises a virtual interrupt. per-vCPU ones (VIRQ_TIMER, VIRQ_DEBUG, VIRQ_XENOPROF, VIRQ_XENPMU) go to v;
 * global ones to whichever vCPU is bound. Nothing happens if the guest has not bound it. */
void event_raise_vcpu_virq(struct vcpu *v, unsigned virq);
void event_raise_global_virq(struct domain *d, unsigned virq);
/* Binds ports on behalf of the builder: an unbound port of d that `remote` may bind to.
 * Port number (> 0) or a negative error. */
int event_alloc_unbound(struct domain *d, domid_t remote);
/* Sends on d's port as if d had called EVTCHNOP_send. */
int event_send(struct domain *d, evtchn_port_t port);

/* SCHEDOP_poll's test: true if the port (of v's domain) has its pending bit set. -> -XEN_EINVAL when
 * there is no such port. */
int event_port_is_pending(struct domain *d, evtchn_port_t port);
/* After VCPUOP_register_vcpu_info: makes v look at everything that may be pending. */
void event_recheck_vcpu(struct vcpu *v);

/* True if v would take an upcall now: pending and not masked. */
static inline bool event_upcall_due(const vcpu_info_t *info)
{
    return info->evtchn_upcall_pending && !info->evtchn_upcall_mask;
}
