/* SPDX-License-Identifier: MIT
 *
 * The fuzzer's bytes, read one after the other: a target turns them into calls and arguments.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *next;
    size_t left;
};

/* The next byte; 0 when there are no more, so that every input is a whole one. */
static inline unsigned byte(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->next++;
}
