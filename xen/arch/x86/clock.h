/* SPDX-License-Identifier: MIT
 *
 * One clock: a straight line from TSC values to nanoseconds, bent now and then towards a reference.
 *
 * INV-TIME-1: bending never makes the clock go back.
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

/* From any CPU, at any moment, an NMI handler of the writer included. */
struct clock_slot clock_read(const struct clock_record *r);
void clock_write(struct clock_record *r, struct clock_slot s); /* one writer at a time */
uint64_t clock_ns_at(const struct clock_slot *s, uint64_t tsc);

/* Start of the interval over which the TSC's rate is measured. */
struct clock_window {
    uint64_t tsc, ns;
};

/* Bends the record at `tsc`, the moment when the reference says `ns`: on from there it has the rate
 * measured since the window's start, changed so much that the error is worked off soon. A clock
 * that is far behind jumps forward. steady: the TSC's rate is constant, so that a long window is
 * better than a short one. */
void clock_steer(struct clock_record *r, struct clock_window *w, uint64_t tsc, uint64_t ns,
                 bool steady);
