/* SPDX-License-Identifier: MIT
 *
 * Arithmetic of the time-stamp counter: pure functions, the same on the host.
 *
 * A scale turns a difference of TSC values into nanoseconds exactly as guests do from their
 * vcpu_time_info:  ns = (((delta << shift) or (delta >> -shift)) * mul) >> 32.
 */
#pragma once

#include <lagan/types.h>

struct tsc_scale {
    uint32_t mul; /* in [2^31, 2^32): as many digits as there can be */
    int8_t shift; /* left if positive */
};

/* a * b / c without losing the 128-bit product; UINT64_MAX if the result does not fit or c is 0. */
uint64_t mul_div_u64(uint64_t a, uint64_t b, uint64_t c);

/* The scale under which `ticks` take `ns` nanoseconds. Both are above 0 and their ratio is between
 * 1/1000 and 1000: a clock of 1 MHz to 1 THz. */
struct tsc_scale tsc_scale_from(uint64_t ns, uint64_t ticks);

/* Nanoseconds that delta ticks take; exact for any delta below 2^(63 - shift). */
uint64_t tsc_scale_apply(struct tsc_scale s, uint64_t delta);

/* The largest delta, near enough, that takes no more than ns; saturates. The inverse of the above.
 */
uint64_t tsc_scale_ticks(struct tsc_scale s, uint64_t ns);

/* How many ticks a counter made between two raw readings, given that it wraps at `mask` + 1 and
 * that about `expected` ticks must have passed: right if the expectation is off by less than half a
 * wrap. */
uint64_t counter_elapsed(uint32_t last, uint32_t now, uint32_t mask, uint64_t expected);

/* A clock that is `error_ns` behind (negative: ahead of) its reference and should be right again
 * `horizon_ns` from now, without ever going back: the factor on its rate, in parts per billion,
 * limited to SLEW_MAX_PPB either way. */
#define SLEW_MAX_PPB 500000
int64_t clock_slew_ppb(int64_t error_ns, uint64_t horizon_ns);

/* The scale that makes a clock run at ns/ticks, changed by ppb. */
struct tsc_scale tsc_scale_slewed(uint64_t ns, uint64_t ticks, int64_t ppb);
