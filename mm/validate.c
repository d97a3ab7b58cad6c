/* SPDX-License-Identifier: MIT
 *
 * What page-table entries may hold, and the references they hold for it.
 *
 * A present entry holds a general reference of the frame it points to and, if the guest may do more
 * with it than read, a type reference: L1 entries with RW one as writable memory, entries of upper
 * levels one as a table of the level below. A non-present entry holds nothing and may contain
 * anything.
 *
 * Entries are stored as the processor is to see them: always with US, since the guest's kernel runs
 * in ring 3, and never with G, since only the hypervisor's translations survive a CR3 write. Stored
 * entries are rewritten only once the whole table has been accepted, so that a refused one is as it
 * was.
 *
 * Recursion is bounded by the level: an entry of level n refers to a frame of type n-1 only, so a
 * table cannot reach itself (linear page tables are refused as being in use as another type).
 *
 * Preemption points lie between the entries of L2..L4 tables, after at least one was dealt with. An
 * L1 table is bounded work and done in one go.
 */
#include <lagan/arch.h>
#include "mm/type_state.h"

/* Bits that a present entry may have beside its frame. */
#define L1_BITS                                                                                  \
    (PTE_P | PTE_RW | PTE_US | PTE_PWT | PTE_PCD | PTE_A | PTE_D | PTE_PAT | PTE_G | PTE_AVAIL | \
     PTE_AVAIL_HI | PTE_NX)
#define UPPER_BITS (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_AVAIL | PTE_AVAIL_HI | PTE_NX)

static bool is_well_formed(unsigned level, uint64_t e)
{
    uint64_t bits = level == 1 ? L1_BITS : UPPER_BITS;

    return !(e & ~(bits | PTE_FRAME)) && !((e & PTE_FRAME) >> arch_phys_bits());
}

static uint64_t as_stored(unsigned level, uint64_t e)
{
    return level == 1 ? (e | PTE_US) & ~PTE_G : e | PTE_US;
}

int entry_get(domid_t owner, unsigned level, uint64_t *e)
{
    mfn_t m = pte_frame(*e);
    int rc = 0;

    if (!(*e & PTE_P))
        return 0;
    if (!is_well_formed(level, *e) || !frame_get(m, owner))
        return -XEN_EINVAL;
    if (level > 1)
        rc = type_get(m, (enum frame_type)(level - 1));
    else if (*e & PTE_RW)
        rc = type_get(m, TYPE_WRITABLE);
    if (rc) {
        frame_put(m);
        return rc;
    }
    *e = as_stored(level, *e);
    return 0;
}

int entry_put(unsigned level, uint64_t e)
{
    mfn_t m = pte_frame(e);

    if (!(e & PTE_P))
        return 0;
    if (level > 1 || (e & PTE_RW)) {
        int rc = type_put_step(m, 0);

        if (rc)
            return rc;
    }
    frame_put(m);
    return 0;
}

/* Everything has been accepted: the table becomes what the processor may walk. */
static void finish(uint64_t *table, unsigned level, domid_t owner)
{
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t e = pte_load(&table[i]);

        if ((e & PTE_P) && !pte_slot_is_hv(level, i) && as_stored(level, e) != e)
            pte_store(&table[i], as_stored(level, e));
    }
    if (level == 4)
        arch_l4_fill(table, owner);
}

int table_validate(mfn_t m, unsigned level, unsigned *cursor)
{
    domid_t owner = frame_owner(frame_of(m));
    uint64_t *table = arch_map_frame(m);
    bool progress = false;

    for (; *cursor < TABLE_ENTRIES; ++*cursor) {
        uint64_t e = pte_load(&table[*cursor]);
        int rc;

        if (!(e & PTE_P) || pte_slot_is_hv(level, *cursor))
            continue;
        if (level > 1 && progress && arch_preempt_pending())
            return -XEN_ERESTART;
        rc = entry_get(owner, level, &e);
        if (rc)
            return rc;
        progress = true;
    }
    finish(table, level, owner);
    return 0;
}

int table_devalidate(mfn_t m, unsigned level, unsigned *cursor)
{
    uint64_t *table = arch_map_frame(m);
    bool progress = false;

    for (; *cursor > 0; --*cursor) {
        uint64_t e = pte_load(&table[*cursor - 1]);

        if (!(e & PTE_P) || pte_slot_is_hv(level, *cursor - 1))
            continue;
        if (level > 1 && progress && arch_preempt_pending())
            return -XEN_ERESTART;
        if (entry_put(level, e) != 0)
            return -XEN_ERESTART;
        progress = true;
    }
    return 0;
}
