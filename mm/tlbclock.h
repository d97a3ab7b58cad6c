/* SPDX-License-Identifier: MIT
 *
 * A clock that ticks when a CPU flushes its TLB, so that flushes nobody needs are left out.
 *
 * A frame is stamped with the clock when its last use of a type ends. A CPU whose last flush is
 * later than the stamp holds no translation from that use.
 *
 * INV-CLOCK-1: a CPU whose last flush began at a time > stamp began it after the stamp was taken.
 * INV-CLOCK-2: an old stamp is never taken for a newer flush's, only the other way round: a mistake
 *              costs a flush, never safety.
 */
#pragma once

#include <lagan/cpumask.h>
#include <lagan/types.h>

/* The time to stamp a frame with, at the end of a use. Never 0. */
uint32_t tlb_clock_now(void);
/* This CPU flushes all guest translations between begin and end. Called by the machine only. */
uint64_t tlb_clock_flush_begin(void);
void tlb_clock_flush_end(unsigned cpu, uint64_t begun);
/* Of `cpus`, those that may still hold a translation from before `stamp`. Stamp 0: none can. */
cpumask_t tlb_stale_cpus(uint32_t stamp, cpumask_t cpus);
/* The end of as many uses, after which nobody can make a translation of the old kind any more: of
 * `cpus`, which may hold some, those that have not flushed since `stamp` do so now; all of it is
 * counted.
 * Lock rules of arch_tlb_flush(). */
enum tlb_cause { TLB_TYPE_CHANGE, TLB_FREE, TLB_CAUSES };
void tlb_flush_stale(enum tlb_cause cause, unsigned uses, uint32_t stamp, cpumask_t cpus);

/* Since the host's start, all CPUs together. */
struct tlb_counts {
    uint64_t uses_ended; /* frames that were claimed as another type / were given back */
    uint64_t flushes;    /* flushes on some CPU, of one or several of them */
    uint64_t ipis;       /* other CPUs that were interrupted for that */
    uint64_t ipis_naive; /* how many it would be if each flushed all CPUs that may hold something */
};
struct tlb_counts tlb_counts(enum tlb_cause cause);
/* For tests: starts the clock shortly before interesting times. */
void tlb_clock_set(uint64_t now);
