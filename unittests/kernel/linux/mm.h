/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdlib.h>

#define GFP_KERNEL 0

static inline void *kvzalloc(size_t bytes, int flags)
{
    (void)flags;
    return calloc(1, bytes);
}

static inline void kvfree(void *memory)
{
    free(memory);
}
