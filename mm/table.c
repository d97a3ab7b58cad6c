/* SPDX-License-Identifier: MIT
 *
 * What a guest does with whole page tables: pin and unpin them, let go of one, look one up.
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

/* ---- tables that have been unlinked ---- */

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
