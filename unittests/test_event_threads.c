/* SPDX-License-Identifier: MIT
 *
 * Threads as processors: senders, a guest that consumes its queues, and somebody who moves, closes
 * and binds the same ports. Nothing may be lost, and ThreadSanitizer must have nothing to say.
 */
#include <pthread.h>
#include <stdlib.h>

#include "unittests/event_guest.h"
#include "unittests/suite.h"

#define P(port) ((evtchn_port_t)(port))
#define PORTS   6
#define SENDS   4000

static struct fifo_guest guest;
static int near[PORTS], far[PORTS]; /* dom[2]'s ends, dom[1]'s ends */
static _Atomic unsigned sent[PORTS], handled[PORTS];
static _Atomic bool stop;
static _Atomic unsigned senders_left;

/* As a handler does: clears PENDING (done already), then looks at what there is to do. */
static void handle(void *arg, unsigned vcpu, evtchn_port_t port)
{
    (void)arg;
    (void)vcpu;
    for (unsigned i = 0; i < PORTS; i++)
        if (P(far[i]) == port)
            handled[i] = sent[i];
}

static void *sender(void *arg)
{
    unsigned cpu = (unsigned)(uintptr_t)arg;

    host_enter_cpu(cpu);
    for (unsigned n = 0; n < SENDS; n++) {
        unsigned i = (n * 7 + cpu) % PORTS;

        sent[i]++;
        if (event_send(dom[2], P(near[i])))
            abort();
    }
    senders_left--;
    return NULL;
}

static void *brief_sender(void *arg)
{
    (void)arg;
    host_enter_cpu(1);
    for (unsigned n = 0; n < 5 * PORTS; n++) {
        sent[n % PORTS]++;
        if (event_send(dom[2], P(near[n % PORTS])))
            abort();
    }
    return NULL;
}

static void *mover(void *arg)
{
    unsigned n = 0;

    host_enter_cpu((unsigned)(uintptr_t)arg);
    while (!stop) {
        unsigned i = n++ % PORTS;

        if (event_bind_vcpu(dom[1], P(far[i]), n / PORTS % 2) ||
            event_set_priority(dom[1], P(far[i]), n % 3))
            abort();
        guest_mask(&guest, far[i]);
        guest_unmask(&guest, far[i]);
        arch_relax();
    }
    return NULL;
}

static bool all_handled(void)
{
    for (unsigned i = 0; i < PORTS; i++)
        if (handled[i] != sent[i])
            return false;
    return true;
}

static void consume(void)
{
    while (senders_left > 0) {
        guest_upcall(&guest, 0, handle, NULL);
        guest_upcall(&guest, 1, handle, NULL);
        arch_relax();
    }
}

/* Two senders on the same ports, a mover, and the guest, which handles both vCPUs' queues in turn:
 * at the end each port was handled after its last send. */
static void test_fifo(void)
{
    pthread_t senders[2], moving;

    world();
    guest_start(&guest, dom[1], 1);
    for (unsigned i = 0; i < PORTS; i++) {
        connect_ports(dom[2], dom[1], &near[i], &far[i]);
        sent[i] = handled[i] = 0;
    }
    stop = false;
    senders_left = 2;
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&senders[i], NULL, sender, (void *)(uintptr_t)(i + 1));
    pthread_create(&moving, NULL, mover, (void *)(uintptr_t)3);
    consume();
    stop = true;
    for (unsigned i = 0; i < 2; i++)
        pthread_join(senders[i], NULL);
    pthread_join(moving, NULL);
    guest_upcall(&guest, 0, handle, NULL);
    guest_upcall(&guest, 1, handle, NULL);
    CU_ASSERT_TRUE(all_handled());
    world_end();
}

/* The page of words comes while events are sent: none that was kept back is forgotten. */
static void test_late_page(void)
{
    for (unsigned round = 0; round < 40; round++) {
        pthread_t thread;

        world();
        guest_start(&guest, dom[1], 0);
        for (unsigned i = 0; i < PORTS; i++) {
            connect_ports(dom[2], dom[1], &near[i], &far[i]);
            sent[i] = handled[i] = 0;
        }
        pthread_create(&thread, NULL, brief_sender, NULL);
        while (sent[0] < round % 4)
            arch_relax();
        CU_ASSERT_EQUAL(guest_add_page(&guest), 0);
        pthread_join(thread, NULL);
        guest_upcall(&guest, 0, handle, NULL);
        CU_ASSERT_TRUE(all_handled());
        world_end();
    }
}

static _Atomic int shared_port; /* of dom[2], when it is bound */

static void *blind_sender(void *arg)
{
    host_enter_cpu((unsigned)(uintptr_t)arg);
    while (!stop) {
        int rc = event_send(dom[2], P(shared_port));

        if (rc && rc != -XEN_EINVAL)
            abort();
        event_raise_global_virq(dom[1], VIRQ_DOM_EXC);
        event_unmask(dom[2], P(shared_port));
        (void)event_port_is_pending(dom[1], 1);
    }
    return NULL;
}

static void churn(unsigned n)
{
    int far_end = event_alloc_unbound(dom[1], 2);
    int near_end = event_bind_interdomain(dom[2], dom[1], P(far_end));
    int virq = event_bind_virq(dom[1], VIRQ_DOM_EXC, 0);

    CU_ASSERT_TRUE_FATAL(far_end > 0 && near_end > 0 && virq > 0);
    shared_port = near_end;
    arch_relax();
    CU_ASSERT_EQUAL(event_close(dom[1], P(virq)), 0);
    if (n % 2)
        CU_ASSERT_EQUAL(event_close(dom[1], P(far_end)), 0);
    CU_ASSERT_EQUAL(event_close(dom[2], P(near_end)), 0);
    if (n % 2 == 0)
        CU_ASSERT_EQUAL(event_close(dom[1], P(far_end)), 0);
    /* Closed: whatever the sender does now, no bit may appear. */
    CU_ASSERT_FALSE(take_bit(dom[1], far_end));
    CU_ASSERT_FALSE(take_bit(dom[1], virq));
}

static void test_close_and_send(void)
{
    pthread_t senders[2];

    world();
    stop = false;
    shared_port = 1;
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&senders[i], NULL, blind_sender, (void *)(uintptr_t)(i + 1));
    for (unsigned n = 0; n < 1500; n++)
        churn(n);
    stop = true;
    for (unsigned i = 0; i < 2; i++)
        pthread_join(senders[i], NULL);
    world_end();
}

/* Two domains close and bind towards each other at the same time: the order of the two locks. */
static void *closer(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;

    host_enter_cpu(me);
    for (unsigned n = 0; n < 3000; n++) {
        int port = event_alloc_unbound(dom[me], (domid_t)(3 - me));

        if (port < 0)
            abort();
        for (evtchn_port_t p = 1; p < 8; p++)
            (void)event_bind_interdomain(dom[me], dom[3 - me], p);
        for (evtchn_port_t p = 1; p < 16; p++)
            (void)event_close(dom[me], p);
    }
    return NULL;
}

static void test_cross_close(void)
{
    pthread_t t[2];

    world();
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, closer, (void *)(uintptr_t)(i + 1));
    for (unsigned i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    world_end();
}

static const struct test_case cases[] = {
    {"FIFO: two senders, a mover, a guest", test_fifo},
    {"FIFO: a page in the middle", test_late_page},
    {"closing against sending", test_close_and_send},
    {"closing from both ends", test_cross_close},
    {NULL, NULL},
};

const struct suite suite_event_threads = {.name = "event_threads", .cases = cases};
