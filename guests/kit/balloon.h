/* SPDX-License-Identifier: MIT
 *
 * The guest's side of ballooning: frames that the kit has mapped nowhere are given back and taken
 * again, on command. Not for hypervisors other than ours: balloon_start() says so.
 *
 * Frames are a stack: those that the builder gave and nobody maps (space.h), and on top of them
 * frames behind the memory that the domain started with, up to BALLOON_EXTRA. Some are stamped when
 * they come, and must have their stamp still when they go.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kit/hypercall.h"
#include "lagan/pressure.h"

#define BALLOON_EXTRA 32768U /* pages that a domain can have beyond those it started with */

static inline long hv_pressure(unsigned command, void *argument)
{
    return hypercall2(LAGAN_HYPERVISOR_pressure_op, command, ptr_arg(argument));
}

/* Binds the event and asks for the first target: 0 or the error. */
long balloon_start(void);
/* Pages that the domain owns, as the hypervisor counts them. */
uint64_t balloon_have(void);
/* What the hypervisor says now. */
struct lagan_pressure_state balloon_state(void);
/* Events so far. */
uint64_t balloon_events(void);

/* Tells what the domain needs: so many pages in use, of which it cannot do without `hard`. */
long balloon_report(uint64_t need, uint64_t hard);

/* Moves towards `target` by at most `most` pages, and returns how many it was. Takes less where the
 * hypervisor gives no more; gives nothing that is mapped. */
uint64_t balloon_move(uint64_t target, uint64_t most);

/* Pages whose stamp or number was not right when they came or went. */
uint64_t balloon_wrong(void);
/* The frame on top of the stack; ~0: there is none. */
uint64_t balloon_top(void);
