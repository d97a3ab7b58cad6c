/* SPDX-License-Identifier: MIT
 *
 * The auditor of the page allocator: every frame in one place, every sum right.
 */
#include "mm/account.h"
#include "mm/heap_lists.h"
#include "mm/spare.h"
#include "mm/waiting.h"

/* Walks the frame table from the first to the last frame of a range, block by block: what is not on
 * a list must be in use. A block that merged with one of the next range ends there. */
static uint64_t audit_used(uint64_t n, uint64_t end)
{
    uint64_t used = 0;

    while (n < end) {
        const struct frame *f = frame_of(mfn(n));
        enum frame_state state = frame_state(f);
        unsigned order = 0;

        if (state == FRAME_FREE_HEAD || state == FRAME_HYPERVISOR)
            order = frame_order(f);
        if (state == FRAME_HYPERVISOR || state == FRAME_OWNED || state == FRAME_SHARED)
            used += UINT64_C(1) << order;
        n += UINT64_C(1) << order;
    }
    return used;
}

void heap_audit(void)
{
    uint64_t free = lists_audit() + caches_audit() + waiting_audit(), used = 0, claimed = 0;

    free += spare_audit();
    AUDIT(heap.scrubbing == 0 && heap.wanted == 0, "left at work", heap.scrubbing);
    AUDIT(free == heap.available + spare_kept(), "INV-HEAP-3, INV-SPARE-2: free count", free);
    AUDIT(heap.claimed <= heap.available, "INV-HEAP-5: too much is claimed", heap.claimed);
    if (heap.range_count <= HEAP_RANGES) {
        for (unsigned i = 0; i < heap.range_count; i++)
            used += audit_used(heap.range[i].start, heap.range[i].end);
        AUDIT(free + used == heap.total, "INV-HEAP-1: frames lost or counted twice", free + used);
    }
    free = heap.available;
    for (unsigned i = 0; i < HEAP_CAUSES; i++)
        free += heap.used[i];
    for (struct account *a = account_next(0); a; a = account_next(a->id + 1U)) {
        free += a->pages;
        claimed += a->claim;
    }
    AUDIT(free == heap.total, "INV-HEAP-3: the sum of all", free);
    AUDIT(claimed == heap.claimed, "INV-HEAP-5: the sum of claims", claimed);
    slab_audit();
}
