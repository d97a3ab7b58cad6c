/* SPDX-License-Identifier: MIT */
#pragma once

#include <linux/gfp.h>

static inline void *kmalloc(size_t bytes, gfp_t gfp)
{
    (void)gfp;
    return kernel_memory(8, bytes);
}

static inline void *kzalloc(size_t bytes, gfp_t gfp)
{
    void *memory = kmalloc(bytes, gfp);

    return memory ? memset(memory, 0, bytes) : NULL;
}

static inline void kfree(void *memory)
{
    free(memory);
}
