/* SPDX-License-Identifier: MIT
 *
 * Between time.c, which keeps the clocks, and tscsync.c, which compares the TSCs of two CPUs.
 */
#pragma once

#include <stdatomic.h>

#include "xen/arch/x86/tsc.h"

/* The clock is a line: `ns` at TSC value `tsc`, and on from there by `scale`. */
struct clock_slot {
    uint64_t tsc, ns;
    struct tsc_scale scale;
};

struct clock_record {
    _Atomic uint32_t sequence; /* its lowest bit names the slot in use */
    struct clock_slot slot[2];
};

struct clock_slot clock_read(const struct clock_record *r);
void clock_write(struct clock_record *r, struct clock_slot s); /* one writer at a time */
uint64_t clock_ns_at(const struct clock_slot *s, uint64_t tsc);

/* Gives `cpu`, whose TSC is `tsc_offset` ahead of CPU 0's, its own record; called before it is
 * used. */
void time_adopt(unsigned cpu, int64_t tsc_offset);
/* From now on each CPU keeps its own clock. */
void time_separate(const char *why);
