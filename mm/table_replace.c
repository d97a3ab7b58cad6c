/* SPDX-License-Identifier: MIT
 *
 * Entries of L1 tables that the hypervisor takes from a guest, or puts others in the place of, whatever the
 * guest does.
 *
 * He can only do three things to such an entry: write something else in its place, which gives up its reference:
 * then there is nothing left to take; set and clear bits of it, which ends with trying again; or let its table go
 * out of use, a thing that may stop half way, with the entry's reference still held and the entry ready to
 * be walked again when the table is taken back into use (PARTIAL: INV-TYPE-3). Then we take the table into use
 * ourselves, from where it stopped, and let go of it afterwards. If that cannot be (another entry is for a page
 * that has been given back) it will not be walked again either, and we let go of all that it holds.
 */
#include <lagan/arch.h>
#include "mm/frame.h"
#include "mm/pte.h"
#include "mm/type.h"

/* 0: it maps the frame no more; -XEN_EINVAL: it is in no table that is in use, or the new one is refused. */
static int replace(struct account *a, mfn_t table, unsigned slot, mfn_t frame,
                   struct table_change *c, bool *done)
{
    int rc;

    do {
        c->expected = pte_load((uint64_t *)arch_map_frame(table) + slot);
        if (!(c->expected & PTE_P) || pte_frame(c->expected).n != frame.n)
            return 0;
        rc = table_update(a, table, slot, c);
    } while (rc == -XEN_EAGAIN);
    *done = rc == 0;
    return rc;
}

/* A table that stands half way between in use and not: whole again, or its entries hold nothing. */
static int settle(struct account *a, mfn_t table, unsigned slot, mfn_t frame,
                  struct table_change *c, bool *done)
{
    int rc = type_of(table) == TYPE_L1 ? type_get(table, TYPE_L1) : -XEN_EINVAL;

    if (rc == 0) {
        rc = replace(a, table, slot, frame, c, done);
        type_put(table);
        return rc;
    }
    return rc == -XEN_ERESTART ? rc : type_empty_partial(table);
}

int table_replace_l1(struct account *a, mfn_t table, unsigned slot, mfn_t frame, uint64_t entry,
                     bool *done)
{
    struct table_change c = {.entry = entry, .from = a->id, .exact = true, .only_l1 = true};
    int rc;

    *done = false;
    if (!arch_mfn_valid(table) || !frame_get(table, a->id))
        return 0; /* given back, and its entries before it */
    rc = replace(a, table, slot, frame, &c, done);
    if (unlikely(rc == -XEN_EINVAL))
        rc = settle(a, table, slot, frame, &c, done);
    frame_put(table);
    return rc;
}
