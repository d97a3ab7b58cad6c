/* SPDX-License-Identifier: MIT
 *
 * table_update() as most tests want it: a frame of the account's own, and what the old entry held
 * is dropped before it returns.
 */
#pragma once

#include "mm/type.h"

static inline int table_set(struct account *a, mfn_t table, unsigned index, uint64_t entry,
                            bool preserve_ad)
{
    struct table_change c = {.entry = entry, .from = a->id, .preserve_ad = preserve_ad};
    int rc = table_update(a, table, index, &c);

    while (table_drop(&c.old_table) != 0)
        ;
    return rc;
}
