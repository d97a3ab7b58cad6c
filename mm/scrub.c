/* SPDX-License-Identifier: MIT
 *
 * Scrubbing.
 *
 * Frames come to the heap dirty, from domains and from the hypervisor. CPUs
 * with nothing to do take dirty blocks off the lists, clear them and put them back as clean, until
 * there are none; then they sleep. Between two frames they look whether there is anything better to
 * do. Smaller blocks come first: what is left of a large one that was begun is smaller than
 * others, so it is finished, and merges, before the next is begun.
 *
 * What firmware left in memory is not known, so it is cleared before anybody gets it; but it is no
 * guest's secret, and to touch all memory at boot costs time, and, where we are a guest ourselves,
 * memory. So of this only a stock is made ready.
 *
 * A frame never changes hands without being cleared, also when it goes back to the account that had
 * it last: the heap does not know whose it was, and a kernel that wants its old data has not given
 * the frame back.
 */
#include "mm/scrub.h"

#include "mm/heap_lists.h"
#include "mm/waiting.h"

#define STEP_ORDER  9     /* the largest block that is taken at a time */
#define CLEAN_STOCK 16384 /* frames (64 MiB) that are made ready of memory that nobody had yet */

/* Is there something worth clearing, and of which kind? */
static bool wanted_kind(enum heap_kind *kind)
{
    *kind = DIRTY;
    if (atomic_load_explicit(&heap.count[DIRTY], memory_order_relaxed))
        return true;
    *kind = VIRGIN;
    return atomic_load_explicit(&heap.count[VIRGIN], memory_order_relaxed) != 0 &&
           atomic_load_explicit(&heap.count[CLEAN], memory_order_relaxed) < CLEAN_STOCK;
}

bool scrub_pending(void)
{
    enum heap_kind kind;

    return wanted_kind(&kind) || heap_caches_dirty() || waiting_pending();
}

/* The smallest block of a kind, of all zones, at most STEP_ORDER of it, taken off the lists; 0 if
 * there is none, or if somebody has the lock: idle CPUs must not stand in a queue before those that
 * have work. */
static uint32_t take_block(enum heap_kind kind, unsigned *order)
{
    uint32_t n = 0;
    unsigned low;

    /* Who waits for what scrubbing CPUs hold waits until none holds any: were others to begin
     * meanwhile, that could take until nothing is dirty. */
    if (atomic_load_explicit(&heap.wanted, memory_order_relaxed))
        return 0;
    if (!spin_trylock(&heap.lock))
        return 0;
    for (low = 0; heap.zones[kind] && !n && low <= HEAP_MAX_ORDER; low++)
        for (uint32_t z = heap.zones[kind]; z && !n; z &= ~(1U << zone_of(z)))
            if (heap.zone[zone_of(z)].nonempty[kind] & 1U << low) {
                *order = (unsigned)min_u64(low, STEP_ORDER);
                n = block_alloc(1U << zone_of(z), *order, kind);
            }
    if (n)
        atomic_fetch_add(&heap.scrubbing, UINT64_C(1) << *order);
    spin_unlock(&heap.lock);
    return n;
}

static bool interrupted(void)
{
    return arch_preempt_pending() || atomic_load_explicit(&heap.wanted, memory_order_relaxed);
}

static void clear(uint32_t n)
{
    void *page = arch_map_frame(mfn(n));

    arch_unpoison(page, PAGE_SIZE);
    arch_clear_page(page);
    arch_poison_zeroes(page, PAGE_SIZE);
}

static void scrub_kind(enum heap_kind kind)
{
    uint32_t n, done = 0, count;
    unsigned order = 0;

    n = take_block(kind, &order);
    if (!n)
        return;
    count = UINT32_C(1) << order;
    do
        clear(n + done++);
    while (done < count && !interrupted());
    spin_lock(&heap.lock);
    range_free(n, n + done, CLEAN);
    range_free(n + done, n + count, kind);
    atomic_fetch_sub(&heap.scrubbing, count);
    spin_unlock(&heap.lock);
}

void scrub_step(void)
{
    enum heap_kind kind;

    waiting_flush();
    if (heap_caches_dirty())
        heap_drain_dirty();
    if (wanted_kind(&kind))
        scrub_kind(kind);
}

static bool has_clean(unsigned order)
{
    bool found = false;

    spin_lock(&heap.lock);
    for (uint32_t z = heap.zones[CLEAN]; z && !found; z &= ~(1U << zone_of(z)))
        found = heap.zone[zone_of(z)].nonempty[CLEAN] >> order != 0;
    spin_unlock(&heap.lock);
    return found;
}

int scrub_for(unsigned order, unsigned flags)
{
    (void)flags;
    if (order <= STEP_ORDER)
        return 0;
    while (!has_clean(order) && heap.count[DIRTY] + heap.count[VIRGIN] != 0) {
        waiting_flush();
        scrub_kind(heap.count[DIRTY] ? DIRTY : VIRGIN);
        if (arch_preempt_pending())
            return -XEN_ERESTART;
    }
    return 0;
}
