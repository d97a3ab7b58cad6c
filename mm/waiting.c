/* SPDX-License-Identifier: MIT
 *
 * Frames that wait for a flush.
 *
 * Whoever gives frames back gives back many: a balloon driver, a domain that ends. One flush serves
 * all that were collected before it began. A room is emptied when it is full, when its CPU has
 * nothing to do, and when somebody is short of memory. The clock is read when it is emptied, not
 * for each frame: CPUs that flushed by chance between a frame's arrival and that moment are flushed
 * again, which costs little and saves a stamp.
 *
 * The lock is held throughout the flush, so that a request for memory that finds the heap empty
 * gets what was on its way. Spinning CPUs answer flushes.
 */
#include "mm/waiting.h"

#include <lagan/lock.h>
#include "mm/frame.h"
#include "mm/heap_lists.h"
#include "mm/tlbclock.h"

#define ROOM_MAX 64

static struct LAGAN_ALIGNED(64) room {
    struct spinlock lock; /* LK_TLB */
    uint32_t head;        /* linked through `next` */
    _Atomic uint32_t count;
    cpumask_t cpus; /* that may hold any of them */
    bool uncached;  /* one of them may be newer in memory than in the caches */
} rooms[MAX_CPUS];

void waiting_init(void)
{
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
        rooms[cpu] = (struct room){.head = 0};
        spin_init(&rooms[cpu].lock, LK_TLB);
    }
}

/* The room is locked. */
static void empty(struct room *r)
{
    tlb_flush_stale(TLB_FREE, r->count, tlb_clock_now(), cpumask_and(r->cpus, arch_online_cpus()));
    for (uint32_t n = r->uncached ? r->head : 0; n; n = frame_of(mfn(n))->next)
        if (frame_of(mfn(n))->use & FRAME_UNCACHED)
            arch_cache_flush_frame(mfn(n));
    heap_take_back(r->head);
    r->head = 0;
    r->count = 0;
    r->cpus = cpumask_none();
    r->uncached = false;
}

void waiting_add(const mfn_t *list, unsigned count, cpumask_t cpus)
{
    struct room *r = &rooms[arch_cpu()];

    spin_lock(&r->lock);
    for (unsigned i = 0; i < count; i++) {
        struct frame *f = frame_of(list[i]);

        f->next = r->head;
        r->head = (uint32_t)list[i].n;
        r->uncached |= (atomic_load_explicit(&f->use, memory_order_relaxed) & FRAME_UNCACHED) != 0;
    }
    r->cpus = cpumask_or(r->cpus, cpus);
    atomic_fetch_add(&heap.available, count);
    if (atomic_fetch_add_explicit(&r->count, count, memory_order_relaxed) + count >= ROOM_MAX)
        empty(r);
    spin_unlock(&r->lock);
}

void waiting_flush_cpu(unsigned cpu)
{
    struct room *r = &rooms[cpu];

    if (!atomic_load_explicit(&r->count, memory_order_relaxed))
        return;
    spin_lock(&r->lock);
    empty(r);
    spin_unlock(&r->lock);
}

void waiting_flush(void)
{
    waiting_flush_cpu(arch_cpu());
}

bool waiting_pending(void)
{
    return atomic_load_explicit(&rooms[arch_cpu()].count, memory_order_relaxed) != 0;
}

uint64_t waiting_audit(void)
{
    uint64_t sum = 0;

    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
        uint32_t count = 0;

        for (uint32_t n = rooms[cpu].head; n; n = frame_of(mfn(n))->next, count++)
            AUDIT(frame_state(frame_of(mfn(n))) == FRAME_WAITING, "INV-HEAP-1: not waiting", n);
        AUDIT(count == rooms[cpu].count, "INV-HEAP-3: waiting count", cpu);
        sum += count;
    }
    return sum;
}
