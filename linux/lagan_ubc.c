// SPDX-License-Identifier: GPL-2.0-only
/*
 * Volumes of Lagan's unified buffer cache as read-only disks whose pages are mapped in place (DAX).
 *
 *	modprobe lagan_ubc volumes=NAME[,NAME...]
 *	mount -t erofs -o ro,dax=always /dev/lagan_ubc0 /mnt
 *
 * Each block of a volume has a slot: a guest frame number, the same for ever, with a struct page and an address in the
 * kernel. A slot is empty until somebody wants its block. Then the hypervisor makes the kernel's entry for the one frame
 * that all guests share, by a handle, and the slot's entry in the P2M list says which frame it is, so that Linux can make
 * entries of its own for it: for files that are mapped, programs that run. What the cache has not is asked for at the
 * publisher, and waited for.
 *
 * A slot that nobody has used for a time, or that the hypervisor wants back, is closed:
 *
 *	EMPTY --> FILLING --> OPEN --> CLOSING --> CLOSED --> EMPTY
 *	                       ^----------'  somebody wants it after all
 *
 * What must not be is that anybody uses the page when its frame has gone. Users are three: who copies from the kernel's
 * address, who has an entry, who has a reference of the page for a transfer.
 *
 * 1. Every use begins with ->direct_access(), under dax_read_lock(), an SRCU lock. A copy by read(2) ends under the same
 *    lock; so when the slot is CLOSING and a grace period of that SRCU has passed, nobody copies. Each use that begins
 *    meanwhile finds the slot CLOSING and makes it OPEN again, and then it stays.
 * 2. A page fault leaves the lock before it makes its entry, but it has locked the file's DAX entry until then, for
 *    which dax_layout_busy_page_range() waits. It removes entries first, and so is called twice: the second time removes what was
 *    made by faults for which the first has waited. The file is found by the page; a fault that has not said yet of which
 *    file it is has left a note (`fault_expected`), and the slot stays open for the moment.
 * 3. With no entries no new reference can be had, and if there is one the slot is left open.
 *
 * Only then the slot is CLOSED, its P2M entry invalid, and its handle let go of. The SRCU is private to fs/dax, whose
 * kill_dax() waits for a grace period of it; that is called for a DAX device which is there for nothing else.
 *
 * If the hypervisor has to take a page by force (this guest did not answer for a second) it empties all entries, and the
 * kernel's may lead to a copy, which can be read. ->direct_access() sees that the kernel's entry is not what it was, and
 * fills the slot again without a moment in which it is empty.
 */
#define pr_fmt(fmt) "lagan_ubc: " fmt

#include <linux/blkdev.h>
#include <linux/dax.h>
#include <linux/interrupt.h>
#include <linux/ioport.h>
#include <linux/memremap.h>
#include <linux/module.h>
#include <linux/pfn_t.h>
#include <linux/workqueue.h>
#include <xen/events.h>
#include <asm/xen/page.h>

#include "lagan.h"
#include <lagan/ubc.h>

#define VOLUMES       16
#define BATCH         32 /* slots that are filled at once */
#define AROUND        16 /* neighbours of one that is wanted: those that are there */
#define CLOSE_BATCH   64 /* slots that are closed after one grace period */
#define AGES          4  /* looks at a slot that nobody uses, before it is closed */
#define SUBSECTION    (2UL << 20)
#define RETRY_JIFFIES msecs_to_jiffies(20)

static char *volumes[VOLUMES];
static unsigned int volume_count;
module_param_array(volumes, charp, &volume_count, 0444);
MODULE_PARM_DESC(volumes, "names of volumes");
static unsigned int idle_seconds = 60;
module_param(idle_seconds, uint, 0644);
MODULE_PARM_DESC(idle_seconds, "a page that is not used for so long is given back");
static unsigned int wait_seconds = 30;
module_param(wait_seconds, uint, 0644);
MODULE_PARM_DESC(wait_seconds, "a block that does not come for so long is an I/O error");

enum slot_state { EMPTY, FILLING, OPEN, CLOSING, CLOSED };

struct slot {
    u32 handle;
    u8 state; /* enum slot_state; by cmpxchg() */
    u8 age;
    u8 fault_expected; /* looks at the slot until a fault that began here is thought to have failed */
    u8 unused;
};

struct volume {
    char name[17];
    u64 handle;
    unsigned long blocks, pages, pfn; /* pages: with those that fill up the last subsection */
    struct dev_pagemap map;
    void *base;
    pte_t **tables; /* the kernel's page tables for it */
    struct slot *slots;
    struct gendisk *disk;
    struct dax_device *dax;
    wait_queue_head_t wait; /* somebody's slot has another state, or there was an event */
    atomic_t events;
    struct work_struct revoke;
    struct delayed_work aging;
    struct mutex closing; /* one closes at a time */
    unsigned long cursor; /* of who needs room */
    atomic_t wants_room;  /* the limit has been met */
    atomic_long_t open, filled, closed, waited, forced, failed;
};

static struct volume *volume[VOLUMES];
static unsigned int found;
static struct dax_device *grace; /* for grace periods of fs/dax's SRCU */
static int irq = -1;

static long ubc_call(const struct volume *v, unsigned int command, void *arg, unsigned long count)
{
    return xen_single_call(LAGAN_HYPERVISOR_ubc_op, command, v->handle, (unsigned long)arg, count,
                           0);
}

/* ---- slots ---- */

static void *slot_address(const struct volume *v, unsigned long block)
{
    return v->base + block * PAGE_SIZE;
}

static struct page *slot_page(const struct volume *v, unsigned long block)
{
    return pfn_to_page(v->pfn + block);
}

/* The machine frame that the kernel's entry leads to, or INVALID_P2M_ENTRY. */
static unsigned long mapped_frame(const struct volume *v, unsigned long block)
{
    u64 e = READ_ONCE(v->tables[block / PTRS_PER_PTE][block % PTRS_PER_PTE].pte);

    return e & _PAGE_PRESENT ? (e & PTE_PFN_MASK) >> PAGE_SHIFT : INVALID_P2M_ENTRY;
}

/* What the slot was said to hold is what is there. */
static bool is_intact(const struct volume *v, unsigned long block)
{
    unsigned long frame = mapped_frame(v, block);

    return frame != INVALID_P2M_ENTRY && READ_ONCE(xen_p2m_addr[v->pfn + block]) == frame;
}

static bool change_state(struct slot *s, u8 from, u8 to)
{
    return cmpxchg(&s->state, from, to) == from;
}

static void set_state(struct volume *v, unsigned long block, u8 state)
{
    smp_store_release(&v->slots[block].state, state);
}

/* CLOSED or FILLING slots with handles are let go of. */
static void drop_handles(struct volume *v, const unsigned long *block, unsigned int count)
{
    struct lagan_ubc_unmap op[CLOSE_BATCH] = {};
    unsigned int i;

    for (i = 0; i < count; i++) {
        WRITE_ONCE(xen_p2m_addr[v->pfn + block[i]], INVALID_P2M_ENTRY);
        op[i].handle = v->slots[block[i]].handle;
    }
    if (count)
        ubc_call(v, LAGAN_UBC_unmap, op, count);
    atomic_long_sub(count, &v->open);
}

/* ---- filling ---- */

/* Slots that are FILLING, for us. The first `wanted` are asked for at the publisher; the first one's status. */
static int map_slots(struct volume *v, const unsigned long *block, unsigned int count,
                     unsigned int wanted)
{
    struct lagan_ubc_map op[BATCH] = {};
    unsigned int i;
    long rc;

    for (i = 0; i < count; i++) {
        op[i].block = block[i];
        op[i].address = (unsigned long)slot_address(v, block[i]);
        op[i].flags = i < wanted ? LAGAN_UBC_WANT : 0;
        op[i].status = -EAGAIN;
    }
    rc = ubc_call(v, LAGAN_UBC_map, op, count);
    for (i = 0; i < count; i++) {
        struct slot *s = &v->slots[block[i]];
        bool done = rc == 0 && op[i].status == 0;

        if (done) {
            s->handle = op[i].handle;
            s->age = 0;
            WRITE_ONCE(xen_p2m_addr[v->pfn + block[i]], mapped_frame(v, block[i]));
            atomic_long_inc(&v->open);
            atomic_long_inc(&v->filled);
        }
        set_state(v, block[i], done ? OPEN : EMPTY);
    }
    wake_up_all(&v->wait);
    return rc ? (int)rc : op[0].status;
}

/* The first block's slot is FILLING, for us. Those that follow are wanted too, and neighbours are taken along. */
static int fill(struct volume *v, unsigned long block, unsigned long count)
{
    unsigned long list[BATCH], first = round_down(block, AROUND), last, b;
    unsigned int n = 1, wanted;

    list[0] = block;
    for (b = block + 1; b < block + count && n < BATCH; b++)
        if (change_state(&v->slots[b], EMPTY, FILLING))
            list[n++] = b;
    wanted = n;
    last = min(first + AROUND, v->blocks);
    for (b = first; b < last && n < BATCH; b++)
        if (change_state(&v->slots[b], EMPTY, FILLING))
            list[n++] = b;
    return map_slots(v, list, n, wanted);
}

/*
 * The slot is FILLING, for us, and the hypervisor has taken its page; perhaps somebody reads the copy that is in its
 * place. The new entry comes over the old one, so that there is always something to be read, and then the old handle goes.
 */
static int refill(struct volume *v, unsigned long block)
{
    struct slot *s = &v->slots[block];
    struct lagan_ubc_unmap old = {.handle = s->handle};
    struct lagan_ubc_map op = {
        .block = block, .address = (unsigned long)slot_address(v, block), .flags = LAGAN_UBC_WANT};
    long rc = ubc_call(v, LAGAN_UBC_map, &op, 1);

    rc = rc ? rc : op.status;
    if (!rc) {
        s->handle = op.handle;
        WRITE_ONCE(xen_p2m_addr[v->pfn + block], mapped_frame(v, block));
        ubc_call(v, LAGAN_UBC_unmap, &old, 1);
        atomic_long_inc(&v->forced);
    }
    set_state(v, block, OPEN);
    wake_up_all(&v->wait);
    return (int)rc;
}

/* After such an answer: waits for an event, a slot, or to try again. */
static int wait_more(struct volume *v, int status, int events, unsigned long end)
{
    unsigned long now = jiffies, left = time_before(now, end) ? end - now : 0;
    long rc;

    if (status == -EIO || status == -ENXIO || status == -ENOENT || status == -EINVAL || !left) {
        atomic_long_inc(&v->failed);
        return -EIO;
    }
    if (status == -ENOBUFS) {
        atomic_set(&v->wants_room, 1);
        mod_delayed_work(system_unbound_wq, &v->aging, 0);
    }
    atomic_long_inc(&v->waited);
    if (status != -EBUSY)
        left = min(left, RETRY_JIFFIES);
    rc = wait_event_killable_timeout(v->wait, atomic_read(&v->events) != events, left);
    return rc < 0 ? -EINTR : 0;
}

static bool is_settled(const struct slot *s)
{
    u8 state = READ_ONCE(s->state);

    return state != FILLING && state != CLOSED;
}

/* What is there can be used: by who copies it, also a copy of the hypervisor's. */
static bool is_usable(const struct volume *v, unsigned long block, bool fault)
{
    return likely(is_intact(v, block)) || (!fault && mapped_frame(v, block) != INVALID_P2M_ENTRY);
}

/*
 * The block is there, and stays as long as the caller has dax_read_lock(). Up to `count` are filled with it. `fault`: an
 * entry is to be made.
 */
static int hold_open(struct volume *v, unsigned long block, unsigned long count, bool fault)
{
    unsigned long end = jiffies + wait_seconds * HZ;
    struct slot *s = &v->slots[block];

    for (;;) {
        int events = atomic_read(&v->events), rc = 0;

        switch (smp_load_acquire(&s->state)) {
        case OPEN:
            if (is_usable(v, block, fault)) {
                s->age = 0;
                return 0;
            }
            if (change_state(s, OPEN, FILLING))
                rc = refill(v, block);
            break;
        case CLOSING:
            change_state(s, CLOSING, OPEN);
            break;
        case EMPTY:
            if (change_state(s, EMPTY, FILLING))
                rc = fill(v, block, count);
            break;
        default:
            if (wait_event_killable(v->wait, is_settled(s)))
                return -EINTR;
        }
        if (rc)
            rc = wait_more(v, rc, events, end);
        if (rc)
            return rc;
    }
}

static long ubc_direct_access(struct dax_device *dax, pgoff_t block, long count,
                              enum dax_access_mode mode, void **address, pfn_t *pfn)
{
    struct volume *v = dax_get_private(dax);
    long n;
    int rc;

    if (block >= v->blocks || count <= 0)
        return -ERANGE;
    count = min3(count, (long)BATCH, (long)(v->blocks - block));
    if (pfn && !READ_ONCE(slot_page(v, block)->mapping)) {
        WRITE_ONCE(v->slots[block].fault_expected, 255);
        smp_mb(); /* before the state is looked at */
    }
    rc = hold_open(v, block, count, pfn != NULL);
    if (rc)
        return rc;
    for (n = 1; n < count; n++)
        if (smp_load_acquire(&v->slots[block + n].state) != OPEN || !is_intact(v, block + n))
            break;
        else
            v->slots[block + n].age = 0;
    if (address)
        *address = slot_address(v, block);
    if (pfn)
        *pfn = phys_to_pfn_t(PFN_PHYS(v->pfn + block), PFN_DEV | PFN_MAP);
    return n;
}

/* Nobody writes. */
static int ubc_zero_page_range(struct dax_device *dax, pgoff_t block, size_t count)
{
    return -EROFS;
}

static const struct dax_operations ubc_dax_operations = {
    .direct_access = ubc_direct_access,
    .zero_page_range = ubc_zero_page_range,
};

/* ---- closing ---- */

/* The file that the page is part of, which stays until put_file(). NULL: none; -EAGAIN: not now. */
static struct inode *get_file_of(struct page *page)
{
    struct address_space *mapping;
    struct super_block *sb;
    struct inode *inode;

    rcu_read_lock();
    mapping = READ_ONCE(page->mapping);
    if (!mapping || ((unsigned long)mapping & PAGE_MAPPING_FLAGS)) {
        rcu_read_unlock();
        return mapping ? ERR_PTR(-EAGAIN) : NULL;
    }
    inode = mapping->host;
    sb = inode->i_sb;
    if (!down_read_trylock(&sb->s_umount)) {
        rcu_read_unlock();
        return ERR_PTR(-EAGAIN);
    }
    if (!sb->s_root || !(sb->s_flags & SB_BORN) || !igrab(inode)) {
        up_read(&sb->s_umount);
        rcu_read_unlock();
        return ERR_PTR(-EAGAIN);
    }
    rcu_read_unlock();
    return inode;
}

static void put_file(struct inode *inode)
{
    struct super_block *sb = inode->i_sb;

    iput(inode);
    up_read(&sb->s_umount);
}

/* Entries for the page are gone, and nobody who has begun makes another. False: not now. */
static bool remove_entries(struct volume *v, unsigned long block)
{
    struct page *page = slot_page(v, block);
    struct slot *s = &v->slots[block];
    struct inode *inode = get_file_of(page);
    loff_t at;

    if (IS_ERR(inode))
        return false;
    if (!inode) {
        if (s->fault_expected)
            s->fault_expected--;
        return !s->fault_expected;
    }
    if (READ_ONCE(page->mapping) == inode->i_mapping) {
        at = (loff_t)page->index << PAGE_SHIFT;
        s->fault_expected = 0;
        dax_layout_busy_page_range(inode->i_mapping, at, at + PAGE_SIZE - 1);
        dax_layout_busy_page_range(inode->i_mapping, at, at + PAGE_SIZE - 1);
    }
    put_file(inode);
    return page_ref_count(page) == 1;
}

/* Slots that are CLOSING, those that are still so afterwards; the others are left open. How many are closed. */
static unsigned int close_slots(struct volume *v, unsigned long *block, unsigned int count)
{
    unsigned int i, n = 0;

    if (!count)
        return 0;
    kill_dax(grace); /* a grace period */
    for (i = 0; i < count; i++) {
        struct slot *s = &v->slots[block[i]];

        if (READ_ONCE(s->state) == CLOSING && remove_entries(v, block[i]) &&
            change_state(s, CLOSING, CLOSED))
            block[n++] = block[i];
        else
            change_state(s, CLOSING, OPEN);
    }
    drop_handles(v, block, n);
    for (i = 0; i < n; i++)
        set_state(v, block[i], EMPTY);
    atomic_long_add(n, &v->closed);
    wake_up_all(&v->wait);
    return n;
}

/* What the hypervisor wants back, or has taken. True: some is left. */
static bool close_revoked(struct volume *v)
{
    struct lagan_ubc_unmap next = {};
    unsigned long block[CLOSE_BATCH];
    bool left = false;

    for (;;) {
        unsigned int n = 0;

        while (n < CLOSE_BATCH && ubc_call(v, LAGAN_UBC_next_revoked, &next, 0) == 0) {
            if (next.block < v->blocks && v->slots[next.block].handle == next.handle &&
                change_state(&v->slots[next.block], OPEN, CLOSING))
                block[n++] = next.block;
            else
                left = true;
            next.handle++;
        }
        if (!n)
            return left;
        left |= close_slots(v, block, n) < n;
        cond_resched();
    }
}

static void revoke_work(struct work_struct *work)
{
    struct volume *v = container_of(work, struct volume, revoke);
    bool left;

    mutex_lock(&v->closing);
    left = close_revoked(v);
    mutex_unlock(&v->closing);
    if (left) {
        /* Somebody uses it just now. */
        schedule_timeout_uninterruptible(1);
        queue_work(system_unbound_wq, work);
    }
}

/* Slots that are old enough, from *block on. */
static void close_old(struct volume *v, unsigned int age, unsigned int most)
{
    unsigned long block[CLOSE_BATCH], looked;
    unsigned int n = 0, closed = 0;

    for (looked = 0; looked < v->blocks && closed < most; looked++) {
        unsigned long b = v->cursor;
        struct slot *s = &v->slots[b];

        v->cursor = b + 1 < v->blocks ? b + 1 : 0;
        if (READ_ONCE(s->state) == OPEN && s->age >= age && change_state(s, OPEN, CLOSING))
            block[n++] = b;
        if (n == CLOSE_BATCH) {
            closed += close_slots(v, block, n);
            n = 0;
        }
        if (looked % 4096 == 0)
            cond_resched();
    }
    close_slots(v, block, n);
}

static void aging_work(struct work_struct *work)
{
    struct volume *v = container_of(to_delayed_work(work), struct volume, aging);
    unsigned long b;

    mutex_lock(&v->closing);
    if (atomic_xchg(&v->wants_room, 0)) {
        close_old(v, 0, 4 * CLOSE_BATCH);
    } else {
        for (b = 0; b < v->blocks; b++)
            if (READ_ONCE(v->slots[b].state) == OPEN && v->slots[b].age < 255)
                v->slots[b].age++;
        v->cursor = 0;
        close_old(v, AGES, UINT_MAX);
    }
    mutex_unlock(&v->closing);
    queue_delayed_work(system_unbound_wq, &v->aging, max(1U, idle_seconds) * HZ / AGES);
}

static irqreturn_t ubc_event(int number, void *unused)
{
    unsigned int i;

    for (i = 0; i < READ_ONCE(found); i++) {
        atomic_inc(&volume[i]->events);
        wake_up_all(&volume[i]->wait);
        queue_work(system_unbound_wq, &volume[i]->revoke);
    }
    return IRQ_HANDLED;
}

/* ---- as a disk ---- */

/* Copies of parts of blocks, by the hypervisor, which knows when one goes. */
static int read_part(struct volume *v, struct lagan_ubc_read *op)
{
    unsigned long end = jiffies + wait_seconds * HZ;

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
            rc = wait_more(v, rc, events, end);
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
    bio_for_each_segment(bv, bio, iter)
    {
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

/* ---- coming and going ---- */

static int open_volume(struct volume *v)
{
    struct lagan_ubc_open io = {};
    long rc;

    memcpy(io.id, v->name, sizeof(io.id));
    rc = xen_single_call(LAGAN_HYPERVISOR_ubc_op, LAGAN_UBC_open, 0, (unsigned long)&io, 0, 0);
    if (rc == -ENOSYS)
        return -ENOSYS;
    if (rc || !(io.rights & LAGAN_UBC_READ)) {
        pr_err("there is no volume %s that this domain may read\n", v->name);
        return -ENOENT;
    }
    if (!(io.flags & LAGAN_UBC_SLOTS)) {
        pr_err("volume %s has no slots; if it is a window see lagan_window\n", v->name);
        return -EINVAL;
    }
    v->handle = io.volume;
    v->blocks = io.blocks;
    v->pages = round_up(io.blocks, SUBSECTION >> PAGE_SHIFT);
    v->pfn = io.slots;
    return 0;
}

/* The P2M list has room for all slots, and knows of no frame. */
static int prepare_list(struct volume *v)
{
    unsigned long i;

    if (v->pfn + v->pages > xen_p2m_size) {
        pr_err("volume %s lies beyond what this kernel can have memory at\n", v->name);
        return -ENOSPC;
    }
    for (i = 0; i < v->pages; i++) {
        if (i % PTRS_PER_PTE == 0 && !xen_alloc_p2m_entry(v->pfn + i))
            return -ENOMEM;
        WRITE_ONCE(xen_p2m_addr[v->pfn + i], INVALID_P2M_ENTRY);
    }
    return 0;
}

static int find_tables(struct volume *v)
{
    unsigned long i;
    unsigned int level;

    for (i = 0; i < v->pages / PTRS_PER_PTE; i++) {
        v->tables[i] = lookup_address((unsigned long)slot_address(v, i * PTRS_PER_PTE), &level);
        if (!v->tables[i] || level != PG_LEVEL_4K)
            return -ENXIO;
    }
    return 0;
}

static int map_window(struct volume *v)
{
    phys_addr_t start = PFN_PHYS(v->pfn), bytes = PFN_PHYS(v->pages);
    int rc;

    if (!request_mem_region(start, bytes, "Lagan buffer cache"))
        return -EBUSY;
    rc = prepare_list(v);
    if (!rc) {
        v->map.type = MEMORY_DEVICE_FS_DAX;
        v->map.range = (struct range){.start = start, .end = start + bytes - 1};
        v->map.nr_range = 1;
        v->base = memremap_pages(&v->map, NUMA_NO_NODE);
        rc = PTR_ERR_OR_ZERO(v->base);
    }
    if (!rc) {
        rc = find_tables(v);
        if (rc)
            memunmap_pages(&v->map);
    }
    if (rc)
        release_mem_region(start, bytes);
    return rc;
}

static void unmap_window(struct volume *v)
{
    memunmap_pages(&v->map);
    release_mem_region(PFN_PHYS(v->pfn), PFN_PHYS(v->pages));
}

static int add_disk_of(struct volume *v, unsigned int number)
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

static void free_volume(struct volume *v)
{
    kvfree(v->slots);
    kvfree(v->tables);
    kfree(v);
}

static struct volume *make_volume(const char *name, unsigned int number)
{
    struct volume *v = kzalloc(sizeof(*v), GFP_KERNEL);
    int rc;

    if (!v)
        return ERR_PTR(-ENOMEM);
    strscpy(v->name, name, sizeof(v->name));
    init_waitqueue_head(&v->wait);
    mutex_init(&v->closing);
    INIT_WORK(&v->revoke, revoke_work);
    INIT_DELAYED_WORK(&v->aging, aging_work);
    rc = open_volume(v);
    if (!rc) {
        v->slots = kvcalloc(v->pages, sizeof(*v->slots), GFP_KERNEL);
        v->tables = kvcalloc(v->pages / PTRS_PER_PTE, sizeof(*v->tables), GFP_KERNEL);
        rc = v->slots && v->tables ? map_window(v) : -ENOMEM;
    }
    if (!rc) {
        rc = add_disk_of(v, number);
        if (rc)
            unmap_window(v);
    }
    if (rc) {
        free_volume(v);
        return ERR_PTR(rc);
    }
    queue_delayed_work(system_unbound_wq, &v->aging, HZ);
    pr_info("volume %s is /dev/%s, %lu MiB\n", v->name, v->disk->disk_name, v->blocks >> 8);
    return v;
}

/* Nobody has it mounted or open. */
static void end_volume(struct volume *v)
{
    unsigned long block[CLOSE_BATCH], b;
    unsigned int n = 0;

    del_gendisk(v->disk);
    dax_remove_host(v->disk);
    kill_dax(v->dax);
    cancel_work_sync(&v->revoke);
    cancel_delayed_work_sync(&v->aging);
    for (b = 0; b < v->blocks; b++) {
        if (v->slots[b].state == OPEN)
            block[n++] = b;
        if (n == CLOSE_BATCH || (n && b == v->blocks - 1)) {
            drop_handles(v, block, n);
            n = 0;
        }
    }
    put_dax(v->dax);
    put_disk(v->disk);
    unmap_window(v);
    free_volume(v);
}

static void end_all(void)
{
    unsigned int n = found;

    if (irq >= 0)
        unbind_from_irqhandler(irq, &irq);
    while (n > 0)
        end_volume(volume[--n]);
    kill_dax(grace);
    put_dax(grace);
}

/* Only its buffer cache knows that there is no such volume. */
static bool is_lagan(void)
{
    struct lagan_ubc_unmap none = {};

    return xen_pv_domain() && xen_single_call(LAGAN_HYPERVISOR_ubc_op, LAGAN_UBC_next_revoked, ~0UL,
                                              (unsigned long)&none, 0, 0) == -ENXIO;
}

static int __init ubc_init(void)
{
    int rc = -ENOENT;
    unsigned int i;

    if (!is_lagan()) {
        pr_info("there is no buffer cache of Lagan's here\n");
        return -ENODEV;
    }
    grace = alloc_dax(NULL, NULL);
    if (IS_ERR_OR_NULL(grace))
        return grace ? PTR_ERR(grace) : -EOPNOTSUPP;
    irq = bind_virq_to_irqhandler(LAGAN_VIRQ_UBC, 0, ubc_event, 0, "lagan_ubc", &irq);
    if (irq < 0) {
        rc = irq;
        goto fail;
    }
    for (i = 0; i < volume_count; i++) {
        struct volume *v = make_volume(volumes[i], found);

        if (IS_ERR(v)) {
            rc = PTR_ERR(v);
            continue;
        }
        volume[found] = v;
        smp_store_release(&found, found + 1);
    }
    if (found)
        return 0;
fail:
    end_all();
    return rc;
}

static void __exit ubc_exit(void)
{
    end_all();
}

module_init(ubc_init);
module_exit(ubc_exit);
MODULE_DESCRIPTION("Volumes of the Lagan hypervisor's buffer cache");
MODULE_LICENSE("GPL");
