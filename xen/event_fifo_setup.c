/* SPDX-License-Identifier: MIT
 *
 * The FIFO ABI's set-up: control blocks and pages of event words come from the guest, are held as
 * writable frames, and go back together (event_reset(), the domain's end). event_fifo.c has the
 * theory.
 *
 * A control block and a page are published once, complete, and stay until teardown. The array of
 * queues exists for every vCPU from the first init_control on, whether or not the vCPU has a
 * control block: a port's `queue` can then name any of them.
 */
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/type.h"
#include "xen/event_fifo.h"

STATIC_ASSERT(FIFO_PAGE_LIMIT == 128);
STATIC_ASSERT(sizeof(struct event_fifo) <= 2048);
STATIC_ASSERT(sizeof(struct fifo_vcpu) <= 2048);
STATIC_ASSERT(MAX_VCPUS *FIFO_QUEUES <= UINT16_MAX);
STATIC_ASSERT(sizeof(struct evtchn_fifo_control_block) == 72);

int event_set_priority(struct domain *d, evtchn_port_t port, uint32_t priority)
{
    struct event_port *p = event_port_lookup(d, port);
    int rc = 0;

    if (!p)
        return -XEN_EINVAL;
    spin_lock(&d->event.lock);
    if (p->state == EVTCHNSTAT_closed)
        rc = -XEN_EINVAL;
    else if (!d->event.fifo)
        rc = -XEN_ENOSYS;
    else if (priority > EVTCHN_FIFO_PRIORITY_MIN)
        rc = -XEN_EINVAL;
    else
        p->priority = (uint8_t)priority;
    spin_unlock(&d->event.lock);
    return rc;
}

/* ---- control blocks and pages ---- */

static void fifo_free(struct domain *d, struct event_fifo *f)
{
    for (unsigned i = 0; i < d->vcpu_count; i++)
        slab_free(f->vcpu[i]);
    slab_free(f);
}

static struct event_fifo *fifo_alloc(struct domain *d)
{
    struct event_fifo *f = slab_alloc(sizeof(*f));

    if (!f)
        return NULL;
    for (unsigned i = 0; i < d->vcpu_count; i++) {
        f->vcpu[i] = slab_alloc(sizeof(struct fifo_vcpu));
        if (!f->vcpu[i]) {
            fifo_free(d, f);
            return NULL;
        }
        for (unsigned q = 0; q < FIFO_QUEUES; q++)
            spin_init(&f->vcpu[i]->queue[q].lock, LK_EVENT_FIFO);
    }
    return f;
}

/* What is pending two-level will be delivered when its page comes. */
static void carry_over(struct domain *d)
{
    uint32_t limit = (uint32_t)min_u64(d->event.port_count, EVTCHN_2L_NR_CHANNELS);

    for (evtchn_port_t port = 1; port < limit; port++) {
        xen_ulong_t word =
            __atomic_load_n(&d->shared_info->evtchn_pending[port / 64], __ATOMIC_SEQ_CST);
        struct event_port *p = event_port_at(d, port);

        if (p->state != EVTCHNSTAT_closed && (word >> port % 64 & 1))
            p->undelivered = true;
    }
}

/* Everything that can fail comes first. The frame is ours already. */
static int control_add(struct domain *d, unsigned vcpu, struct evtchn_fifo_control_block *control)
{
    struct event_fifo *f = d->event.fifo;
    bool first = !f;

    vcpu = (unsigned)index_nospec(vcpu, d->vcpu_count);
    if (f && f->vcpu[vcpu]->control)
        return -XEN_EINVAL;
    if (first)
        f = fifo_alloc(d);
    if (!f)
        return -XEN_ENOMEM;
    f->vcpu[vcpu]->control = control;
    if (first) {
        d->event.fifo = f;
        carry_over(d);
    }
    return 0;
}

int event_init_control(struct domain *d, uint32_t vcpu, mfn_t frame, uint32_t offset)
{
    int rc;

    if (vcpu >= d->vcpu_count)
        return -XEN_ENOENT;
    if (offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) || offset % 8 != 0)
        return -XEN_EINVAL;
    if (frame_get_writable(frame, d->id))
        return -XEN_EINVAL;
    spin_lock(&d->event.lock);
    rc = control_add(d, vcpu, (void *)((char *)arch_map_frame(frame) + offset));
    spin_unlock(&d->event.lock);
    if (rc)
        frame_put_writable(frame);
    return rc;
}

static int page_add(struct domain *d, event_word_t *page)
{
    struct event_fifo *f = d->event.fifo;
    evtchn_port_t port, end;

    if (!f)
        return -XEN_EOPNOTSUPP;
    if (f->page_count >= FIFO_PAGE_LIMIT)
        return -XEN_ENOSPC;
    port = (evtchn_port_t)(f->page_count * FIFO_PAGE_WORDS);
    end = (evtchn_port_t)min_u64(port + FIFO_PAGE_WORDS, d->event.port_count);
    atomic_store(&f->page[f->page_count++], page);
    for (; port < end; port++)
        if (atomic_exchange(&event_port_at(d, port)->undelivered, false))
            event_set_pending(d, port, event_port_at(d, port));
    return 0;
}

int event_expand_array(struct domain *d, mfn_t frame)
{
    int rc;

    if (!d->event.fifo)
        return -XEN_EOPNOTSUPP;
    if (frame_get_writable(frame, d->id))
        return -XEN_EINVAL;
    spin_lock(&d->event.lock);
    rc = page_add(d, arch_map_frame(frame));
    spin_unlock(&d->event.lock);
    if (rc)
        frame_put_writable(frame);
    return rc;
}

static void put_page(void *p)
{
    frame_put_writable(arch_frame_of((void *)((uintptr_t)p & PAGE_MASK)));
}

void event_fifo_teardown(struct domain *d)
{
    struct event_fifo *f = d->event.fifo;

    ASSERT(spin_is_locked(&d->event.lock) && d->event.active_count == 0);
    d->event.fifo = NULL;
    for (unsigned i = 0; i < f->page_count; i++)
        put_page(f->page[i]);
    for (unsigned i = 0; i < d->vcpu_count; i++)
        if (f->vcpu[i]->control)
            put_page(f->vcpu[i]->control);
    fifo_free(d, f);
}

void event_fifo_audit(struct domain *d, struct event_fifo *f)
{
    for (unsigned i = 0; i < FIFO_PAGE_LIMIT; i++)
        BUG_ON((f->page[i] != NULL) != (i < f->page_count)); /* INV-FIFO-3 */
    for (unsigned queue = 0; queue < d->vcpu_count * FIFO_QUEUES; queue++) {
        evtchn_port_t tail = fifo_queue_at(f, queue)->tail;

        if (tail == 0)
            continue;
        BUG_ON(tail >= d->event.port_count || !fifo_word(f, tail)); /* INV-FIFO-3 */
        BUG_ON(event_port_at(d, tail)->queue != queue);             /* INV-FIFO-1 */
    }
}
