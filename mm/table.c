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

int table_pin(struct account *a, mfn_t m, unsigned level)
{
    int rc;

    if (level < 1 || level > 4 || !frame_get(m, a->id))
        return -XEN_EINVAL;
    rc = type_get(m, (enum frame_type)level);
    if (rc == 0 && !set_pinned(frame_of(m))) {
        type_put(m); /* not the last: the pin has one */
        rc = -XEN_EINVAL;
    }
    if (rc)
        frame_put(m);
    return rc;
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

/* Exchanges an entry. The processors' page walks may set A and D in it at any moment: those of the
 * old entry are either kept (preserve_ad) or end with it, but never come back after it was read. */
static uint64_t exchange(uint64_t *entry, uint64_t new, bool preserve_ad)
{
    uint64_t old = pte_load(entry), wanted;

    do
        wanted = preserve_ad && (new &PTE_P) ? new | (old & (PTE_A | PTE_D)) : new;
    while (!__atomic_compare_exchange_n(entry, &old, wanted, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED));
    return old;
}

/* Gives back an entry's references without the possibility of preemption. */
static void entry_put_all(unsigned level, uint64_t e)
{
    while (entry_put(level, e) != 0)
        ;
}

static int update_table(struct account *a, mfn_t table, enum frame_type type, unsigned index,
                        uint64_t new, bool preserve_ad)
{
    uint64_t *entry = (uint64_t *)arch_map_frame(table) + index, old;
    struct frame *f = frame_of(table);
    uint32_t word;
    int rc;

    if (pte_slot_is_hv(type, index))
        return -XEN_EINVAL;
    rc = entry_get(a->id, type, &new);
    if (rc)
        return rc;
    /* Only now can the table not be taken out of use any more (INV-TYPE-4). */
    word = frame_lock(f);
    if (word_type(word) != type || !(word & TYPE_VALID)) {
        frame_unlock(f, word);
        entry_put_all(type, new);
        return -XEN_EINVAL;
    }
    old = exchange(entry, new, preserve_ad);
    frame_unlock(f, word);
    entry_put_all(type, old);
    return 0;
}

static int update_memory(mfn_t m, unsigned index, uint64_t value)
{
    int rc = type_get(m, TYPE_WRITABLE);

    if (rc)
        return rc;
    pte_store((uint64_t *)arch_map_frame(m) + index, value);
    type_put(m);
    return 0;
}

int table_update(struct account *a, mfn_t table, unsigned index, uint64_t entry, bool preserve_ad)
{
    enum frame_type type;
    int rc;

    if (index >= TABLE_ENTRIES || !frame_get(table, a->id))
        return -XEN_EINVAL;
    type = type_of(table);
    if (type_is_table(type) && type_is_valid(table))
        rc = update_table(a, table, type, index, entry, preserve_ad);
    else
        rc = update_memory(table, index, entry);
    frame_put(table);
    return rc;
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
