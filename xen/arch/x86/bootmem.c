/* SPDX-License-Identifier: MIT
 *
 * Early allocator: a sorted list of free ranges. Allocation is from the top, so that memory below 4
 * GiB, which guests with DMA need, is spared where there is other.
 */
#include <lagan/assert.h>

#include "xen/arch/x86/bootmem.h"

LAGAN_INIT void bootmem_init(struct bootmem *bm, const struct boot_info *bi, uint64_t floor)
{
    bm->count = 0;
    bm->lost = 0;
    for (unsigned i = 0; i < bi->map_count; i++) {
        const struct boot_range *r = &bi->map[i];
        uint64_t start = max_u64(r->start, floor);

        if (r->type == BOOT_RAM && start < r->end)
            bm->range[bm->count++] = (struct bootmem_range){start, r->end};
    }
}

STATIC_ASSERT(BOOTMEM_RANGES_MAX >= BOOT_MAP_MAX + 2 * BOOT_MODULES_MAX);

static void remove_range(struct bootmem *bm, unsigned i)
{
    for (; i + 1 < bm->count; i++)
        bm->range[i] = bm->range[i + 1];
    bm->count--;
}

/* A second range after i. Without room for it the bytes are lost to us, which is harmless. */
static void insert_after(struct bootmem *bm, unsigned i, struct bootmem_range r)
{
    if (bm->count == BOOTMEM_RANGES_MAX) {
        bm->lost += r.end - r.start;
        return;
    }
    for (unsigned j = bm->count; j > i + 1; j--)
        bm->range[j] = bm->range[j - 1];
    bm->range[i + 1] = r;
    bm->count++;
}

/* Cuts [start, end) out of range i; what was cut overlaps it. True if the range is still there. */
static bool cut(struct bootmem *bm, unsigned i, uint64_t start, uint64_t end)
{
    struct bootmem_range *r = &bm->range[i];
    struct bootmem_range above = {end, r->end};

    if (start <= r->start && end >= r->end) {
        remove_range(bm, i);
        return false;
    }
    if (start <= r->start) {
        r->start = end;
        return true;
    }
    r->end = start;
    if (above.start < above.end)
        insert_after(bm, i, above);
    return true;
}

LAGAN_INIT void bootmem_reserve(struct bootmem *bm, uint64_t start, uint64_t end)
{
    if (start >= end)
        return;
    start &= PAGE_MASK;
    if (add_overflows(end, PAGE_SIZE - 1, &end))
        end = UINT64_MAX;
    end &= PAGE_MASK;
    for (unsigned i = 0; i < bm->count;) {
        if (start < bm->range[i].end && end > bm->range[i].start && !cut(bm, i, start, end))
            continue;
        i++;
    }
}

bool bootmem_alloc(struct bootmem *bm, uint64_t bytes, uint64_t align, uint64_t limit,
                   uint64_t *start)
{
    ASSERT(bytes != 0 && (bytes & ~PAGE_MASK) == 0 && align >= PAGE_SIZE);
    for (unsigned i = bm->count; i-- > 0;) {
        uint64_t top = min_u64(bm->range[i].end, limit);
        uint64_t at;

        if (top < bytes)
            continue;
        at = (top - bytes) & ~(align - 1);
        if (at < bm->range[i].start)
            continue;
        (void)cut(bm, i, at, at + bytes);
        *start = at;
        return true;
    }
    return false;
}

uint64_t bootmem_free_bytes(const struct bootmem *bm)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < bm->count; i++)
        sum += bm->range[i].end - bm->range[i].start;
    return sum;
}
