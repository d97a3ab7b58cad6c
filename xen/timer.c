/* SPDX-License-Identifier: MIT
 *
 * One pairing heap of timers per CPU (Fredman, Sedgewick, Sleator, Tarjan: "The pairing heap",
 * Algorithmica 1986): a tree in which each timer is due no earlier than its parent. Merging two
 * heaps is one comparison; arming is one merge, firing the first merges its children in pairs. It
 * was chosen over an array heap since its links are in the timers themselves: nothing is allocated,
 * so timer_set() cannot fail and no capacity has to be reserved on each CPU to which a timer might
 * move. Arming, re-arming for an earlier time and stopping a leaf take constant time; taking the
 * first out takes O(log n) on average over a sequence of calls.
 *
 * INV-TIMER-1: a timer is in the heap of t->cpu if and only if t->armed.
 * INV-TIMER-2: expires of a child >= expires of its parent.
 * INV-TIMER-3: the hardware of each CPU is programmed for its heap's first timer or earlier, or
 *              SOFTIRQ_TIMER is pending there.
 * INV-TIMER-4: t->handlers > 0 while the handler of t runs, and nobody touches t after it has
 * reached 0 on behalf of that run. So timer_kill() may free:
 *
 *      timer_kill()                           timer_softirq() on t's CPU
 *                                             lock; takes t out; handlers++; unlock
 *      lock; dead = true; disarms; unlock
 *      waits for handlers == 0                handler: timer_set(t) sees dead, does nothing
 *                                             handlers-- (its last access to t)
 *      returns: t may be freed
 *
 *   Both sides change `dead`, `armed` and `handlers` upwards under the heap's lock, so either kill
 * finds the timer armed and takes it out, or it finds handlers > 0 and waits.
 *
 * A timer's CPU changes only under the lock of the heap it leaves; heap_lock() therefore reads it,
 * locks, and looks again.
 */
#include "xen/timer.h"

#include <lagan/cpumask.h>
#include <lagan/lock.h>
#include <stdatomic.h>
#include "arch_inline.h"
#include "xen/softirq.h"

struct timer_heap {
    struct spinlock lock; /* LK_TIMER */
    struct timer *first;  /* [t] due first; NULL: none */
} LAGAN_ALIGNED(64);

static struct timer_heap heaps[MAX_CPUS];

/* ---- the heap ---- */

static struct timer *merge(struct timer *a, struct timer *b)
{
    struct timer *below;

    if (!a || !b)
        return a ? a : b;
    if (b->expires < a->expires) {
        below = a;
        a = b;
    } else {
        below = b;
    }
    below->prev = a;
    below->next = a->child;
    if (a->child)
        a->child->prev = below;
    a->child = below;
    return a;
}

/* Merges a list of siblings into one heap: in pairs from the left, then the pairs from the right.
 */
static struct timer *merge_siblings(struct timer *t)
{
    struct timer *pairs = NULL, *all = NULL;

    while (t) {
        struct timer *second = t->next, *rest = second ? second->next : NULL;
        struct timer *pair;

        t->next = t->prev = NULL;
        if (second)
            second->next = second->prev = NULL;
        pair = merge(t, second);
        pair->next = pairs; /* a stack of pairs, the last on top */
        pairs = pair;
        t = rest;
    }
    while (pairs) {
        struct timer *pair = pairs;

        pairs = pair->next;
        pair->next = NULL;
        all = merge(all, pair);
    }
    return all;
}

static void heap_insert(struct timer_heap *h, struct timer *t)
{
    t->child = t->next = t->prev = NULL;
    h->first = merge(h->first, t);
    atomic_store_explicit(&t->armed, true, memory_order_relaxed);
}

static void heap_remove(struct timer_heap *h, struct timer *t)
{
    struct timer *below = merge_siblings(t->child);

    if (t == h->first) {
        h->first = below;
    } else {
        if (t->prev->child == t)
            t->prev->child = t->next;
        else
            t->prev->next = t->next;
        if (t->next)
            t->next->prev = t->prev;
        h->first = merge(h->first, below);
    }
    t->child = t->next = t->prev = NULL;
    atomic_store_explicit(&t->armed, false, memory_order_relaxed);
}

/* ---- timers ---- */

static struct timer_heap *heap_lock(struct timer *t) LAGAN_NO_TSA
{
    for (;;) {
        unsigned cpu = atomic_load_explicit(&t->cpu, memory_order_relaxed);
        struct timer_heap *h = &heaps[cpu];

        spin_lock(&h->lock);
        if (cpu == atomic_load_explicit(&t->cpu, memory_order_relaxed))
            return h;
        spin_unlock(&h->lock);
    }
}

/* INV-TIMER-3 after t has become first of its heap. */
static void reprogram(const struct timer_heap *h, const struct timer *t)
{
    unsigned cpu = atomic_load_explicit(&t->cpu, memory_order_relaxed);

    if (h->first != t)
        return;
    if (cpu == arch_cpu())
        arch_timer_program(t->expires);
    else
        softirq_raise_on(cpu, SOFTIRQ_TIMER);
}

void timer_init(struct timer *t, void (*handler)(struct timer *t), unsigned cpu)
{
    *t = (struct timer){.handler = handler};
    atomic_init(&t->cpu, cpu);
}

void timer_set(struct timer *t, uint64_t expires_ns) LAGAN_NO_TSA
{
    struct timer_heap *h = heap_lock(t);

    if (atomic_load_explicit(&t->armed, memory_order_relaxed))
        heap_remove(h, t);
    if (!t->dead) {
        t->expires = expires_ns;
        heap_insert(h, t);
        reprogram(h, t);
    }
    spin_unlock(&h->lock);
}

static void disarm(struct timer *t, bool kill) LAGAN_NO_TSA
{
    struct timer_heap *h = heap_lock(t);

    /* The hardware keeps its earlier time: one interrupt too many costs less than programming now.
     */
    if (atomic_load_explicit(&t->armed, memory_order_relaxed))
        heap_remove(h, t);
    t->dead |= kill;
    spin_unlock(&h->lock);
}

void timer_stop(struct timer *t)
{
    if (timer_is_armed(t))
        disarm(t, false);
}

void timer_kill(struct timer *t)
{
    disarm(t, true);
    while (atomic_load_explicit(&t->handlers, memory_order_acquire))
        arch_relax();
}

/* Two locks: the lower CPU's first, as for run queues. */
void timer_move(struct timer *t, unsigned cpu) LAGAN_NO_TSA
{
    for (;;) {
        unsigned from = atomic_load_explicit(&t->cpu, memory_order_relaxed);

        if (from == cpu)
            return;
        spin_lock(&heaps[from < cpu ? from : cpu].lock);
        spin_lock_nested(&heaps[from < cpu ? cpu : from].lock);
        bool still = from == atomic_load_explicit(&t->cpu, memory_order_relaxed);

        if (still && atomic_load_explicit(&t->armed, memory_order_relaxed)) {
            heap_remove(&heaps[from], t);
            atomic_store_explicit(&t->cpu, cpu, memory_order_relaxed);
            heap_insert(&heaps[cpu], t);
            reprogram(&heaps[cpu], t);
        } else if (still) {
            atomic_store_explicit(&t->cpu, cpu, memory_order_relaxed);
        }
        spin_unlock(&heaps[from].lock);
        spin_unlock(&heaps[cpu].lock);
        if (still)
            return;
    }
}

bool timer_is_armed(const struct timer *t)
{
    return atomic_load_explicit(&t->armed, memory_order_relaxed);
}

void timer_cpu_init(unsigned cpu)
{
    spin_init(&heaps[cpu].lock, LK_TIMER);
    heaps[cpu].first = NULL;
}

void timer_let_interrupt(void)
{
    struct timer_heap *h = &heaps[arch_cpu()];

    spin_lock(&h->lock);
    arch_timer_program(h->first ? h->first->expires : UINT64_MAX);
    spin_unlock(&h->lock);
}

void timer_softirq(void)
{
    struct timer_heap *h = &heaps[arch_cpu()];
    uint64_t now = arch_time_ns();
    struct timer *t;

    spin_lock(&h->lock);
    /* `now` is read once: a handler that keeps arming its timer for the present cannot hold the
     * CPU, it comes back with the next interrupt. */
    while ((t = h->first) && t->expires <= now) {
        heap_remove(h, t);
        atomic_fetch_add_explicit(&t->handlers, 1, memory_order_relaxed);
        spin_unlock(&h->lock);
        t->handler(t);
        atomic_fetch_sub_explicit(&t->handlers, 1, memory_order_release); /* t may be gone now */
        spin_lock(&h->lock);
    }
    arch_timer_program(h->first ? h->first->expires : UINT64_MAX);
    spin_unlock(&h->lock);
}

void timer_audit(unsigned cpu)
{
    struct timer_heap *h = &heaps[cpu];
    const struct timer *t;

    spin_lock(&h->lock);
    /* Depth first: down, else to the right, else up and to the right. */
    for (t = h->first; t;) {
        ASSERT(atomic_load(&t->armed) && atomic_load(&t->cpu) == cpu);
        ASSERT(!t->child || t->child->prev == t);
        ASSERT(!t->next || t->next->prev == t);
        ASSERT(h->first->expires <= t->expires);
        for (const struct timer *c = t->child; c; c = c->next)
            ASSERT(t->expires <= c->expires); /* INV-TIMER-2 */
        if (t->child) {
            t = t->child;
            continue;
        }
        while (t && !t->next) {
            while (t->prev && t->prev->child != t)
                t = t->prev;
            t = t->prev; /* the parent, or NULL at the root */
        }
        t = t ? t->next : NULL;
    }
    spin_unlock(&h->lock);
}
