// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of the page cache that Linux evicts go into the pool of their volume.
 *
 * Reclaim tells nobody whose page it takes, and nobody can ask a file system for a page's block there, with interrupts off and
 * locks held. So the side table (cache_side.h) has the block of each page that was read or written through a volume, and reclaim
 * is watched:
 *
 *	workingset_eviction()			a kprobe: the folio is locked, clean, frozen, still in place: put it
 *	mm_filemap_delete_from_page_cache	a tracepoint: a folio leaves the page cache, for whatever reason: forget it
 *	mm_filemap_add_to_page_cache		likewise: one comes: whatever is noted of its frames is of the past
 *	folio_migrate_mapping()			a kprobe: a folio moves: its notes go along
 *
 * A page that truncation, direct I/O, drop_caches or unmounting takes away is never put, only forgotten.
 *
 * INV-EVICT-1  A page has a note only if its file system reads and writes the page's own memory, unchanged, from and to the disk.
 *
 * So the file system must be directly on the volume (there may be encryption between), and of a kind which is known for that
 * (plain_data): not one that compresses, and no encrypted file. The page must be locked and not yet uptodate while it
 * is read: then it is the page cache's, and not memory that direct I/O reads into, which may be a page of another file.
 *
 * While a page that has a note is dirty or written, it is not evicted; its write gives it a new note (evict_write_page).
 */
#define pr_fmt(fmt) "lagan_cache: " fmt

#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/rcupdate.h>
#include <linux/tracepoint.h>

#include "cache.h"
#include "cache_pool.h"
#include "cache_side.h"

static DEFINE_MUTEX(lock); /* who comes and goes */
static unsigned int users;
static struct cache
    *volumes[SIDE_VOLUMES]; /* read by those who have interrupts or preemption off */
static struct side *side;   /* there as long as there are users */

/* ---- notes ---- */

/* File systems whose data pages go to the disk as they are. */
static bool plain_data(const struct inode *inode)
{
    switch (inode->i_sb->s_magic) {
    case EXT4_SUPER_MAGIC: /* ext2 and ext3 too */
    case XFS_SUPER_MAGIC:
    case MSDOS_SUPER_MAGIC:
        return S_ISREG(inode->i_mode) && !IS_ENCRYPTED(inode);
    default:
        return false;
    }
}

/* A file's page of a file system on the volume. It must be locked or under writeback, so that it stays where it is. */
static bool is_of_volume(const struct cache *c, struct folio *folio)
{
    struct address_space *mapping = folio->mapping;
    struct super_block *sb;

    if (!mapping || ((unsigned long)mapping & PAGE_MAPPING_FLAGS) || folio_test_swapbacked(folio))
        return false;
    sb = mapping->host->i_sb;
    return sb->s_bdev && sb->s_bdev->bd_disk == c->disk && plain_data(mapping->host);
}

bool evict_is_filling(const struct cache *c, struct page *page)
{
    struct folio *folio = page_folio(page);

    return folio_test_locked(folio) && !folio_test_uptodate(folio) && is_of_volume(c, folio);
}

void evict_note(const struct cache *c, struct page *page, u64 block, u32 stamp)
{
    struct side_entry e = {.volume = c->volume, .block = block, .stamp = stamp};

    side_set(side, page_to_pfn(page), &e);
}

void evict_forget(struct page *page)
{
    side_clear(side, page_to_pfn(page));
}

/*
 * Only a page that is written back holds what the disk will; what has been in it before, and where, is of the past. Where two
 * writes of one block overlap, nobody knows which one the disk keeps.
 */
bool evict_write_page(struct cache *c, struct page *page, u64 block)
{
    struct folio *folio = page_folio(page);
    bool filled, alone;
    u32 stamp;

    evict_forget(page);
    filled = track_write_page(c->track, block, &stamp, &alone);
    if (alone && folio_test_writeback(folio) && is_of_volume(c, folio))
        evict_note(c, page, block, stamp);
    return filled;
}

/* ---- what is watched ---- */

static void put_page_of(struct page *page, const struct side_entry *e)
{
    struct cache *c = READ_ONCE(volumes[e->volume]);
    struct pool_page p = {.block = e->block, .page = page_address(page)};
    unsigned long flags;

    if (!c || !cache_works(c))
        return;
    if (!track_lock_page(c->track, e->block, e->stamp, SIDE_STAMP_MASK, &flags)) {
        cache_count(c, stale, 1);
        return;
    }
    pool_put(c->pool, &p, 1);
    if (p.done) {
        track_set_filled(c->track, e->block);
        cache_count(c, kept, 1);
    } else {
        cache_count(c, refused, 1);
    }
    track_unlock(c->track, e->block, flags);
}

static int on_migration(struct kprobe *probe, struct pt_regs *regs);
static struct kprobe migration_probe = {.symbol_name = "folio_migrate_mapping",
                                        .pre_handler = on_migration};

/* void *workingset_eviction(struct folio *folio, struct mem_cgroup *target_memcg) */
static int on_eviction(struct kprobe *probe, struct pt_regs *regs)
{
    struct folio *folio = (struct folio *)regs->di;
    bool whole = folio_test_uptodate(folio) && !folio_test_dirty(folio) &&
                 !folio_test_swapbacked(folio) && !folio_test_error(folio);
    long pages = folio_nr_pages(folio);

    /* A move that was not seen may have left a note with a frame that is another page now. */
    whole = whole && migration_probe.nmissed == 0;
    for (long i = 0; i < pages; i++) {
        struct side_entry e = side_take(side, folio_pfn(folio) + i);

        if (e.volume && whole)
            put_page_of(folio_page(folio, i), &e);
    }
    return 0;
}

static struct kprobe eviction_probe = {.symbol_name = "workingset_eviction",
                                       .pre_handler = on_eviction};

/*
 * int folio_migrate_mapping(struct address_space *mapping, struct folio *newfolio, struct folio *folio, int extra_count)
 * It may fail yet; then the old folio has no notes, and the new one is given up with some, which whoever uses it next ends.
 */
static int on_migration(struct kprobe *probe, struct pt_regs *regs)
{
    unsigned long to = folio_pfn((struct folio *)regs->si);
    struct folio *folio = (struct folio *)regs->dx;
    long pages = folio_nr_pages(folio);

    for (long i = 0; i < pages; i++) {
        struct side_entry e = side_take(side, folio_pfn(folio) + i);

        side_set(side, to + i, &e);
    }
    return 0;
}

static void on_cache_change(void *data, struct folio *folio)
{
    long pages = folio_nr_pages(folio);

    for (long i = 0; i < pages; i++)
        side_clear(side, folio_pfn(folio) + i);
}

/* ---- watching ---- */

static struct watched_point {
    const char *name;
    struct tracepoint *point;
} points[] = {{.name = "mm_filemap_add_to_page_cache"},
              {.name = "mm_filemap_delete_from_page_cache"}};

static void match_point(struct tracepoint *point, void *unused)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(points); i++)
        if (!strcmp(point->name, points[i].name))
            points[i].point = point;
}

static void unwatch(unsigned int registered)
{
    while (registered-- > 0)
        tracepoint_probe_unregister(points[registered].point, on_cache_change, NULL);
    tracepoint_synchronize_unregister();
}

static int probe_begin(struct kprobe *probe)
{
    /* A probe that has been registered before has its address, and may not have both. */
    probe->addr = NULL;
    probe->flags = 0;
    return register_kprobe(probe);
}

/* Puts come last, and go first: whoever puts knows what the others have seen. */
static int watch(void)
{
    unsigned int i;
    int rc;

    for_each_kernel_tracepoint(match_point, NULL);
    for (i = 0; i < ARRAY_SIZE(points); i++) {
        rc = points[i].point ? tracepoint_probe_register(points[i].point, on_cache_change, NULL)
                             : -ENOENT;
        if (rc)
            goto fail;
    }
    rc = probe_begin(&migration_probe);
    if (rc)
        goto fail;
    rc = probe_begin(&eviction_probe);
    if (!rc)
        return 0;
    unregister_kprobe(&migration_probe);
fail:
    unwatch(i);
    pr_err("reclaim cannot be watched: %d\n", rc);
    return rc;
}

static unsigned long frames_end(void)
{
    unsigned long end = 0;
    int node;

    for_each_online_node(node) end = max(end, node_end_pfn(node));
    return end;
}

static int begin(void)
{
    int rc;

    side = side_new(frames_end());
    if (!side)
        return -ENOMEM;
    rc = watch();
    if (rc) {
        side_free(side);
        side = NULL;
    }
    return rc;
}

static void end(void)
{
    unregister_kprobe(&eviction_probe);
    unregister_kprobe(&migration_probe);
    unwatch(ARRAY_SIZE(points));
    side_free(side);
    side = NULL;
}

/* ---- volumes ---- */

int evict_register(struct cache *c)
{
    unsigned int volume;
    int rc = 0;

    mutex_lock(&lock);
    for (volume = 1; volume < SIDE_VOLUMES && volumes[volume]; volume++)
        ;
    if (volume == SIDE_VOLUMES)
        rc = -ENOSPC;
    else if (users == 0)
        rc = begin();
    if (!rc) {
        users++;
        c->volume = volume;
        WRITE_ONCE(volumes[volume], c);
    }
    mutex_unlock(&lock);
    return rc;
}

void evict_quiesce(struct cache *c)
{
    /* Those who put have preemption off. */
    synchronize_rcu();
    side_clear_volume(side, c->volume);
}

void evict_unregister(struct cache *c)
{
    mutex_lock(&lock);
    WRITE_ONCE(volumes[c->volume], NULL);
    evict_quiesce(c);
    c->volume = 0;
    if (--users == 0)
        end();
    mutex_unlock(&lock);
}

size_t evict_memory(void)
{
    size_t size;

    mutex_lock(&lock);
    size = side ? side_size(side) : 0;
    mutex_unlock(&lock);
    return size;
}
