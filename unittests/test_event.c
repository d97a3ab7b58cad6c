/* SPDX-License-Identifier: MIT
 *
 * Two-level event channels, one rule at a time; and the decoders.
 */
#include "unittests/arch/host_pirq.h"
#include "unittests/event_world.h"
#include "unittests/suite.h"
#include "arch_current.h"
#include "xen/event_port.h"
#include "xen/hypercall.h"

#define P(port) ((evtchn_port_t)(port))

static void test_ports(void)
{
    int a, b;

    world();
    CU_ASSERT_EQUAL(state_of(dom[1], 1), EVTCHNSTAT_closed);
    CU_ASSERT_EQUAL(state_of(dom[1], 3000), 99);
    a = event_alloc_unbound(dom[1], 0);
    b = event_bind_ipi(dom[1], 1);
    CU_ASSERT_EQUAL(a, 1); /* port 0 is never given out; the lowest is */
    CU_ASSERT_EQUAL(b, 2);
    CU_ASSERT_EQUAL(event_close(dom[1], 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_close(dom[1], P(a)), 0);
    CU_ASSERT_EQUAL(event_close(dom[1], P(a)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_close(dom[1], 100000), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_alloc_unbound(dom[1], 2), a);
    CU_ASSERT_EQUAL(event_alloc_unbound(dom[1], 2), 3);
    world_end();
}

static void test_limits(void)
{
    world_limited(5);
    for (int i = 1; i <= 5; i++)
        CU_ASSERT_EQUAL(event_alloc_unbound(dom[1], 0), i);
    CU_ASSERT_EQUAL(event_alloc_unbound(dom[1], 0), -XEN_ENOSPC);
    CU_ASSERT_EQUAL(event_bind_virq(dom[1], VIRQ_TIMER, 0), -XEN_ENOSPC);
    CU_ASSERT_EQUAL(event_close(dom[1], 3), 0);
    CU_ASSERT_EQUAL(event_bind_virq(dom[1], VIRQ_TIMER, 0), 3);
    world_end();
    world();
    for (int i = 1; i < 4096; i++)
        CU_ASSERT_EQUAL_FATAL(event_alloc_unbound(dom[1], 0), i);
    CU_ASSERT_EQUAL(event_alloc_unbound(dom[1], 0), -XEN_ENOSPC);
    world_end();
}

static void test_interdomain(void)
{
    struct evtchn_status s;
    int a, b;

    world();
    b = event_alloc_unbound(dom[2], 1);
    CU_ASSERT_EQUAL(event_bind_interdomain(dom[0], dom[2], P(b)), -XEN_EINVAL); /* not for him */
    CU_ASSERT_EQUAL(event_bind_interdomain(dom[1], dom[2], P(b + 1)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_bind_interdomain(dom[1], dom[2], 5000), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_send(dom[2], P(b)), 0); /* to nobody */
    a = event_bind_interdomain(dom[1], dom[2], P(b));
    CU_ASSERT_TRUE(a > 0);
    CU_ASSERT_EQUAL(event_bind_interdomain(dom[1], dom[2], P(b)), -XEN_EINVAL); /* twice */
    CU_ASSERT_EQUAL(take_upcall(dom[1]->vcpu[0]), 1); /* notified at once, the other end not */
    CU_ASSERT_TRUE(take_bit(dom[1], a));
    CU_ASSERT_EQUAL(take_upcall(dom[2]->vcpu[0]), 0);
    CU_ASSERT_EQUAL(host_kicks(dom[1]->vcpu[0]), 1);

    CU_ASSERT_EQUAL(event_send(dom[1], P(a)), 0);
    CU_ASSERT_TRUE(take_bit(dom[2], b));
    CU_ASSERT_EQUAL(event_send(dom[2], P(b)), 0);
    CU_ASSERT_TRUE(take_bit(dom[1], a));
    CU_ASSERT_EQUAL(event_status(dom[1], P(a), &s), 0);
    CU_ASSERT_TRUE(s.status == EVTCHNSTAT_interdomain && s.u.interdomain.dom == 2 &&
                   s.u.interdomain.port == P(b) && s.vcpu == 0);

    world_audit();
    CU_ASSERT_EQUAL(event_close(dom[1], P(a)), 0);
    CU_ASSERT_EQUAL(event_status(dom[2], P(b), &s), 0);
    CU_ASSERT_TRUE(s.status == EVTCHNSTAT_unbound && s.u.unbound.dom == 1);
    CU_ASSERT_EQUAL(event_send(dom[1], P(a)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_send(dom[2], P(b)), 0);
    CU_ASSERT_FALSE(take_bit(dom[1], a));
    CU_ASSERT_EQUAL(event_bind_interdomain(dom[1], dom[2], P(b)), a); /* again */
    world_end();
}

static void test_loopback_and_death(void)
{
    int a, b, c, d;

    world();
    connect_ports(dom[1], dom[1], &a, &b);
    CU_ASSERT_TRUE(take_bit(dom[1], a));
    event_send(dom[1], P(a));
    CU_ASSERT_TRUE(take_bit(dom[1], b) && !take_bit(dom[1], a));
    connect_ports(dom[2], dom[1], &c, &d);
    connect_ports(dom[1], dom[0], &a, &b);
    world_audit();
    host_domain_kill(dom[1]);
    dom[1] = NULL;
    CU_ASSERT_EQUAL(state_of(dom[2], c), EVTCHNSTAT_unbound);
    CU_ASSERT_EQUAL(state_of(dom[0], b), EVTCHNSTAT_unbound);
    CU_ASSERT_EQUAL(event_send(dom[2], P(c)), 0);
    world_end();
}

static unsigned told;

static int tell(struct domain *d)
{
    (void)d;
    told++;
    return 0;
}

/* What a reset leaves is the hypervisor's: the same port, as it was made. A domain's end takes it. */
static void test_reset_keeps_hypervisor(void)
{
    struct evtchn_status s;
    int a, b, h, i;

    world();
    told = 0;
    connect_ports(dom[1], dom[2], &a, &b);
    h = event_alloc_hypervisor(dom[1], tell);
    i = event_bind_ipi(dom[1], 1);
    CU_ASSERT_TRUE(h > 0 && i > 0);
    CU_ASSERT_EQUAL(event_bind_vcpu(dom[1], P(h), 1), 0);
    event_notify(dom[1], P(h), tell);
    CU_ASSERT_EQUAL(event_port_is_pending(dom[1], P(h)), 1);
    host_preempt_every(1);
    while (event_reset(dom[1]) == -XEN_ERESTART)
        world_audit();
    host_preempt_every(0);
    CU_ASSERT_EQUAL(dom[1]->event.active_count, 1);
    CU_ASSERT_EQUAL(state_of(dom[1], a), EVTCHNSTAT_closed);
    CU_ASSERT_EQUAL(state_of(dom[1], i), EVTCHNSTAT_closed);
    CU_ASSERT_EQUAL(event_status(dom[1], P(h), &s), 0);
    CU_ASSERT_TRUE(s.status == EVTCHNSTAT_interdomain && s.u.interdomain.dom == DOMID_XEN &&
                   s.vcpu == 0);
    CU_ASSERT_EQUAL(event_port_is_pending(dom[1], P(h)), 0);
    CU_ASSERT_EQUAL(event_send(dom[1], P(h)), 0);
    CU_ASSERT_EQUAL(told, 1);
    event_notify(dom[1], P(h), tell);
    CU_ASSERT_TRUE(take_bit(dom[1], h));
    /* Another domain's end waits to be bound to again, the lowest port is given out. */
    CU_ASSERT_EQUAL(event_bind_interdomain(dom[1], dom[2], P(b)), a);
    world_audit();
    CU_ASSERT_EQUAL(event_close(dom[1], P(h)), 0);
    CU_ASSERT_EQUAL(event_send(dom[1], P(h)), -XEN_EINVAL);
    world_end();
}

static void test_hypervisor_ports(void)
{
    world();
    for (int i = 0; i < EVENT_HYPERVISOR_PORTS; i++)
        CU_ASSERT_TRUE(event_alloc_hypervisor(dom[1], tell) > 0);
    CU_ASSERT_EQUAL(event_alloc_hypervisor(dom[1], tell), -XEN_ENOSPC);
    CU_ASSERT_EQUAL(event_reset(dom[1]), 0);
    CU_ASSERT_EQUAL(dom[1]->event.active_count, EVENT_HYPERVISOR_PORTS);
    world_audit();
    world_end();
}

static void test_dying(void)
{
    int n;

    world();
    host_preempt_every(1);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_TRUE(event_alloc_unbound(dom[1], 0) > 0);
    for (n = 0; event_domain_destroy(dom[1]) == -XEN_ERESTART; n++) {
        world_audit();
        CU_ASSERT_EQUAL(event_alloc_unbound(dom[1], 0), -XEN_EINVAL);
    }
    CU_ASSERT_TRUE(n >= 4);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(event_bind_ipi(dom[1], 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(state_of(dom[1], 1), EVTCHNSTAT_closed); /* who holds a reference may look */
    event_raise_vcpu_virq(dom[1]->vcpu[0], VIRQ_TIMER);
    world_end();
}

static void test_virq(void)
{
    int t0, t1, g;

    world();
    t0 = event_bind_virq(dom[1], VIRQ_TIMER, 0);
    t1 = event_bind_virq(dom[1], VIRQ_TIMER, 1);
    g = event_bind_virq(dom[1], VIRQ_DOM_EXC, 0);
    CU_ASSERT_TRUE(t0 > 0 && t1 > 0 && g > 0);
    CU_ASSERT_EQUAL(event_bind_virq(dom[1], VIRQ_TIMER, 1), -XEN_EEXIST);
    CU_ASSERT_EQUAL(event_bind_virq(dom[1], VIRQ_DOM_EXC, 0), -XEN_EEXIST);
    CU_ASSERT_EQUAL(event_bind_virq(dom[1], VIRQ_DOM_EXC, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_bind_virq(dom[1], NR_VIRQS, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_bind_virq(dom[1], VIRQ_DEBUG, 2), -XEN_ENOENT);
    CU_ASSERT_EQUAL(event_bind_virq(dom[1], VIRQ_DEBUG, UINT32_MAX), -XEN_ENOENT);
    event_raise_vcpu_virq(dom[1]->vcpu[1], VIRQ_TIMER);
    CU_ASSERT_TRUE(take_bit(dom[1], t1) && !take_bit(dom[1], t0));
    CU_ASSERT_TRUE(take_upcall(dom[1]->vcpu[1]) == 1 && !take_upcall(dom[1]->vcpu[0]));
    event_raise_vcpu_virq(dom[1]->vcpu[1], VIRQ_DEBUG); /* not bound: nothing */
    CU_ASSERT_EQUAL(take_upcall(dom[1]->vcpu[1]), 0);

    CU_ASSERT_EQUAL(event_bind_vcpu(dom[1], P(t1), 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_bind_vcpu(dom[1], P(g), 1), 0);
    world_audit();
    event_raise_global_virq(dom[1], VIRQ_DOM_EXC);
    CU_ASSERT_TRUE(take_bit(dom[1], g) && take_upcall(dom[1]->vcpu[1]));
    CU_ASSERT_EQUAL(event_send(dom[1], P(g)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_close(dom[1], P(g)), 0);
    event_raise_global_virq(dom[1], VIRQ_DOM_EXC);
    CU_ASSERT_EQUAL(take_upcall(dom[1]->vcpu[1]), 0);
    CU_ASSERT_EQUAL(event_bind_virq(dom[1], VIRQ_DOM_EXC, 0), g);
    world_end();
}

static void test_ipi_and_bind_vcpu(void)
{
    int a, b, i;

    world();
    i = event_bind_ipi(dom[1], 1);
    CU_ASSERT_EQUAL(event_bind_ipi(dom[1], 2), -XEN_ENOENT);
    CU_ASSERT_EQUAL(event_send(dom[1], P(i)), 0);
    CU_ASSERT_TRUE(take_bit(dom[1], i) && take_upcall(dom[1]->vcpu[1]));
    CU_ASSERT_EQUAL(event_bind_vcpu(dom[1], P(i), 0), -XEN_EINVAL);
    connect_ports(dom[1], dom[2], &a, &b);
    take_bit(dom[1], a);
    take_upcall(dom[1]->vcpu[0]);
    CU_ASSERT_EQUAL(event_bind_vcpu(dom[1], P(a), 2), -XEN_ENOENT);
    CU_ASSERT_EQUAL(event_bind_vcpu(dom[1], 77, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_bind_vcpu(dom[1], 7777, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_bind_vcpu(dom[1], P(a), 1), 0);
    event_send(dom[2], P(b));
    CU_ASSERT_TRUE(!take_upcall(dom[1]->vcpu[0]) && take_upcall(dom[1]->vcpu[1]));
    /* A port used again notifies vCPU 0. */
    event_close(dom[1], P(a));
    CU_ASSERT_FALSE(take_bit(dom[1], a)); /* and is not pending */
    CU_ASSERT_EQUAL(event_bind_interdomain(dom[1], dom[2], P(b)), a);
    CU_ASSERT_TRUE(take_upcall(dom[1]->vcpu[0]) && !take_upcall(dom[1]->vcpu[1]));
    world_end();
}

static void test_masks(void)
{
    struct vcpu *v;
    uint64_t kicks;
    int a, b;

    world();
    v = dom[1]->vcpu[0];
    connect_ports(dom[2], dom[1], &a, &b);
    set_mask_bit(dom[1], b);
    event_send(dom[2], P(a));
    CU_ASSERT_EQUAL(take_upcall(v), 0); /* masked: pending, no upcall */
    CU_ASSERT_EQUAL(event_port_is_pending(dom[1], P(b)), 1);
    CU_ASSERT_EQUAL(event_unmask(dom[1], P(b)), 0);
    CU_ASSERT_EQUAL(take_upcall(v), 1);
    CU_ASSERT_EQUAL(event_unmask(dom[1], P(b)), 0); /* it was not masked: no second upcall */
    CU_ASSERT_EQUAL(take_upcall(v), 0);
    event_send(dom[2], P(a)); /* no edge: still pending */
    CU_ASSERT_EQUAL(take_upcall(v), 0);
    take_bit(dom[1], b);
    CU_ASSERT_EQUAL(event_port_is_pending(dom[1], P(b)), 0);
    set_mask_bit(dom[1], b);
    CU_ASSERT_EQUAL(event_unmask(dom[1], P(b)), 0);
    CU_ASSERT_EQUAL(take_upcall(v), 0);
    kicks = host_kicks(v);
    event_send(dom[2], P(a));
    CU_ASSERT_EQUAL(host_kicks(v), kicks + 1);
    CU_ASSERT_EQUAL(event_unmask(dom[1], P(b + 1)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_unmask(dom[1], 4095), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_port_is_pending(dom[1], 0), -XEN_EINVAL);
    world_end();
}

static void test_poll_and_recheck(void)
{
    vcpu_info_t moved = {.evtchn_upcall_pending = 1};
    uint64_t kicks;
    int a, b;

    world();
    connect_ports(dom[2], dom[1], &a, &b);
    set_mask_bit(dom[1], b);
    dom[1]->vcpu[1]->polling = true;
    dom[1]->event.pollers = 2;
    host_poll_wakes = 0;
    event_send(dom[2], P(a));
    CU_ASSERT_TRUE(host_poll_wakes == 1 && host_poll_port == P(b));
    event_send(dom[2], P(a)); /* no edge */
    CU_ASSERT_EQUAL(host_poll_wakes, 1);
    take_bit(dom[1], b);
    dom[1]->vcpu[0]->polling = true;
    dom[1]->event.pollers = 3;
    event_send(dom[2], P(a)); /* both */
    CU_ASSERT_EQUAL(host_poll_wakes, 3);
    dom[1]->vcpu[0]->polling = dom[1]->vcpu[1]->polling = false;
    dom[1]->event.pollers = 0;

    kicks = host_kicks(dom[1]->vcpu[1]);
    dom[1]->vcpu[1]->info = &moved;
    event_recheck_vcpu(dom[1]->vcpu[1]);
    CU_ASSERT_EQUAL(moved.evtchn_pending_sel, ~(xen_ulong_t)0);
    CU_ASSERT_TRUE(event_upcall_due(&moved));
    CU_ASSERT_EQUAL(host_kicks(dom[1]->vcpu[1]), kicks + 1);
    event_bind_vcpu(dom[1], P(b), 1);
    moved = (vcpu_info_t){0};
    take_bit(dom[1], b);
    event_unmask(dom[1], P(b));
    event_send(dom[2], P(a));
    CU_ASSERT_TRUE(moved.evtchn_upcall_pending == 1 && moved.evtchn_pending_sel == 1);
    world_end();
}

/* Every page that an operation may want is refused once. */
static void test_no_memory(void)
{
    unsigned refused = 0;
    int rc = -1;

    for (unsigned n = 1; rc < 0; n++) {
        world();
        for (unsigned i = 1; i < EVENT_BUCKET_PORTS;
             i++) /* the first bucket is there from the start */
            CU_ASSERT_TRUE(event_bind_ipi(dom[1], 0) > 0);
        host_fail_after(n);
        rc = event_bind_virq(dom[1], VIRQ_TIMER, 0);
        if (host_fail_off()) {
            CU_ASSERT_EQUAL(rc, -XEN_ENOMEM);
            CU_ASSERT_EQUAL(dom[1]->event.active_count, EVENT_BUCKET_PORTS - 1);
            refused++;
            CU_ASSERT_TRUE(event_bind_virq(dom[1], VIRQ_TIMER, 0) > 0);
        }
        world_end();
        CU_ASSERT_TRUE_FATAL(n < 5);
    }
    CU_ASSERT_TRUE(refused > 0);
}

/* ---- the decoders ---- */

static int64_t call(struct domain *d, uint64_t op, void *arg)
{
    struct hypercall_args args = {{op, (uint64_t)arg}};

    host_current = d->vcpu[0];
    return hcall_event_channel_op(&args);
}

static void test_hcall_rights(void)
{
    struct evtchn_alloc_unbound alloc = {.dom = 2, .remote_dom = DOMID_SELF};
    struct evtchn_status status = {.dom = 2, .port = 1};
    struct evtchn_reset reset = {.dom = 2};
    struct evtchn_bind_interdomain bind = {.remote_dom = 2, .remote_port = 1};

    world();
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_alloc_unbound, &alloc), -XEN_EPERM);
    CU_ASSERT_EQUAL(call(dom[0], EVTCHNOP_alloc_unbound, &alloc), 0);
    CU_ASSERT_EQUAL(alloc.port, 1);
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_status, &status), -XEN_EPERM);
    CU_ASSERT_EQUAL(call(dom[0], EVTCHNOP_status, &status), 0);
    CU_ASSERT_TRUE(status.status == EVTCHNSTAT_unbound && status.u.unbound.dom == 0);
    CU_ASSERT_EQUAL(call(dom[0], EVTCHNOP_bind_interdomain, &bind), 0);
    CU_ASSERT_EQUAL(bind.local_port, 1);
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_reset, &reset), -XEN_EPERM);
    CU_ASSERT_EQUAL(call(dom[0], EVTCHNOP_reset, &reset), -XEN_EINVAL); /* not paused */
    dom[2]->pause_count = 1;
    CU_ASSERT_EQUAL(call(dom[0], EVTCHNOP_reset, &reset), 0);
    CU_ASSERT_EQUAL(state_of(dom[0], 1), EVTCHNSTAT_unbound);
    alloc.dom = 3;
    bind.remote_dom = 3;
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_alloc_unbound, &alloc), -XEN_ESRCH);
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_bind_interdomain, &bind), -XEN_ESRCH);
    for (unsigned i = 0; i < WORLD_DOMAINS; i++)
        CU_ASSERT_EQUAL(dom[i]->refs, 1); /* none is left behind */
    world_end();
}

static void test_hcall_ports(void)
{
    struct evtchn_bind_virq virq = {.virq = VIRQ_TIMER, .vcpu = 1};
    struct evtchn_bind_ipi ipi = {.vcpu = 1};
    struct evtchn_bind_vcpu vcpu = {.vcpu = 1};
    struct evtchn_reset reset = {.dom = DOMID_SELF};
    evtchn_port_t port;

    world();
    CU_ASSERT_TRUE(call(dom[1], EVTCHNOP_bind_virq, &virq) == 0 && virq.port == 1);
    CU_ASSERT_TRUE(call(dom[1], EVTCHNOP_bind_ipi, &ipi) == 0 && ipi.port == 2);
    port = ipi.port;
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_send, &port), 0);
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_unmask, &port), 0);
    CU_ASSERT_TRUE(take_bit(dom[1], 2));
    vcpu.port = port;
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_bind_vcpu, &vcpu), -XEN_EINVAL);
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_close, &port), 0);
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_close, &port), -XEN_EINVAL);
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_bind_ipi, &ipi), 0);
    host_preempt_every(1);
    host_continuations = 0;
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_reset, &reset), 0);
    CU_ASSERT_TRUE(host_continuations > 0);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(dom[1]->event.active_count, 0);
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_bind_pirq, &virq), -XEN_EPERM);
    CU_ASSERT_EQUAL(call(dom[2], EVTCHNOP_bind_pirq, &virq), -XEN_EPERM);
    CU_ASSERT_EQUAL(call(dom[1], 14, &virq), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(call(dom[1], UINT64_C(1) << 32, &virq), -XEN_ENOSYS);
    world_end();
}

/* Physical interrupts: the machine's side is host_pirq.c. */
static void test_pirq(void)
{
    struct evtchn_bind_pirq bind = {.pirq = 7, .flags = 0};
    struct evtchn_status status = {.dom = DOMID_SELF};
    unsigned port;

    world();
    CU_ASSERT_EQUAL(call(dom[0], EVTCHNOP_bind_pirq, &bind), 0);
    port = bind.port;
    CU_ASSERT_EQUAL(host_pirq_port(7), port);
    CU_ASSERT_EQUAL(call(dom[0], EVTCHNOP_bind_pirq, &bind), -XEN_EEXIST);
    bind.pirq = HOST_PIRQS;
    CU_ASSERT_EQUAL(call(dom[0], EVTCHNOP_bind_pirq, &bind), -XEN_EINVAL);
    CU_ASSERT_EQUAL(dom[0]->event.active_count, 1);
    status.port = port;
    CU_ASSERT_EQUAL(call(dom[0], EVTCHNOP_status, &status), 0);
    CU_ASSERT_TRUE(status.status == EVTCHNSTAT_pirq && status.u.pirq == 7);
    CU_ASSERT_EQUAL(call(dom[0], EVTCHNOP_send, &port), -XEN_EINVAL);
    event_raise_pirq(dom[0], port, 8); /* it was closed, and used for another */
    CU_ASSERT_FALSE(take_bit(dom[0], (int)port));
    event_raise_pirq(dom[0], port + 1, 7);
    event_raise_pirq(dom[0], 4095, 7);
    CU_ASSERT_FALSE(take_bit(dom[0], (int)port));
    event_raise_pirq(dom[0], port, 7);
    CU_ASSERT_TRUE(take_bit(dom[0], (int)port));
    CU_ASSERT_EQUAL(event_bind_vcpu(dom[0], port, 1), 0);
    CU_ASSERT_EQUAL(host_pirq_vcpu(7), 1);
    world_audit();
    CU_ASSERT_EQUAL(call(dom[0], EVTCHNOP_close, &port), 0);
    CU_ASSERT_EQUAL(host_pirq_port(7), 0);
    event_raise_pirq(dom[0], port, 7);
    CU_ASSERT_FALSE(take_bit(dom[0], (int)port));
    bind.pirq = 7;
    host_guest_read_only = true;
    CU_ASSERT_EQUAL(call(dom[0], EVTCHNOP_bind_pirq, &bind), -XEN_EFAULT);
    host_guest_read_only = false;
    CU_ASSERT_EQUAL(host_pirq_port(7), 0);
    world_end();
}

/* A bad pointer is -EFAULT and nothing else: no port stays, no other end is changed. */
static void test_hcall_faults(void)
{
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_bind_interdomain bind = {.remote_dom = DOMID_SELF, .remote_port = 1};
    struct evtchn_bind_virq virq = {.virq = VIRQ_TIMER};

    world();
    for (uint64_t op = 0; op <= EVTCHNOP_set_priority; op++)
        CU_ASSERT_EQUAL(call(dom[1], op, NULL), -XEN_EFAULT);
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_alloc_unbound, &alloc), 0);
    host_guest_read_only = true;
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_alloc_unbound, &alloc), -XEN_EFAULT);
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_bind_interdomain, &bind), -XEN_EFAULT);
    CU_ASSERT_EQUAL(call(dom[1], EVTCHNOP_bind_virq, &virq), -XEN_EFAULT);
    host_guest_read_only = false;
    CU_ASSERT_EQUAL(dom[1]->event.active_count, 1);
    CU_ASSERT_EQUAL(state_of(dom[1], 1), EVTCHNSTAT_unbound);
    world_end();
}

static const struct test_case cases[] = {
    {"physical interrupts", test_pirq},
    {"ports", test_ports},
    {"limits", test_limits},
    {"interdomain", test_interdomain},
    {"loopback and death", test_loopback_and_death},
    {"dying", test_dying},
    {"reset keeps the hypervisor's ports", test_reset_keeps_hypervisor},
    {"the hypervisor's ports are few", test_hypervisor_ports},
    {"virq", test_virq},
    {"ipi and bind_vcpu", test_ipi_and_bind_vcpu},
    {"masks", test_masks},
    {"poll and recheck", test_poll_and_recheck},
    {"no memory", test_no_memory},
    {"hypercalls: rights", test_hcall_rights},
    {"hypercalls: ports", test_hcall_ports},
    {"hypercalls: faults", test_hcall_faults},
    {NULL, NULL},
};

const struct suite suite_event = {.name = "event", .cases = cases};
