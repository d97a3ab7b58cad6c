/* SPDX-License-Identifier: MIT
 *
 * The page allocator: a binary buddy system in two zones, with a cache of single frames on each
 * CPU.
 *
 * A free block of 2^order frames is one entry on the list of its zone and order: its first frame
 * says FRAME_FREE_HEAD and the order, the entries of the frames inside stay all zero. So the boot
 * code, which clears the frame table, has no more to do for a range of RAM than to name it:
 * heap_add() cuts it into aligned blocks and touches one entry for each. Two blocks merge when the
 * buddy's first frame is a head of the same order; holes, the hypervisor's own image and frames in
 * use never are, so that nothing else need be known of the machine's map. Zones meet at 4 GiB, a
 * multiple of the largest block.
 *
 * A CPU's cache takes single frames without the common lock. It is filled by one block of
 * CACHE_BATCH frames, and gives CACHE_BATCH back when it holds CACHE_MAX. Each cache has its own
 * lock, all but never contended, so that a request that finds the lists empty can take what other
 * CPUs keep: memory is never refused while a frame is free. Frames below 4 GiB are cached only
 * where there are no others.
 *
 * Lists are linked by 32-bit frame numbers; 0 ends them, so frame 0 is never in the allocator.
 */
#include <stdatomic.h>

#include <lagan/lock.h>
#include "mm/frame.h"
#include "mm/heap.h"

enum { ZONE_LOW, ZONE_HIGH, ZONE_COUNT };

#define ZONE_BOUNDARY UINT64_C(0x100000) /* frames: 4 GiB */
#define CACHE_ORDER   4
#define CACHE_BATCH   (1U << CACHE_ORDER)
#define CACHE_MAX     (4 * CACHE_BATCH)

STATIC_ASSERT(ZONE_BOUNDARY % (UINT64_C(1) << HEAP_MAX_ORDER) == 0);

struct zone {
    uint32_t head[HEAP_MAX_ORDER + 1]; /* [h] frame numbers of the first blocks */
    uint32_t nonempty;                 /* [h] bit n: head[n] is not 0 */
    _Atomic uint64_t free;             /* frames on the lists; changes under the lock */
    _Atomic uint64_t total;            /* frames ever added */
};

#define MAX_RANGES 64

static struct {
    struct spinlock lock; /* [h] LK_HEAP */
    struct zone zone[ZONE_COUNT];
    /* What heap_add() was given, for the auditor; ranges beyond MAX_RANGES are not audited. */
    struct {
        uint64_t start, end;
    } range[MAX_RANGES];  /* [h] */
    unsigned range_count; /* [h] */
} heap;

static struct LAGAN_ALIGNED(64) cache {
    struct spinlock lock; /* LK_HEAP_CACHE */
    uint32_t head;        /* linked through `next` */
    _Atomic uint32_t count;
} caches[MAX_CPUS];

static unsigned zone_of(uint64_t n)
{
    return n < ZONE_BOUNDARY ? ZONE_LOW : ZONE_HIGH;
}

static void set_use(struct frame *f, enum frame_state state, unsigned order, uint32_t refs)
{
    atomic_store_explicit(&f->use, frame_use(state, order, 0, refs), memory_order_relaxed);
}

/* ---- the lists; all under heap.lock ---- */

static void list_push(struct zone *z, uint32_t n, unsigned order)
{
    struct frame *f = frame_of(mfn(n));

    set_use(f, FRAME_FREE_HEAD, order, 0);
    f->prev = 0;
    f->next = z->head[order];
    if (f->next)
        frame_of(mfn(f->next))->prev = n;
    z->head[order] = n;
    z->nonempty |= 1U << order;
}

/* Takes a block off its list; its entry is all zero again (INV-FRAME-4). */
static void list_take(struct zone *z, uint32_t n, unsigned order)
{
    struct frame *f = frame_of(mfn(n));

    ASSERT(frame_state(f) == FRAME_FREE_HEAD && frame_order(f) == order);
    if (f->prev)
        frame_of(mfn(f->prev))->next = f->next;
    else
        z->head[order] = f->next;
    if (f->next)
        frame_of(mfn(f->next))->prev = f->prev;
    if (!z->head[order])
        z->nonempty &= ~(1U << order);
    f->next = f->prev = 0;
    set_use(f, FRAME_FREE, 0, 0);
}

static bool is_free_head(uint64_t n, unsigned order)
{
    const struct frame *f;

    if (!arch_mfn_valid(mfn(n)))
        return false;
    f = frame_of(mfn(n));
    return frame_state(f) == FRAME_FREE_HEAD && frame_order(f) == order;
}

/* Gives a block to the lists, merged with its buddies as far as they are free (INV-HEAP-2). */
static void block_free(uint32_t n, unsigned order)
{
    struct zone *z = &heap.zone[zone_of(n)];

    atomic_fetch_add_explicit(&z->free, UINT64_C(1) << order, memory_order_relaxed);
    while (order < HEAP_MAX_ORDER && is_free_head(n ^ (UINT32_C(1) << order), order)) {
        list_take(z, n ^ (UINT32_C(1) << order), order);
        n &= ~(UINT32_C(1) << order);
        order++;
    }
    list_push(z, n, order);
}

/* A block from the smallest that is large enough; the rest goes back to the lists. 0: none. */
static uint32_t block_alloc(struct zone *z, unsigned order)
{
    uint32_t fits = z->nonempty >> order << order, n;
    unsigned have;

    if (!fits)
        return 0;
    have = (unsigned)__builtin_ctz(fits);
    n = z->head[have];
    list_take(z, n, have);
    while (have > order) {
        have--;
        list_push(z, n + (UINT32_C(1) << have), have);
    }
    atomic_fetch_sub_explicit(&z->free, UINT64_C(1) << order, memory_order_relaxed);
    return n;
}

static uint32_t lists_alloc(unsigned order, unsigned flags)
{
    uint32_t n = 0;

    spin_lock(&heap.lock);
    if (!(flags & HEAP_LOW))
        n = block_alloc(&heap.zone[ZONE_HIGH], order);
    if (!n)
        n = block_alloc(&heap.zone[ZONE_LOW], order);
    spin_unlock(&heap.lock);
    return n;
}

/* ---- the caches ---- */

static void cache_push(struct cache *c, uint32_t n)
{
    struct frame *f = frame_of(mfn(n));

    set_use(f, FRAME_CACHED, 0, 0);
    f->next = c->head;
    c->head = n;
    atomic_fetch_add_explicit(&c->count, 1, memory_order_relaxed);
}

static uint32_t cache_pop(struct cache *c)
{
    uint32_t n = c->head;
    struct frame *f;

    if (!n)
        return 0;
    f = frame_of(mfn(n));
    c->head = f->next;
    f->next = 0;
    set_use(f, FRAME_FREE, 0, 0);
    atomic_fetch_sub_explicit(&c->count, 1, memory_order_relaxed);
    return n;
}

/* Gives up to `count` frames of a cache, which is locked, back to the lists. */
static void cache_spill(struct cache *c, unsigned count)
{
    uint32_t n;

    spin_lock(&heap.lock);
    while (count-- > 0 && (n = cache_pop(c)) != 0)
        block_free(n, 0);
    spin_unlock(&heap.lock);
}

static void cache_drain(struct cache *c)
{
    spin_lock(&c->lock);
    cache_spill(c, UINT_MAX);
    spin_unlock(&c->lock);
}

static uint32_t cache_alloc(void)
{
    struct cache *c = &caches[arch_cpu()];
    uint32_t n;

    spin_lock(&c->lock);
    n = cache_pop(c);
    if (!n && (n = lists_alloc(CACHE_ORDER, HEAP_ANY)) != 0)
        for (uint32_t i = CACHE_BATCH - 1; i > 0; i--)
            cache_push(c, n + i);
    spin_unlock(&c->lock);
    return n;
}

/* ---- the interface ---- */

void heap_init(void)
{
    spin_init(&heap.lock, LK_HEAP);
    for (unsigned i = 0; i < ZONE_COUNT; i++) {
        struct zone *z = &heap.zone[i];

        for (unsigned order = 0; order <= HEAP_MAX_ORDER; order++)
            z->head[order] = 0;
        z->nonempty = 0;
        z->free = z->total = 0;
    }
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
        spin_init(&caches[cpu].lock, LK_HEAP_CACHE);
        caches[cpu].head = 0;
        caches[cpu].count = 0;
    }
    heap.range_count = 0;
    slab_init();
}

void heap_add(mfn_t start, mfn_t end)
{
    uint64_t n = start.n ? start.n : 1;

    ASSERT(end.n <= UINT32_MAX);
    spin_lock(&heap.lock);
    if (heap.range_count < MAX_RANGES) {
        heap.range[heap.range_count].start = n;
        heap.range[heap.range_count].end = max_u64(n, end.n);
    }
    heap.range_count++;
    while (n < end.n) {
        unsigned order = min_u64((uint64_t)__builtin_ctzll(n), HEAP_MAX_ORDER) & 31;

        while (n + (UINT64_C(1) << order) > end.n)
            order--;
        heap.zone[zone_of(n)].total += UINT64_C(1) << order;
        block_free((uint32_t)n, order);
        n += UINT64_C(1) << order;
    }
    spin_unlock(&heap.lock);
}

static uint32_t take(unsigned order, unsigned flags)
{
    uint32_t n = 0;

    if (order == 0 && !(flags & HEAP_LOW))
        n = cache_alloc();
    if (!n)
        n = lists_alloc(order, flags);
    if (n)
        return n;
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
        if (atomic_load_explicit(&caches[cpu].count, memory_order_relaxed))
            cache_drain(&caches[cpu]);
    return lists_alloc(order, flags);
}

bool heap_alloc(unsigned order, unsigned flags, mfn_t *m)
{
    uint8_t *page;
    uint32_t n;

    if (order > HEAP_MAX_ORDER || arch_fail_allocation())
        return false;
    n = take(order, flags);
    if (!n)
        return false;
    *m = mfn(n);
    set_use(frame_of(*m), FRAME_HYPERVISOR, order, 1);
    page = arch_map_frame(*m);
    arch_unpoison(page, PAGE_SIZE << order);
    if (flags & HEAP_CLEAR)
        for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
            arch_clear_page(page + i * PAGE_SIZE);
    return true;
}

void heap_free(mfn_t m, unsigned order)
{
    struct cache *c = &caches[arch_cpu()];
    struct frame *f = frame_of(m);

    /* Freeing twice, or something else than was allocated, would hand one frame to two owners. */
    BUG_ON(f->use != frame_use(FRAME_HYPERVISOR, order, 0, 1));
    arch_poison(arch_map_frame(m), PAGE_SIZE << order);
    atomic_store_explicit(&f->type, 0, memory_order_relaxed);
    f->stamp = 0;
    if (order || (zone_of(m.n) == ZONE_LOW && heap.zone[ZONE_HIGH].total)) {
        set_use(f, FRAME_FREE, 0, 0);
        spin_lock(&heap.lock);
        block_free((uint32_t)m.n, order);
        spin_unlock(&heap.lock);
        return;
    }
    spin_lock(&c->lock);
    cache_push(c, (uint32_t)m.n);
    if (c->count >= CACHE_MAX)
        cache_spill(c, CACHE_BATCH);
    spin_unlock(&c->lock);
}

void *page_alloc(unsigned order, unsigned flags)
{
    mfn_t m;

    return heap_alloc(order, flags, &m) ? arch_map_frame(m) : NULL;
}

void page_free(void *p, unsigned order)
{
    if (p)
        heap_free(arch_frame_of(p), order);
}

uint64_t heap_free_pages(void)
{
    uint64_t sum = heap.zone[ZONE_LOW].free + heap.zone[ZONE_HIGH].free;

    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
        sum += caches[cpu].count;
    return sum;
}

uint64_t heap_total_pages(void)
{
    return heap.zone[ZONE_LOW].total + heap.zone[ZONE_HIGH].total;
}

void heap_drain_cpu_cache(void)
{
    cache_drain(&caches[arch_cpu()]);
}

/* ---- the auditor ---- */

#define AUDIT(cond, what, n)                                                \
    do {                                                                    \
        if (!(cond))                                                        \
            arch_panic("heap: %s at frame %#lx", what, (unsigned long)(n)); \
    } while (0)

static uint64_t audit_lists(unsigned zone)
{
    const struct zone *z = &heap.zone[zone];
    uint64_t sum = 0;

    for (unsigned order = 0; order <= HEAP_MAX_ORDER; order++) {
        AUDIT(!z->head[order] == !(z->nonempty >> order & 1), "nonempty bit wrong", z->head[order]);
        for (uint32_t n = z->head[order], prev = 0; n; prev = n, n = frame_of(mfn(n))->next) {
            AUDIT(is_free_head(n, order), "INV-HEAP-1: not a free block", n);
            AUDIT(frame_of(mfn(n))->prev == prev, "links broken", n);
            AUDIT(n % (UINT32_C(1) << order) == 0 && zone_of(n) == zone, "misplaced block", n);
            AUDIT(order == HEAP_MAX_ORDER || !is_free_head(n ^ (UINT32_C(1) << order), order),
                  "INV-HEAP-2: buddies apart", n);
            for (uint32_t i = 1; i < UINT32_C(1) << order; i++)
                AUDIT(frame_of(mfn(n + i))->use == 0, "INV-FRAME-4: entry in a free block", n + i);
            sum += UINT64_C(1) << order;
        }
    }
    AUDIT(sum == z->free, "INV-HEAP-3: free count", zone);
    return sum;
}

/* Walks the frame table from the first to the last frame of a range, block by block: what is not on
 * a list must be in use. A block that merged with one of the next range ends there. */
static uint64_t audit_used(uint64_t n, uint64_t end)
{
    uint64_t used = 0;

    while (n < end) {
        const struct frame *f = frame_of(mfn(n));
        unsigned order = 0;

        if (frame_state(f) == FRAME_FREE_HEAD || frame_state(f) == FRAME_HYPERVISOR)
            order = frame_order(f);
        if (frame_state(f) == FRAME_HYPERVISOR || frame_state(f) == FRAME_OWNED ||
            frame_state(f) == FRAME_SHARED || frame_state(f) == FRAME_WAITING)
            used += UINT64_C(1) << order;
        n += UINT64_C(1) << order;
    }
    return used;
}

void heap_audit(void)
{
    uint64_t sum = audit_lists(ZONE_LOW) + audit_lists(ZONE_HIGH);

    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
        uint32_t count = 0;

        for (uint32_t n = caches[cpu].head; n; n = frame_of(mfn(n))->next, count++)
            AUDIT(frame_state(frame_of(mfn(n))) == FRAME_CACHED, "INV-HEAP-1: not cached", n);
        AUDIT(count == caches[cpu].count, "INV-HEAP-3: cache count", cpu);
        sum += count;
    }
    if (heap.range_count <= MAX_RANGES) {
        for (unsigned i = 0; i < heap.range_count; i++)
            sum += audit_used(heap.range[i].start, heap.range[i].end);
        AUDIT(sum == heap_total_pages(), "INV-HEAP-1: frames lost or counted twice", sum);
    }
    slab_audit();
}
