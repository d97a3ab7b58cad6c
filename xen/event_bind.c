/* SPDX-License-Identifier: MIT
 *
 * The operations on event channels: each checks everything under the event lock(s), then changes
 * it. Theory, locks and invariants: event.c. Who may do what to whom is decided in hcall_event.c.
 */
#include "xen/event_port.h"

/* How many closed ports reset and destroy skip under one hold of the lock. */
#define SKIP_MAX 1024U

/* d has a new port with this use. Event lock held. */
static int port_new(struct domain *d, uint8_t state, union event_use use, unsigned vcpu)
{
    int port = event_port_alloc(d);
    struct event_port *p;

    if (port < 0)
        return port;
    p = event_port_at(d, (evtchn_port_t)port);
    p->vcpu = (uint8_t)vcpu;
    event_port_use(p, state, use);
    d->event.active_count++;
    return port;
}

int event_alloc_unbound(struct domain *d, domid_t remote)
{
    int port;

    spin_lock(&d->event.lock);
    port = port_new(d, EVTCHNSTAT_unbound, (union event_use){.remote = remote}, 0);
    spin_unlock(&d->event.lock);
    return port;
}

int event_alloc_hypervisor(struct domain *d, event_sent_fn *sent)
{
    int port = -XEN_ENOSPC;

    ASSERT(sent);
    spin_lock(&d->event.lock);
    if (d->event.hypervisor_count < EVENT_HYPERVISOR_PORTS)
        port = port_new(d, EVENT_HYPERVISOR, (union event_use){.sent = sent}, 0);
    d->event.hypervisor_count += port > 0;
    spin_unlock(&d->event.lock);
    return port;
}

int event_bind_interdomain(struct domain *d, struct domain *remote, evtchn_port_t remote_port)
{
    struct event_port *q;
    int port = -XEN_EINVAL;

    event_lock_both(d, remote);
    q = event_port_lookup(remote, remote_port);
    if (q && q->state == EVTCHNSTAT_unbound && q->use.remote == d->id)
        port = port_new(d, EVTCHNSTAT_interdomain, (union event_use){.peer = {remote, remote_port}},
                        0);
    if (port > 0) {
        evtchn_port_t local = (evtchn_port_t)port;

        event_port_use(q, EVTCHNSTAT_interdomain, (union event_use){.peer = {d, local}});
        event_set_pending(d, local, event_port_at(d, local));
    }
    event_unlock_both(d, remote);
    return port;
}

int event_bind_virq(struct domain *d, uint32_t virq, uint32_t vcpu)
{
    _Atomic uint32_t *slot;
    int port = -XEN_EEXIST;

    if (virq >= NR_VIRQS || (event_virq_is_global(virq) && vcpu != 0))
        return -XEN_EINVAL;
    if (vcpu >= d->vcpu_count)
        return -XEN_ENOENT;
    slot =
        &d->vcpu[index_nospec(vcpu, d->vcpu_count)]->event.virq_port[index_nospec(virq, NR_VIRQS)];
    spin_lock(&d->event.lock);
    if (*slot == 0)
        port = port_new(d, EVTCHNSTAT_virq, (union event_use){.virq = virq}, vcpu);
    if (port > 0)
        atomic_store(slot, (uint32_t)port);
    spin_unlock(&d->event.lock);
    return port;
}

int event_bind_ipi(struct domain *d, uint32_t vcpu)
{
    int port;

    if (vcpu >= d->vcpu_count)
        return -XEN_ENOENT;
    spin_lock(&d->event.lock);
    port = port_new(d, EVTCHNSTAT_ipi, (union event_use){.virq = 0}, vcpu);
    spin_unlock(&d->event.lock);
    return port;
}

/* The port is one before the interrupt can come. */
int event_bind_pirq(struct domain *d, uint32_t pirq, bool share)
{
    int port, rc;

    spin_lock(&d->event.lock);
    port = port_new(d, EVTCHNSTAT_pirq, (union event_use){.pirq = pirq}, 0);
    if (port > 0) {
        rc = arch_pirq_bind(d, pirq, (evtchn_port_t)port, share);
        if (rc) {
            event_port_close(d, (evtchn_port_t)port, event_port_at(d, (evtchn_port_t)port));
            port = rc;
        }
    }
    spin_unlock(&d->event.lock);
    return port;
}

/* ---- closing ---- */

/* The other domain that d's port is bound to, or NULL. Event lock of d held. */
static struct domain *other_domain(struct domain *d, struct event_port *p)
{
    if (!p || p->state != EVTCHNSTAT_interdomain || p->use.peer.domain == d)
        return NULL;
    return p->use.peer.domain;
}

/* Both locks must be taken in order of id, but who the peer is can only be read under d's: so look,
 * let go, take both, and look again. The peer is kept by a reference (its destruction cannot be
 * over before the port between us is unbound, so there is one to add to). Each further turn needs
 * that the peer let go, or that the port was closed and used again, in between. */
static struct domain *lock_with_peer(struct domain *d, evtchn_port_t port)
{
    struct domain *held = NULL;

    for (;;) {
        struct domain *peer;

        event_lock_both(d, held);
        peer = other_domain(d, event_port_lookup(d, port));
        if (peer == held)
            return held;
        if (peer)
            domain_get(peer);
        event_unlock_both(d, held);
        if (held)
            domain_put(held);
        held = peer;
    }
}

int event_close(struct domain *d, evtchn_port_t port)
{
    struct domain *peer = lock_with_peer(d, port);
    struct event_port *p = event_port_lookup(d, port);
    int rc = -XEN_EINVAL;

    if (p && p->state != EVTCHNSTAT_closed) {
        event_port_close(d, port, p);
        rc = 0;
    }
    event_unlock_both(d, peer);
    if (peer)
        domain_put(peer);
    return rc;
}

/* What close_all() leaves. A guest that resets its channels still has its console: the hypervisor's
 * end cannot come and bind to it again, as another domain's can. Event lock held. */
static unsigned staying(const struct event_domain *e)
{
    return e->dying ? 0 : e->hypervisor_count;
}

static bool closes(const struct event_domain *e, const struct event_port *p)
{
    return p->state != EVTCHNSTAT_closed && (e->dying || p->state != EVENT_HYPERVISOR);
}

/* The next port that close_all() has to close; 0 when it is through. */
static evtchn_port_t next_active(struct domain *d, bool *more)
{
    struct event_domain *e = &d->event;
    evtchn_port_t found = 0;
    unsigned skipped = 0;

    spin_lock(&e->lock);
    while (!found && e->cursor < e->port_count && skipped++ < SKIP_MAX) {
        if (closes(e, event_port_at(d, e->cursor)))
            found = e->cursor;
        e->cursor++;
    }
    *more = e->active_count > staying(e);
    if (e->cursor >= e->port_count && *more && !found)
        e->cursor = 1; /* somebody bound ports behind the cursor: again from the start */
    spin_unlock(&e->lock);
    return found;
}

/* Closes port by port. The cursor is in the object, so it goes on where it was interrupted. */
static int close_all(struct domain *d)
{
    bool more = true;

    while (more) {
        evtchn_port_t port = next_active(d, &more);

        if (port)
            (void)event_close(d, port); /* -XEN_EINVAL: somebody else closed it meanwhile */
        if (more && arch_preempt_pending())
            return -XEN_ERESTART;
    }
    return 0;
}

/* Ports to the hypervisor are closed while the FIFO pages go: who sends to one, under the port's
 * lock, uses them. Those are opened again as they were made; what was pending is lost, as the ABI
 * says of a reset. Event lock held. */
static void start_over(struct domain *d)
{
    struct {
        struct event_port *p;
        event_sent_fn *sent;
    } kept[EVENT_HYPERVISOR_PORTS];
    unsigned count = 0;

    for (evtchn_port_t port = 1; d->event.hypervisor_count > 0; port++) {
        struct event_port *p = event_port_at(d, port);

        if (p->state != EVENT_HYPERVISOR)
            continue;
        kept[count].p = p;
        kept[count++].sent = p->use.sent;
        event_port_close(d, port, p);
    }
    if (d->event.fifo)
        event_fifo_teardown(d);
    for (unsigned i = 0; i < count; i++)
        event_port_use(kept[i].p, EVENT_HYPERVISOR, (union event_use){.sent = kept[i].sent});
    d->event.hypervisor_count = count;
    d->event.active_count += count;
}

int event_reset(struct domain *d)
{
    int rc = close_all(d);

    if (rc)
        return rc;
    spin_lock(&d->event.lock);
    if (d->event.active_count > staying(&d->event))
        rc = -XEN_ERESTART;
    else
        start_over(d);
    d->event.cursor = 1;
    spin_unlock(&d->event.lock);
    return rc;
}

int event_domain_destroy(struct domain *d)
{
    int rc;

    spin_lock(&d->event.lock);
    d->event.dying = true;
    spin_unlock(&d->event.lock);
    rc = event_reset(d);
    if (rc == 0)
        event_audit_debug(d); /* of what is left: nothing may be bound */
    return rc;
}

/* ---- looking and changing ---- */

int event_status(struct domain *d, evtchn_port_t port, struct evtchn_status *status)
{
    struct event_port *p = event_port_lookup(d, port);

    if (!p)
        return -XEN_EINVAL;
    spin_lock(&d->event.lock);
    status->status = p->state;
    status->vcpu = p->vcpu;
    if (p->state == EVTCHNSTAT_unbound) {
        status->u.unbound.dom = p->use.remote;
    } else if (p->state == EVTCHNSTAT_interdomain) {
        status->u.interdomain.dom = p->use.peer.domain->id;
        status->u.interdomain.port = p->use.peer.port;
    } else if (p->state == EVTCHNSTAT_virq) {
        status->u.virq = p->use.virq;
    } else if (p->state == EVTCHNSTAT_pirq) {
        status->u.pirq = p->use.pirq;
    } else if (p->state == EVENT_HYPERVISOR) {
        status->status = EVTCHNSTAT_interdomain;
        status->u.interdomain.dom = DOMID_XEN;
        status->u.interdomain.port = 0;
    }
    spin_unlock(&d->event.lock);
    return 0;
}

int event_bind_vcpu(struct domain *d, evtchn_port_t port, uint32_t vcpu)
{
    struct event_port *p = event_port_lookup(d, port);
    int rc = -XEN_EINVAL;

    if (vcpu >= d->vcpu_count)
        return -XEN_ENOENT;
    if (!p)
        return -XEN_EINVAL;
    spin_lock(&d->event.lock);
    if (p->state == EVTCHNSTAT_unbound || p->state == EVTCHNSTAT_interdomain ||
        p->state == EVENT_HYPERVISOR || p->state == EVTCHNSTAT_pirq ||
        (p->state == EVTCHNSTAT_virq && event_virq_is_global(p->use.virq))) {
        p->vcpu = (uint8_t)vcpu;
        rc = 0;
    }
    if (p->state == EVTCHNSTAT_pirq)
        arch_pirq_follow(d, p->use.pirq, vcpu);
    spin_unlock(&d->event.lock);
    return rc;
}

int event_unmask(struct domain *d, evtchn_port_t port)
{
    struct event_port *p = event_port_lookup(d, port);
    int rc = -XEN_EINVAL;

    if (!p)
        return rc;
    spin_lock(&p->lock);
    if (p->state != EVTCHNSTAT_closed) {
        event_unmask_port(d, port, p);
        rc = 0;
    }
    spin_unlock(&p->lock);
    return rc;
}

int event_port_is_pending(struct domain *d, evtchn_port_t port)
{
    struct event_port *p = event_port_lookup(d, port);
    int rc = -XEN_EINVAL;

    if (!p)
        return rc;
    spin_lock(&p->lock);
    if (p->state != EVTCHNSTAT_closed)
        rc = event_is_pending(d, port, p);
    spin_unlock(&p->lock);
    return rc;
}
