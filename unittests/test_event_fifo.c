/* SPDX-License-Identifier: MIT
 *
 * The FIFO ABI: set-up, order, moving ports, and guests that do not keep to the protocol.
 */
#include <stdlib.h>
#include <string.h>

#include "unittests/event_guest.h"
#include "unittests/suite.h"

#define P(port) ((evtchn_port_t)(port))

static struct fifo_guest guest;

/* What the guest handled: port and vCPU, in order. */
static struct {
    unsigned count;
    evtchn_port_t port[64];
    unsigned vcpu[64];
} seen;

static void note(void *arg, unsigned vcpu, evtchn_port_t port)
{
    (void)arg;
    if (seen.count < 64) {
        seen.port[seen.count] = port;
        seen.vcpu[seen.count] = vcpu;
    }
    seen.count++;
}

static unsigned upcall(unsigned vcpu)
{
    seen.count = 0;
    return guest_upcall(&guest, vcpu, note, NULL);
}

static void test_setup_errors(void)
{
    mfn_t control, other;
    int port;

    world();
    control = host_domain_frame(dom[1]);
    other = host_domain_frame(dom[2]);
    port = event_bind_ipi(dom[1], 0);
    CU_ASSERT_EQUAL(event_set_priority(dom[1], P(port), 3), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(event_expand_array(dom[1], control), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(event_init_control(dom[1], 2, control, 0), -XEN_ENOENT);
    CU_ASSERT_EQUAL(event_init_control(dom[1], 0, control, 4), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_init_control(dom[1], 0, control, 4032), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_init_control(dom[1], 0, control, UINT32_MAX - 7), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_init_control(dom[1], 0, other, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_init_control(dom[1], 0, mfn(UINT64_MAX), 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_init_control(dom[1], 0, control, 4024), 0);
    CU_ASSERT_EQUAL(event_init_control(dom[1], 0, control, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_init_control(dom[1], 1, control, 0), 0);
    CU_ASSERT_EQUAL(host_writable_count(control), 2);
    CU_ASSERT_EQUAL(event_expand_array(dom[1], other), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_set_priority(dom[1], P(port), 16), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_set_priority(dom[1], P(port), 15), 0);
    CU_ASSERT_EQUAL(event_set_priority(dom[1], P(port + 1), 15), -XEN_EINVAL);
    CU_ASSERT_EQUAL(event_set_priority(dom[1], 70000, 15), -XEN_EINVAL);
    for (unsigned i = 0; i < 128; i++)
        CU_ASSERT_EQUAL(event_expand_array(dom[1], control), 0);
    CU_ASSERT_EQUAL(event_expand_array(dom[1], control), -XEN_ENOSPC);
    CU_ASSERT_EQUAL(host_writable_count(control), 130);
    CU_ASSERT_EQUAL(event_reset(dom[1]), 0);
    CU_ASSERT_EQUAL(host_writable_count(control), 0);
    CU_ASSERT_EQUAL(event_expand_array(dom[1], control), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(host_writable_count(other), 0);
    world_end();
}

static void test_order(void)
{
    int port[6];

    world();
    guest_start(&guest, dom[1], 1);
    for (unsigned i = 0; i < 6; i++) {
        port[i] = event_bind_ipi(dom[1], i / 3);
        CU_ASSERT_EQUAL(event_set_priority(dom[1], P(port[i]), i == 2 ? 0 : 7), 0);
    }
    for (unsigned i = 0; i < 6; i++)
        event_send(dom[1], P(port[i]));
    world_audit();
    CU_ASSERT_EQUAL(upcall(0), 3);
    CU_ASSERT_TRUE(seen.port[0] == P(port[2]) && seen.port[1] == P(port[0]) &&
                   seen.port[2] == P(port[1]));
    CU_ASSERT_EQUAL(upcall(0), 0);
    CU_ASSERT_EQUAL(upcall(1), 3);
    CU_ASSERT_TRUE(seen.port[0] == P(port[3]) && seen.port[2] == P(port[5]));
    event_send(dom[1], P(port[5])); /* alone, and it was the tail */
    CU_ASSERT_EQUAL(upcall(1), 1);
    world_end();
}

static void test_mask_and_unmask(void)
{
    int a, b;

    world();
    guest_start(&guest, dom[1], 1);
    connect_ports(dom[2], dom[1], &a, &b);
    CU_ASSERT_EQUAL(upcall(0), 0);
    guest_mask(&guest, b);
    event_send(dom[2], P(a));
    CU_ASSERT_EQUAL(dom[1]->vcpu[0]->info->evtchn_upcall_pending, 0);
    CU_ASSERT_EQUAL(event_port_is_pending(dom[1], P(b)), 1);
    guest_unmask(&guest, b);
    CU_ASSERT_EQUAL(upcall(0), 1);
    /* Masked while linked: passed over, and linked again by the unmasking. */
    event_send(dom[2], P(a));
    guest_mask(&guest, b);
    CU_ASSERT_EQUAL(upcall(0), 0);
    guest_unmask(&guest, b);
    CU_ASSERT_EQUAL(upcall(0), 1);
    CU_ASSERT_EQUAL(event_unmask(dom[1], P(b)), 0);
    CU_ASSERT_EQUAL(upcall(0), 0);
    world_end();
}

/* Events before their page: carried over from two-level, and kept until expand_array. */
static void test_before_the_page(void)
{
    int early, late, gone;

    world();
    early = event_bind_ipi(dom[1], 0);
    event_send(dom[1], P(early));
    guest_start(&guest, dom[1], 0);
    take_upcall(dom[1]->vcpu[0]);
    late = event_bind_ipi(dom[1], 1);
    gone = event_bind_ipi(dom[1], 1);
    event_send(dom[1], P(late));
    event_send(dom[1], P(gone));
    CU_ASSERT_EQUAL(event_port_is_pending(dom[1], P(late)), 1);
    CU_ASSERT_EQUAL(event_close(dom[1], P(gone)), 0);
    CU_ASSERT_EQUAL(upcall(0) + upcall(1), 0);
    CU_ASSERT_EQUAL(guest_add_page(&guest), 0);
    CU_ASSERT_TRUE(upcall(0) == 1 && seen.port[0] == P(early));
    CU_ASSERT_TRUE(upcall(1) == 1 && seen.port[0] == P(late));
    world_end();
}

/* The trap of the head comment: a port that is the old queue's tail and linked on the new one. */
static void test_moved_tail(void)
{
    int a, b, x;

    world();
    guest_start(&guest, dom[1], 1);
    connect_ports(dom[2], dom[1], &a, &b);
    x = event_bind_ipi(dom[1], 0);
    event_send(dom[2], P(a));
    CU_ASSERT_EQUAL(upcall(0), 1); /* b is queue (0,7)'s tail, and off it */
    event_bind_vcpu(dom[1], P(b), 1);
    event_send(dom[2], P(a)); /* now on vCPU 1's */
    world_audit();
    event_send(dom[1], P(x));
    CU_ASSERT_TRUE(upcall(0) == 1 && seen.port[0] == P(x));
    CU_ASSERT_TRUE(upcall(1) == 1 && seen.port[0] == P(b));
    /* Still linked while it moves: stays where it is, once; then goes to its new place. */
    event_send(dom[2], P(a));
    event_bind_vcpu(dom[1], P(b), 0);
    event_set_priority(dom[1], P(b), 2);
    event_send(dom[2], P(a));
    CU_ASSERT_EQUAL(upcall(1), 1);
    CU_ASSERT_EQUAL(upcall(0), 0);
    event_send(dom[2], P(a));
    CU_ASSERT_EQUAL(guest_control(&guest, 0)->ready, 1U << 2);
    CU_ASSERT_EQUAL(upcall(0), 1);
    world_end();
}

static void test_linked_port_is_not_reused(void)
{
    int a, b;

    world();
    guest_start(&guest, dom[1], 1);
    a = event_bind_ipi(dom[1], 0);
    event_send(dom[1], P(a));
    event_close(dom[1], P(a));
    b = event_bind_ipi(dom[1], 1);
    CU_ASSERT_NOT_EQUAL(a, b);
    CU_ASSERT_EQUAL(upcall(0), 0); /* taken off, not pending any more */
    CU_ASSERT_EQUAL(event_bind_ipi(dom[1], 1), a);
    world_end();
}

static void test_high_ports_and_reset(void)
{
    int port = 0;

    world();
    guest_start(&guest, dom[1], 0);
    for (unsigned i = 0; i < 5000; i++)
        port = event_alloc_unbound(dom[1], 2);
    CU_ASSERT_EQUAL(port, 5000);
    CU_ASSERT_EQUAL(event_bind_interdomain(dom[2], dom[1], 5000), 1);
    for (unsigned i = 0; i < 4; i++)
        guest_add_page(&guest);
    event_send(dom[2], 1); /* its page, the fifth, is not there */
    guest.page_frame[3] = host_domain_frame(dom[1]);
    CU_ASSERT_EQUAL(event_expand_array(dom[1], guest.page_frame[3]), 0);
    CU_ASSERT_TRUE(guest_control(&guest, 0)->head[7] == 5000);
    host_preempt_every(100);
    while (event_reset(dom[1]) == -XEN_ERESTART)
        event_audit(dom[1]);
    CU_ASSERT_TRUE(host_preempt_count() >= 40);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(state_of(dom[2], 1), EVTCHNSTAT_unbound);
    CU_ASSERT_EQUAL(event_bind_ipi(dom[1], 0), 1);
    event_send(dom[1], 1);
    CU_ASSERT_TRUE(take_bit(dom[1], 1)); /* two-level again */
    world_end();
}

static unsigned told;

static int tell(struct domain *d)
{
    (void)d;
    told++;
    return 0;
}

/* The pages go back, also while a port of the hypervisor's is on one of their queues; that port stays,
 * and is two-level then. With pages again it is on their queues. */
static void test_reset_keeps_hypervisor(void)
{
    mfn_t control, words;
    int h, i;

    world();
    told = 0;
    h = event_alloc_hypervisor(dom[1], tell);
    i = event_bind_ipi(dom[1], 0);
    CU_ASSERT_TRUE(h > 0 && i > 0);
    guest_start(&guest, dom[1], 1);
    CU_ASSERT_EQUAL(event_set_priority(dom[1], P(h), 3), 0);
    control = guest.control_frame;
    words = guest.page_frame[0];
    event_notify(dom[1], P(h), tell);
    event_send(dom[1], P(i));
    CU_ASSERT_TRUE(guest_control(&guest, 0)->head[3] == P(h));
    CU_ASSERT_EQUAL(event_reset(dom[1]), 0);
    event_audit(dom[1]);
    CU_ASSERT_PTR_NULL(dom[1]->event.fifo);
    CU_ASSERT_TRUE(host_writable_count(control) == 0 && host_writable_count(words) == 0);
    CU_ASSERT_EQUAL(dom[1]->event.active_count, 1);
    CU_ASSERT_EQUAL(event_port_is_pending(dom[1], P(h)), 0);
    memset(arch_map_frame(control), 0xee,
           PAGE_SIZE); /* the guest's own again: nothing looks there */
    memset(arch_map_frame(words), 0xee, PAGE_SIZE);
    event_notify(dom[1], P(h), tell);
    CU_ASSERT_TRUE(take_bit(dom[1], h));
    CU_ASSERT_TRUE(event_send(dom[1], P(h)) == 0 && told == 1);
    guest_start(&guest, dom[1], 1);
    event_notify(dom[1], P(h), tell);
    CU_ASSERT_TRUE(guest_control(&guest, 0)->head[EVTCHN_FIFO_PRIORITY_DEFAULT] == P(h));
    CU_ASSERT_EQUAL(upcall(0), 1);
    CU_ASSERT_EQUAL(seen.port[0], P(h));
    event_audit(dom[1]);
    world_end();
}

static void test_no_control_block(void)
{
    mfn_t frame;

    world();
    frame = host_domain_frame(dom[1]);
    CU_ASSERT_EQUAL(event_init_control(dom[1], 0, frame, 0), 0);
    CU_ASSERT_EQUAL(event_expand_array(dom[1], host_domain_frame(dom[1])), 0);
    CU_ASSERT_EQUAL(event_bind_ipi(dom[1], 1), 1);
    CU_ASSERT_EQUAL(event_send(dom[1], 1), 0);
    CU_ASSERT_EQUAL(event_port_is_pending(dom[1], 1), 1);
    CU_ASSERT_EQUAL(host_kicks(dom[1]->vcpu[1]), 0);
    world_end();
}

static void test_no_memory(void)
{
    int rc = -1;

    for (unsigned n = 1; rc != 0; n++) {
        mfn_t frame;

        world();
        frame = host_domain_frame(dom[1]);
        host_fail_after(n);
        rc = event_init_control(dom[1], 0, frame, 0);
        if (host_fail_off() && rc) {
            CU_ASSERT_EQUAL(rc, -XEN_ENOMEM);
            CU_ASSERT_EQUAL(host_writable_count(frame), 0);
            CU_ASSERT_PTR_NULL(dom[1]->event.fifo);
            CU_ASSERT_EQUAL(event_init_control(dom[1], 0, frame, 0), 0);
        }
        world_end();
        CU_ASSERT_TRUE_FATAL(n < 10);
    }
    CU_ASSERT_EQUAL(rc, 0);
}

/* The guest scribbles over its pages between operations: ours stay sound, and end. */
static void test_hostile(void)
{
    int a[8], b[8];

    world();
    srand((unsigned)test_seed);
    guest_start(&guest, dom[1], 1);
    for (unsigned i = 0; i < 8; i++)
        connect_ports(dom[2], dom[1], &a[i], &b[i]);
    for (unsigned n = 0; n < 20000; n++) {
        unsigned i = (unsigned)rand() % 8;
        event_word_t *word = guest_word(&guest, P(b[(unsigned)rand() % 8]));

        switch (rand() % 8) {
        case 0:
            *word = (event_word_t)rand() << 1;
            break;
        case 1: /* a circle, or a link to nowhere */
            *word = 1U << EVTCHN_FIFO_LINKED | ((unsigned)rand() & EVTCHN_FIFO_LINK_MASK);
            break;
        case 2:
            memset(guest_control(&guest, 0), rand(), sizeof(struct evtchn_fifo_control_block));
            break;
        case 3:
            event_bind_vcpu(dom[1], P(b[i]), (uint32_t)rand() % 2);
            break;
        case 4:
            event_set_priority(dom[1], P(b[i]), (uint32_t)rand() % 16);
            break;
        case 5:
            event_unmask(dom[1], P(b[i]));
            break;
        default:
            CU_ASSERT_EQUAL(event_send(dom[2], P(a[i])), 0);
        }
        event_audit(dom[1]);
    }
    world_end();
}

static const struct test_case cases[] = {
    {"set-up and its errors", test_setup_errors},
    {"order", test_order},
    {"mask and unmask", test_mask_and_unmask},
    {"events before the page", test_before_the_page},
    {"a tail that moved", test_moved_tail},
    {"a linked port is not given out", test_linked_port_is_not_reused},
    {"high ports, reset", test_high_ports_and_reset},
    {"reset keeps the hypervisor's ports", test_reset_keeps_hypervisor},
    {"no control block", test_no_control_block},
    {"no memory", test_no_memory},
    {"hostile guest", test_hostile},
    {NULL, NULL},
};

const struct suite suite_event_fifo = {.name = "event_fifo", .cases = cases};
