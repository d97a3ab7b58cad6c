// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads and writes of a volume under the page cache.
 *
 * The device mapper splits reads and writes at multiples of 2 MiB (TRACK_EXTENT blocks), so that each one is in one
 * extent. A read of whole blocks into whole pages asks the pool for all of them first; what is not there is read from the disk, in as
 * many parts as there are gaps. Whatever else is read passes, and is counted.
 *
 *	inclusive	pages that came from the disk are put into the pool before the read is completed; hits stay there
 *	last-chance	pages that will be in the page cache are noted (cache_evict.c), and leave the pool; hits of other
 *			reads stay
 *
 * Whatever may change blocks (writes, discards, zeroes, and all that is not known) takes them out of the pool first, and keeps them out
 * until it has ended (cache_track.h).
 *
 * Pages are named by address, not by frame: under a block backend they are those of another domain.
 *
 * INV-IO-1  What is put was read into memory that nobody but the kernel can write.
 *
 * For a page of a guest's, or of a program that reads past the page cache, may be written by its owner while it is being
 * read, and all others would find that in the pool. Only pages of the page cache that are not uptodate yet are safe; for others, the
 * disk is read into pages of ours, and copied from there once the pool has had them.
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
    bio_for_each_segment (bv, bio, it)
        if (bv.bv_offset || bv.bv_len != PAGE_SIZE)
            return false;
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

    for_each_io_page (bv, bio, it, io, n) {
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

    for_each_io_page (bv, bio, it, io, n) {
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
    for_each_io_page (bv, bio, it, io, n)
        if (evict_is_filling(c, bv.bv_page))
            evict_note(c, bv.bv_page, io->first + n, track_stamp(c->track, io->first + n));
    track_unlock(c->track, io->first, flags);
}

/* ---- parts of a read ---- */

struct cache_part {
    struct cache_io *io;
    unsigned int from, count; /* blocks of it */
    bool own;                 /* they come into pages of our own */
    struct work_struct work;
    struct bio bio; /* what the set of bios gives; the rest lies before it */
};

int cache_parts_init(struct bio_set *parts)
{
    return bioset_init(parts, 16, offsetof(struct cache_part, bio),
                       BIOSET_NEED_BVECS | BIOSET_NEED_RESCUER);
}

static void end_part(struct bio *bio);

static void part_done(struct cache_io *io)
{
    struct bio *bio = bio_of(io);

    if (!atomic_dec_and_test(&io->parts))
        return;
    bio->bi_status = io->status;
    bio_endio(bio);
}

static void free_part(struct cache_part *part)
{
    if (part->own)
        for (unsigned int i = 0; i < part->bio.bi_vcnt; i++)
            __free_page(part->bio.bi_io_vec[i].bv_page);
    bio_put(&part->bio);
}

/* To the pool, and then to whoever reads. */
static void deliver(struct cache_part *part)
{
    struct cache_io *io = part->io;
    struct pool_page page[POOL_BATCH];
    struct bio *bio = bio_of(io);
    struct bvec_iter it;
    struct bio_vec bv;
    unsigned int n;

    for (unsigned int at = 0; at < part->count; at += POOL_BATCH) {
        unsigned int batch = min(part->count - at, (unsigned int)POOL_BATCH);

        for (unsigned int i = 0; i < batch; i++)
            page[i] = (struct pool_page){
                .block = io->first + part->from + at + i,
                .page = page_address(part->bio.bi_io_vec[at + i].bv_page),
            };
        if (!put_batch(io->cache, io, page, batch)) {
            cache_count(io->cache, stale, part->count - at);
            break;
        }
    }
    for_each_io_page (bv, bio, it, io, n)
        if (n - part->from < part->count)
            memcpy(page_address(bv.bv_page),
                   page_address(part->bio.bi_io_vec[n - part->from].bv_page), PAGE_SIZE);
}

static void deliver_later(struct work_struct *work)
{
    struct cache_part *part = container_of(work, struct cache_part, work);
    struct cache_io *io = part->io;

    deliver(part);
    free_part(part);
    part_done(io);
}

static void end_part(struct bio *bio)
{
    struct cache_part *part = container_of(bio, struct cache_part, bio);
    struct cache_io *io = part->io;

    if (bio->bi_status)
        WRITE_ONCE(io->status, bio->bi_status);
    else if (part->own && part->count > FILL_AT_ONCE && in_interrupt()) {
        INIT_WORK(&part->work, deliver_later);
        queue_work(queue, &part->work);
        return;
    } else if (part->own)
        deliver(part);
    free_part(part);
    part_done(io);
}

/* Into pages of our own; NULL: there are none. */
static struct bio *own_part(struct cache *c, struct bio *bio, struct cache_io *io,
                            unsigned int from, unsigned int count)
{
    struct bio *part =
        bio_alloc_bioset(c->dev->bdev, (unsigned short)count, bio->bi_opf, GFP_NOIO, &c->parts);

    part->bi_iter.bi_sector = (io->first + from) * BLOCK_SECTORS;
    part->bi_ioprio = bio->bi_ioprio;
    container_of(part, struct cache_part, bio)->own = true;
    for (unsigned int i = 0; i < count; i++) {
        struct page *page = alloc_page(GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);

        if (!page) {
            free_part(container_of(part, struct cache_part, bio));
            return NULL;
        }
        __bio_add_page(part, page, PAGE_SIZE, 0);
    }
    return part;
}

/* Into the reader's pages. */
static struct bio *shared_part(struct cache *c, struct bio *bio, unsigned int from,
                               unsigned int count)
{
    struct bio *part = bio_alloc_clone(c->dev->bdev, bio, GFP_NOIO, &c->parts);

    bio_trim(part, (sector_t)from * BLOCK_SECTORS, (sector_t)count * BLOCK_SECTORS);
    container_of(part, struct cache_part, bio)->own = false;
    return part;
}

/* Reads what was not in the pool, each row of blocks by itself. */
static void read_rest(struct cache *c, struct bio *bio, struct cache_io *io, bool own)
{
    unsigned int from, to, count = (unsigned int)io->count;

    io->cache = c;
    io->status = BLK_STS_OK;
    atomic_set(&io->parts, 1);
    for (from = 0; from < count; from = to) {
        struct bio *bio_part = NULL;
        struct cache_part *part;

        from = (unsigned int)find_next_zero_bit(io->hit, count, from);
        if (from >= count)
            break;
        to = (unsigned int)find_next_bit(io->hit, count, from);
        to = min(to, from + BIO_MAX_VECS);
        if (own)
            bio_part = own_part(c, bio, io, from, to - from);
        if (!bio_part)
            bio_part = shared_part(c, bio, from, to - from);
        part = container_of(bio_part, struct cache_part, bio);
        part->io = io;
        part->from = from;
        part->count = to - from;
        bio_part->bi_opf &= ~REQ_POLLED;
        bio_part->bi_end_io = end_part;
        atomic_inc(&io->parts);
        submit_bio_noacct(bio_part);
    }
    part_done(io);
}

/* Are all pages of the page cache, and not uptodate yet? Then nobody has them mapped, and nobody writes them. */
static bool kernel_only(struct bio *bio, struct cache_io *io)
{
    struct bvec_iter it;
    struct bio_vec bv;
    unsigned int n;

    for_each_io_page (bv, bio, it, io, n) {
        struct folio *folio = page_folio(bv.bv_page);
        unsigned long mapping = (unsigned long)READ_ONCE(folio->mapping);

        if (!mapping || (mapping & PAGE_MAPPING_FLAGS) || !folio_test_locked(folio) ||
            folio_test_uptodate(folio))
            return false;
    }
    return true;
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
    if (io->found == io->count) {
        bio_endio(bio);
    } else if (!c->volume && !kernel_only(bio, io)) {
        io->kind = IO_PASSED;
        read_rest(c, bio, io, io->fresh);
    } else if (io->found == 0) {
        return DM_MAPIO_REMAPPED;
    } else {
        read_rest(c, bio, io, false);
    }
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
        for_each_io_page (bv, bio, it, io, n)
            filled |= evict_write_page(c, bv.bv_page, io->first + n);
    } else {
        filled = track_write_begin(c->track, io->first, io->count);
        if (c->volume && bio_has_data(bio))
            bio_for_each_segment (bv, bio, it)
                evict_forget(bv.bv_page);
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
        for_each_io_page (bv, bio, it, io, n)
            evict_forget(bv.bv_page);
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
