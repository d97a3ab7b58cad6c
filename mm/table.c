/* SPDX-License-Identifier: MIT
 *
 * What a guest does with its page tables: pin and unpin them, change an entry, look one up.
 */
#include <lagan/arch.h>
#include "mm/type_state.h"

/* ---- pins ---- */

/* Turns the references that the caller holds into the pin's. False: it is pinned already. */
static bool set_pinned(struct frame *f)
{
    uint32_t word = frame_lock(f);
    bool fresh = !(word & TYPE_PINNED);

    frame_unlock(f, word | TYPE_PINNED);
    return fresh;
}

/* A pin that comes after account_relinquish() has passed the table would stay for ever: whoever
 * pins looks at `dying` after the pin is seen, the other side sets it before it looks for pins. */
static int check_alive(struct account *a, mfn_t m)
{
    if (likely(!a->dying))
        return 0;
    /* Either of us takes the pin off again; both work through type_put_step(). */
    while (table_unpin(a, m) == -XEN_ERESTART)
        ;
    return -XEN_EINVAL;
}

int table_pin(struct account *a, mfn_t m, unsigned level)
{
    int rc;

    if (level < 1 || level > 4 || a->dying || !frame_get(m, a->id))
        return -XEN_EINVAL;
    rc = type_get(m, (enum frame_type)level);
    if (rc == 0 && !set_pinned(frame_of(m))) {
        type_put(m); /* not the last: the pin has one */
        rc = -XEN_EINVAL;
    }
    if (rc)
        frame_put(m);
    if (rc == -XEN_EBUSY)
        rc = -XEN_EINVAL; /* what the ABI says of tables */
    return rc ? rc : check_alive(a, m);
}

int table_unpin(struct account *a, mfn_t m)
{
    int rc;

    if (!frame_get(m, a->id))
        return -XEN_EINVAL;
    rc = type_put_step(m, TYPE_PINNED);
    if (rc == 0)
        frame_put(m); /* the pin's */
    frame_put(m);
    return rc;
}

/* ---- entries ---- */

/* Exchanges an entry; *new becomes what was stored. The processors' page walks may set A and D in
 * it at any moment: those of the old entry are either kept (preserve_ad) or end with it, but never
 * come back after it was read. False: the old entry, now in *old, is not the expected one. */
static bool exchange(uint64_t *entry, const struct table_change *c, uint64_t *new, uint64_t *old)
{
    uint64_t wanted;

    *old = pte_load(entry);
    do {
        if (c->exact && *old != c->expected)
            return false;
        wanted = c->preserve_ad && (*new &PTE_P) ? *new | (*old & (PTE_A | PTE_D)) : *new;
    } while (!__atomic_compare_exchange_n(entry, old, wanted, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    *new = wanted;
    return true;
}

/* Gives back what an entry held; what would take long is left to the caller. */
static void release(struct account *a, struct table_change *c, unsigned level, uint64_t e)
{
    if (entry_put(a, level, e) != 0)
        c->old_table = pte_frame(e);
}

static int update_table(struct account *a, mfn_t table, enum frame_type type, unsigned index,
                        struct table_change *c)
{
    uint64_t *entry = (uint64_t *)arch_map_frame(table) + index, new = c->entry, old;
    struct frame *f = frame_of(table);
    bool usable, done;
    uint32_t word;
    int rc;

    if (pte_slot_is_hv(type, index))
        return -XEN_EINVAL;
    rc = entry_get(a, c->from, type, &new);
    if (rc)
        return rc;
    /* Only now can the table not be taken out of use any more (INV-TYPE-4). */
    usable = frame_lock_valid(f, type, &word);
    done = usable && exchange(entry, c, &new, &old);
    if (usable)
        frame_unlock(f, word);
    release(a, c, type, done ? old : new);
    if (!done)
        return usable ? -XEN_EAGAIN : -XEN_EINVAL;
    c->old = old;
    c->upper = type > TYPE_L1 && (old & PTE_P) && ((old ^ new) & ~(PTE_A | PTE_D));
    return 0;
}

static int update_memory(mfn_t m, unsigned index, const struct table_change *c)
{
    int rc = c->exact ? -XEN_EINVAL : type_get(m, TYPE_WRITABLE);

    if (rc)
        return rc == -XEN_EBUSY ? -XEN_EINVAL : rc;
    pte_store((uint64_t *)arch_map_frame(m) + index, c->entry);
    type_put(m);
    return 0;
}

int table_update(struct account *a, mfn_t table, unsigned index, struct table_change *c)
{
    enum frame_type type;
    int rc;

    c->old_table = MFN_INVALID;
    c->upper = false;
    if (index >= TABLE_ENTRIES || !frame_get(table, a->id))
        return -XEN_EINVAL;
    type = type_of(table);
    if (c->only_l1 && (type != TYPE_L1 || !type_is_valid(table)))
        rc = -XEN_EINVAL;
    else if (type_is_table(type) && type_is_valid(table))
        rc = update_table(a, table, type, index, c);
    else
        rc = update_memory(table, index, c);
    frame_put(table);
    return rc;
}

int table_drop(mfn_t *table)
{
    if (table->n == MFN_INVALID.n)
        return 0;
    if (type_put_preemptible(*table) != 0)
        return -XEN_ERESTART;
    frame_put(*table);
    *table = MFN_INVALID;
    return 0;
}

void table_abandon(mfn_t *table)
{
    if (table->n == MFN_INVALID.n)
        return;
    if (!set_pinned(frame_of(*table))) {
        type_put(*table); /* the pin has another */
        frame_put(*table);
    }
    *table = MFN_INVALID;
}

int table_walk_l1(mfn_t l4, uint64_t va, mfn_t *l1)
{
    mfn_t table = l4;

    if (pte_slot_is_hv(4, pte_index(va, 4)))
        return -XEN_EINVAL;
    for (unsigned level = 4; level > 1; level--) {
        uint64_t e;

        if (!arch_mfn_valid(table))
            return -XEN_EINVAL;
        e = pte_load((uint64_t *)arch_map_frame(table) + pte_index(va, level));
        if (!(e & PTE_P))
            return -XEN_EINVAL;
        table = pte_frame(e);
    }
    if (!arch_mfn_valid(table))
        return -XEN_EINVAL;
    *l1 = table;
    return 0;
}
