/* SPDX-License-Identifier: MIT
 *
 * A clock that ticks when a CPU flushes its TLB, so that flushes nobody needs are left out.
 *
 * A frame is stamped with the clock when its last use of a type ends. A CPU whose last flush is later
 * than the stamp holds no translation from that use.
 */
#pragma once

#include <lagan/cpumask.h>

/* The time to stamp a frame with, at the end of a use. Never 0. */
uint32_t tlb_clock_now(void);
/* This CPU flushes all guest translations between begin and end. Called by the machine only. */
uint32_t tlb_clock_flush_begin(void);
void tlb_clock_flush_end(unsigned cpu, uint32_t begun);
/* Of `cpus`, those that may still hold a translation from before `stamp`. */
cpumask_t tlb_stale_cpus(uint32_t stamp, cpumask_t cpus);
