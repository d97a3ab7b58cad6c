/* SPDX-License-Identifier: MIT
 *
 * Event channels: ports, their locks, sending, virtual interrupts.
 *
 * A domain's ports live in buckets of 128, which are added in order and stay until the last
 * reference to the domain goes. So a port number below port_count can be looked up without a lock,
 * and the lock in the port says whether it is in use. Three kinds of lock, in this order:
 *
 *   event lock (one a domain)   every change of a binding; of two domains, the lower id first
 *   port lock  (one a port)     what a sender takes, and alone: never two port locks at a time
 *   queue lock (event_fifo.c)   a FIFO queue's tail
 *
 * The hot path, EVTCHNOP_send, takes only the lock of the sender's own port. A binding changes
 * under the event lock(s) *and* the port's lock, hence while a sender holds the lock of an
 * interdomain port P bound to Q, P stays bound to Q. Q's domain cannot finish closing Q: it must
 * first make P unbound, under P's lock. That one lock thus keeps alive all the sender touches: the
 * other domain, its bucket, its shared_info, its FIFO pages. Q's own lock is not taken; of Q only
 * atomics are read (vcpu, priority), and its domain's memory is changed by atomic operations.
 *
 *   sender on P (d1)                          d2 closes Q
 *   ----------------                          -----------
 *   lock P                                    event locks of d1, d2
 *   P is interdomain to Q                     lock P ... waits
 *   set Q's pending bit, notify               .
 *   unlock P                                  P = unbound; unlock P
 *                                             (nobody can reach Q through P any more)
 *   lock P: unbound, nothing to do            lock Q; Q = closed; clear its pending bit; unlock Q
 *
 * Between the two steps of a close, Q still says "interdomain": a sender on Q then reaches P, which
 * is unbound but in use. That is the same as a send just before the close. bind_interdomain has the
 * same gap, with the same answer.
 *
 * IPIs and VIRQs are the case P = Q: the port's own lock is held while it is made pending.
 *
 * A port whose other end is the hypervisor (EVENT_HYPERVISOR) names a function. A send reads it under
 * the port's lock and calls it without; in the other direction it is like a VIRQ.
 *
 * Raising a VIRQ reads the vCPU's table without a lock, so the port may have been closed, or be
 * used otherwise, when its lock is taken: the binding is compared again under the lock.
 *
 * A physical interrupt is like a global VIRQ, but that the machine keeps the table (arch_pirq_bind()
 * and so on), and raises it with the number of the port that it was told.
 *
 * INV-EVENT-1: P of d is interdomain to (e, Q)  <=>  Q of e is interdomain to (d, P).
 * INV-EVENT-2: virq_port[] of a vCPU names port P  <=>  P is bound to that VIRQ (per-vCPU ones:
 *              and to that vCPU; global ones: only vCPU 0's table is used).
 * INV-EVENT-3: active_count is the number of ports not closed; no port in [1, free_hint) is
 *              closed; port 0 is always closed.
 * INV-EVENT-4: a port not closed has a number <= max_port, and < 4096 while the domain is
 *              two-level.
 * INV-EVENT-5: a port's vcpu is below vcpu_count, its priority below 16.
 * INV-EVENT-6: hypervisor_count is the number of ports whose other end is the hypervisor.
 */
#include <lagan/string.h>

#include "mm/heap.h"
#include "xen/event_port.h"

STATIC_ASSERT(EVTCHN_2L_NR_CHANNELS == 4096);
STATIC_ASSERT(EVTCHN_FIFO_NR_CHANNELS == 131072);

/* ---- locks ---- */

void event_lock_both(struct domain *a, struct domain *b) LAGAN_NO_TSA
{
    if (!b || a == b) {
        spin_lock(&a->event.lock);
        return;
    }
    spin_lock(a->id < b->id ? &a->event.lock : &b->event.lock);
    spin_lock_nested(a->id < b->id ? &b->event.lock : &a->event.lock);
}

void event_unlock_both(struct domain *a, struct domain *b) LAGAN_NO_TSA
{
    spin_unlock(&a->event.lock);
    if (b && a != b)
        spin_unlock(&b->event.lock);
}

/* ---- ports ---- */

static unsigned directory_order(unsigned bucket_limit)
{
    return bucket_limit * sizeof(void *) <= PAGE_SIZE ? 0 : 1;
}

/* The bucket is whole before port_count admits that it exists. */
static int bucket_add(struct domain *d)
{
    struct event_domain *e = &d->event;
    struct event_port *bucket = page_alloc(EVENT_BUCKET_ORDER, HEAP_CLEAR | HEAP_FOR(HEAP_EVENTS));
    uint32_t count = e->port_count;

    if (!bucket)
        return -XEN_ENOMEM;
    ASSERT(count / EVENT_BUCKET_PORTS < e->bucket_limit);
    for (unsigned i = 0; i < EVENT_BUCKET_PORTS; i++) {
        spin_init(&bucket[i].lock, LK_EVENT_PORT);
        bucket[i].priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    }
    e->bucket[count / EVENT_BUCKET_PORTS] = bucket;
    atomic_store_explicit(&e->port_count, count + EVENT_BUCKET_PORTS, memory_order_release);
    return 0;
}

int event_domain_init(struct domain *d, unsigned max_port)
{
    struct event_domain *e = &d->event;
    size_t bytes;
    int rc;

    memset(e, 0, sizeof(*e));
    spin_init(&e->lock, LK_EVENT);
    e->max_port = (unsigned)min_u64(max_port, EVTCHN_FIFO_NR_CHANNELS - 1);
    e->bucket_limit = e->max_port / EVENT_BUCKET_PORTS + 1;
    e->free_hint = 1;
    e->cursor = 1;
    bytes = e->bucket_limit * sizeof(e->bucket[0]);
    e->bucket = bytes <= SLAB_MAX ? slab_alloc(bytes)
                                  : page_alloc(directory_order(e->bucket_limit),
                                               HEAP_CLEAR | HEAP_FOR(HEAP_EVENTS));
    if (!e->bucket)
        return -XEN_ENOMEM;
    rc = bucket_add(d); /* every domain has a store and a console: the first is always there */
    if (rc)
        event_domain_free(d);
    return rc;
}

void event_vcpu_init(struct vcpu *v)
{
    memset(&v->event, 0, sizeof(v->event));
}

void event_domain_free(struct domain *d)
{
    struct event_domain *e = &d->event;
    unsigned count = e->port_count / EVENT_BUCKET_PORTS;

    ASSERT(e->active_count == 0 && !e->fifo);
    e->port_count = 0;
    for (unsigned i = 0; i < count; i++)
        page_free(e->bucket[i], EVENT_BUCKET_ORDER);
    if (e->bucket_limit * sizeof(e->bucket[0]) <= SLAB_MAX)
        slab_free(e->bucket);
    else if (e->bucket)
        page_free(e->bucket, directory_order(e->bucket_limit));
    e->bucket = NULL;
}

int event_port_alloc(struct domain *d)
{
    struct event_domain *e = &d->event;
    struct event_fifo *f = e->fifo;
    unsigned limit = f ? EVTCHN_FIFO_NR_CHANNELS : EVTCHN_2L_NR_CHANNELS;
    evtchn_port_t first_closed = 0;

    ASSERT(spin_is_locked(&e->lock));
    if (e->dying)
        return -XEN_EINVAL;
    limit = (unsigned)min_u64(limit, (uint64_t)e->max_port + 1);
    for (evtchn_port_t port = e->free_hint; port < limit; port++) {
        if (port >= e->port_count && bucket_add(d))
            return -XEN_ENOMEM;
        if (event_port_at(d, port)->state != EVTCHNSTAT_closed)
            continue;
        if (!first_closed)
            first_closed = port;
        if (f && event_fifo_is_linked(f, port))
            continue;
        /* The hint may move to the port found, not past it: the caller may yet leave it closed. */
        e->free_hint = first_closed;
        return (int)port;
    }
    return -XEN_ENOSPC;
}

void event_port_use(struct event_port *p, uint8_t state, union event_use use)
{
    spin_lock(&p->lock);
    p->state = state;
    p->use = use;
    spin_unlock(&p->lock);
}

static void forget_virq(struct domain *d, struct event_port *p)
{
    unsigned vcpu = event_virq_is_global(p->use.virq) ? 0 : p->vcpu;

    atomic_store(&d->vcpu[vcpu]->event.virq_port[p->use.virq], 0);
}

void event_port_close(struct domain *d, evtchn_port_t port, struct event_port *p)
{
    struct event_domain *e = &d->event;

    ASSERT(p->state != EVTCHNSTAT_closed && port != 0);
    if (p->state == EVTCHNSTAT_interdomain)
        event_port_use(event_port_at(p->use.peer.domain, p->use.peer.port), EVTCHNSTAT_unbound,
                       (union event_use){.remote = d->id});
    if (p->state == EVTCHNSTAT_virq)
        forget_virq(d, p);
    if (p->state == EVENT_HYPERVISOR)
        e->hypervisor_count--;
    if (p->state == EVTCHNSTAT_pirq)
        arch_pirq_unbind(d, p->use.pirq, port);
    spin_lock(&p->lock);
    p->state = EVTCHNSTAT_closed;
    p->use = (union event_use){.virq = 0};
    p->vcpu = 0;
    p->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    /* Nobody can send to it any more: what is cleared now stays clear for the port's next use. */
    event_clear_pending(d, port, p);
    spin_unlock(&p->lock);
    e->active_count--;
    if (port < e->free_hint)
        e->free_hint = port;
}

/* ---- sending ---- */

int event_send(struct domain *d, evtchn_port_t port)
{
    struct event_port *p = event_port_lookup(d, port);
    event_sent_fn *sent = NULL;
    int rc = 0;

    if (unlikely(!p))
        return -XEN_EINVAL;
    spin_lock(&p->lock);
    if (likely(p->state == EVTCHNSTAT_interdomain)) {
        struct domain *peer = p->use.peer.domain;

        event_set_pending(peer, p->use.peer.port, event_port_at(peer, p->use.peer.port));
    } else if (p->state == EVTCHNSTAT_ipi) {
        event_set_pending(d, port, p);
    } else if (p->state == EVENT_HYPERVISOR) {
        sent = p->use.sent;
    } else if (p->state != EVTCHNSTAT_unbound) {
        rc = -XEN_EINVAL;
    }
    spin_unlock(&p->lock);
    /* Without the lock, as it may take long. If the port is closed meanwhile, we were just before. */
    return sent ? sent(d) : rc;
}

void event_notify(struct domain *d, evtchn_port_t port, event_sent_fn *sent)
{
    struct event_port *p = event_port_lookup(d, port);

    if (!p)
        return;
    spin_lock(&p->lock);
    if (p->state == EVENT_HYPERVISOR && p->use.sent == sent)
        event_set_pending(d, port, p);
    spin_unlock(&p->lock);
}

void event_raise_pirq(struct domain *d, evtchn_port_t port, uint32_t pirq)
{
    struct event_port *p = event_port_lookup(d, port);

    if (!p)
        return;
    spin_lock(&p->lock);
    if (p->state == EVTCHNSTAT_pirq && p->use.pirq == pirq)
        event_set_pending(d, port, p);
    spin_unlock(&p->lock);
}

/* Takes what v's table says, and looks again under the lock of the port. */
static void raise_virq(struct vcpu *v, unsigned virq)
{
    struct domain *d = v->domain;
    evtchn_port_t port = atomic_load_explicit(&v->event.virq_port[virq], memory_order_relaxed);
    struct event_port *p = port ? event_port_lookup(d, port) : NULL;

    if (!p)
        return;
    spin_lock(&p->lock);
    if (p->state == EVTCHNSTAT_virq && p->use.virq == virq &&
        (event_virq_is_global(virq) || p->vcpu == v->id))
        event_set_pending(d, port, p);
    spin_unlock(&p->lock);
}

void event_raise_vcpu_virq(struct vcpu *v, unsigned virq)
{
    ASSERT(virq < NR_VIRQS && !event_virq_is_global(virq));
    raise_virq(v, virq);
}

void event_raise_global_virq(struct domain *d, unsigned virq)
{
    ASSERT(virq < NR_VIRQS && event_virq_is_global(virq));
    if (d->vcpu_count > 0)
        raise_virq(d->vcpu[0], virq);
}
