/* SPDX-License-Identifier: MIT
 *
 * Mapping granted frames, and letting them go.
 *
 * A mapping is three things: a pin of the granter's entry, a page-table entry of the mapper's, and
 * a handle that remembers both. The page-table entry is made by the same code as any other
 * (table_update() with the owner named), and holds references as any other does (INV-GRANT-4). So
 * a guest that overwrites it, or gives up the whole table, harms nobody: the pin keeps the frame in
 * the granter's sight until the handle is unmapped, or its domain ends. A second entry for the
 * frame cannot be made from the first, since a guest cannot name frames of others.
 *
 * Letting go has an order:
 *
 *   1  the entry is exchanged for nothing, which tells whether it has ever been used
 *   2  TLBs that may hold it are flushed: one flush for the whole batch, and none at all for
 *      entries without the accessed bit, since a processor sets it before it keeps a translation
 *   3  the pin is given up: now the granter may think itself alone
 *
 * Nobody but us can take the bit back: a guest can change an entry's flags, but of another's frame
 * this bit stays (mm/update.c). We make entries without it for the sake of 2. But a guest can write
 * something else over the entry, which nobody flushes, and have the same slot filled by another grant of the
 * same frame: then 1 finds an entry that nobody has used. So translations that end in such a way
 * are counted (account.foreign_gone), and 2 is done if there are any since it was done last.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "mm/pte.h"
#include "mm/tlbclock.h"
#include "mm/type.h"
#include "shmem/grant_int.h"

#define FLAGS_PLACE (GNTMAP_device_map | GNTMAP_host_map)

/* Where a page-table entry is. */
struct place {
    mfn_t table;
    unsigned slot;
};

/* By virtual address, or by the machine address of the entry. -XEN_EINVAL. */
static int find_place(const struct grant_user *u, uint64_t address, bool is_entry,
                      struct place *where)
{
    if (is_entry) {
        *where = (struct place){mfn(address >> PAGE_SHIFT), pte_slot(address)};
        return address % sizeof(uint64_t) || where->table.n > UINT32_MAX ? -XEN_EINVAL : 0;
    }
    where->slot = pte_index(address, 1);
    return table_walk_l1(u->l4, address, &where->table);
}

/* What the processor is to see. Bits from 16 on are the guest's own: three bits of an entry. */
static uint64_t entry_for(mfn_t m, uint32_t flags)
{
    uint64_t own = flags >> _GNTMAP_guest_avail0;

    return m.n << PAGE_SHIFT | PTE_P | PTE_US | PTE_NX | (flags & GNTMAP_readonly ? 0 : PTE_RW) |
           (own << 9 & PTE_AVAIL);
}

/* GNTST_*; -XEN_ERESTART. */
static int set_entry(const struct grant_user *u, const struct gnttab_map_grant_ref *op,
                     const struct grant_access *got, struct place *where)
{
    struct table_change c = {
        .entry = entry_for(got->frame, op->flags), .from = op->dom, .only_l1 = true};
    int rc = find_place(u, op->host_addr, op->flags & GNTMAP_contains_pte, where);

    if (rc == 0)
        rc = table_update(u->table->account, where->table, where->slot, &c);
    if (rc == -XEN_ERESTART)
        return rc;
    if (rc)
        return GNTST_general_error;
    ASSERT(c.old_table.n == MFN_INVALID.n);
    /* What was there before may be remembered, and the guest has no reason to think so. */
    if (unlikely((c.old & (PTE_P | PTE_A)) == (PTE_P | PTE_A)))
        arch_tlb_flush((cpumask_t){atomic_load(&u->table->account->tlb_cpus)});
    return GNTST_okay;
}

/* The second pin, when both a page-table entry and a device address are wanted. */
static int pin_for(struct grant_table *granter, const struct grant_user *u,
                   const struct gnttab_map_grant_ref *op, struct grant_access *got)
{
    bool write = !(op->flags & GNTMAP_readonly);
    int status = grant_pin(granter, op->ref, u->table->account->id, write, true, got);

    if (status == GNTST_okay && (op->flags & FLAGS_PLACE) == FLAGS_PLACE) {
        status = grant_pin(granter, op->ref, u->table->account->id, write, true, got);
        if (status)
            grant_unpin(granter, op->ref, write);
    }
    return status;
}

static void unpin_for(struct grant_table *granter, const struct gnttab_map_grant_ref *op)
{
    grant_unpin(granter, op->ref, !(op->flags & GNTMAP_readonly));
    if ((op->flags & FLAGS_PLACE) == FLAGS_PLACE)
        grant_unpin(granter, op->ref, !(op->flags & GNTMAP_readonly));
}

static void fill_handle(struct grant_handle *h, const struct gnttab_map_grant_ref *op,
                        const struct place *where)
{
    __atomic_store_n(&h->ref, op->ref, __ATOMIC_RELAXED);
    __atomic_store_n(&h->granter, op->dom, __ATOMIC_RELAXED);
    h->table = (uint32_t)where->table.n;
    h->slot = (uint16_t)where->slot;
    atomic_store_explicit(&h->state,
                          HANDLE_USED | (op->flags & GNTMAP_host_map ? HANDLE_HOST : 0) |
                              (op->flags & GNTMAP_device_map ? HANDLE_DEVICE : 0) |
                              (op->flags & GNTMAP_readonly ? 0 : HANDLE_WRITE) |
                              (op->flags & GNTMAP_contains_pte ? HANDLE_ENTRY : 0),
                          memory_order_release);
}

/* With a handle at hand. */
static int map(const struct grant_user *u, struct grant_table *granter,
               struct gnttab_map_grant_ref *op, uint32_t handle)
{
    struct place where = {mfn(0), 0};
    struct grant_access got;
    int status = pin_for(granter, u, op, &got);

    if (status)
        return status;
    if (got.revocable && (op->flags & GNTMAP_device_map))
        status = GNTST_general_error; /* nobody could take it from a device */
    if (status == GNTST_okay && (op->flags & GNTMAP_host_map))
        status = set_entry(u, op, &got, &where);
    if (status) {
        unpin_for(granter, op);
        return status;
    }
    /* Told for each kind of mapping: Linux lets devices write to what a processor has mapped, and has the address from here. */
    op->dev_bus_addr = got.frame.n << PAGE_SHIFT;
    op->handle = handle;
    fill_handle(maptrack_of(&u->table->maptrack, handle), op, &where);
    return GNTST_okay;
}

int grant_map(const struct grant_user *u, struct gnttab_map_grant_ref *op)
{
    struct grant_table *granter = grant_find(op->dom);
    uint32_t handle;
    int status;

    op->status = GNTST_okay;
    if (!(op->flags & FLAGS_PLACE))
        op->status = GNTST_bad_gntref;
    else if (!granter)
        op->status = GNTST_bad_domain;
    if (op->status)
        return 0;
    handle = maptrack_alloc(u->table, u->lane);
    if (handle == HANDLE_NONE) {
        op->status = GNTST_no_space;
        return 0;
    }
    status = map(u, granter, op, handle);
    if (status)
        maptrack_free(u->table, u->lane, handle);
    if (status == -XEN_ERESTART)
        return status;
    op->status = (int16_t)status;
    return 0;
}

/* ---- letting go ---- */

bool grant_handle_claim(struct grant_handle *h)
{
    uint32_t state = atomic_load_explicit(&h->state, memory_order_relaxed);

    do {
        while (unlikely(state & HANDLE_TAKING)) {
            arch_relax();
            state = atomic_load_explicit(&h->state, memory_order_relaxed);
        }
        if (!(state & HANDLE_USED) || (state & HANDLE_BUSY))
            return false;
    } while (!atomic_compare_exchange_weak(&h->state, &state, state | HANDLE_BUSY));
    return true;
}

/* Entry `new` in place of the one that maps the frame; *old becomes what was there. */
static int exchange_entry(const struct grant_table *t, const struct place *where, mfn_t frame,
                          uint64_t new, uint64_t *old)
{
    struct table_change c = {.entry = new, .from = t->account->id, .exact = true, .only_l1 = true};
    int rc;

    if (!arch_mfn_valid(where->table))
        return -XEN_EINVAL;
    do {
        c.expected = pte_load((uint64_t *)arch_map_frame(where->table) + where->slot);
        if (!(c.expected & PTE_P) || pte_frame(c.expected).n != frame.n)
            return -XEN_EINVAL;
        rc = table_update(t->account, where->table, where->slot, &c);
    } while (rc == -XEN_EAGAIN); /* the processor has set a bit in it, or the guest changed it */
    *old = c.expected;
    return rc;
}

int grant_handle_exchange(const struct grant_table *t, const struct grant_handle *h, mfn_t frame,
                          uint64_t new, uint64_t *old)
{
    const struct place where = {mfn(h->table), h->slot};

    return exchange_entry(t, &where, frame, new, old);
}

/* The entry at new_addr is to move to where the granted frame is mapped. */
static int move_entry(const struct grant_user *u, const struct place *to, mfn_t frame,
                      uint64_t new_addr, uint64_t *old)
{
    struct place from;
    uint64_t entry, moved = 0;
    int rc = find_place(u, new_addr, false, &from);

    if (rc)
        return rc;
    entry = pte_load((uint64_t *)arch_map_frame(from.table) + from.slot);
    if (!(entry & PTE_P))
        return -XEN_EINVAL;
    rc = exchange_entry(u->table, to, frame, entry, old);
    if (rc)
        return rc;
    /* It has a second entry now; if the guest has changed the first meanwhile, so be it. */
    if (exchange_entry(u->table, &from, pte_frame(entry), 0, &moved) == 0)
        *old |= moved & PTE_A;
    return 0;
}

/* GNTST_*. */
static int clear_entry(struct grant_unmap_batch *b, const struct grant_handle *h, mfn_t frame,
                       uint64_t host_addr, uint64_t new_addr)
{
    struct place where = {mfn(h->table), h->slot};
    struct place named;
    uint64_t old;
    int rc;

    if (find_place(b->user, host_addr, h->state & HANDLE_ENTRY, &named) ||
        named.table.n != where.table.n || named.slot != where.slot)
        return GNTST_general_error;
    rc = new_addr ? move_entry(b->user, &where, frame, new_addr, &old)
                  : exchange_entry(b->user->table, &where, frame, 0, &old);
    if (rc)
        return GNTST_general_error;
    b->accessed |= (old & PTE_A) != 0;
    return GNTST_okay;
}

/* With the handle claimed: which of its parts end. */
static int end_parts(struct grant_unmap_batch *b, const struct grant_handle *h, mfn_t frame,
                     uint64_t host_addr, uint64_t dev_bus_addr, uint64_t new_addr, uint32_t *parts)
{
    int status = GNTST_okay;

    *parts = 0;
    if (dev_bus_addr && (h->state & HANDLE_DEVICE)) {
        if (dev_bus_addr != frame.n << PAGE_SHIFT)
            return GNTST_bad_dev_addr;
        *parts |= HANDLE_DEVICE;
    }
    if (host_addr && (h->state & HANDLE_HOST)) {
        status = clear_entry(b, h, frame, host_addr, new_addr);
        if (status)
            *parts = 0;
        else
            *parts |= HANDLE_HOST;
    }
    return status;
}

/* What it maps is a copy, or an empty page: that goes, and the handle with it. If the guest has put
 * something else into the entry, that stays. */
static int unmap_revoked(struct grant_unmap_batch *b, const struct grant_handle *h, uint32_t handle)
{
    const struct grant_table *t = b->user->table;
    mfn_t instead = h->ref || !t->empty ? mfn(h->ref) : arch_frame_of(t->empty);
    uint64_t old = 0;

    if (grant_handle_exchange(t, h, instead, 0, &old) == 0)
        b->accessed |= (old & PTE_A) != 0;
    b->done[b->count++] = (struct grant_unmapped){.handle = handle, .copy = h->ref, .ends = true};
    return GNTST_okay;
}

int grant_unmap_one(struct grant_unmap_batch *b, uint64_t host_addr, uint64_t dev_bus_addr,
                    uint64_t new_addr, grant_handle_t handle)
{
    struct grant_table *t = b->user->table, *granter;
    struct grant_handle *h;
    uint32_t parts, left;
    int status;

    ASSERT(b->count < GRANT_UNMAP_BATCH);
    if (handle >= maptrack_count(&t->maptrack))
        return GNTST_bad_handle;
    handle = (grant_handle_t)index_nospec(handle, maptrack_count(&t->maptrack));
    h = maptrack_of(&t->maptrack, handle);
    if (!grant_handle_claim(h))
        return GNTST_bad_handle;
    if (unlikely(h->state & HANDLE_REVOKED))
        return unmap_revoked(b, h, handle);
    granter = grant_find(h->granter);
    BUG_ON(!granter); /* our pin keeps it */
    status = end_parts(b, h, mfn(grant_pins_of(granter, h->ref)->frame), host_addr, dev_bus_addr,
                       new_addr, &parts);
    left = h->state & ~(parts | HANDLE_BUSY);
    if (status || !parts) {
        atomic_store_explicit(&h->state, left, memory_order_release);
        return status;
    }
    b->done[b->count++] =
        (struct grant_unmapped){.granter = granter,
                                .handle = handle,
                                .ref = h->ref,
                                .was_writable = left & HANDLE_WRITE,
                                .pins = parts == (HANDLE_HOST | HANDLE_DEVICE) ? 2 : 1,
                                .ends = !(left & (HANDLE_HOST | HANDLE_DEVICE))};
    /* A handle that goes on has fewer parts; until the pin is gone it stays busy. */
    atomic_store_explicit(&h->state, left | HANDLE_BUSY, memory_order_release);
    return GNTST_okay;
}

void grant_flush(const struct grant_table *t)
{
    cpumask_t cpus = {atomic_load(&t->account->tlb_cpus)};

    cpus = tlb_stale_cpus(tlb_clock_now(), cpumask_and(cpus, arch_online_cpus()));
    if (!cpumask_empty(cpus))
        arch_tlb_flush(cpus);
}

void grant_unmap_finish(struct grant_unmap_batch *b)
{
    struct grant_table *t = b->user->table;
    struct account *a = t->account;
    uint64_t gone = atomic_load(&a->foreign_gone);

    if (b->accessed || gone != atomic_load(&a->foreign_flushed)) {
        grant_flush(t);
        /* Two at a time may leave the lower number: then somebody flushes once too often. */
        atomic_store(&a->foreign_flushed, gone);
    }
    for (unsigned i = 0; i < b->count; i++) {
        const struct grant_unmapped *d = &b->done[i];
        struct grant_handle *h = maptrack_of(&t->maptrack, d->handle);

        for (unsigned n = 0; n < d->pins; n++)
            grant_unpin(d->granter, d->ref, d->was_writable);
        if (d->copy)
            (void)!account_release(t->account, mfn(d->copy)); /* unless the guest has itself */
        if (d->ends)
            maptrack_free(t, b->user->lane, d->handle);
        else
            atomic_fetch_and(&h->state, ~HANDLE_BUSY);
    }
    b->count = 0;
    b->accessed = false;
}

/* ---- looking for one ---- */

/* Its holder may let go of it just now: the answer is of no use to him then. */
static bool maps(const struct grant_handle *h, mfn_t m)
{
    uint32_t state = atomic_load_explicit(&((struct grant_handle *)h)->state, memory_order_acquire);
    const struct grant_table *granter;

    if (!(state & HANDLE_USED) || (state & HANDLE_BUSY))
        return false;
    granter = grant_find(h->granter);
    return granter && h->ref < grant_entry_count(granter) &&
           __atomic_load_n(&grant_pins_of(granter, h->ref)->frame, __ATOMIC_RELAXED) == m.n;
}

bool grant_is_mapped(const struct grant_table *t, mfn_t m, uint32_t *cursor)
{
    while (*cursor < maptrack_count(&t->maptrack)) {
        if (maps(maptrack_of(&t->maptrack, *cursor), m))
            return true;
        if (++*cursor % 64 == 0 && arch_preempt_pending())
            break;
    }
    return false;
}

/* ---- the end of a domain ---- */

/* Its page tables are gone, or nobody walks them any more. */
static void relinquish(struct grant_table *t, uint32_t handle)
{
    struct grant_handle *h = maptrack_of(&t->maptrack, handle);
    struct grant_table *granter;
    uint32_t state;

    /* Its granter may be taking the frame back just now: then one of us gives up the pin. */
    if (!grant_handle_claim(h)) {
        ASSERT(!(h->state & HANDLE_USED));
        return;
    }
    state = h->state;
    granter = grant_find(h->granter);
    BUG_ON(!granter && !(state & HANDLE_REVOKED));
    if (state & HANDLE_REVOKED)
        state = 0; /* the copy has gone with the account's other frames */
    if (state & HANDLE_HOST)
        grant_unpin(granter, h->ref, state & HANDLE_WRITE);
    if (state & HANDLE_DEVICE)
        grant_unpin(granter, h->ref, state & HANDLE_WRITE);
    maptrack_free(t, 0, handle);
}

int grant_table_relinquish(struct grant_table *t)
{
    int rc = 0;

    spin_lock(&t->lock); /* nobody grows it any more */
    atomic_store(&t->dying, true);
    spin_unlock(&t->lock);
    grant_enter();
    while (!rc && t->maptrack.cursor < maptrack_count(&t->maptrack)) {
        relinquish(t, t->maptrack.cursor++);
        if (arch_preempt_pending())
            rc = -XEN_ERESTART;
    }
    grant_leave();
    return rc;
}
