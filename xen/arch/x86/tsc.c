/* SPDX-License-Identifier: MIT
 *
 * Arithmetic of the time-stamp counter: see tsc.h. Nothing here touches the machine.
 */
#include <lagan/assert.h>
#include "xen/arch/x86/tsc.h"

#define BILLION 1000000000

/* The compiler's own 128-bit division is a call into its run-time library, which the image has not;
 * the instruction does what we need, as long as the quotient fits. */
uint64_t mul_div_u64(uint64_t a, uint64_t b, uint64_t c)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;

    if (high >= c)
        return UINT64_MAX;
    __asm__("divq %2" : "+a"(low), "+d"(high) : "r"(c) : "cc");
    return low;
}

struct tsc_scale tsc_scale_from(uint64_t ns, uint64_t ticks)
{
    struct tsc_scale s = {0, 0};
    uint64_t mul;

    ASSERT(ns > 0 && ticks > 0 && ns >> 52 == 0 && ticks >> 52 == 0);
    /* mul / 2^32 * 2^shift = ns / ticks: double or halve until mul has all of its 32 bits. */
    while (ns >= ticks) {
        ticks *= 2;
        s.shift++;
    }
    while (ns * 2 < ticks) {
        ns *= 2;
        s.shift--;
    }
    mul = mul_div_u64(ns, UINT64_C(1) << 32, ticks);
    s.mul = (uint32_t)min_u64(mul, UINT32_MAX);
    return s;
}

uint64_t tsc_scale_apply(struct tsc_scale s, uint64_t delta)
{
    delta = s.shift >= 0 ? delta << s.shift : delta >> -s.shift;
    return (uint64_t)(((unsigned __int128)delta * s.mul) >> 32);
}

uint64_t tsc_scale_ticks(struct tsc_scale s, uint64_t ns)
{
    uint64_t ticks = mul_div_u64(ns, UINT64_C(1) << 32, s.mul);

    if (s.shift >= 0)
        return ticks >> s.shift;
    return ticks >> (64 + s.shift) ? UINT64_MAX : ticks << -s.shift;
}

uint64_t counter_elapsed(uint32_t last, uint32_t now, uint32_t mask, uint64_t expected)
{
    uint64_t wrap = (uint64_t)mask + 1;
    uint64_t delta = (now - last) & mask;

    /* Whole wraps went by unseen if the expectation exceeds what we saw by more than half of one.
     */
    if (expected > delta + wrap / 2)
        delta += (expected - delta + wrap / 2) / wrap * wrap;
    return delta;
}

int64_t clock_slew_ppb(int64_t error_ns, uint64_t horizon_ns)
{
    uint64_t size = error_ns < 0 ? 0 - (uint64_t)error_ns : (uint64_t)error_ns;
    int64_t ppb = (int64_t)min_u64(mul_div_u64(size, BILLION, horizon_ns), SLEW_MAX_PPB);

    return error_ns < 0 ? -ppb : ppb;
}

struct tsc_scale tsc_scale_slewed(uint64_t ns, uint64_t ticks, int64_t ppb)
{
    ASSERT(ppb > -BILLION && ppb < BILLION);
    return tsc_scale_from(mul_div_u64(ns, (uint64_t)(BILLION + ppb), BILLION), ticks);
}

LAGAN_INIT uint64_t tsc_hz_from_crystal(uint32_t denominator, uint32_t numerator,
                                        uint32_t crystal_hz)
{
    if (denominator == 0 || numerator == 0 || crystal_hz == 0)
        return 0;
    return mul_div_u64(crystal_hz, numerator, denominator);
}

LAGAN_INIT bool hz_agree(uint64_t a, uint64_t b)
{
    uint64_t apart = a > b ? a - b : b - a;

    return apart <= max_u64(a, b) / 100;
}
