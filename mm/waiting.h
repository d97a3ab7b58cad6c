/* SPDX-License-Identifier: MIT
 *
 * The waiting rooms: frames that nobody refers to, but that TLBs may still hold. Each CPU collects
 * what it is given back, and flushes for all of them at once.
 *
 * INV-WAIT-1: a frame leaves the room for the heap only after every CPU that could hold a
 * translation of it has flushed since the frame's last reference went.
 */
#pragma once

#include <lagan/cpumask.h>
#include <lagan/types.h>

/* Boot only: all rooms are empty. */
void waiting_init(void);
/* Frames (FRAME_WAITING, off their account's list) wait for these CPUs. They count as free from now
 * on. No lock of LK_TLB or above held. */
void waiting_add(const mfn_t *list, unsigned count, cpumask_t cpus);
/* Flushes, and gives to the heap, what waits on a CPU; on this one. */
void waiting_flush_cpu(unsigned cpu);
void waiting_flush(void);
bool waiting_pending(void);
/* For the auditor: how many wait. */
uint64_t waiting_audit(void);
