/* SPDX-License-Identifier: MIT
 *
 * The lists of free blocks: a binary buddy system.
 *
 * A free block of 2^order frames is one entry on the list of its zone, order and kind: its first
 * frame says FRAME_FREE_HEAD, the order and the kind, the entries of the frames inside stay all
 * zero. So the boot code, which clears the frame table, has no more to do for a range of RAM than to
 * name it: it is cut into aligned blocks and one entry for each is touched. Two blocks merge when
 * the buddy's first frame is a head of the same order and kind; holes, the hypervisor's own image
 * and frames in use never are, so that nothing else need be known of the machine's map.
 *
 * Blocks of different kinds do not merge, or nothing would be clean until everything is. What that
 * keeps apart comes together when the dirty one has been cleared, or when a request that needs the
 * larger block unites them as dirty.
 *
 * Lists are linked by 32-bit frame numbers; 0 ends them, so frame 0 is never in the allocator.
 */
#include "mm/heap_lists.h"

struct heap heap;

/* How many blocks of one list blocks_unite() looks at: no walk may take long. */
#define UNITE_MAX 256

static void list_push(uint32_t n, unsigned order, enum heap_kind kind)
{
    struct zone *z = &heap.zone[zone_of(n)];
    struct frame *f = frame_of(mfn(n));

    set_use(f, FRAME_FREE_HEAD, order, kind, 0);
    f->prev = 0;
    f->next = z->head[kind][order];
    if (f->next)
        frame_of(mfn(f->next))->prev = n;
    z->head[kind][order] = n;
    z->nonempty[kind] |= 1U << order;
    heap.zones[kind] |= 1U << zone_of(n);
}

/* Takes a block off its list; its entry is all zero again (INV-FRAME-4). */
static void list_take(uint32_t n, unsigned order, enum heap_kind kind)
{
    struct zone *z = &heap.zone[zone_of(n)];
    struct frame *f = frame_of(mfn(n));

    ASSERT(block_is_free(n, order, kind));
    if (f->prev)
        frame_of(mfn(f->prev))->next = f->next;
    else
        z->head[kind][order] = f->next;
    if (f->next)
        frame_of(mfn(f->next))->prev = f->prev;
    if (!z->head[kind][order])
        z->nonempty[kind] &= ~(1U << order);
    if (!z->nonempty[kind])
        heap.zones[kind] &= ~(1U << zone_of(n));
    f->next = f->prev = 0;
    set_use(f, FRAME_FREE, 0, 0, 0);
}

bool block_is_free(uint64_t n, unsigned order, enum heap_kind kind)
{
    return arch_mfn_valid(mfn(n)) &&
           atomic_load_explicit(&frame_of(mfn(n))->use, memory_order_relaxed) ==
               frame_use(FRAME_FREE_HEAD, order, (domid_t)kind, 0);
}

void block_free(uint32_t n, unsigned order, enum heap_kind kind)
{
    atomic_fetch_add_explicit(&heap.count[kind], UINT64_C(1) << order, memory_order_relaxed);
    while (order < HEAP_MAX_ORDER && block_is_free(n ^ (UINT32_C(1) << order), order, kind)) {
        list_take(n ^ (UINT32_C(1) << order), order, kind);
        n &= ~(UINT32_C(1) << order);
        order++;
    }
    list_push(n, order, kind);
}

void range_free(uint64_t n, uint64_t end, enum heap_kind kind)
{
    while (n < end) {
        unsigned order = min_u64((uint64_t)__builtin_ctzll(n), HEAP_MAX_ORDER) & 31;

        while (n + (UINT64_C(1) << order) > end)
            order--;
        block_free((uint32_t)n, order, kind);
        n += UINT64_C(1) << order;
    }
}

uint32_t block_alloc(uint32_t zones, unsigned order, enum heap_kind kind)
{
    uint32_t fits, n;
    unsigned have;

    for (zones &= heap.zones[kind]; zones; zones &= ~(1U << zone_of(zones))) {
        struct zone *z = &heap.zone[zone_of(zones)];

        fits = z->nonempty[kind] >> order << order;
        if (!fits)
            continue;
        have = (unsigned)__builtin_ctz(fits);
        n = z->head[kind][have];
        list_take(n, have, kind);
        while (have > order) {
            have--;
            list_push(n + (UINT32_C(1) << have), have, kind);
        }
        atomic_fetch_sub_explicit(&heap.count[kind], UINT64_C(1) << order, memory_order_relaxed);
        return n;
    }
    return 0;
}

static void unlist(uint32_t n, unsigned order, enum heap_kind kind)
{
    list_take(n, order, kind);
    atomic_fetch_sub_explicit(&heap.count[kind], UINT64_C(1) << order, memory_order_relaxed);
}

/* The blocks of one order and kind that have a buddy of a later kind, as far as the walk may go. */
static void unite_list(struct zone *z, unsigned order, enum heap_kind kind)
{
    uint32_t size = UINT32_C(1) << order, n = z->head[kind][order], next;

    for (unsigned i = 0; n && i < UNITE_MAX; i++, n = next) {
        enum heap_kind other = kind + 1;

        next = frame_of(mfn(n))->next;
        while (other < KINDS && !block_is_free(n ^ size, order, other))
            other++;
        if (other == KINDS)
            continue;
        unlist(n ^ size, order, other);
        unlist(n, order, kind);
        block_free(n & ~size, order + 1, DIRTY);
    }
}

void blocks_unite(uint32_t zones, unsigned order)
{
    for (unsigned low = 0; low < order; low++)
        for (enum heap_kind kind = DIRTY; kind < CLEAN; kind++)
            for (uint32_t left = zones & heap.zones[kind]; left; left &= ~(1U << zone_of(left)))
                unite_list(&heap.zone[zone_of(left)], low, kind);
}

/* The order and kind of the free block that begins at n; false: none does. */
static bool block_at(uint32_t n, unsigned *order, enum heap_kind *kind)
{
    const struct frame *f = frame_of(mfn(n));

    if (!arch_mfn_valid(mfn(n)) || frame_state(f) != FRAME_FREE_HEAD)
        return false;
    *order = frame_order(f);
    *kind = (enum heap_kind)frame_owner(f);
    return true;
}

bool blocks_gather(uint32_t n, unsigned order)
{
    uint32_t end = n + (UINT32_C(1) << order);
    enum heap_kind kind;
    unsigned have;

    for (uint32_t at = n; at < end; at += UINT32_C(1) << have)
        if (!block_at(at, &have, &kind) || have > order)
            return block_at(at, &have, &kind) && at == n;
    for (uint32_t at = n; at < end; at += UINT32_C(1) << have)
        if (block_at(at, &have, &kind))
            unlist(at, have, kind);
    block_free(n, order, DIRTY);
    return true;
}

/* ---- the auditor ---- */

static uint64_t audit_list(unsigned zone, unsigned order, enum heap_kind kind)
{
    uint64_t sum = 0;

    for (uint32_t n = heap.zone[zone].head[kind][order], prev = 0; n;
         prev = n, n = frame_of(mfn(n))->next) {
        AUDIT(block_is_free(n, order, kind), "INV-HEAP-1: not a free block", n);
        AUDIT(frame_of(mfn(n))->prev == prev, "links broken", n);
        AUDIT(n % (UINT32_C(1) << order) == 0 && zone_of(n) == zone, "misplaced block", n);
        AUDIT(order == HEAP_MAX_ORDER || !block_is_free(n ^ (UINT32_C(1) << order), order, kind),
              "INV-HEAP-2: buddies apart", n);
        for (uint32_t i = 1; i < UINT32_C(1) << order; i++)
            AUDIT(frame_of(mfn(n + i))->use == 0, "INV-FRAME-4: entry in a free block", n + i);
        sum += UINT64_C(1) << order;
    }
    return sum;
}

uint64_t lists_audit(void)
{
    uint64_t sum[KINDS] = {0}, all = 0;

    for (unsigned i = 0; i < ZONE_COUNT * KINDS; i++) {
        const struct zone *z = &heap.zone[i / KINDS];
        enum heap_kind kind = (enum heap_kind)(i % KINDS);

        AUDIT(!z->nonempty[kind] == !(heap.zones[kind] >> i / KINDS & 1), "zone bit wrong", i);
        for (unsigned order = 0; order <= HEAP_MAX_ORDER; order++) {
            AUDIT(!z->head[kind][order] == !(z->nonempty[kind] >> order & 1), "nonempty bit wrong",
                  z->head[kind][order]);
            sum[kind] += audit_list(i / KINDS, order, kind);
        }
    }
    for (enum heap_kind kind = DIRTY; kind < KINDS; kind++) {
        AUDIT(sum[kind] == heap.count[kind], "INV-HEAP-3: count of a kind", sum[kind]);
        all += sum[kind];
    }
    return all;
}
