/* SPDX-License-Identifier: MIT
 *
 * Private to xen/event*.c: what a port is, and the parts the files offer each other. event.c has
 * the theory.
 */
#pragma once

#include <stdatomic.h>

#include <lagan/arch.h>
#include <lagan/nospec.h>
#include "xen/domain.h"
#include "xen/event.h"

/* To what a port is bound; which member counts is said by the port's state. */
union event_use {
    struct {
        struct domain *domain;
        evtchn_port_t port;
    } peer;         /* interdomain */
    domid_t remote; /* unbound */
    uint32_t virq;
    uint32_t pirq;
    event_sent_fn *sent; /* EVENT_HYPERVISOR */
};

/* A state beside the ABI's: the other end is the hypervisor. The guest is told `interdomain`. */
#define EVENT_HYPERVISOR       (EVTCHNSTAT_ipi + 1)
#define EVENT_HYPERVISOR_PORTS 4 /* as many at most in a domain */

/* Lock letters: [ep] changes under the domain's event lock and the port's lock, so that either is
 * enough to read; [q] lock of the FIFO queue that it names; [a] atomic, changes under the event
 * lock. */
struct event_port {
    struct spinlock lock;     /* LK_EVENT_PORT */
    uint8_t state;            /* [ep] EVTCHNSTAT_* of the ABI, or EVENT_HYPERVISOR */
    _Atomic bool undelivered; /* FIFO: pending, but the guest has given no page for its word yet */
    union event_use use;      /* [ep] */
    _Atomic uint8_t vcpu;     /* [a] whom to notify: always < vcpu_count */
    _Atomic uint8_t priority; /* [a] FIFO: 0..15 */
    _Atomic uint16_t queue;   /* [q] FIFO: on which queue it was last: vCPU * 16 + priority */
};

/* Half a cache line on the real machine: 128 ports a page (a host test's locks are larger). */
STATIC_ASSERT(sizeof(struct event_port) == 32 || sizeof(struct spinlock) > 6);

#define EVENT_BUCKET_PORTS 128U
#define EVENT_BUCKET_BYTES (EVENT_BUCKET_PORTS * sizeof(struct event_port))
#define EVENT_BUCKET_ORDER \
    (EVENT_BUCKET_BYTES <= PAGE_SIZE ? 0U : EVENT_BUCKET_BYTES <= 2 * PAGE_SIZE ? 1U : 2U)

STATIC_ASSERT(EVENT_BUCKET_BYTES <= 4 * PAGE_SIZE);
STATIC_ASSERT(MAX_VCPUS <= UINT8_MAX);

/* The port exists: port < port_count. */
static inline struct event_port *event_port_at(struct domain *d, evtchn_port_t port)
{
    struct event_port *bucket =
        atomic_load_explicit(&d->event.bucket[port / EVENT_BUCKET_PORTS], memory_order_relaxed);

    return &bucket[port % EVENT_BUCKET_PORTS];
}

/* NULL when the port does not exist. Any lock may be held, or none. */
static inline struct event_port *event_port_lookup(struct domain *d, evtchn_port_t port)
{
    uint32_t count = atomic_load_explicit(&d->event.port_count, memory_order_acquire);

    if (port >= count)
        return NULL;
    return event_port_at(d, (evtchn_port_t)index_nospec(port, count));
}

static inline bool event_virq_is_global(uint32_t virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

/* ---- event.c ---- */
/* The event locks of both, lower id first; b may be a or NULL. */
void event_lock_both(struct domain *a, struct domain *b);
void event_unlock_both(struct domain *a, struct domain *b);
/* The lowest closed port, made ready but still closed. Event lock held. */
int event_port_alloc(struct domain *d);
/* A closed port gets a use, or an unbound or bound one another. Event lock held. */
void event_port_use(struct event_port *p, uint8_t state, union event_use use);
/* Closes p, which is not closed. Event locks of d and of the peer, if there is one, held. */
void event_port_close(struct domain *d, evtchn_port_t port, struct event_port *p);

/* ---- event_deliver.c: the caller holds d's event lock, or the lock of a port whose binding
 * entitles it to send to this one ---- */
void event_set_pending(struct domain *d, evtchn_port_t port, struct event_port *p);
void event_clear_pending(struct domain *d, evtchn_port_t port, struct event_port *p);
bool event_is_pending(struct domain *d, evtchn_port_t port, struct event_port *p);
void event_unmask_port(struct domain *d, evtchn_port_t port, struct event_port *p);

/* ---- event_fifo.c: likewise; f is d's and stays because of those locks ---- */
/* True if it was not pending before. */
bool event_fifo_set_pending(struct domain *d, struct event_fifo *f, evtchn_port_t port,
                            struct event_port *p);
void event_fifo_clear_pending(struct event_fifo *f, evtchn_port_t port, struct event_port *p);
bool event_fifo_is_pending(struct event_fifo *f, evtchn_port_t port, struct event_port *p);
void event_fifo_unmask(struct domain *d, struct event_fifo *f, evtchn_port_t port,
                       struct event_port *p);
/* A closed port may still be linked in the guest's queue: it cannot be given out then. */
bool event_fifo_is_linked(struct event_fifo *f, evtchn_port_t port);
/* Back to two-level. Event lock held, no port is active. */
void event_fifo_teardown(struct domain *d);
void event_fifo_audit(struct domain *d, struct event_fifo *f);
