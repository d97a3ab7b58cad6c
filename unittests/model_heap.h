/* SPDX-License-Identifier: MIT
 *
 * A naive page allocator's bookkeeping: which frames are handed out, by linear scan.
 */
#pragma once

#include <lagan/types.h>

struct model_block {
    uint64_t start, order;
};

enum { MODEL_BLOCKS = 512 };

struct model_heap {
    struct model_block block[MODEL_BLOCKS];
    unsigned count;
    uint64_t used;
};

/* True if the block overlaps one that is handed out. */
static inline bool model_heap_overlaps(const struct model_heap *h, uint64_t start, unsigned order)
{
    for (unsigned i = 0; i < h->count; i++)
        if (start < h->block[i].start + (UINT64_C(1) << h->block[i].order) &&
            h->block[i].start < start + (UINT64_C(1) << order))
            return true;
    return false;
}

static inline void model_heap_take(struct model_heap *h, uint64_t start, unsigned order)
{
    h->block[h->count++] = (struct model_block){start, order};
    h->used += UINT64_C(1) << order;
}

static inline struct model_block model_heap_give(struct model_heap *h, unsigned which)
{
    struct model_block b = h->block[which];

    h->block[which] = h->block[--h->count];
    h->used -= UINT64_C(1) << b.order;
    return b;
}
