/* SPDX-License-Identifier: MIT
 *
 * The hypervisor's own mappings: slots 256..271 of every L4 table (layout.h).
 *
 * Built once, on the boot CPU, before the others start. Afterwards only map_device(),
 * map_firmware() and hvmap_stack() add to them, during boot, on the boot CPU.
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/bootinfo.h"
#include "xen/arch/x86/bootmem.h"

/* Builds the tables from the sane map in bi, with memory from bm, and loads them. From then on the
 * direct map, the frame table (zeroed) and the M2P (all ~0) can be used, and low identity addresses
 * cannot. Panics if the memory does not suffice. */
void hvmap_init(const struct boot_info *bi, struct bootmem *bm);

/* Hands what bm has left to the heap; marks all other RAM FRAME_RESERVED. bm is empty afterwards,
 * and new tables come from the heap. */
void hvmap_heap_start(const struct boot_info *bi, struct bootmem *bm);

/* Gives RAM that was reserved at boot (a module that is done with) to the heap: whole pages inside
 * of [start, end), which must be reserved RAM. Returns how many. */
uint64_t hvmap_release(uint64_t start, uint64_t end);

/* Maps the stack of a CPU: 16 KiB, a guard page and the four small stacks of desc.h. The boot CPU's
 * has its memory in the image, others take it from the heap. What is mapped already stays: the
 * number of a CPU that did not start is given to the next one, and translations of ours are never
 * flushed. 0 or -XEN_ENOMEM. */
int hvmap_stack(unsigned cpu) LAGAN_MUST_CHECK;

/* Maps device registers, uncached, for good. Panics if the address space or memory for it is used
 * up. */
void *map_device(uint64_t phys, size_t bytes);
/* Address space for `pages` pages of device registers that are found later. Boot only. */
char *map_device_window(unsigned pages);
/* Maps a page there, uncached, where none has been mapped so far. One caller at a time. */
void map_device_window_page(char *at, mfn_t m);
/* As above, also where another page is mapped. Only this CPU may rely on it, until another calls. */
void map_device_window_change(char *at, mfn_t m);
/* Maps tables that firmware left in memory: cached, read-only, for good. NULL: not a sensible
 * range. */
const void *map_firmware(uint64_t phys, size_t bytes);

/* What CR3 is on a CPU that runs no guest. */
uint64_t hv_l4_phys(void);

/* The L4 entry of slot 260 for tables of this domain; 0: it has none. From pv_desc.c. */
uint64_t perdomain_l4_entry(domid_t owner);

/* Checks the tables entry by entry (INV-MAP-1, INV-MAP-2, INV-M2P-1): false, and the first fault of
 * each table is named, if there is one. */
bool hvmap_audit(void);

/* KiB of RAM that the hypervisor took for itself before the heap began: image, tables, frame table,
 * M2P. */
uint64_t hvmap_kept_kib(void);
