/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The side table: of which block a page of the page cache is a copy.
 *
 * 8 bytes for each page frame, so its size is known from the start: 1/512 of the memory. An entry means: as long as this frame stays
 * in the page cache where it is, and is clean, it holds what the disk has in that block as of that stamp (cache_track.h). It is set
 * while the page is being read or written, and must be taken away when the frame leaves the page cache, whatever for
 * (cache_evict.c). Entries are words that are read and written at once; there is no lock.
 */
#ifndef LAGAN_CACHE_SIDE_H
#define LAGAN_CACHE_SIDE_H

#include <linux/types.h>

#define SIDE_STAMP_BITS 20
#define SIDE_BLOCK_BITS 36
#define SIDE_STAMP_MASK ((1U << SIDE_STAMP_BITS) - 1)
#define SIDE_BLOCKS     (1ULL << SIDE_BLOCK_BITS) /* 256 TiB */
#define SIDE_VOLUMES    256                       /* their numbers are 1..255 */

struct side_entry {
    unsigned int volume; /* 0: there is no entry */
    u64 block;
    u32 stamp; /* the low SIDE_STAMP_BITS of it */
};

struct side;

/* For frames below this one; others have no entries. NULL: no memory. */
struct side *side_new(unsigned long frames);
void side_free(struct side *s);
size_t side_size(const struct side *s);

void side_set(struct side *s, unsigned long frame, const struct side_entry *e);
struct side_entry side_get(const struct side *s, unsigned long frame);
/* The entry, which is gone then: of two who take, one has it. */
struct side_entry side_take(struct side *s, unsigned long frame);
void side_clear(struct side *s, unsigned long frame);
/* Neither may anybody set entries of the volume meanwhile. */
void side_clear_volume(struct side *s, unsigned int volume);
void side_clear_all(struct side *s);

#endif
