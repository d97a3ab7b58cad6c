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

/* Address bits that the machine does not have need no check of their own: no frame there is valid.
 */
static bool is_well_formed(unsigned level, uint64_t e)
{
    return !(e & ~((level == 1 ? L1_BITS : UPPER_BITS) | PTE_FRAME));
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

/* frame_get() and, for a writable entry, type_get(), in as few instructions as the usual cases
 * need: the frame is owned, and is writable memory already or was never used. Anything else takes
 * the long way. */
static inline int data_get(domid_t owner, uint64_t key, uint64_t e)
{
    mfn_t m = pte_frame(e);
    struct frame *f;
    uint64_t use;
    uint32_t word;
    int rc;

    if (!arch_mfn_valid(m))
        return -XEN_EINVAL;
    f = frame_of(m);
    use = atomic_load_explicit(&f->use, memory_order_relaxed);
    if ((use >> 32 & 0xffffff) != key || (uint32_t)use - 1 >= FRAME_REFS_MAX - 1 ||
        !atomic_compare_exchange_strong(&f->use, &use, use + 1))
        return entry_get(owner, 1, &e);
    if (!(e & PTE_RW))
        return 0;
    word = word_load(f);
    if ((word == 0 || (word >> 24 == (TYPE_WRITABLE << 4 | TYPE_VALID >> 24) &&
                       (word & TYPE_COUNT) < TYPE_COUNT)) &&
        atomic_compare_exchange_strong(
            &f->type, &word, (word + 1) | (uint32_t)TYPE_WRITABLE << TYPE_SHIFT | TYPE_VALID))
        return 0;
    rc = type_get(m, TYPE_WRITABLE);
    if (rc)
        frame_put(m);
    return rc;
}

/* The entries of an L1 table from *cursor on; *rewrite: some are to be stored differently. */
static int l1_get(const uint64_t *table, domid_t owner, unsigned *cursor, bool *rewrite)
{
    uint64_t key = frame_use(FRAME_OWNED, 0, owner, 0) >> 32, differs = 0;

    for (; *cursor < TABLE_ENTRIES; ++*cursor) {
        uint64_t e = pte_load(&table[*cursor]);
        int rc;

        if (!(e & PTE_P))
            continue;
        rc = is_well_formed(1, e) ? data_get(owner, key, e) : -XEN_EINVAL;
        if (rc)
            return rc;
        differs |= as_stored(1, e) ^ e;
    }
    *rewrite = *rewrite || differs;
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

static int upper_get(const uint64_t *table, domid_t owner, unsigned level, unsigned *cursor)
{
    bool progress = false;

    for (; *cursor < TABLE_ENTRIES; ++*cursor) {
        uint64_t e = pte_load(&table[*cursor]);
        int rc;

        if (!(e & PTE_P) || pte_slot_is_hv(level, *cursor))
            continue;
        if (progress && arch_preempt_pending())
            return -XEN_ERESTART;
        rc = entry_get(owner, level, &e);
        if (rc)
            return rc;
        progress = true;
    }
    return 0;
}

int table_validate(mfn_t m, unsigned level, unsigned *cursor)
{
    domid_t owner = frame_owner(frame_of(m));
    uint64_t *table = arch_map_frame(m);
    bool rewrite = level > 1 || *cursor > 0;
    int rc = level == 1 ? l1_get(table, owner, cursor, &rewrite)
                        : upper_get(table, owner, level, cursor);

    if (rc == 0 && rewrite)
        finish(table, level, owner);
    return rc;
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
