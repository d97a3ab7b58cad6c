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
    uint64_t loose_slab; /* of which the kernel says that it could be reclaimed */
    /* /proc/vmstat: pages read again after they had been dropped, since the boot */
    uint64_t refaults;
    uint64_t stall_us; /* /proc/pressure/memory: how long something has waited, since the boot */
    uint64_t growth;   /* figures_growth() */
};

/* -EINVAL: the text does not have what is wanted. */
int figures_meminfo(struct figures *f, const char *text);
int figures_vmstat(struct figures *f, const char *text);
int figures_pressure(struct figures *f, const char *text);

/* How fast it grows, in pages a second, from two looks that are so far apart; it is forgotten by half in a second. */
void figures_growth(const struct figures *before, struct figures *now, uint64_t elapsed_ms);
/* What is to be reported, after figures_growth(). */
void figures_need(const struct figures *before, const struct figures *now, uint64_t elapsed_ms,
                  struct lagan_pressure_need *need);
/* Whether that is news for somebody who has heard the other. */
bool figures_news(const struct lagan_pressure_need *old, const struct lagan_pressure_need *now);
/* How long it may be until the next look: not longer than what can be had may last. */
uint64_t figures_pause_ms(const struct figures *f);
/* Pages to be reclaimed, so that the balloon driver finds free what the target wants of it. */
uint64_t figures_missing(const struct figures *f, uint64_t target);
