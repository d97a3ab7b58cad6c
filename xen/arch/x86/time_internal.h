/* SPDX-License-Identifier: MIT
 *
 * Between time.c, which keeps the clocks, and tscsync.c, which compares the TSCs of two CPUs.
 */
#pragma once

#include <lagan/types.h>

/* Gives `cpu`, whose TSC is `tsc_offset` ahead of CPU 0's, its own record; called before it is
 * used. */
void time_adopt(unsigned cpu, int64_t tsc_offset);
/* From now on each CPU keeps its own clock. */
void time_separate(const char *why);
