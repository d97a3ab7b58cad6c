/* SPDX-License-Identifier: MIT
 *
 * Reads what a multiboot1 or multiboot2 loader left in memory.
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/bootinfo.h"

#define MULTIBOOT1_LOADER_MAGIC 0x2badb002
#define MULTIBOOT2_LOADER_MAGIC 0x36d76289

/* Physical memory that may be read: [start, start + bytes) is at `base`. */
struct phys_window {
    const uint8_t *base;
    uint64_t start, bytes;
};

/* Fills *bi (cleared first) from the information at physical address `info`, which is read through
 * w and never outside of it. The map is as the loader gave it: bootinfo_sanitise() comes next. 0,
 * or -XEN_EINVAL with bi->complaint saying what is wrong. */
int multiboot_parse(struct boot_info *bi, uint32_t magic, const struct phys_window *w,
                    uint64_t info) LAGAN_MUST_CHECK;
