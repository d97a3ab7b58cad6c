/* SPDX-License-Identifier: MIT
 *
 * Random operations of three domains that come and go, against the model: results, every port's
 * status, every pending bit, every upcall.
 */
#include <stdlib.h>

#include "unittests/model_event.h"
#include "unittests/suite.h"

static struct model model;

static unsigned draw(unsigned n)
{
    return (unsigned)rand() % n;
}

static unsigned heard[WORLD_DOMAINS];

static int hear(struct domain *d)
{
    heard[d->id]++;
    return 0;
}

static void notify_both(int d, int port)
{
    struct model_port *p = &model.port[d][port];

    if (p->state == EVTCHNSTAT_interdomain && p->peer_domain == DOMID_XEN)
        model_notify(&model, d, port);
    event_notify(dom[d], (evtchn_port_t)port, hear);
}

/* One operation on both; false if they disagree. */
static bool step(int d)
{
    int port = (int)draw(12), e = (int)draw(WORLD_DOMAINS);
    unsigned vcpu = draw(WORLD_VCPUS + 1), virq = draw(NR_VIRQS + 1);
    struct domain *self = dom[d];
    evtchn_port_t p = (evtchn_port_t)port;

    switch (draw(14)) {
    case 0:
        return event_alloc_unbound(self, (domid_t)e) == model_unbound(&model, d, e);
    case 1:
    case 2:
        return event_bind_interdomain(self, dom[e], p) == model_bind(&model, d, e, port);
    case 3:
        return event_bind_virq(self, virq, vcpu) == model_virq(&model, d, virq, vcpu);
    case 4:
        return event_bind_ipi(self, vcpu) == model_ipi(&model, d, vcpu);
    case 5:
        return event_close(self, p) == model_close(&model, d, port);
    case 6:
        return event_bind_vcpu(self, p, vcpu) == model_bind_vcpu(&model, d, port, vcpu);
    case 7:
        return event_unmask(self, p) == model_unmask(&model, d, port);
    case 8:
        set_mask_bit(self, port);
        model.port[d][port].masked = true;
        return true;
    case 9:
        model_raise(&model, d, virq % NR_VIRQS, vcpu % WORLD_VCPUS);
        if (event_bind_virq(self, virq % NR_VIRQS, 9) == -XEN_EINVAL) /* i.e. it is global */
            event_raise_global_virq(self, virq % NR_VIRQS);
        else
            event_raise_vcpu_virq(self->vcpu[vcpu % WORLD_VCPUS], virq % NR_VIRQS);
        return true;
    case 10: /* the guest handles a port */
        take_bit(self, port);
        model.port[d][port].pending = false;
        return true;
    case 11:
        return event_alloc_hypervisor(self, hear) == model_hypervisor(&model, d);
    case 12:
        notify_both(d, port);
        return true;
    default:
        return event_send(self, p) == model_send(&model, d, port);
    }
}

static bool same_port(int d, int port)
{
    struct model_port *m = &model.port[d][port];
    struct evtchn_status s = {0};
    bool pending = dom[d]->shared_info->evtchn_pending[0] >> port & 1;

    if (event_status(dom[d], (evtchn_port_t)port, &s))
        return m->state == EVTCHNSTAT_closed;
    if (s.status != m->state || pending != m->pending || s.vcpu != m->vcpu)
        return false;
    if (m->state == EVTCHNSTAT_virq)
        return s.u.virq == m->virq;
    if (m->state == EVTCHNSTAT_unbound)
        return s.u.unbound.dom == m->peer_domain;
    return m->state != EVTCHNSTAT_interdomain ||
           (s.u.interdomain.dom == m->peer_domain && (int)s.u.interdomain.port == m->peer_port);
}

static bool same(void)
{
    for (int d = 0; d < WORLD_DOMAINS; d++) {
        if (heard[d] != model.heard[d])
            return false;
        for (int i = 0; i < MODEL_PORTS; i++)
            if (!same_port(d, i))
                return false;
        /* The selector is for the guest's speed; the upcall must be there when the model has one.
         */
        for (unsigned v = 0; v < WORLD_VCPUS; v++)
            if (dom[d]->vcpu[v]->info->evtchn_upcall_pending != model.upcall[d][v])
                return false;
    }
    return true;
}

static void upcalls(int d)
{
    for (unsigned v = 0; v < WORLD_VCPUS; v++) {
        take_upcall(dom[d]->vcpu[v]);
        dom[d]->vcpu[v]->info->evtchn_pending_sel = 0;
        model.upcall[d][v] = false;
    }
}

static void close_in_model(int d)
{
    for (int i = 1; i < MODEL_PORTS; i++)
        model_close(&model, d, i);
}

/* The hypervisor's ports are there as before, and as new. */
static void reset_in_model(int d)
{
    for (int i = 1; i < MODEL_PORTS; i++) {
        struct model_port *p = &model.port[d][i];

        if (model_is_hypervisor(p))
            p->pending = false, p->vcpu = 0;
        else
            model_close(&model, d, i);
    }
}

static void rebirth(int d)
{
    host_domain_kill(dom[d]);
    dom[d] = host_domain_create((domid_t)d, WORLD_VCPUS, MODEL_PORTS - 1);
    close_in_model(d);
    memset(model.port[d], 0, sizeof(model.port[d]));
    memset(model.upcall[d], 0, sizeof(model.upcall[d]));
}

static void test_random(void)
{
    world_limited(MODEL_PORTS - 1);
    memset(&model, 0, sizeof(model));
    memset(heard, 0, sizeof(heard));
    srand((unsigned)test_seed);
    for (unsigned n = 0; n < 60000; n++) {
        int d = (int)draw(WORLD_DOMAINS);

        if (!step(d) || (n % 16 == 0 && !same())) {
            CU_FAIL_FATAL("model and events differ");
        }
        /* Each upcall is taken soon, so that the model need not know which were merged. */
        if (draw(4) == 0)
            upcalls(d);
        if (n % 4 == 0)
            world_audit();
        if (draw(500) == 0)
            rebirth(d);
        if (draw(700) == 0) {
            while (event_reset(dom[d]) != 0)
                ;
            reset_in_model(d);
        }
    }
    world_end();
}

static const struct test_case cases[] = {
    {"random operations", test_random},
    {NULL, NULL},
};

const struct suite suite_event_model = {.name = "event_model", .cases = cases};
