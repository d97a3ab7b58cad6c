/* SPDX-License-Identifier: MIT
 *
 * The stand-in for Linux's Xen devices.
 */
#pragma once

#include "xendev.h"

extern struct fake_xendev {
    uint32_t fail_at; /* this call fails: the first is 0 */
    uint32_t calls, open, mapped, ports, unbound;
} fake;

/* Everything from the start again. */
void fake_begin(void);
