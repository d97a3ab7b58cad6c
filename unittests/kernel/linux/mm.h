/* SPDX-License-Identifier: MIT */
#pragma once

#include <linux/atomic.h>
#include <linux/gfp.h>

static inline void *kvzalloc(size_t bytes, gfp_t flags)
{
    (void)flags;
    return calloc(1, bytes);
}

static inline void kvfree(void *memory)
{
    free(memory);
}
