/* SPDX-License-Identifier: MIT
 *
 * The page allocator's interface: counts, caches, and the way of a request.
 *
 * A request is counted before it is served: `available` loses the frames, and if that would make it
 * fall below 0, or below what others have claimed, the request is refused at once. Frames are only
 * counted as available while they can be found, so whoever has been counted in will find frames, if
 * only singly: on the lists, in some CPU's cache, waiting for a flush, or, for the length of a step
 * of clearing, with a CPU that scrubs (scrub.c), which is asked to hurry. Frames that are lent to
 * caches (spare.c) are available as well: those that have them are asked when the lists are empty.
 *
 * A CPU's cache takes single frames without the common lock. It is filled by one block of
 * CACHE_BATCH frames, and gives CACHE_BATCH back when it holds CACHE_MAX. Each cache has its own
 * lock, all but never contended, so that a request that finds the lists empty can take what other
 * CPUs keep: memory is never refused while a frame is free. Frames below 4 GiB are cached only
 * where there are no others.
 *
 * Requests for cleared memory take clean blocks as long as there are any (in the part of memory
 * they want), and clear others themselves; other requests leave the clean ones alone.
 */
#include <lagan/lock.h>
#include "mm/account.h"
#include "mm/claim.h"
#include "mm/heap_lists.h"
#include "mm/spare.h"
#include "mm/waiting.h"

#define CACHE_ORDER 4
#define CACHE_BATCH (1U << CACHE_ORDER)
#define CACHE_MAX   (4 * CACHE_BATCH)

static struct LAGAN_ALIGNED(64) cache {
    struct spinlock lock; /* LK_HEAP_CACHE */
    uint32_t head[KINDS]; /* linked through `next` */
    uint32_t count[KINDS];
    _Atomic uint32_t all; /* of all these: read without the lock */
} caches[MAX_CPUS];

/* ---- the lists ---- */

/* What a request would rather have, and what it takes if it must. */
static const enum heap_kind wish[2][KINDS] = {{DIRTY, VIRGIN, CLEAN}, {CLEAN, DIRTY, VIRGIN}};
static const unsigned rather[2] = {2, 1}; /* how many of them it would rather have */

/* Of the first `kinds` of its wishes. */
static struct found lists_take(uint32_t zones, unsigned order, bool clear, unsigned kinds)
{
    struct found f = {0, CLEAN};

    for (unsigned i = 0; i < kinds && !f.n; i++) {
        f.kind = wish[clear][i];
        f.n = block_alloc(zones, order, f.kind);
    }
    return f;
}

/* From high memory, where the request lets it; then from all of its zones. */
struct found lists_alloc(uint32_t zones, unsigned order, bool clear, unsigned kinds)
{
    struct found f = {0, CLEAN};

    spin_lock(&heap.lock);
    if (heap.has_high && (zones & ZONES_HIGH))
        f = lists_take(zones & ZONES_HIGH, order, clear, kinds);
    if (!f.n)
        f = lists_take(zones, order, clear, kinds);
    spin_unlock(&heap.lock);
    return f;
}

/* ---- the caches ---- */

static void cache_push(struct cache *c, uint32_t n, enum heap_kind kind)
{
    struct frame *f = frame_of(mfn(n));

    set_use(f, FRAME_CACHED, 0, kind, 0);
    f->next = c->head[kind];
    c->head[kind] = n;
    c->count[kind]++;
    atomic_fetch_add_explicit(&c->all, 1, memory_order_relaxed);
}

static uint32_t cache_pop(struct cache *c, enum heap_kind kind)
{
    uint32_t n = c->head[kind];
    struct frame *f;

    if (!n)
        return 0;
    f = frame_of(mfn(n));
    c->head[kind] = f->next;
    f->next = 0;
    set_use(f, FRAME_FREE, 0, 0, 0);
    c->count[kind]--;
    atomic_fetch_sub_explicit(&c->all, 1, memory_order_relaxed);
    return n;
}

/* Gives up to `count` frames of a cache, which is locked, back to the lists. */
static void cache_spill(struct cache *c, unsigned count, enum heap_kind kind)
{
    uint32_t n;

    spin_lock(&heap.lock);
    while (count-- > 0 && (n = cache_pop(c, kind)) != 0)
        block_free(n, 0, kind);
    spin_unlock(&heap.lock);
}

static void cache_drain(struct cache *c)
{
    spin_lock(&c->lock);
    cache_spill(c, UINT_MAX, DIRTY);
    cache_spill(c, UINT_MAX, CLEAN);
    spin_unlock(&c->lock);
}

/* A batch from the lists: its first frame, the others go to the cache, which has no virgin frames: those
 * count as dirty in it. */
static struct found cache_fetch(struct cache *c, bool clear, unsigned kinds)
{
    struct found f = lists_alloc(heap.has_high ? ZONES_HIGH : ZONES_ALL, CACHE_ORDER, clear, kinds);

    f.kind = f.kind == CLEAN ? CLEAN : DIRTY;
    for (uint32_t i = CACHE_BATCH - 1; f.n && i > 0; i--)
        cache_push(c, f.n + i, f.kind);
    return f;
}

/* A batch of frames that are not what was wished for is fetched only when the cache has none of them:
 * each request would add one, and the cache would hold thousands. */
struct found cache_alloc(bool clear)
{
    struct cache *c = &caches[arch_cpu()];
    struct found f = {0, clear ? CLEAN : DIRTY};

    spin_lock(&c->lock);
    f.n = cache_pop(c, f.kind);
    if (!f.n)
        f = cache_fetch(c, clear, rather[clear]);
    if (!f.n) {
        f.kind = clear ? DIRTY : CLEAN;
        f.n = cache_pop(c, f.kind);
    }
    if (!f.n)
        f = cache_fetch(c, clear, KINDS);
    spin_unlock(&c->lock);
    return f;
}

void heap_drain_cpu_cache(void)
{
    cache_drain(&caches[arch_cpu()]);
}

void heap_drain_dirty(void)
{
    struct cache *c = &caches[arch_cpu()];

    spin_lock(&c->lock);
    cache_spill(c, UINT_MAX, DIRTY);
    spin_unlock(&c->lock);
}

bool heap_caches_dirty(void)
{
    return caches[arch_cpu()].head[DIRTY] != 0; /* a wrong answer does no harm */
}

void heap_call_in(void)
{
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
        waiting_flush_cpu(cpu);
        if (atomic_load_explicit(&caches[cpu].all, memory_order_relaxed))
            cache_drain(&caches[cpu]);
    }
    (void)lend_call_in();
}

bool cache_is_stocked(void)
{
    return atomic_load_explicit(&caches[arch_cpu()].all, memory_order_relaxed) != 0;
}

/* ---- the way of a request ---- */

static uint32_t zones_of(unsigned flags)
{
    unsigned bits = flags >> 16;

    if (flags & HEAP_LOW)
        bits = bits ? (unsigned)min_u64(bits, 32) : 32;
    if (!bits || bits >= ZONE_COUNT + PAGE_SHIFT)
        return ZONES_ALL;
    return bits <= PAGE_SHIFT ? 0 : ~(ZONES_ALL << (bits - PAGE_SHIFT));
}

/* How often lenders are asked for a block that somebody else may take away again. */
#define BLOCK_TRIES 4

/* When the usual places have nothing: what is elsewhere is called in. */
static struct found search(const struct account *a, uint32_t zones, unsigned order, unsigned flags)
{
    bool waits = order == 0 && zones == ZONES_ALL && !(flags & HEAP_TRY);
    unsigned tries = 0;
    struct found f;

    atomic_fetch_add(&heap.wanted, 1);
    do {
        bool late = atomic_load(&heap.scrubbing) == 0;

        heap_call_in();
        late &= tries++ >= BLOCK_TRIES || !spare_reclaim(zones, order, a);
        spin_lock(&heap.lock);
        if (order)
            blocks_unite(zones, order);
        spin_unlock(&heap.lock);
        f = lists_alloc(zones, order, flags & HEAP_CLEAR, KINDS);
        /* A single frame that was counted for us, and may be anywhere, is somewhere. */
        if (f.n || (late && !waits))
            break;
        arch_relax();
    } while (1);
    atomic_fetch_sub(&heap.wanted, 1);
    return f;
}

static struct found take(const struct account *a, unsigned order, unsigned flags)
{
    bool clear = flags & HEAP_CLEAR;
    uint32_t zones = zones_of(flags);
    struct found f = {0, CLEAN};

    if (!zones)
        return f;
    if (order == 0 && zones == ZONES_ALL)
        f = cache_alloc(clear);
    if (!f.n)
        f = lists_alloc(zones, order, clear, KINDS);
    if (!f.n && lend_call_in())
        f = lists_alloc(zones, order, clear, KINDS);
    if (!f.n && (order == 0 || order >= SPARE_RUN_FOR) && spare_reclaim(zones, order, a))
        f = lists_alloc(zones, order, clear, KINDS);
    return f.n ? f : search(a, zones, order, flags);
}

void make_ready(struct found f, unsigned order, unsigned flags)
{
    uint8_t *page = arch_map_frame(mfn(f.n));

    if ((flags & HEAP_CLEAR) && f.kind == CLEAN) {
        arch_unpoison_zeroes(page, PAGE_SIZE << order);
        return;
    }
    arch_unpoison(page, PAGE_SIZE << order);
    if (flags & HEAP_CLEAR)
        for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
            arch_clear_page(page + i * PAGE_SIZE);
}

bool heap_alloc_for(struct account *a, unsigned order, unsigned flags, mfn_t *m,
                    uint64_t *from_claim)
{
    uint64_t count = UINT64_C(1) << (order & 31);
    unsigned cause = flags >> 8 & 0xff;
    struct found f;

    if (order > HEAP_MAX_ORDER || arch_fail_allocation() || !claim_reserve(a, count, from_claim))
        return false;
    f = take(a, order, flags);
    if (!f.n) {
        claim_unreserve(a, count, *from_claim);
        return false;
    }
    atomic_fetch_add_explicit(&heap.used[cause], count, memory_order_relaxed);
    *m = mfn(f.n);
    set_use(frame_of(*m), FRAME_HYPERVISOR, order, cause, 1);
    make_ready(f, order, flags);
    return true;
}

bool heap_alloc(unsigned order, unsigned flags, mfn_t *m)
{
    uint64_t from_claim;

    return heap_alloc_for(NULL, order, flags, m, &from_claim);
}

/* To the cache or the lists. */
void heap_put(mfn_t m, unsigned order)
{
    struct cache *c = &caches[arch_cpu()];
    struct frame *f = frame_of(m);

    frame_forget(f);
    arch_poison(arch_map_frame(m), PAGE_SIZE << order); /* the content is nobody's */
    if (order || (zone_of(m.n) < ZONE_4G && heap.has_high)) {
        set_use(f, FRAME_FREE, 0, 0, 0);
        spin_lock(&heap.lock);
        block_free((uint32_t)m.n, order, DIRTY);
        spin_unlock(&heap.lock);
    } else {
        spin_lock(&c->lock);
        cache_push(c, (uint32_t)m.n, DIRTY);
        if (c->count[DIRTY] >= CACHE_MAX)
            cache_spill(c, CACHE_BATCH, DIRTY);
        spin_unlock(&c->lock);
    }
}

void heap_free_for(struct account *a, mfn_t m, unsigned order, uint64_t from_claim)
{
    uint64_t use = frame_of(m)->use;
    unsigned cause = (domid_t)(use >> 32);

    /* Freeing twice, or something else than was allocated, would hand one frame to two owners. */
    BUG_ON(cause >= HEAP_CAUSES || use != frame_use(FRAME_HYPERVISOR, order, (domid_t)cause, 1));
    heap_put(m, order);
    atomic_fetch_sub_explicit(&heap.used[cause], UINT64_C(1) << order, memory_order_relaxed);
    if (unlikely(from_claim))
        claim_unreserve(a, UINT64_C(1) << order, from_claim);
    else
        atomic_fetch_add(&heap.available, UINT64_C(1) << order);
}

void heap_free(mfn_t m, unsigned order)
{
    heap_free_for(NULL, m, order, 0);
}

/* A frame of the chain is free, inside a block. Returns the next one. */
static uint32_t take_back(uint32_t n)
{
    struct frame *f = frame_of(mfn(n));
    uint32_t next = f->next;

    BUG_ON(frame_state(f) != FRAME_WAITING || frame_refs(f));
    f->next = 0;
    frame_forget(f);
    arch_poison(arch_map_frame(mfn(n)), PAGE_SIZE);
    set_use(f, FRAME_FREE, 0, 0, 0);
    return next;
}

/* Neighbours often come together, up or down: they are one range. */
void heap_take_back(uint32_t first)
{
    spin_lock(&heap.lock);
    for (uint32_t n = first; n;) {
        uint32_t low = n, high = n;

        n = take_back(n);
        while (n && (n == high + 1 || n == low - 1)) {
            low = (uint32_t)min_u64(low, n);
            high = n > high ? n : high;
            n = take_back(n);
        }
        range_free(low, (uint64_t)high + 1, DIRTY);
    }
    spin_unlock(&heap.lock);
}

void heap_hand_over(uint64_t frames)
{
    atomic_fetch_sub_explicit(&heap.used[HEAP_OTHER], frames, memory_order_relaxed);
}

void heap_adopt(uint64_t frames)
{
    atomic_fetch_add_explicit(&heap.used[HEAP_OTHER], frames, memory_order_relaxed);
}

void heap_used_for(enum heap_cause old, enum heap_cause new)
{
    atomic_fetch_sub_explicit(&heap.used[old], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&heap.used[new], 1, memory_order_relaxed);
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

/* ---- boot ---- */

void heap_init(void)
{
    heap = (struct heap){.range_count = 0};
    spin_init(&heap.lock, LK_HEAP);
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
        caches[cpu] = (struct cache){.all = 0};
        spin_init(&caches[cpu].lock, LK_HEAP_CACHE);
    }
    lend_init();
    waiting_init();
    slab_init();
    spare_reset();
}

void heap_add(mfn_t start, mfn_t end)
{
    uint64_t n = start.n ? start.n : 1, count = end.n > n ? end.n - n : 0;

    ASSERT(end.n <= UINT32_MAX);
    spin_lock(&heap.lock);
    if (heap.range_count < HEAP_RANGES) {
        heap.range[heap.range_count].start = n;
        heap.range[heap.range_count].end = n + count;
    }
    heap.range_count++;
    heap.has_high |= count && zone_of(end.n - 1) >= ZONE_4G;
    range_free(n, n + count, VIRGIN);
    spin_unlock(&heap.lock);
    atomic_fetch_add(&heap.total, count);
    atomic_fetch_add(&heap.available, count);
}

/* ---- counts ---- */

uint64_t heap_free_pages(void)
{
    return heap.available;
}

uint64_t heap_total_pages(void)
{
    return heap.total;
}

uint64_t heap_used_pages(enum heap_cause cause)
{
    return heap.used[cause];
}

uint64_t heap_dirty_pages(void)
{
    return heap.count[DIRTY];
}

uint64_t heap_clean_pages(void)
{
    return heap.count[CLEAN];
}

uint64_t caches_audit(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < MAX_CPUS * KINDS; i++) {
        const struct cache *c = &caches[i / KINDS];
        uint32_t count = 0;

        for (uint32_t n = c->head[i % KINDS]; n; n = frame_of(mfn(n))->next, count++)
            AUDIT(frame_of(mfn(n))->use == frame_use(FRAME_CACHED, 0, (domid_t)(i % KINDS), 0),
                  "INV-HEAP-1: not cached", n);
        AUDIT(count == c->count[i % KINDS], "INV-HEAP-3: cache count", i);
        AUDIT(count < CACHE_MAX, "a cache holds too much", count);
        sum += count;
        AUDIT(c->all == c->count[DIRTY] + c->count[CLEAN], "INV-HEAP-3: cache sum", i);
    }
    return sum + lend_audit();
}
