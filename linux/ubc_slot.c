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
 *    which invalidate_inode_pages2_range() waits before it removes entries. (dax_layout_busy_page_range() does not: where it
 *    finds a locked entry in Linux 6.1, xas_find_conflict() goes on from there and finds nothing.) The file is found by the
 *    page. A fault that has left the lock and not said yet of which file it is has left a note (`had_fault`); it does not
 *    sleep meanwhile, so all such have gone on when every task has slept or been in user space once (RCU Tasks; on kernels
 *    that do not preempt themselves that is RCU).
 * 3. With no entries no new reference can be had, and if there is one the slot is left open.
 *
 * Only then the slot is CLOSED, its P2M entry invalid, and its handle let go of. The SRCU is private to fs/dax, whose
 * kill_dax() waits for a grace period of it; that is called for a DAX device which is there for nothing else.
 *
 * If the hypervisor has to take a page by force (this guest did not answer for a second) it empties all entries, and the
 * kernel's may lead to a copy, which can be read. ->direct_access() sees that the kernel's entry is not what it was, and
 * fills the slot again without a moment in which it is empty.
 */
#include <linux/pfn_t.h>

#include "ubc.h"

#define BATCH         32 /* slots that are filled at once */
#define AROUND        16 /* neighbours of one that is wanted: those that are there */
#define RETRY_JIFFIES msecs_to_jiffies(20)

void ubc_drop_handles(struct volume *v, const unsigned long *block, unsigned int count)
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

int ubc_wait_more(struct volume *v, int status, int events, unsigned long end)
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

/* A fault leaves its note, before it looks at the state: its page does not say yet of which file it is. */
static bool leave_note(struct volume *v, unsigned long block)
{
    if (READ_ONCE(slot_page(v, block)->mapping))
        return false;
    WRITE_ONCE(v->slots[block].had_fault, 1);
    smp_mb();
    return true;
}

/*
 * The block is there, and stays as long as the caller has dax_read_lock(). Up to `count` are filled with it. `fault`: an
 * entry is to be made. Its note has to be there when the slot is seen OPEN for the last time: whoever was closing it may
 * have taken the note meanwhile (wait_for_users()).
 */
static int hold_open(struct volume *v, unsigned long block, unsigned long count, bool fault)
{
    unsigned long end = jiffies + ubc_wait_seconds * HZ;
    struct slot *s = &v->slots[block];

    for (;;) {
        int events = atomic_read(&v->events), rc = 0;
        bool noted = fault && leave_note(v, block);

        switch (smp_load_acquire(&s->state)) {
        case OPEN:
            if (noted && !READ_ONCE(s->had_fault))
                break;
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
            rc = ubc_wait_more(v, rc, events, end);
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
    /* For an entry for a huge page, which is not made, nobody waits either. */
    if (pfn && count > BATCH)
        return -EOPNOTSUPP;
    count = min3(count, (long)BATCH, (long)(v->blocks - block));
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

const struct dax_operations ubc_dax_operations = {
    .direct_access = ubc_direct_access,
    .zero_page_range = ubc_zero_page_range,
};
