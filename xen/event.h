/* SPDX-License-Identifier: MIT
 *
 * Event channels (two-level and FIFO), as the public ABI <xen/event_channel.h> defines them.
 * The head comment of event.c has the theory, the locks and the invariants.
 *
 * Functions that return "a port" return its number (> 0) or a negative error. Unless it is said
 * otherwise the caller holds no lock of level LK_EVENT or above, and keeps the domains it names
 * alive.
 */
#pragma once

#include <lagan/lock.h>
#include <lagan/types.h>
#include <xen/event_channel.h>
#include <xen/xen.h>

struct domain;
struct vcpu;
struct event_port; /* event_port.h */
struct event_fifo; /* event_fifo.h */

/* What a send does on a port of d whose other end is the hypervisor. It runs in the sender's context,
 * which keeps d, with no lock held; another send, or a close, may be under way at the same time. 0, or
 * -XEN_ERESTART: the send is made again once pending work is done. */
typedef int event_sent_fn(struct domain *d);

/* Lock letter [e]: `lock`. */
struct event_domain {
    struct spinlock lock;                 /* LK_EVENT */
    _Atomic(struct event_port *) *bucket; /* [c] the array; entries appear in order and stay */
    unsigned bucket_limit;                /* [c] entries of the array */
    _Atomic uint32_t port_count;          /* [e], read anywhere: ports that exist (bound or free) */
    unsigned max_port;                    /* [c] highest number that may be allocated */
    unsigned active_count;                /* [e] ports that are not closed */
    unsigned hypervisor_count;            /* [e] those of them whose other end is the hypervisor */
    evtchn_port_t free_hint;              /* [e] no port below it is closed, but for port 0 */
    evtchn_port_t cursor;                 /* [e] how far destroy or reset has come */
    bool dying;                           /* [e] no more ports are given out */
    _Atomic(struct event_fifo *) fifo;    /* [e], read by senders; NULL: two-level */
    _Atomic uint32_t pollers; /* bit n: vCPU n may be in SCHEDOP_poll; set and cleared by it */
};

struct event_vcpu {
    _Atomic uint32_t
        virq_port[NR_VIRQS]; /* [e] 0: not bound; of global VIRQs only vCPU 0's count */
    uint32_t polled_port;    /* SCHEDOP_poll with one port: which; 0: several or none */
};

/* Called by domain_create(). Ports up to max_port (at most 131071) may be given out; none exists
 * yet. 0 or -XEN_ENOMEM. */
int event_domain_init(struct domain *d, unsigned max_port) LAGAN_MUST_CHECK;
void event_vcpu_init(struct vcpu *v);
/* For teardown: closes every port (the peers see them unbound), gives the FIFO frames back, and
 * allows no new port. Preemptible: -XEN_ERESTART until done, then 0. The domain's vCPUs do not run.
 */
int event_domain_destroy(struct domain *d) LAGAN_MUST_CHECK;
/* When the last reference to the domain is gone: frees the ports themselves. Not part of destroy,
 * because who holds a reference may still look at them (all closed) without a lock. Also undoes
 * event_domain_init() alone. */
void event_domain_free(struct domain *d);

/* Raises a virtual interrupt. per-vCPU ones (VIRQ_TIMER, VIRQ_DEBUG, VIRQ_XENOPROF, VIRQ_XENPMU) go
 * to v; global ones to whichever vCPU is bound. Nothing happens if the guest has not bound it. */
void event_raise_vcpu_virq(struct vcpu *v, unsigned virq);
void event_raise_global_virq(struct domain *d, unsigned virq);

/* The physical interrupt has come that d had bound to the port. Locks up to LK_PIRQ may be held. */
void event_raise_pirq(struct domain *d, evtchn_port_t port, uint32_t pirq);

/* A port of d that domain `remote` (a number, which need not exist) may bind to. A port, or
 * -XEN_ENOSPC, -XEN_ENOMEM, -XEN_EINVAL (d is dying): the errors of every function that makes one.
 */
int event_alloc_unbound(struct domain *d, domid_t remote);
/* A port of d whose other end is the hypervisor: a send on it calls `sent`. d itself is told that it
 * is bound to port 0 of DOMID_XEN. */
int event_alloc_hypervisor(struct domain *d, event_sent_fn *sent);
/* The hypervisor sends to d through such a port. Nothing happens if d has closed it, whatever it uses
 * the number for since. */
void event_notify(struct domain *d, evtchn_port_t port, event_sent_fn *sent);
/* Connects a new port of d with remote's port, which must be unbound and wait for d (-XEN_EINVAL).
 * The new port is pending once, in case remote sent before. */
int event_bind_interdomain(struct domain *d, struct domain *remote, evtchn_port_t remote_port);
/* -XEN_EINVAL: no such VIRQ, or a global one not on vCPU 0; -XEN_ENOENT: no such vCPU; -XEN_EEXIST.
 */
int event_bind_virq(struct domain *d, uint32_t virq, uint32_t vcpu);
int event_bind_ipi(struct domain *d, uint32_t vcpu);

/* A port of d that d's physical interrupt makes pending; `share`: others of d's devices may use the
 * interrupt as well. Errors as arch_pirq_bind(). */
int event_bind_pirq(struct domain *d, uint32_t pirq, bool share);

/* Frees a port; the other end of an interdomain channel is unbound then, waiting for d again.
 * -XEN_EINVAL when it is not in use. */
int event_close(struct domain *d, evtchn_port_t port);
/* Sends on d's port as if d had called EVTCHNOP_send: 0 (also when nobody is connected),
 * -XEN_EINVAL for a port that cannot send, or -XEN_ERESTART (the other end is the hypervisor, and was
 * interrupted). */
int event_send(struct domain *d, evtchn_port_t port);
/* Fills status, vcpu and u. -XEN_EINVAL when the port does not exist. */
int event_status(struct domain *d, evtchn_port_t port, struct evtchn_status *status);
/* Moves the port's notifications. -XEN_ENOENT: no such vCPU; -XEN_EINVAL: closed, or bound for
 * ever. */
int event_bind_vcpu(struct domain *d, evtchn_port_t port, uint32_t vcpu);
/* Unmasks, and notifies if it is pending. -XEN_EINVAL when closed. */
int event_unmask(struct domain *d, evtchn_port_t port);
/* Closes every port but those to the hypervisor, which are as new afterwards, and goes back to
 * two-level. Preemptible: -XEN_ERESTART until done, then 0. */
int event_reset(struct domain *d) LAGAN_MUST_CHECK;

/* FIFO. The first init_control switches the domain over; one for each vCPU. -XEN_ENOENT: no such
 * vCPU; -XEN_EINVAL: bad place, a frame that d may not write, or the vCPU has one; -XEN_ENOMEM. */
int event_init_control(struct domain *d, uint32_t vcpu, mfn_t frame, uint32_t offset);
/* One more page of event words. -XEN_EOPNOTSUPP: two-level; -XEN_ENOSPC: full; -XEN_EINVAL. */
int event_expand_array(struct domain *d, mfn_t frame);
/* For later events of the port. -XEN_EINVAL: closed, or no such priority; -XEN_ENOSYS: two-level.
 */
int event_set_priority(struct domain *d, evtchn_port_t port, uint32_t priority);

/* SCHEDOP_poll's test: true if the port (of v's domain) has its pending bit set. -> -XEN_EINVAL
 * when there is no such port. */
int event_port_is_pending(struct domain *d, evtchn_port_t port);
/* After VCPUOP_register_vcpu_info has set v->info: makes v look at everything that may be pending.
 */
void event_recheck_vcpu(struct vcpu *v);
/* Sets v's upcall_pending, and makes v notice. Locks up to LK_EVENT_FIFO may be held. */
void event_mark_pending(struct vcpu *v);

/* ---- the machine's part: physical interrupts. d's event lock is held, but for the last one. ---- */
/* From now on event_raise_pirq() is called for it. -XEN_EINVAL: d has no such interrupt; -XEN_EEXIST:
 * it is bound; -XEN_EBUSY: the hypervisor's own; -XEN_ENOSPC: no vector is left. */
int arch_pirq_bind(struct domain *d, uint32_t pirq, evtchn_port_t port, bool share);
/* No longer, if it is bound to this port. */
void arch_pirq_unbind(struct domain *d, uint32_t pirq, evtchn_port_t port);
/* Its port notifies another vCPU. */
void arch_pirq_follow(struct domain *d, uint32_t pirq, unsigned vcpu);
/* To which port it is bound; 0: none. */
evtchn_port_t arch_pirq_port(struct domain *d, uint32_t pirq);
/* d ends, its ports are closed: gives up all its physical interrupts. */
void arch_pirqs_release(struct domain *d);

/* Restates the invariants by walking everything; stops the machine at a broken one. Nothing else
 * may change events of d or of its peers meanwhile. */
void event_audit(struct domain *d);

#ifdef LAGAN_DEBUG
static inline void event_audit_debug(struct domain *d)
{
    event_audit(d);
}
#else
static inline void event_audit_debug(struct domain *d)
{
    (void)d;
}
#endif

/* True if v would take an upcall now: pending and not masked. */
static inline bool event_upcall_due(const vcpu_info_t *info)
{
    return __atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_RELAXED) &&
           !__atomic_load_n(&info->evtchn_upcall_mask, __ATOMIC_RELAXED);
}
