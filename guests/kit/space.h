/* SPDX-License-Identifier: MIT
 *
 * Whole address spaces: an L4 with the kernel's part of the boot tables, and up to 64 MiB of
 * further pages from SPACE_VA on, in tables of its own.
 */
#pragma once

#include "kit/table.h"

#define SPACE_L1_MAX 32U
#define SPACE_VA     0x0000010000000000UL /* slot 2 of the L4 */

struct space {
    uint64_t *l4, *l3, *l2, *l1[SPACE_L1_MAX];
    unsigned l1_count;
};

/* Builds the tables, linked and empty of pages, writable still: entries can be filled in by hand.
 */
void space_new(struct space *space, unsigned l1_count);
/* Takes the write access to its tables away: they can now be pinned or loaded. */
void space_protect(struct space *space);
/* Both, and pinned as an L4. Ends the guest where that fails. */
void space_new_pinned(struct space *space, unsigned l1_count);
/* Frees the tables, which must not be pinned or loaded. */
void space_delete(struct space *space);

/* The entry for page number i of the space. */
static inline uint64_t *space_entry(const struct space *space, unsigned i)
{
    return &space->l1[i / TABLE_SLOTS][i % TABLE_SLOTS];
}

static inline volatile uint64_t *space_va(unsigned i)
{
    return (volatile uint64_t *)(SPACE_VA + i * PAGE_SIZE);
}

/* Makes a space the present one of this vCPU; NULL: the boot tables. 0 or the error. */
long space_load(const struct space *space);

/* Frames that we own and have mapped nowhere: the number of the first, how many, and the i-th (any i; they are counted
 * round). */
uint64_t spare_first(void);
uint64_t spare_count(void);
uint64_t spare_frame(uint64_t i);
