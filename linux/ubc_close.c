// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots that are closed: those that nobody has used for a time, and what the hypervisor wants back. Why nobody uses the
 * page when its frame goes stands in ubc_slot.c.
 */
#include <linux/pagemap.h>

#include "ubc.h"

#define AGES 4 /* looks at a slot that nobody uses, before it is closed */

static struct dax_device *grace; /* for grace periods of fs/dax's SRCU */

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
    struct inode *inode = get_file_of(page);
    bool same;
    pgoff_t at;

    if (IS_ERR(inode))
        return false;
    if (!inode) /* a transfer may go on for longer than its file is there */
        return page_ref_count(page) == 1;
    same = READ_ONCE(page->mapping) == inode->i_mapping;
    if (same) {
        at = page->index;
        invalidate_inode_pages2_range(inode->i_mapping, at, at);
    }
    put_file(inode);
    return same && page_ref_count(page) == 1;
}

/*
 * Whoever has begun to use one of these slots, which are CLOSING, has ended that, or its page says of which file it is. A fault
 * does not sleep from where it leaves the lock until it has said that. Its note is taken only here, where all who may have left
 * it are waited for: of a fault that waits for the slot while it is CLOSED, and then has it anew, the note must stay.
 */
static void wait_for_users(struct volume *v, const unsigned long *block, unsigned int count)
{
    bool faults = false;
    unsigned int i;

    kill_dax(grace); /* a grace period */
    for (i = 0; i < count; i++)
        faults |=
            !READ_ONCE(slot_page(v, block[i])->mapping) && xchg(&v->slots[block[i]].had_fault, 0);
    if (faults)
        synchronize_rcu_tasks();
}

/* Slots that are CLOSING, those that are still so afterwards; the others are left open. How many are closed. */
static unsigned int close_slots(struct volume *v, unsigned long *block, unsigned int count)
{
    unsigned int i, n = 0;

    if (!count)
        return 0;
    wait_for_users(v, block, count);
    for (i = 0; i < count; i++) {
        struct slot *s = &v->slots[block[i]];

        if (READ_ONCE(s->state) == CLOSING && remove_entries(v, block[i]) &&
            change_state(s, CLOSING, CLOSED))
            block[n++] = block[i];
        else
            change_state(s, CLOSING, OPEN);
    }
    ubc_drop_handles(v, block, n);
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

void ubc_revoke_work(struct work_struct *work)
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

void ubc_aging_work(struct work_struct *work)
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
    queue_delayed_work(system_unbound_wq, &v->aging, max(1U, ubc_idle_seconds) * HZ / AGES);
}

int ubc_close_start(void)
{
    grace = alloc_dax(NULL, NULL);
    if (IS_ERR_OR_NULL(grace))
        return grace ? PTR_ERR(grace) : -EOPNOTSUPP;
    return 0;
}

void ubc_close_stop(void)
{
    kill_dax(grace);
    put_dax(grace);
}
