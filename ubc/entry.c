/* SPDX-License-Identifier: MIT
 *
 * Page-table entries of readers that map cached pages. They are made and changed by the same code as all
 * others (table_update() with the owner named).
 *
 * Taking one away has to succeed whatever its reader does (mm/table_replace.c).
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "mm/pte.h"
#include "mm/type.h"
#include "mm/window.h"
#include "ubc/ubc_int.h"

int ubc_entry_make(struct account *a, mfn_t table, unsigned slot, mfn_t frame, bool exec)
{
    struct table_change c = {.entry = frame.n << PAGE_SHIFT | PTE_P | PTE_US | (exec ? 0 : PTE_NX),
                             .from = WINDOW_OWNER,
                             .only_l1 = true};
    int rc = table_update(a, table, slot, &c);

    if (rc)
        return rc;
    ASSERT(c.old_table.n == MFN_INVALID.n);
    /* What was there before may be remembered, and the guest has no reason to think so. */
    if (unlikely((c.old & (PTE_P | PTE_A)) == (PTE_P | PTE_A)))
        arch_tlb_flush(cpumask_and((cpumask_t){atomic_load(&a->tlb_cpus)}, arch_online_cpus()));
    return 0;
}

int ubc_entry_cut(struct account *a, mfn_t table, unsigned slot, mfn_t frame)
{
    bool done;

    return table_replace_l1(a, table, slot, frame, 0, &done);
}

int ubc_entry_exchange(struct account *a, mfn_t table, unsigned slot, mfn_t frame, mfn_t own,
                       bool *done)
{
    uint64_t entry = pte_load((uint64_t *)arch_map_frame(table) + slot);
    uint64_t bits = entry & ~(PTE_FRAME | PTE_RW | PTE_A | PTE_D);

    *done = false;
    if (!(entry & PTE_P) || pte_frame(entry).n != frame.n)
        return 0;
    return table_replace_l1(a, table, slot, frame, bits | own.n << PAGE_SHIFT, done);
}
