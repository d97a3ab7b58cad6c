/* SPDX-License-Identifier: MIT
 *
 * Array indices from guests. A processor may guess that a bounds check passes and read beyond the
 * array before it knows better; what it reads can be told from the caches afterwards. An index that
 * depends on the comparison by arithmetic cannot be guessed past.
 */
#pragma once

#include <lagan/types.h>

/* The index if it is below count, else 0; without a branch. count < 2^63. Used after the check that
 * decides, never in place of it. */
static inline uint64_t index_nospec(uint64_t index, uint64_t count)
{
    uint64_t mask;

    /* The compiler must not know what the check before has told it. */
    __asm__ volatile("" : "+r"(index));
    mask = (uint64_t)((int64_t)((index - count) & ~index) >> 63);
    return index & mask;
}
