/* SPDX-License-Identifier: MIT
 *
 * Parts of memory_op that have a file of their own.
 */
#pragma once

#include <lagan/types.h>

/* XENMEM_increase_reservation, _decrease_reservation, _populate_physmap of the current domain, from
 * extent `done` of the list on. The number of extents done, those included; a negative error if the
 * request itself is no good. *again: it was preempted, and is to be called once more with that
 * number. */
int64_t memory_reservation(unsigned op, uint64_t done, guest_ptr_t arg, bool *again);
