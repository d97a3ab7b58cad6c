// SPDX-License-Identifier: GPL-2.0-only
/*
 * lagan-cache: a device-mapper target that keeps what is read of a volume in Lagan's page cache.
 *
 *	dmsetup create NAME --table "0 SECTORS lagan-cache DEVICE [mode=inclusive|last-chance]"
 *
 *	inclusive	what is read stays in the pool, whoever reads it: under a block backend, where the pages are guests'
 *	last-chance	a page goes to the pool when Linux evicts it from its page cache, and leaves it when it is read again: under
 *			a file system of one's own (cache_evict.c)
 *
 * Nothing else changes: the volume has the same blocks as before, and may be used without the target at any other time. There
 * is a pool for as long as a table is live; each resume makes a fresh one, so whatever happened to the volume meanwhile is seen. Writes
 * that do not come through the target are not: a device can be under one mapped device only, and should be used by nobody else.
 *
 * Where there is no page cache, the log says so, and I/O passes: a system with its root on the target starts anywhere.
 *
 * `dmsetup status` shows: MODE, `pool` and its number (0: none) or `lost`, pairs of a name and a count (struct cache_counts), and
 * `memory`, the bytes that it takes here; of volumes in mode last-chance, each shows with its own the one table that they share.
 */
#define pr_fmt(fmt) "lagan_cache: " fmt

#include <linux/module.h>
#include <linux/mutex.h>

#include "cache.h"
#include "cache_pool.h"
#include "cache_side.h"

static DEFINE_MUTEX(lock);
static LIST_HEAD(caches);
static bool service;

static struct cache_counts sum_counts(const struct cache *c)
{
    struct cache_counts sum = {};
    int cpu;

    for_each_possible_cpu (cpu) {
        const struct cache_counts *n = per_cpu_ptr(c->counts, cpu);

        sum.hits += n->hits;
        sum.misses += n->misses;
        sum.kept += n->kept;
        sum.refused += n->refused;
        sum.stale += n->stale;
        sum.flushes += n->flushes;
        sum.passed += n->passed;
    }
    return sum;
}

/* ---- coming and going ---- */

/*
 * Two that do not know of each other's writes must not cache the same blocks. The next table of the same mapped device may: only one
 * of the two is live at a time.
 */
static bool is_taken(const struct cache *c)
{
    const struct block_device *mine = c->dev->bdev, *its;
    const struct cache *other;

    list_for_each_entry (other, &caches, all) {
        its = other->dev->bdev;
        if (its->bd_disk != mine->bd_disk ||
            (other->disk == c->disk && other->ti->table != c->ti->table))
            continue;
        if (its == mine || !its->bd_partno || !mine->bd_partno)
            return true;
    }
    return false;
}

static int enlist(struct cache *c)
{
    bool taken;

    mutex_lock(&lock);
    taken = is_taken(c);
    if (!taken)
        list_add(&c->all, &caches);
    mutex_unlock(&lock);
    return taken ? -EBUSY : 0;
}

static void delist(struct cache *c)
{
    mutex_lock(&lock);
    list_del(&c->all);
    mutex_unlock(&lock);
}

/* The mode; -EINVAL: something else. */
static int parse_options(struct dm_target *ti, unsigned int argc, char **argv, bool *last_chance)
{
    *last_chance = false;
    for (unsigned int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "mode=last-chance")) {
            *last_chance = true;
        } else if (strcmp(argv[i], "mode=inclusive")) {
            ti->error = "no such option; there are mode=inclusive and mode=last-chance";
            return -EINVAL;
        }
    }
    return 0;
}

static int get_memory(struct cache *c, u64 blocks)
{
    c->track = track_new(blocks);
    c->counts = alloc_percpu(struct cache_counts);
    if (!c->track || !c->counts)
        return -ENOMEM;
    return cache_parts_init(&c->parts);
}

static void put_memory(struct cache *c)
{
    bioset_exit(&c->parts);
    free_percpu(c->counts);
    track_free(c->track);
    kfree(c);
}

/* Without a service, nothing is watched. */
static int begin(struct cache *c, u64 blocks, bool last_chance)
{
    int rc = get_memory(c, blocks);

    if (rc) {
        c->ti->error = "no memory";
        return rc;
    }
    rc = enlist(c);
    if (rc) {
        c->ti->error = "the device is under another lagan-cache";
        return rc;
    }
    if (service && last_chance && blocks <= SIDE_BLOCKS)
        rc = evict_register(c);
    if (rc) {
        c->ti->error = "eviction cannot be watched; mode=inclusive needs no watching";
        delist(c);
    }
    return rc;
}

static void set_up_target(struct dm_target *ti, struct cache *c)
{
    ti->num_flush_bios = 1;
    ti->num_discard_bios = 1;
    ti->num_secure_erase_bios = 1;
    ti->num_write_zeroes_bios = 1;
    ti->per_io_data_size = (unsigned int)cache_io_size();
    ti->private = c;
}

static int cache_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
    u64 blocks = DIV_ROUND_UP_SECTOR_T(ti->len, BLOCK_SECTORS);
    struct cache *c;
    bool last_chance;
    int rc;

    if (argc < 1) {
        ti->error = "usage: DEVICE [mode=inclusive|last-chance]";
        return -EINVAL;
    }
    rc = parse_options(ti, argc, argv, &last_chance);
    if (rc)
        return rc;
    rc = dm_set_target_max_io_len(ti, TRACK_EXTENT * BLOCK_SECTORS);
    if (rc)
        return rc;
    c = kzalloc(sizeof(*c), GFP_KERNEL);
    if (!c) {
        ti->error = "no memory";
        return -ENOMEM;
    }
    c->ti = ti;
    c->last_chance = last_chance;
    c->disk = dm_disk(dm_table_get_md(ti->table));
    rc = dm_get_device(ti, argv[0], dm_table_get_mode(ti->table), &c->dev);
    if (rc) {
        ti->error = "no such device";
        kfree(c);
        return rc;
    }
    rc = begin(c, blocks, last_chance);
    if (rc) {
        dm_put_device(ti, c->dev);
        put_memory(c);
        return rc;
    }
    set_up_target(ti, c);
    return 0;
}

/* The pool goes; on return nobody knows its number. */
static void end_pool(struct cache *c)
{
    int pool = c->pool;

    WRITE_ONCE(c->pool, 0);
    if (c->volume)
        evict_quiesce(c);
    track_clear_filled(c->track);
    if (pool > 0)
        pool_destroy(pool);
}

static void cache_dtr(struct dm_target *ti)
{
    struct cache *c = ti->private;

    end_pool(c);
    if (c->volume)
        evict_unregister(c);
    delist(c);
    dm_put_device(ti, c->dev);
    put_memory(c);
}

static void cache_postsuspend(struct dm_target *ti)
{
    end_pool(ti->private);
}

/* Without a pool, I/O passes. */
static int cache_preresume(struct dm_target *ti)
{
    struct cache *c = ti->private;
    int pool = service && !c->pool ? pool_new() : 0;

    if (pool < 0)
        pr_warn("%s: there is no pool for it (%d), I/O passes\n", c->disk->disk_name, pool);
    if (pool > 0) {
        WRITE_ONCE(c->lost, false);
        WRITE_ONCE(c->pool, pool);
    }
    return 0;
}

/* ---- what it is asked ---- */

static void cache_status(struct dm_target *ti, status_type_t type, unsigned int flags, char *result,
                         unsigned int maxlen)
{
    const struct cache *c = ti->private;
    struct cache_counts n = sum_counts(c);
    const char *mode = c->last_chance ? "last-chance" : "inclusive";
    size_t memory = sizeof(*c) + track_size(c->track) + (c->volume ? evict_memory() : 0);
    unsigned int sz = 0;

    switch (type) {
    case STATUSTYPE_INFO:
        if (c->lost)
            DMEMIT("%s lost", mode);
        else
            DMEMIT("%s pool %d", mode, c->pool);
        DMEMIT(" hits %llu misses %llu kept %llu refused %llu stale %llu flushes %llu passed %llu",
               n.hits, n.misses, n.kept, n.refused, n.stale, n.flushes, n.passed);
        DMEMIT(" memory %zu", memory);
        break;
    case STATUSTYPE_TABLE:
        DMEMIT("%s mode=%s", c->dev->name, mode);
        break;
    case STATUSTYPE_IMA:
        DMEMIT_TARGET_NAME_VERSION(ti->type);
        DMEMIT(",device_name=%s,mode=%s;", c->dev->name, mode);
        break;
    }
}

static int cache_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
    struct cache *c = ti->private;

    return fn(ti, c->dev, 0, ti->len, data);
}

static int cache_prepare_ioctl(struct dm_target *ti, struct block_device **bdev)
{
    struct cache *c = ti->private;

    *bdev = c->dev->bdev;
    return ti->len == bdev_nr_sectors(*bdev) ? 0 : 1;
}

/*
 * I/O that is not of whole blocks passes: file systems are asked for them. What the mapper splits is to be split at the ends of extents only: the
 * device below splits for itself what it cannot take at once, as it does under any other target. Left to its limit, such as brd's
 * of 255 sectors, each read ahead of 128 KiB would be two reads.
 */
static void cache_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
    limits->physical_block_size = max_t(unsigned int, limits->physical_block_size, PAGE_SIZE);
    limits->io_min = max_t(unsigned int, limits->io_min, PAGE_SIZE);
    limits->max_sectors = TRACK_EXTENT * BLOCK_SECTORS;
}

static struct target_type cache_target = {
    .name = "lagan-cache",
    .version = {1, 0, 0},
    .module = THIS_MODULE,
    .ctr = cache_ctr,
    .dtr = cache_dtr,
    .map = cache_map,
    .end_io = cache_end_io,
    .postsuspend = cache_postsuspend,
    .preresume = cache_preresume,
    .status = cache_status,
    .prepare_ioctl = cache_prepare_ioctl,
    .iterate_devices = cache_iterate_devices,
    .io_hints = cache_io_hints,
};

static int __init cache_init(void)
{
    int rc = cache_io_init();

    if (rc)
        return rc;
    service = pool_service();
    if (!service)
        pr_info("the hypervisor has no page cache for this domain, all I/O passes\n");
    rc = dm_register_target(&cache_target);
    if (rc)
        cache_io_exit();
    return rc;
}

static void __exit cache_exit(void)
{
    dm_unregister_target(&cache_target);
    cache_io_exit();
}

module_init(cache_init);
module_exit(cache_exit);
MODULE_DESCRIPTION("Volumes under the Lagan hypervisor's page cache");
MODULE_LICENSE("GPL");
MODULE_ALIAS("dm-lagan-cache");
