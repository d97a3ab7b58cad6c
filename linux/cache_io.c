// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads and writes of a volume under the page cache.
 *
 * The device mapper splits reads and writes at multiples of 2 MiB (TRACK_EXTENT blocks), so that each one is in one
 * extent. A read of whole blocks into whole pages asks the pool for all of them first; what is not there is read from the disk, in as
 * many parts as there are gaps. Whatever else is read passes, and is counted.
 *
 *	inclusive	pages that came from the disk are put into the pool before the read is completed, while nobody else
 *			can change them; hits stay there
 *	last-chance	pages that will be in the page cache are noted (cache_evict.c), and leave the pool; hits of other
 *			reads stay
 *
 * Whatever may change blocks (writes, discards, zeroes, and all that is not known) takes them out of the pool first, and keeps them out
 * until it has ended (cache_track.h).
 *
 * Pages are named by address, not by frame: under a block backend they are those of another domain.
 */
#define pr_fmt(fmt) "lagan_cache: " fmt

#include <linux/bitmap.h>
#include <linux/preempt.h>

#include "cache.h"
#include "cache_pool.h"

#define FILL_AT_ONCE 32U /* pages that are copied in an interrupt; more are left to a worker */

enum io_kind { IO_PASSED, IO_READ, IO_WRITE };

struct cache_io {
    struct bvec_iter iter; /* as it was: those below use up the bio's own */
    enum io_kind kind;
    bool
        fresh; /* of a read: no write was under way when it began, and `token` tells whether one came */
    u64 first; /* blocks */
    u64 count;
    u64 token;
    u32 found;                         /* of a read: so many blocks were in the pool ... */
    DECLARE_BITMAP(hit, TRACK_EXTENT); /* ... namely these */
    atomic_t parts;                    /* reads of the rest that are under way */
    blk_status_t status;               /* theirs */
    struct cache *cache;
    struct work_struct work;
};

static struct workqueue_struct *queue;

size_t cache_io_size(void)
{
    return sizeof(struct cache_io);
}

int cache_io_init(void)
{
    queue = alloc_workqueue("lagan_cache", WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
    return queue ? 0 : -ENOMEM;
}

void cache_io_exit(void)
{
    destroy_workqueue(queue);
}

static struct bio *bio_of(struct cache_io *io)
{
    return dm_bio_from_per_bio_data(io, sizeof(*io));
}

/* The pages of an I/O of whole blocks, as it was at first, with their places in it. */
#define for_each_io_page(bv, bio, it, io, n)                                        \
    for (it = (io)->iter, n = 0; it.bi_size && ((bv = bio_iter_iovec(bio, it)), 1); \
         bio_advance_iter_single(bio, &it, bv.bv_len), n++)

/* Which blocks the I/O touches; true: whole ones, each in a whole page, and all in one extent. */
static bool whole_blocks(struct bio *bio, struct cache_io *io, sector_t sector)
{
    sector_t end = sector + bio_sectors(bio);
    struct bvec_iter it;
    struct bio_vec bv;

    io->first = sector / BLOCK_SECTORS;
    io->count = DIV_ROUND_UP_SECTOR_T(end, BLOCK_SECTORS) - io->first;
    if (sector % BLOCK_SECTORS || end % BLOCK_SECTORS || !bio_has_data(bio) ||
        (io->first ^ (io->first + io->count - 1)) >> TRACK_EXTENT_SHIFT)
        return false;
    bio_for_each_segment(bv, bio, it) if (bv.bv_offset || bv.bv_len != PAGE_SIZE) return false;
    return true;
}

/* ---- reads ---- */

/* Asks the pool for all blocks of a read: io->hit, io->found. */
static void look_up(struct cache *c, struct bio *bio, struct cache_io *io)
{
    struct pool_page page[POOL_BATCH];
    unsigned int batch = 0, n;
    struct bvec_iter it;
    struct bio_vec bv;

    for_each_io_page(bv, bio, it, io, n)
    {
        page[batch++] = (struct pool_page){
            .block = io->first + n,
            .page = page_address(bv.bv_page),
            .stays = !c->volume || !evict_is_filling(c, bv.bv_page),
        };
        if (batch < POOL_BATCH && n + 1 < io->count)
            continue;
        pool_get(c->pool, page, batch);
        for (unsigned int i = 0; i < batch; i++)
            if (page[i].done) {
                __set_bit((int)(page[i].block - io->first), io->hit);
                io->found++;
            }
        batch = 0;
    }
    cache_count(c, hits, io->found);
    cache_count(c, misses, io->count - io->found);
}

/* The batch goes into the pool, unless a write has come between. */
static bool put_batch(struct cache *c, const struct cache_io *io, struct pool_page *page,
                      unsigned int count)
{
    unsigned int kept = 0;
    unsigned long flags;

    if (!track_lock_read(c->track, io->first, (u32)io->count, io->token, &flags))
        return false;
    pool_put(c->pool, page, count);
    for (unsigned int i = 0; i < count; i++)
        kept += page[i].done;
    if (kept)
        track_set_filled(c->track, io->first);
    track_unlock(c->track, io->first, flags);
    cache_count(c, kept, kept);
    cache_count(c, refused, count - kept);
    return true;
}

static void fill(struct cache *c, struct bio *bio, const struct cache_io *io)
{
    struct pool_page page[POOL_BATCH];
    unsigned int batch = 0, left = (unsigned int)io->count - io->found, n;
    struct bvec_iter it;
    struct bio_vec bv;

    for_each_io_page(bv, bio, it, io, n)
    {
        if (test_bit((int)n, io->hit))
            continue;
        page[batch++] =
            (struct pool_page){.block = io->first + n, .page = page_address(bv.bv_page)};
        if (batch < POOL_BATCH && batch < left)
            continue;
        if (!put_batch(c, io, page, batch)) {
            cache_count(c, stale, left);
            return;
        }
        left -= batch;
        batch = 0;
    }
}

static void note_pages(struct cache *c, struct bio *bio, const struct cache_io *io)
{
    struct bvec_iter it;
    unsigned long flags;
    struct bio_vec bv;
    unsigned int n;

    if (!track_lock_read(c->track, io->first, (u32)io->count, io->token, &flags))
        return;
    for_each_io_page(bv, bio, it, io, n) if (evict_is_filling(c, bv.bv_page))
        evict_note(c, bv.bv_page, io->first + n, track_stamp(c->track, io->first + n));
    track_unlock(c->track, io->first, flags);
}

static void part_done(struct cache_io *io)
{
    struct bio *bio = bio_of(io);

    if (!atomic_dec_and_test(&io->parts))
        return;
    bio->bi_status = io->status;
    bio_endio(bio);
}

static void end_part(struct bio *part)
{
    struct cache_io *io = part->bi_private;

    if (part->bi_status)
        WRITE_ONCE(io->status, part->bi_status);
    bio_put(part);
    part_done(io);
}

/* Reads what was not in the pool, each row of blocks by itself. */
static void read_rest(struct cache *c, struct bio *bio, struct cache_io *io)
{
    unsigned int from, to, count = (unsigned int)io->count;

    atomic_set(&io->parts, 1);
    io->status = BLK_STS_OK;
    for (from = 0; from < count; from = to) {
        struct bio *part;

        from = (unsigned int)find_next_zero_bit(io->hit, count, from);
        if (from >= count)
            break;
        to = (unsigned int)find_next_bit(io->hit, count, from);
        part = bio_alloc_clone(c->dev->bdev, bio, GFP_NOIO, &c->parts);
        bio_trim(part, (sector_t)from * BLOCK_SECTORS, (sector_t)(to - from) * BLOCK_SECTORS);
        part->bi_opf &= ~REQ_POLLED;
        part->bi_private = io;
        part->bi_end_io = end_part;
        atomic_inc(&io->parts);
        submit_bio_noacct(part);
    }
    part_done(io);
}

static int map_read(struct cache *c, struct bio *bio, struct cache_io *io, sector_t sector)
{
    if (!whole_blocks(bio, io, sector) || bio_integrity(bio)) {
        cache_count(c, passed, 1);
        return DM_MAPIO_REMAPPED;
    }
    io->kind = IO_READ;
    io->found = 0;
    bitmap_zero(io->hit, TRACK_EXTENT);
    io->fresh = track_read_begin(c->track, io->first, (u32)io->count, &io->token);
    look_up(c, bio, io);
    if (io->found == 0)
        return DM_MAPIO_REMAPPED;
    if (io->found == io->count)
        bio_endio(bio);
    else
        read_rest(c, bio, io);
    return DM_MAPIO_SUBMITTED;
}

/* Interrupts are not kept waiting for many pages; the read is completed later. */
static void fill_later(struct work_struct *work)
{
    struct cache_io *io = container_of(work, struct cache_io, work);
    struct bio *bio = bio_of(io);

    fill(io->cache, bio, io);
    io->kind = IO_PASSED;
    bio_endio(bio);
}

static int end_read(struct cache *c, struct bio *bio, struct cache_io *io)
{
    if (c->volume) {
        note_pages(c, bio, io);
    } else if (io->count - io->found > FILL_AT_ONCE && in_interrupt()) {
        io->cache = c;
        INIT_WORK(&io->work, fill_later);
        queue_work(queue, &io->work);
        return DM_ENDIO_INCOMPLETE;
    } else {
        fill(c, bio, io);
    }
    return DM_ENDIO_DONE;
}

/* ---- writes ---- */

/* What is not known to leave blocks as they are may change them. */
static int map_write(struct cache *c, struct bio *bio, struct cache_io *io, sector_t sector)
{
    bool whole = whole_blocks(bio, io, sector), filled = false;
    struct bvec_iter it;
    struct bio_vec bv;
    unsigned int n;

    if (bio_op(bio) == REQ_OP_ZONE_RESET_ALL) {
        io->first = 0;
        io->count = DIV_ROUND_UP_SECTOR_T(c->ti->len, BLOCK_SECTORS);
    }
    io->kind = IO_WRITE;
    if (whole && c->volume) {
        for_each_io_page(bv, bio, it, io, n) filled |=
            evict_write_page(c, bv.bv_page, io->first + n);
    } else {
        filled = track_write_begin(c->track, io->first, io->count);
        if (c->volume && bio_has_data(bio))
            bio_for_each_segment(bv, bio, it) evict_forget(bv.bv_page);
    }
    if (!filled)
        return DM_MAPIO_REMAPPED;
    cache_count(c, flushes, 1);
    if (pool_flush(c->pool, io->first, io->count) < 0 && !xchg(&c->lost, true))
        pr_err("%s: blocks that are written cannot be taken out of the pool; it is not used any "
               "more\n",
               c->disk->disk_name);
    return DM_MAPIO_REMAPPED;
}

static void end_write(struct cache *c, struct bio *bio, struct cache_io *io, bool failed)
{
    struct bvec_iter it;
    struct bio_vec bv;
    unsigned int n;

    track_write_end(c->track, io->first, io->count);
    /* The page is clean now, and the disk has something else. */
    if (failed && c->volume && bio_has_data(bio))
        for_each_io_page(bv, bio, it, io, n) evict_forget(bv.bv_page);
}

/* ---- both ---- */

int cache_map(struct dm_target *ti, struct bio *bio)
{
    struct cache_io *io = dm_per_bio_data(bio, sizeof(*io));
    sector_t sector = dm_target_offset(ti, bio->bi_iter.bi_sector);
    struct cache *c = ti->private;

    io->kind = IO_PASSED;
    io->iter = bio->bi_iter;
    bio_set_dev(bio, c->dev->bdev);
    bio->bi_iter.bi_sector = sector;
    if (!cache_works(c) || bio_op(bio) == REQ_OP_FLUSH || !bio_sectors(bio))
        return DM_MAPIO_REMAPPED;
    if (bio_op(bio) == REQ_OP_READ)
        return map_read(c, bio, io, sector);
    return map_write(c, bio, io, sector);
}

int cache_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
    struct cache_io *io = dm_per_bio_data(bio, sizeof(*io));
    struct cache *c = ti->private;
    int rc = DM_ENDIO_DONE;

    if (io->kind == IO_WRITE)
        end_write(c, bio, io, *error != BLK_STS_OK);
    else if (io->kind == IO_READ && io->fresh && *error == BLK_STS_OK)
        rc = end_read(c, bio, io);
    if (rc == DM_ENDIO_DONE)
        io->kind = IO_PASSED;
    return rc;
}
