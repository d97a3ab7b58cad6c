/* SPDX-License-Identifier: MIT
 *
 * Making a port pending: the two-level bitmaps, the upcall flag, and who waits in SCHEDOP_poll.
 *
 * All the words here are the guest's to write at any moment, so each is touched once, by one atomic
 * operation, and nothing that it holds is used but to decide whether to notify. A guest that
 * scribbles over its own bits loses its own events.
 *
 * Why the order pending -> selector -> upcall -> kick is enough (each is a locked instruction,
 * hence a full barrier):
 *
 *   sender                               vCPU
 *   ------                               ----
 *   pending bit = 1                      upcall_pending = 0
 *   mask clear?                          takes (xchg) the selector
 *   selector bit = 1                     scans the words it names
 *   upcall_pending = 1
 *   kick: blocked?                       (SCHEDOP_block) blocked = 1; upcall_pending? -> does not
 * sleep
 *
 * The sender stops early when it finds a bit set already: whoever set it goes on to the next step,
 * or the guest has not looked yet. The last line is Dekker's pattern: both sides write, then read
 * the other's word; sched.c owns the right column. The same with `pollers` and the pending bit.
 *
 * VCPUOP_register_vcpu_info moves a vCPU's record while senders use it:
 *
 *   sender                               mover
 *   ------                               -----
 *   pending bit = 1 (locked)             copy; v->info = new
 *   info = v->info (the old one)         event_recheck_vcpu(): barrier; all selector bits, upcall
 *   selector, upcall go to the old one
 *
 * The pending bit itself is in shared_info, which does not move, and it was set before the old
 * pointer was read, hence before the recheck tells the guest to scan everything.
 */
#include "xen/event_port.h"

#define WORD_BITS 64U

static bool test_and_set(xen_ulong_t *word, unsigned bit)
{
    xen_ulong_t mask = (xen_ulong_t)1 << bit;

    return __atomic_fetch_or(word, mask, __ATOMIC_SEQ_CST) & mask;
}

static bool test_and_clear(xen_ulong_t *word, unsigned bit)
{
    xen_ulong_t mask = (xen_ulong_t)1 << bit;

    return __atomic_fetch_and(word, ~mask, __ATOMIC_SEQ_CST) & mask;
}

static bool test(xen_ulong_t *word, unsigned bit)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST) >> bit & 1;
}

static vcpu_info_t *info_of(struct vcpu *v)
{
    return __atomic_load_n(&v->info, __ATOMIC_SEQ_CST);
}

void event_mark_pending(struct vcpu *v)
{
    if (!__atomic_exchange_n(&info_of(v)->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST))
        vcpu_kick(v);
}

void event_recheck_vcpu(struct vcpu *v)
{
    atomic_thread_fence(memory_order_seq_cst);
    __atomic_store_n(&info_of(v)->evtchn_pending_sel, ~(xen_ulong_t)0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&info_of(v)->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
    /* The flag may have been copied from the old record, so its being set says nothing. */
    vcpu_kick(v);
}

/* ---- two-level ---- */

static void notify(struct domain *d, evtchn_port_t port, struct event_port *p)
{
    struct vcpu *v = d->vcpu[atomic_load_explicit(&p->vcpu, memory_order_relaxed)];

    if (!test_and_set(&info_of(v)->evtchn_pending_sel, port / WORD_BITS))
        event_mark_pending(v);
}

static bool two_level_set_pending(struct domain *d, evtchn_port_t port, struct event_port *p)
{
    shared_info_t *s = d->shared_info;

    ASSERT(port < EVTCHN_2L_NR_CHANNELS);
    if (test_and_set(&s->evtchn_pending[port / WORD_BITS], port % WORD_BITS))
        return false;
    if (!test(&s->evtchn_mask[port / WORD_BITS], port % WORD_BITS))
        notify(d, port, p);
    return true;
}

/* The guest may mask again between the two tests: then it has seen the port and deals with it. */
static void two_level_unmask(struct domain *d, evtchn_port_t port, struct event_port *p)
{
    shared_info_t *s = d->shared_info;

    if (test_and_clear(&s->evtchn_mask[port / WORD_BITS], port % WORD_BITS) &&
        test(&s->evtchn_pending[port / WORD_BITS], port % WORD_BITS))
        notify(d, port, p);
}

/* ---- either ABI ---- */

static struct event_fifo *fifo_of(struct domain *d)
{
    return atomic_load_explicit(&d->event.fifo, memory_order_acquire);
}

void event_set_pending(struct domain *d, evtchn_port_t port, struct event_port *p)
{
    struct event_fifo *f = fifo_of(d);
    uint32_t pollers;

    if (f ? !event_fifo_set_pending(d, f, port, p) : !two_level_set_pending(d, port, p))
        return;
    /* SCHEDOP_poll ends for a masked port too, so this does not depend on the notification. */
    pollers = atomic_load(&d->event.pollers);
    for (; unlikely(pollers); pollers &= pollers - 1)
        vcpu_poll_wake(d->vcpu[__builtin_ctz(pollers)], port);
}

void event_clear_pending(struct domain *d, evtchn_port_t port, struct event_port *p)
{
    struct event_fifo *f = fifo_of(d);

    if (f)
        event_fifo_clear_pending(f, port, p);
    else
        test_and_clear(&d->shared_info->evtchn_pending[port / WORD_BITS], port % WORD_BITS);
}

bool event_is_pending(struct domain *d, evtchn_port_t port, struct event_port *p)
{
    struct event_fifo *f = fifo_of(d);

    if (f)
        return event_fifo_is_pending(f, port, p);
    return test(&d->shared_info->evtchn_pending[port / WORD_BITS], port % WORD_BITS);
}

void event_unmask_port(struct domain *d, evtchn_port_t port, struct event_port *p)
{
    struct event_fifo *f = fifo_of(d);

    if (f)
        event_fifo_unmask(d, f, port, p);
    else
        two_level_unmask(d, port, p);
}
