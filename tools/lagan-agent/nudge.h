/* SPDX-License-Identifier: MIT
 *
 * Linux's balloon driver tries five times in a row, a few seconds apart, and then rests for an hour, unless its target
 * changes: what was not free in those seconds it never gives, and what the host did not have it never takes. So a driver
 * that stands still beside its target is told another one, a page above, and then the right one again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct nudge {
    uint64_t have, since_ms; /* it has had so much since then */
    bool beside;             /* the driver's target is a page above the right one */
};

/* The target to be written to the driver now, in pages; 0: none. A target of UINT64_MAX is not known. */
uint64_t nudge_target(struct nudge *n, uint64_t now_ms, uint64_t have, uint64_t target);
