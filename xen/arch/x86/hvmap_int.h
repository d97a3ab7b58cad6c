/* SPDX-License-Identifier: MIT
 *
 * Between hvmap.c (tables) and hvmap_frames.c (what they map for each frame of RAM); pti.c takes
 * pieces of them for guests' isolated tables.
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/bootinfo.h"
#include "xen/arch/x86/bootmem.h"

#define SIZE_2M (UINT64_C(1) << 21)
#define SIZE_1G (UINT64_C(1) << 30)

/* The hypervisor's L4 table. */
extern uint64_t hv_l4[512];

/* A cleared table, by physical address, and the address at which it can be written now. */
uint64_t table_new(void);
uint64_t *table_at(uint64_t pa);
/* Address of the entry for va at `level` (1: 4 KiB pages .. 4), making the tables above it. */
uint64_t *entry_for(uint64_t va, unsigned level);
/* Maps [pa, pa + bytes) at va with pages of up to `largest` bytes; all are page-aligned. */
void map_range(uint64_t va, uint64_t pa, uint64_t bytes, uint64_t flags, uint64_t largest);

/* Maps frame table and M2P for all RAM of the map, then (when the tables are loaded) fills them in.
 */
void frames_map(const struct boot_info *bi, struct bootmem *bm);
void frames_fill(void);

/* Memory for tables of frames: the highest there is. Panics if there is none. */
uint64_t boot_pages(struct bootmem *bm, uint64_t bytes, uint64_t limit);
