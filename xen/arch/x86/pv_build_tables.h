/* SPDX-License-Identifier: MIT
 *
 * Writes the first page tables of a new domain, into frames of its own, before anybody validates
 * them.
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/pv_layout.h"

/* The frames of a domain under construction. */
struct p2m {
    mfn_t *mfn;
    uint64_t count;
};

/* Takes frames for tables from a range of guest frames. */
struct table_writer {
    const struct p2m *p2m;
    uint64_t next_gfn, end_gfn;
    const struct pv_layout *layout; /* says which frames are tables: mapped read-only */
};

/* Guest frames [gfn, gfn + count) at va and up. */
struct table_range {
    uint64_t va, gfn, count;
};

/* The next frame of the range as an empty table. NULL when the range is used up. */
uint64_t *table_writer_new(struct table_writer *w, mfn_t *m);
/* Maps the range in 4 KiB pages. -XEN_ENOMEM when the writer's range is used up. */
int table_writer_map(struct table_writer *w, uint64_t *l4,
                     const struct table_range *r) LAGAN_MUST_CHECK;
