/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A volume under the device-mapper target lagan-cache, as its parts know it: cache_target.c (a volume's life), cache_io.c (its
 * reads and writes) and cache_evict.c (pages that Linux evicts).
 */
#ifndef LAGAN_CACHE_H
#define LAGAN_CACHE_H

#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>

#include "cache_track.h"

#define BLOCK_SECTORS (PAGE_SIZE >> SECTOR_SHIFT)

/* In blocks, but `flushes` and `passed`: writes that had to look into the pool, and reads that were not for it. */
struct cache_counts {
    u64 hits;
    u64 misses;
    u64 kept;
    u64 refused;
    u64 stale; /* not put, since a write came between */
    u64 flushes;
    u64 passed;
};

struct cache {
    struct dm_target *ti;
    struct dm_dev *dev;
    struct gendisk *disk; /* the mapped one: file systems on it are ours */
    struct track *track;
    struct cache_counts __percpu *counts;
    struct bio_set parts;
    struct list_head all;
    int pool;            /* 0: none; changes only while no I/O is under way */
    bool last_chance;    /* as the table says */
    bool lost;           /* the pool is not to be trusted any more: all I/O passes */
    unsigned int volume; /* last-chance: its number in the side table; 0: inclusive */
};

#define cache_count(c, what, n) this_cpu_add((c)->counts->what, n)

static inline bool cache_works(const struct cache *c)
{
    return READ_ONCE(c->pool) > 0 && !READ_ONCE(c->lost);
}

/* ---- cache_io.c ---- */

size_t cache_io_size(void);
int cache_map(struct dm_target *ti, struct bio *bio);
int cache_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error);
int cache_io_init(void);
void cache_io_exit(void);

/* ---- cache_evict.c ---- */

/* From now on, pages of this volume are put when they are evicted: gives c->volume. Negative: an errno. */
int evict_register(struct cache *c);
/* No I/O is under way. */
void evict_unregister(struct cache *c);
/* Forgets what pages hold. No I/O is under way; on return, nobody puts a page into the pool that c->pool named before. */
void evict_quiesce(struct cache *c);
/* The bytes that all volumes share. */
size_t evict_memory(void);

/* The page is being read by a file system on the volume, straight into its page cache. */
bool evict_is_filling(const struct cache *c, struct page *page);
/* The page holds that block, as of that stamp. */
void evict_note(const struct cache *c, struct page *page, u64 block, u32 stamp);
void evict_forget(struct page *page);
/* track_write_page(), and a note about the page that is written. */
bool evict_write_page(struct cache *c, struct page *page, u64 block);

#endif
