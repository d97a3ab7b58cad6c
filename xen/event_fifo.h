/* SPDX-License-Identifier: MIT
 *
 * Private to event_fifo.c and event_fifo_setup.c: what the hypervisor keeps of a domain's FIFO
 * events.
 */
#pragma once

#include "xen/event_port.h"

#define FIFO_PAGE_WORDS (PAGE_SIZE / sizeof(event_word_t))
#define FIFO_PAGE_LIMIT (EVTCHN_FIFO_NR_CHANNELS / FIFO_PAGE_WORDS)
#define FIFO_QUEUES     EVTCHN_FIFO_MAX_QUEUES

struct fifo_queue {
    struct spinlock lock; /* LK_EVENT_FIFO */
    evtchn_port_t tail;   /* [q] this lock: 0 when nothing was appended, or the tail moved away */
};

struct fifo_vcpu {
    _Atomic(struct evtchn_fifo_control_block *) control; /* [e]; NULL until the guest gives one */
    struct fifo_queue queue[FIFO_QUEUES];
};

struct event_fifo {
    unsigned page_count;                           /* [e] */
    _Atomic(event_word_t *) page[FIFO_PAGE_LIMIT]; /* [e], read by senders */
    struct fifo_vcpu *vcpu[MAX_VCPUS];             /* [c] vcpu_count of them */
};

/* The guest's word for a port, or NULL when its page is not there. */
static inline event_word_t *fifo_word(struct event_fifo *f, evtchn_port_t port)
{
    event_word_t *page = f->page[port / FIFO_PAGE_WORDS];

    return page ? &page[port % FIFO_PAGE_WORDS] : NULL;
}

static inline struct fifo_queue *fifo_queue_at(struct event_fifo *f, unsigned queue)
{
    return &f->vcpu[queue / FIFO_QUEUES]->queue[queue % FIFO_QUEUES];
}
