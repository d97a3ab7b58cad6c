/* SPDX-License-Identifier: MIT
 *
 * Least recently used, by a list through the slots; blocks by open addressing in a table that is
 * never more than half full.
 */
#include "replay/lru.h"

#include <stddef.h>

#include "kit/lib.h"
#include "kit/page.h"

#define END LRU_PAGES_MAX /* the list's two ends, as one slot more */

static uint8_t pages[LRU_PAGES_MAX][PAGE_SIZE] PAGE_ALIGNED;
static struct block blocks[LRU_BLOCKS_MAX];

static struct {
    unsigned pages, used, block_count;
    uint16_t older[LRU_PAGES_MAX + 1], newer[LRU_PAGES_MAX + 1];
    struct block *holds[LRU_PAGES_MAX];
} lru;

void lru_reset(unsigned count)
{
    memset(blocks, 0, sizeof(blocks));
    memset(&lru, 0, sizeof(lru));
    lru.pages = count;
    lru.older[END] = lru.newer[END] = END;
}

void lru_set_pages(unsigned count)
{
    lru.pages = count;
}

void *lru_page(unsigned slot)
{
    return pages[slot];
}

struct block *lru_block(uint64_t number)
{
    uint64_t hash = number * 0x9e3779b97f4a7c15UL;
    unsigned i = (unsigned)(hash >> 40) % LRU_BLOCKS_MAX;

    for (; blocks[i].number != 0; i = (i + 1) % LRU_BLOCKS_MAX) {
        if (blocks[i].number == number + 1) {
            return &blocks[i];
        }
    }
    if (lru.block_count >= LRU_BLOCKS_MAX / 2) {
        return NULL;
    }
    lru.block_count++;
    blocks[i].number = number + 1;
    return &blocks[i];
}

static void unlink_slot(unsigned slot)
{
    lru.newer[lru.older[slot]] = lru.newer[slot];
    lru.older[lru.newer[slot]] = lru.older[slot];
}

static void link_newest(unsigned slot)
{
    unsigned newest = lru.older[END];

    lru.older[slot] = (uint16_t)newest;
    lru.newer[slot] = END;
    lru.newer[newest] = (uint16_t)slot;
    lru.older[END] = (uint16_t)slot;
}

void *lru_find(const struct block *b)
{
    if (b->slot == 0) {
        return NULL;
    }
    unlink_slot(b->slot - 1);
    link_newest(b->slot - 1);
    return pages[b->slot - 1];
}

void *lru_take(struct block *b, struct block **evicted)
{
    unsigned slot = lru.used;

    *evicted = NULL;
    if (lru.used < lru.pages) {
        lru.used++;
    } else {
        slot = lru.newer[END];
        unlink_slot(slot);
        *evicted = lru.holds[slot];
        (*evicted)->slot = 0;
    }
    link_newest(slot);
    lru.holds[slot] = b;
    b->slot = slot + 1;
    return pages[slot];
}
