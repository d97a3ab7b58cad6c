/* SPDX-License-Identifier: MIT
 *
 * What mmubench's files share.
 */
#pragma once

#include "kit/kit.h"

/* hold.c: the longest time for which the CPU is held by a call, and by the one that undoes it, as a
 * figure and a check each. */
void hold_measure(const char *name, long (*call)(void), const char *undo_name, long (*undo)(void));

/* last_use.c: the same for an L1 table whose entries are the last use of their frames. */
void last_use_measure(void);
