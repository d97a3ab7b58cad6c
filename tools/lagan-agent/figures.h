/* SPDX-License-Identifier: MIT
 *
 * What a Linux kernel says of its memory, and what that means for the host. Plain text in, numbers out; the files are
 * the caller's to read. Amounts are pages of 4 KiB.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lagan/pressure.h"

struct figures {
    uint64_t have; /* that it has of the host, by its balloon driver */
    /* /proc/meminfo */
    uint64_t total; /* that its allocator has had: what the kernel began with is missing */
    uint64_t free, available;
    uint64_t anonymous, active_file, unevictable, tables, stacks, slab;
    uint64_t
        refaults; /* /proc/vmstat: pages read again after they had been dropped, since the boot */
    uint64_t stall_us; /* /proc/pressure/memory: how long something has waited, since the boot */
};

/* -EINVAL: the text does not have what is wanted. */
int figures_meminfo(struct figures *f, const char *text);
int figures_vmstat(struct figures *f, const char *text);
int figures_pressure(struct figures *f, const char *text);

/* What is to be reported, from two looks that are so far apart. */
void figures_need(const struct figures *before, const struct figures *now, uint64_t elapsed_ms,
                  struct lagan_pressure_need *need);
/* Whether that is news for somebody who has heard the other. */
bool figures_news(const struct lagan_pressure_need *old, const struct lagan_pressure_need *now);
/* Pages to be reclaimed, so that the balloon driver finds free what the target wants of it. */
uint64_t figures_missing(const struct figures *f, uint64_t target);
