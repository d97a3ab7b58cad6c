/* SPDX-License-Identifier: MIT
 *
 * The FIFO ABI: event words, control blocks, and queues that the guest takes apart while we add to
 * them.
 *
 * The guest gives pages of event words (one word a port) and a control block for each vCPU. A word
 * has PENDING, MASKED, LINKED, BUSY and LINK, the number of the next port on the queue. A queue
 * (vCPU, priority) starts at head[priority] of the vCPU's control block. The guest takes the first
 * port off by clearing its LINKED and LINK in one cmpxchg: LINK tells it the next, 0 that the queue
 * has run dry. It then looks at head[] again only when `ready` has the priority's bit.
 *
 * We own the rest: set PENDING; unless MASKED or LINKED, set LINKED and append. Of a queue we keep
 * the tail, the port appended last, in our own memory. If the tail's word is still LINKED, the
 * queue is not dry: our port goes into the tail's LINK, by a cmpxchg that fails if the guest has
 * taken the tail off meanwhile. Otherwise the queue is dry: head[] = our port, then `ready`, then
 * the upcall. Exactly one ready bit follows each write of head[], so the guest never reads a head
 * that is not fresh.
 *
 *   we append X behind tail T              guest takes T off
 *   -------------------------              -----------------
 *   w = T's word: LINKED, LINK 0
 *                                          cmpxchg(T: LINKED,0 -> 0,0): LINK was 0: dry, ready bit
 * off cmpxchg(T: LINKED,0 -> LINKED,X) fails T is not LINKED: head[] = X; ready; upcall
 *
 * A port changes queue when it is bound to another vCPU or gets another priority. It may still be
 * LINKED on the old queue; then the guest finds it there once more, which the ABI allows. The
 * danger is later: the port has been taken off but is still the *tail* of the old queue, and is
 * LINKED again, on the new one. The next append to the old queue would believe its tail and go to
 * the new queue. So:
 *
 * INV-FIFO-1: if a queue's tail is P (not 0), then P's `queue` names this queue. Only the holder
 *             of the lock of the queue that P.queue names may change P.queue, and clears that tail
 *             with it.
 * INV-FIFO-2: LINKED is set under the lock of the queue that P.queue names. (So nobody appends to
 *             the old queue between a port's being linked again and the clearing of the old tail.)
 * INV-FIFO-3: pages [0, page_count) are there, and stay until teardown, when no port is active. A
 *             tail is a port that has a page.
 * INV-FIFO-4: each page and each control block holds a reference and a writable type reference.
 *
 * Two locks of queues are never held together: a moved port leaves the old queue under the old
 * lock, and is appended under the new one; LINKED keeps everybody else away from it in between.
 *
 * A hostile guest may write anything anywhere in these pages. All that we take from them are the
 * flag bits; port numbers come from our own tail. Every loop has a fixed bound. When the bound is
 * reached the guest is not following the protocol, and the event is left where its own pages put
 * it.
 */
#include "xen/event_fifo.h"

#define PENDING (1U << EVTCHN_FIFO_PENDING)
#define MASKED  (1U << EVTCHN_FIFO_MASKED)
#define LINKED  (1U << EVTCHN_FIFO_LINKED)
#define BUSY    (1U << EVTCHN_FIFO_BUSY)
#define LINK    ((event_word_t)EVTCHN_FIFO_LINK_MASK)

#define LINK_TRIES  8U /* an honest guest can change a tail's word three times while it is BUSY */
#define QUEUE_TRIES 4U

STATIC_ASSERT(UINT16_MAX >= MAX_VCPUS * FIFO_QUEUES);

static event_word_t load(const event_word_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* ---- linking ---- */

/* Makes `port` the successor of the port whose word this is; false if that one is on no queue any
 * more. BUSY asks the guest's unmasking to wait, after a few failures. */
static bool link_behind(event_word_t *word, evtchn_port_t port)
{
    event_word_t seen = load(word);
    bool busy = false;

    for (unsigned i = 0; i < LINK_TRIES && (seen & LINKED); i++) {
        event_word_t next = (seen & ~(LINK | BUSY)) | port;

        if (__atomic_compare_exchange_n(word, &seen, next, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
            return true;
        if (!busy && i >= LINK_TRIES / 2) {
            seen = __atomic_or_fetch(word, BUSY, __ATOMIC_SEQ_CST);
            busy = true;
        }
    }
    if (busy)
        __atomic_fetch_and(word, ~BUSY, __ATOMIC_SEQ_CST);
    return false;
}

/* Puts a LINKED port at the end of the queue; its lock is held. True if v must be told. */
static bool append(struct event_fifo *f, struct evtchn_fifo_control_block *control, unsigned queue,
                   evtchn_port_t port)
{
    struct fifo_queue *q = fifo_queue_at(f, queue);
    unsigned priority = queue % FIFO_QUEUES;
    evtchn_port_t tail = q->tail;
    event_word_t bit = 1U << priority;

    q->tail = port;
    /* The port itself as tail: it was taken off, as LINKED was clear, so the queue is dry. */
    if (tail && tail != port && link_behind(fifo_word(f, tail), port))
        return false;
    __atomic_store_n(&control->head[priority], port, __ATOMIC_SEQ_CST);
    return !(__atomic_fetch_or(&control->ready, bit, __ATOMIC_SEQ_CST) & bit);
}

/* The port's own queue is locked. Sets LINKED; if that was clear and the port belongs elsewhere
 * now, it leaves this queue. True: it was clear, and the port is to be appended to `want`. */
static bool claim(struct fifo_queue *q, struct event_port *p, evtchn_port_t port,
                  event_word_t *word, unsigned want)
{
    if (__atomic_fetch_or(word, LINKED, __ATOMIC_SEQ_CST) & LINKED)
        return false;
    if (p->queue != want) {
        if (q->tail == port)
            q->tail = 0;
        p->queue = (uint16_t)want;
    }
    return true;
}

/* One try. False: the port changed queue before its lock was taken. */
static bool try_link(struct domain *d, struct event_fifo *f, evtchn_port_t port,
                     struct event_port *p)
{
    unsigned old = p->queue;
    unsigned want = (unsigned)p->vcpu * FIFO_QUEUES + p->priority;
    struct evtchn_fifo_control_block *control = f->vcpu[want / FIFO_QUEUES]->control;
    struct fifo_queue *q = fifo_queue_at(f, old);
    bool current, claimed, tell = false;

    if (!control)
        return true; /* the ABI's loss: that vCPU has no queues. The port stays pending. */
    spin_lock(&q->lock);
    current = p->queue == old;
    claimed = current && claim(q, p, port, fifo_word(f, port), want);
    if (claimed && want == old)
        tell = append(f, control, want, port);
    spin_unlock(&q->lock);
    if (claimed && want != old) {
        q = fifo_queue_at(f, want);
        spin_lock(&q->lock);
        /* It has moved on only if the guest cleared LINKED of a port that was on no queue. */
        if (p->queue == want)
            tell = append(f, control, want, port);
        spin_unlock(&q->lock);
    }
    if (tell)
        event_mark_pending(d->vcpu[want / FIFO_QUEUES]);
    return current;
}

/* A try fails when another sender to the same port has linked it elsewhere since: that takes a bind
 * or a change of priority, and the guest's taking it off, each time. */
static void link_port(struct domain *d, struct event_fifo *f, evtchn_port_t port,
                      struct event_port *p)
{
    for (unsigned i = 0; i < QUEUE_TRIES; i++)
        if (try_link(d, f, port, p))
            return;
}

/* ---- a port's bits ---- */

/* There is no page for the port's word: keep in mind that it is pending. The page may come while we
 * do: either side writes, then reads what the other wrote, so at least one sees it, and the
 * exchange lets only one act. NULL: nothing more to do. */
static event_word_t *defer(struct event_fifo *f, evtchn_port_t port, struct event_port *p,
                           bool *fresh)
{
    event_word_t *word;

    *fresh = !atomic_exchange(&p->undelivered, true);
    word = fifo_word(f, port);
    return word && atomic_exchange(&p->undelivered, false) ? word : NULL;
}

bool event_fifo_set_pending(struct domain *d, struct event_fifo *f, evtchn_port_t port,
                            struct event_port *p)
{
    event_word_t *word = fifo_word(f, port);
    event_word_t old;
    bool fresh;

    if (!word && !(word = defer(f, port, p, &fresh)))
        return fresh;
    old = __atomic_fetch_or(word, PENDING, __ATOMIC_SEQ_CST);
    if (!(old & (MASKED | LINKED)))
        link_port(d, f, port, p);
    return !(old & PENDING);
}

void event_fifo_clear_pending(struct event_fifo *f, evtchn_port_t port, struct event_port *p)
{
    event_word_t *word = fifo_word(f, port);

    p->undelivered = false;
    if (word)
        __atomic_fetch_and(word, ~PENDING, __ATOMIC_SEQ_CST);
}

bool event_fifo_is_pending(struct event_fifo *f, evtchn_port_t port, struct event_port *p)
{
    event_word_t *word = fifo_word(f, port);

    return p->undelivered || (word && (load(word) & PENDING));
}

bool event_fifo_is_linked(struct event_fifo *f, evtchn_port_t port)
{
    event_word_t *word = fifo_word(f, port);

    return word && (load(word) & LINKED);
}

void event_fifo_unmask(struct domain *d, struct event_fifo *f, evtchn_port_t port,
                       struct event_port *p)
{
    event_word_t *word = fifo_word(f, port);
    event_word_t old;

    if (!word)
        return;
    old = __atomic_fetch_and(word, ~MASKED, __ATOMIC_SEQ_CST);
    if ((old & PENDING) && !(old & LINKED))
        link_port(d, f, port, p);
}
