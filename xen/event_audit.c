/* SPDX-License-Identifier: MIT
 *
 * Recounts a domain's event channels against the invariants of event.c and event_fifo.c.
 */
#include "xen/event_port.h"

static void audit_peer(struct domain *d, evtchn_port_t port, struct event_port *p)
{
    struct domain *other = p->use.peer.domain;
    struct event_port *q = event_port_lookup(other, p->use.peer.port);

    BUG_ON(!q || q->state != EVTCHNSTAT_interdomain); /* INV-EVENT-1 */
    BUG_ON(q->use.peer.domain != d || q->use.peer.port != port);
}

static void audit_virq(struct domain *d, evtchn_port_t port, struct event_port *p)
{
    uint32_t virq = p->use.virq;

    BUG_ON(virq >= NR_VIRQS);
    BUG_ON(d->vcpu[event_virq_is_global(virq) ? 0 : p->vcpu]->event.virq_port[virq] !=
           port); /* INV-EVENT-2 */
}

static void audit_port(struct domain *d, evtchn_port_t port, struct event_port *p)
{
    uint32_t limit = d->event.fifo ? EVTCHN_FIFO_NR_CHANNELS : EVTCHN_2L_NR_CHANNELS;

    BUG_ON(port == 0 || port > d->event.max_port || port >= limit); /* INV-EVENT-3, -4 */
    BUG_ON(p->vcpu >= d->vcpu_count || p->priority > EVTCHN_FIFO_PRIORITY_MIN); /* INV-EVENT-5 */
    BUG_ON(p->queue >= d->vcpu_count * EVTCHN_FIFO_MAX_QUEUES);
    BUG_ON(p->state > EVENT_HYPERVISOR);
    BUG_ON(p->state == EVENT_HYPERVISOR && !p->use.sent);
    if (p->state == EVTCHNSTAT_interdomain)
        audit_peer(d, port, p);
    if (p->state == EVTCHNSTAT_virq)
        audit_virq(d, port, p);
    /* INV-PIRQ-3. The machine may have taken an interrupt away, but it never has it for another. */
    if (p->state == EVTCHNSTAT_pirq)
        BUG_ON(arch_pirq_port(d, p->use.pirq) != port && arch_pirq_port(d, p->use.pirq) != 0);
}

/* The other direction of INV-EVENT-2. */
static void audit_tables(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    for_each_vcpu (d, v, i) {
        for (uint32_t virq = 0; virq < NR_VIRQS; virq++) {
            evtchn_port_t port = v->event.virq_port[virq];
            struct event_port *p = port ? event_port_lookup(d, port) : NULL;

            if (port == 0)
                continue;
            BUG_ON(!p || p->state != EVTCHNSTAT_virq || p->use.virq != virq);
            BUG_ON(event_virq_is_global(virq) ? i != 0 : p->vcpu != i);
        }
    }
}

void event_audit(struct domain *d)
{
    struct event_domain *e = &d->event;
    unsigned active = 0, hypervisor = 0;

    BUG_ON(e->port_count % EVENT_BUCKET_PORTS != 0);
    BUG_ON(e->port_count / EVENT_BUCKET_PORTS > e->bucket_limit);
    for (evtchn_port_t port = 0; port < e->port_count; port++) {
        struct event_port *p = event_port_at(d, port);

        if (p->state == EVTCHNSTAT_closed) {
            BUG_ON(port != 0 && port < e->free_hint); /* INV-EVENT-3 */
            BUG_ON(p->undelivered);
            continue;
        }
        active++;
        hypervisor += p->state == EVENT_HYPERVISOR;
        audit_port(d, port, p);
    }
    BUG_ON(active != e->active_count);         /* INV-EVENT-3 */
    BUG_ON(hypervisor != e->hypervisor_count); /* INV-EVENT-6 */
    audit_tables(d);
    if (e->fifo)
        event_fifo_audit(d, e->fifo);
}
