/* SPDX-License-Identifier: MIT
 *
 * A naive event-channel machine for three domains: flat arrays, linear searches, no locks;
 * two-level delivery. It says what each operation must return and what every port is afterwards.
 */
#pragma once

#include <string.h>

#include "unittests/event_world.h"

#define MODEL_PORTS 48 /* ports 1..47 may be allocated */

struct model_port {
    unsigned state, vcpu, virq;
    int peer_domain, peer_port; /* unbound: for whom */
    bool pending, masked;
};

struct model {
    struct model_port port[WORLD_DOMAINS][MODEL_PORTS];
    bool upcall[WORLD_DOMAINS][WORLD_VCPUS];
    unsigned heard[WORLD_DOMAINS]; /* sends to the hypervisor */
};

static inline struct model_port *model_at(struct model *m, int d, int port)
{
    return port >= 0 && port < MODEL_PORTS ? &m->port[d][port] : NULL;
}

static inline bool model_virq_global(unsigned virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

static inline int model_new(struct model *m, int d, unsigned state)
{
    for (int i = 1; i < MODEL_PORTS; i++) {
        struct model_port *p = &m->port[d][i];
        bool masked = p->masked;

        if (p->state != EVTCHNSTAT_closed)
            continue;
        *p = (struct model_port){.state = state, .masked = masked};
        return i;
    }
    return -XEN_ENOSPC;
}

static inline void model_notify(struct model *m, int d, int port)
{
    struct model_port *p = &m->port[d][port];

    if (!p->pending && !p->masked)
        m->upcall[d][p->vcpu] = true;
    p->pending = true;
}

static inline int model_unbound(struct model *m, int d, int remote)
{
    int port = model_new(m, d, EVTCHNSTAT_unbound);

    if (port > 0)
        m->port[d][port].peer_domain = remote;
    return port;
}

static inline int model_bind(struct model *m, int d, int remote, int remote_port)
{
    struct model_port *q = model_at(m, remote, remote_port);
    int port;

    if (!q || q->state != EVTCHNSTAT_unbound || q->peer_domain != d)
        return -XEN_EINVAL;
    port = model_new(m, d, EVTCHNSTAT_interdomain);
    if (port < 0)
        return port;
    m->port[d][port].peer_domain = remote;
    m->port[d][port].peer_port = remote_port;
    q->state = EVTCHNSTAT_interdomain;
    q->peer_port = port;
    model_notify(m, d, port);
    return port;
}

static inline bool model_is_hypervisor(const struct model_port *p)
{
    return p->state == EVTCHNSTAT_interdomain && p->peer_domain == DOMID_XEN;
}

/* The hypervisor's end is that of a domain and a port which nobody else has. */
static inline int model_hypervisor(struct model *m, int d)
{
    int port, count = 0;

    for (int i = 1; i < MODEL_PORTS; i++)
        count += model_is_hypervisor(&m->port[d][i]);
    port = count < 4 ? model_new(m, d, EVTCHNSTAT_interdomain) : -XEN_ENOSPC;
    if (port > 0)
        m->port[d][port].peer_domain = DOMID_XEN;
    return port;
}

static inline int model_find_virq(struct model *m, int d, unsigned virq, unsigned vcpu)
{
    for (int i = 1; i < MODEL_PORTS; i++) {
        struct model_port *p = &m->port[d][i];

        if (p->state == EVTCHNSTAT_virq && p->virq == virq &&
            (model_virq_global(virq) || p->vcpu == vcpu))
            return i;
    }
    return 0;
}

static inline int model_virq(struct model *m, int d, unsigned virq, unsigned vcpu)
{
    int port;

    if (virq >= NR_VIRQS || (model_virq_global(virq) && vcpu != 0))
        return -XEN_EINVAL;
    if (vcpu >= WORLD_VCPUS)
        return -XEN_ENOENT;
    if (model_find_virq(m, d, virq, vcpu))
        return -XEN_EEXIST;
    port = model_new(m, d, EVTCHNSTAT_virq);
    if (port > 0) {
        m->port[d][port].virq = virq;
        m->port[d][port].vcpu = vcpu;
    }
    return port;
}

static inline int model_ipi(struct model *m, int d, unsigned vcpu)
{
    int port = vcpu < WORLD_VCPUS ? model_new(m, d, EVTCHNSTAT_ipi) : -XEN_ENOENT;

    if (port > 0)
        m->port[d][port].vcpu = vcpu;
    return port;
}

static inline int model_close(struct model *m, int d, int port)
{
    struct model_port *p = model_at(m, d, port);

    if (!p || p->state == EVTCHNSTAT_closed)
        return -XEN_EINVAL;
    if (p->state == EVTCHNSTAT_interdomain && !model_is_hypervisor(p)) {
        struct model_port *q = &m->port[p->peer_domain][p->peer_port];

        q->state = EVTCHNSTAT_unbound;
        q->peer_domain = d;
    }
    *p = (struct model_port){.masked = p->masked};
    return 0;
}

static inline int model_send(struct model *m, int d, int port)
{
    struct model_port *p = model_at(m, d, port);

    if (!p)
        return -XEN_EINVAL;
    switch (p->state) {
    case EVTCHNSTAT_interdomain:
        if (p->peer_domain == DOMID_XEN) {
            m->heard[d]++;
            return 0;
        }
        model_notify(m, p->peer_domain, p->peer_port);
        return 0;
    case EVTCHNSTAT_ipi:
        model_notify(m, d, port);
        return 0;
    case EVTCHNSTAT_unbound:
        return 0;
    default:
        return -XEN_EINVAL;
    }
}

static inline int model_bind_vcpu(struct model *m, int d, int port, unsigned vcpu)
{
    struct model_port *p = model_at(m, d, port);

    if (vcpu >= WORLD_VCPUS)
        return -XEN_ENOENT;
    if (!p || p->state == EVTCHNSTAT_closed || p->state == EVTCHNSTAT_ipi ||
        (p->state == EVTCHNSTAT_virq && !model_virq_global(p->virq)))
        return -XEN_EINVAL;
    p->vcpu = vcpu;
    return 0;
}

static inline int model_unmask(struct model *m, int d, int port)
{
    struct model_port *p = model_at(m, d, port);

    if (!p || p->state == EVTCHNSTAT_closed)
        return -XEN_EINVAL;
    if (p->masked && p->pending)
        m->upcall[d][p->vcpu] = true;
    p->masked = false;
    return 0;
}

static inline void model_raise(struct model *m, int d, unsigned virq, unsigned vcpu)
{
    int port = model_find_virq(m, d, virq, vcpu);

    if (port)
        model_notify(m, d, port);
}
