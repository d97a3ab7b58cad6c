/* SPDX-License-Identifier: MIT
 *
 * The attacks on page tables, in parts, and what they share. Each attack leaves the boot tables
 * loaded and gives back all tables that it took: a table that cannot be had writable again is a
 * leak, and fails it.
 */
#pragma once

#include "evil/evil.h"
#include "kit/kit.h"

extern const struct attack evil_mmu_entries[];  /* entry.c: entries that a shortcut lets pass */
extern const struct attack evil_mmu_linear[];   /* linear.c: tables that map tables */
extern const struct attack evil_mmu_leaks[];    /* leak.c: half-done work, repeated */
extern const struct attack evil_mmu_races[];    /* race.c: several vCPUs */
extern const struct attack evil_mmu_frees[];    /* freed.c: frames that have gone back */
extern const struct attack evil_mmu_frames[];   /* frame.c: frames in use as something else */
extern const struct attack evil_mmu_contexts[]; /* context.c: calls in another context */

/* A page of data, its first word 0. */
extern volatile uint64_t evil_page[TABLE_SLOTS];

/* An entry that no hypervisor takes: present, with a frame that no machine has. */
#define NO_ENTRY (((1UL << 40) - 3) * PAGE_SIZE | PTE_P)

/* Whether a plain read or write there is a page fault. */
bool faults_on_read(uint64_t va);
bool faults_on_write(uint64_t va);

/* Gives back a table of that level that nothing should use any more. Xen keeps the type of tables
 * below one whose validation failed until somebody tries them again; so here they are, once, unless
 * the command line says `undo=at-once`. */
void give_back(uint64_t *table, unsigned level);
/* The same, the table staying ours: only the write access. */
void give_back_access(uint64_t *table, unsigned level);
void give_back_space(struct space *space);

/* A space whose page i is spare frame i, protected but not pinned. */
void filled_space(struct space *space, unsigned l1_count);

/* Starts (or starts again) all other vCPUs in main(), which has to call others_run() once, and to
 * return when others_stop is set. False, and none started, with one vCPU. */
bool others_begin(void (*main)(void *));
void others_run(void);
void others_end(void);
extern volatile uint64_t others_stop;

/* memory_op on one frame: decrease (frame: machine), or populate (frame: ours; *result: machine). The
 * number of extents done, 0 or 1. */
long reserve_one(unsigned command, uint64_t frame, uint64_t *result);

/* Numbers for attacks by chance; seed=N on the command line. */
uint32_t chance(uint32_t below);
