// SPDX-License-Identifier: GPL-2.0-only
/*
 * Volumes as disks, for reading only: what is not mapped in place is copied by the hypervisor, which knows when a page
 * goes.
 */
#include "ubc.h"

static int read_part(struct volume *v, struct lagan_ubc_read *op)
{
    unsigned long end = jiffies + ubc_wait_seconds * HZ;

    for (;;) {
        struct lagan_ubc_map ask = {.block = op->block, .flags = LAGAN_UBC_LOOK | LAGAN_UBC_WANT};
        int events = atomic_read(&v->events);
        int rc = (int)ubc_call(v, LAGAN_UBC_read, op, 1);

        rc = rc ? rc : op->status;
        if (rc == -ENOENT) {
            rc = (int)ubc_call(v, LAGAN_UBC_map, &ask, 1);
            rc = rc ? rc : ask.status;
            if (!rc)
                continue;
        }
        if (rc)
            rc = ubc_wait_more(v, rc, events, end);
        else
            return 0;
        if (rc)
            return rc;
    }
}

static int read_segment(struct volume *v, struct bio_vec *bv, u64 at)
{
    void *to = bvec_kmap_local(bv);
    unsigned int done = 0;
    int rc = 0;

    while (done < bv->bv_len && !rc) {
        struct lagan_ubc_read op = {.block = (at + done) >> PAGE_SHIFT,
                                    .address = (unsigned long)to + done,
                                    .offset = (at + done) & (PAGE_SIZE - 1)};

        op.length = min_t(unsigned int, bv->bv_len - done, PAGE_SIZE - op.offset);
        rc = read_part(v, &op);
        done += op.length;
    }
    kunmap_local(to);
    return rc;
}

static void ubc_submit_bio(struct bio *bio)
{
    struct volume *v = bio->bi_bdev->bd_disk->private_data;
    u64 at = (u64)bio->bi_iter.bi_sector << SECTOR_SHIFT;
    struct bvec_iter iter;
    struct bio_vec bv;

    if (bio_op(bio) != REQ_OP_READ) {
        bio->bi_status = bio_op(bio) == REQ_OP_FLUSH ? BLK_STS_OK : BLK_STS_NOTSUPP;
        bio_endio(bio);
        return;
    }
    bio_for_each_segment (bv, bio, iter) {
        if (read_segment(v, &bv, at)) {
            bio_io_error(bio);
            return;
        }
        at += bv.bv_len;
    }
    bio_endio(bio);
}

static const struct block_device_operations ubc_operations = {
    .owner = THIS_MODULE,
    .submit_bio = ubc_submit_bio,
};

static struct volume *volume_of(struct device *dev)
{
    return dev_to_disk(dev)->private_data;
}

static ssize_t volume_show(struct device *dev, struct device_attribute *attr, char *to)
{
    return sysfs_emit(to, "%s\n", volume_of(dev)->name);
}
static DEVICE_ATTR_RO(volume);

static ssize_t pages_show(struct device *dev, struct device_attribute *attr, char *to)
{
    struct volume *v = volume_of(dev);

    return sysfs_emit(to, "open %ld\nfilled %ld\nclosed %ld\nwaited %ld\nforced %ld\nfailed %ld\n",
                      atomic_long_read(&v->open), atomic_long_read(&v->filled),
                      atomic_long_read(&v->closed), atomic_long_read(&v->waited),
                      atomic_long_read(&v->forced), atomic_long_read(&v->failed));
}
static DEVICE_ATTR_RO(pages);

static struct attribute *ubc_attributes[] = {&dev_attr_volume.attr, &dev_attr_pages.attr, NULL};
static const struct attribute_group ubc_group = {.name = "lagan", .attrs = ubc_attributes};
static const struct attribute_group *ubc_groups[] = {&ubc_group, NULL};
int ubc_disk_add(struct volume *v, unsigned int number)
{
    struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);
    int rc;

    if (!disk)
        return -ENOMEM;
    v->disk = disk;
    v->dax = alloc_dax(v, &ubc_dax_operations);
    if (IS_ERR_OR_NULL(v->dax)) {
        rc = v->dax ? PTR_ERR(v->dax) : -EOPNOTSUPP;
        goto no_dax;
    }
    set_dax_synchronous(v->dax);
    disk->fops = &ubc_operations;
    disk->private_data = v;
    disk->flags |= GENHD_FL_NO_PART;
    snprintf(disk->disk_name, DISK_NAME_LEN, "lagan_ubc%u", number);
    blk_queue_logical_block_size(disk->queue, PAGE_SIZE);
    blk_queue_physical_block_size(disk->queue, PAGE_SIZE);
    blk_queue_flag_set(QUEUE_FLAG_NONROT, disk->queue);
    blk_queue_flag_set(QUEUE_FLAG_DAX, disk->queue);
    set_capacity(disk, (sector_t)v->blocks << (PAGE_SHIFT - SECTOR_SHIFT));
    set_disk_ro(disk, true);
    rc = dax_add_host(v->dax, disk);
    if (rc)
        goto no_host;
    rc = device_add_disk(NULL, disk, ubc_groups);
    if (!rc)
        return 0;
    dax_remove_host(disk);
no_host:
    kill_dax(v->dax);
    put_dax(v->dax);
no_dax:
    put_disk(disk);
    return rc;
}

/* Nobody has it mounted or open. */
void ubc_disk_remove(struct volume *v)
{
    del_gendisk(v->disk);
    dax_remove_host(v->disk);
    kill_dax(v->dax);
}
