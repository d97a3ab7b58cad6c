/* SPDX-License-Identifier: MIT
 *
 * Runs: consecutive frames of any number. A block that is large enough is cut into the blocks of
 * the number's binary digits, the largest first, so that each lies aligned to its own size; what is
 * left over is cut likewise and freed. To the allocator they are blocks like any other.
 */
#include "mm/frame.h"
#include "mm/heap.h"

/* Makes 2^order frames, which are in use, a block of their own. */
static void make_block(mfn_t m, unsigned order)
{
    atomic_store_explicit(&frame_of(m)->use, frame_use(FRAME_HYPERVISOR, order, 0, 1),
                          memory_order_relaxed);
}

static unsigned highest_bit(uint64_t n)
{
    return 63 - (unsigned)__builtin_clzll(n);
}

void *page_alloc_run(uint64_t count)
{
    unsigned order, piece;
    mfn_t m;

    if (count == 0 || count > UINT64_C(1) << HEAP_MAX_ORDER)
        return NULL;
    order = count > 1 ? highest_bit(count - 1) + 1 : 0;
    if (!heap_alloc(order, HEAP_ANY, &m))
        return NULL;
    for (uint64_t at = 0; at < count; at += UINT64_C(1) << piece) {
        piece = highest_bit(count - at);
        make_block(mfn(m.n + at), piece);
    }
    for (uint64_t at = count; at < UINT64_C(1) << order; at += UINT64_C(1) << piece) {
        piece = (unsigned)__builtin_ctzll(at);
        make_block(mfn(m.n + at), piece);
        heap_free(mfn(m.n + at), piece);
    }
    return arch_map_frame(m);
}

void page_free_run(void *p, uint64_t count)
{
    unsigned piece;

    if (!p)
        return;
    for (uint64_t at = 0; at < count; at += UINT64_C(1) << piece) {
        piece = highest_bit(count - at);
        heap_free(mfn(arch_frame_of(p).n + at), piece);
    }
}

void page_split_run(void *p, uint64_t count)
{
    for (uint64_t at = 0; at < count; at++)
        make_block(mfn(arch_frame_of(p).n + at), 0);
}
