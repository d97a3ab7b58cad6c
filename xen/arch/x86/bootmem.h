/* SPDX-License-Identifier: MIT
 *
 * RAM before there is a page allocator: the free ranges of the memory map, from which what is in
 * use at boot is cut out, and from whose high ends the first tables are taken. What is left goes to
 * the heap.
 *
 * INV-BOOTMEM-1: the free ranges are page-aligned, sorted by address, not empty and disjoint.
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/bootinfo.h"

#define BOOTMEM_RANGES_MAX 640

struct bootmem_range {
    uint64_t start, end; /* bytes */
};

struct bootmem {
    unsigned count;
    struct bootmem_range range[BOOTMEM_RANGES_MAX];
    uint64_t lost; /* bytes that a cut left over for which there was no entry */
};

/* All BOOT_RAM of the (sane) map from `floor` up. */
void bootmem_init(struct bootmem *bm, const struct boot_info *bi, uint64_t floor);
/* Cuts [start, end), rounded outwards to pages, out of the free ranges. */
void bootmem_reserve(struct bootmem *bm, uint64_t start, uint64_t end);
/* Takes `bytes` (a multiple of the page size), aligned to `align` (a power of two, a page at
 * least), from the highest place that ends at or below `limit`. False if there is none. */
bool bootmem_alloc(struct bootmem *bm, uint64_t bytes, uint64_t align, uint64_t limit,
                   uint64_t *start) LAGAN_MUST_CHECK;
uint64_t bootmem_free_bytes(const struct bootmem *bm);
