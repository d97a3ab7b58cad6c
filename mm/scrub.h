/* SPDX-License-Identifier: MIT
 *
 * Clearing free frames before anybody wants them.
 */
#pragma once

#include <lagan/types.h>

/* True if scrub_step() would find work on this CPU: it may sleep otherwise. */
bool scrub_pending(void);
/* Clears some frames: until a block of at most 2 MiB is done, something else is to be done
 * (arch_preempt_pending()), or somebody is short of memory. No lock held. */
void scrub_step(void);
/* For a request of 2^order cleared frames with these flags, which has to be made in steps: 0 if
 * heap_alloc() will not have to clear more than 2 MiB at once, or cannot be helped;
 * -XEN_ERESTART: call again. */
int scrub_for(unsigned order, unsigned flags) LAGAN_MUST_CHECK;
