/* SPDX-License-Identifier: MIT
 *
 * Page-table entries of readers that map cached pages. They are made and changed by the same code as all
 * others (table_update() with the owner named).
 *
 * Taking one away has to succeed whatever its reader does. He can only do three things to it: write something
 * else in its place, which gives up its reference: then there is nothing left to take; set and clear bits of
 * it, which ends with trying again; or let its table go out of use, a thing that may stop half way, with
 * the entry's reference still held and the entry ready to be walked again when the table is taken back into
 * use. Then we take the table into use ourselves, from where it stopped, and let go of it afterwards. If that
 * cannot be (another entry is for a page of the cache too, and has been given back) it will not be walked
 * again either, and we let go of all that it holds.
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

static bool maps(mfn_t table, unsigned slot, mfn_t frame, uint64_t *e)
{
    *e = pte_load((uint64_t *)arch_map_frame(table) + slot);
    return (*e & PTE_P) && pte_frame(*e).n == frame.n;
}

/* 0: it maps the frame no more; -XEN_EINVAL: it is in no table that is in use. */
static int clear(struct account *a, mfn_t table, unsigned slot, mfn_t frame)
{
    struct table_change c = {.entry = 0, .from = a->id, .exact = true, .only_l1 = true};
    int rc;

    do {
        if (!maps(table, slot, frame, &c.expected))
            return 0;
        rc = table_update(a, table, slot, &c);
    } while (rc == -XEN_EAGAIN);
    return rc;
}

/* A table that stands half way between in use and not: whole again, or its entries hold nothing. */
static int settle(struct account *a, mfn_t table, unsigned slot, mfn_t frame)
{
    int rc = type_of(table) == TYPE_L1 ? type_get(table, TYPE_L1) : -XEN_EINVAL;

    if (rc == 0) {
        rc = clear(a, table, slot, frame);
        type_put(table);
        return rc;
    }
    return rc == -XEN_ERESTART ? rc : type_empty_partial(table);
}

int ubc_entry_cut(struct account *a, mfn_t table, unsigned slot, mfn_t frame)
{
    int rc;

    if (!frame_get(table, a->id))
        return 0; /* given back, and its entries before it */
    rc = clear(a, table, slot, frame);
    if (unlikely(rc == -XEN_EINVAL))
        rc = settle(a, table, slot, frame);
    frame_put(table);
    return rc;
}
