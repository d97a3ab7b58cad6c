/* SPDX-License-Identifier: MIT
 *
 * A guest's side of the FIFO ABI, written from the ABI's description and not from ours: pages,
 * control blocks, and the consumer that takes queues apart.
 */
#pragma once

#include "unittests/event_world.h"
#include "mm/frame.h"

#define GUEST_PAGES 4

struct fifo_guest {
    struct domain *d;
    mfn_t control_frame;
    mfn_t page_frame[GUEST_PAGES];
    unsigned page_count;
    evtchn_port_t head[WORLD_VCPUS][EVTCHN_FIFO_MAX_QUEUES];
};

static inline struct evtchn_fifo_control_block *guest_control(struct fifo_guest *g, unsigned vcpu)
{
    return (void *)((char *)arch_map_frame(g->control_frame) + vcpu * 128);
}

static inline event_word_t *guest_word(struct fifo_guest *g, evtchn_port_t port)
{
    return (event_word_t *)arch_map_frame(g->page_frame[port / 1024]) + port % 1024;
}

static inline int guest_add_page(struct fifo_guest *g)
{
    mfn_t m = host_domain_frame(g->d);
    int rc;

    g->page_frame[g->page_count] = m;
    rc = event_expand_array(g->d, m);
    if (rc == 0)
        g->page_count++;
    return rc;
}

/* All vCPUs have their blocks in one frame; `pages` pages of words, nothing masked. */
static inline void guest_start(struct fifo_guest *g, struct domain *d, unsigned pages)
{
    *g = (struct fifo_guest){.d = d, .control_frame = host_domain_frame(d)};
    for (unsigned v = 0; v < d->vcpu_count; v++)
        CU_ASSERT_EQUAL_FATAL(event_init_control(d, v, g->control_frame, v * 128), 0);
    while (g->page_count < pages)
        CU_ASSERT_EQUAL_FATAL(guest_add_page(g), 0);
}

static inline event_word_t guest_clear(event_word_t *word, event_word_t bits)
{
    return __atomic_fetch_and(word, ~bits, __ATOMIC_SEQ_CST);
}

static inline void guest_mask(struct fifo_guest *g, int port)
{
    __atomic_fetch_or(guest_word(g, (evtchn_port_t)port), 1U << EVTCHN_FIFO_MASKED,
                      __ATOMIC_SEQ_CST);
}

/* As a kernel does it: wait while BUSY, and ask the hypervisor if the port is pending. */
static inline void guest_unmask(struct fifo_guest *g, int port)
{
    event_word_t *word = guest_word(g, (evtchn_port_t)port);
    event_word_t seen = __atomic_load_n(word, __ATOMIC_SEQ_CST), expect;

    do {
        if (!(seen & 1U << EVTCHN_FIFO_MASKED))
            return;
        if (seen & 1U << EVTCHN_FIFO_PENDING) {
            CU_ASSERT_EQUAL(event_unmask(g->d, (evtchn_port_t)port), 0);
            return;
        }
        expect = seen & ~(1U << EVTCHN_FIFO_BUSY);
        seen = expect;
    } while (!__atomic_compare_exchange_n(word, &seen, expect & ~(1U << EVTCHN_FIFO_MASKED), false,
                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
}

/* Takes one port off a queue; *port is 0 if it was not to be handled (masked, or not pending).
 * False: the queue has run dry. */
static inline bool guest_take(struct fifo_guest *g, unsigned vcpu, unsigned priority,
                              evtchn_port_t *port)
{
    evtchn_port_t *head = &g->head[vcpu][priority];
    event_word_t *word, old;

    if (*head == 0)
        *head = __atomic_load_n(&guest_control(g, vcpu)->head[priority], __ATOMIC_SEQ_CST);
    *port = *head;
    word = guest_word(g, *port);
    old = guest_clear(word, 1U << EVTCHN_FIFO_LINKED | EVTCHN_FIFO_LINK_MASK);
    *head = old & EVTCHN_FIFO_LINK_MASK;
    old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    if (!(old & 1U << EVTCHN_FIFO_PENDING) || (old & 1U << EVTCHN_FIFO_MASKED))
        *port = 0;
    else
        guest_clear(word, 1U << EVTCHN_FIFO_PENDING);
    return *head != 0;
}

/* The upcall of a vCPU: hands each event to `handle`. Returns how many. */
static inline unsigned guest_upcall(struct fifo_guest *g, unsigned vcpu,
                                    void (*handle)(void *, unsigned, evtchn_port_t), void *arg)
{
    vcpu_info_t *info = g->d->vcpu[vcpu]->info;
    uint32_t *ready_word = &guest_control(g, vcpu)->ready;
    uint32_t ready;
    unsigned handled = 0;

    if (!__atomic_exchange_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST))
        return 0;
    ready = __atomic_exchange_n(ready_word, 0, __ATOMIC_SEQ_CST);
    while (ready) {
        unsigned priority = (unsigned)__builtin_ctz(ready);
        evtchn_port_t port;

        if (!guest_take(g, vcpu, priority, &port))
            ready &= ~(1U << priority);
        if (port) {
            handled++;
            handle(arg, vcpu, port);
        }
        ready |= __atomic_exchange_n(ready_word, 0, __ATOMIC_SEQ_CST);
    }
    return handled;
}
