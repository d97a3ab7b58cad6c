/* SPDX-License-Identifier: MIT
 *
 * Memory for the tests: kernel_memory_fails makes every request fail.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned gfp_t;

#define PAGE_SHIFT    12
#define PAGE_SIZE     4096UL
#define GFP_KERNEL    0
#define __GFP_HIGHMEM 1U
#define __GFP_MOVABLE 2U

extern bool kernel_memory_fails;

static inline void *kernel_memory(size_t align, size_t bytes)
{
    void *memory =
        kernel_memory_fails ? NULL : aligned_alloc(align, (bytes + align - 1) / align * align);

    if (memory)
        memset(memory, 0x5a, bytes);
    return memory;
}

static inline unsigned long __get_free_page(gfp_t gfp)
{
    (void)gfp;
    return (unsigned long)kernel_memory(PAGE_SIZE, PAGE_SIZE);
}

static inline void free_page(unsigned long page)
{
    free((void *)page);
}
