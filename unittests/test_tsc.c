/* SPDX-License-Identifier: MIT
 *
 * The clock's arithmetic against 128-bit arithmetic, and a steered clock in a simulated machine.
 */
#include <stdlib.h>

#include "suite.h"
#include "xen/arch/x86/clock.h"

#define SECOND UINT64_C(1000000000)

static uint64_t random64(void)
{
    return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
}

static void mul_div(void)
{
    CU_ASSERT_EQUAL(mul_div_u64(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    CU_ASSERT_EQUAL(mul_div_u64(UINT64_MAX, 3, 2), UINT64_MAX); /* saturates */
    CU_ASSERT_EQUAL(mul_div_u64(5, 7, 0), UINT64_MAX);
    CU_ASSERT_EQUAL(mul_div_u64(0, 7, 3), 0);
    srandom((unsigned)test_seed);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t a = random64() >> random() % 64, b = random64() >> random() % 64;
        uint64_t c = (random64() >> random() % 64) | 1;
        unsigned __int128 exact = (unsigned __int128)a * b / c;

        CU_ASSERT_EQUAL(mul_div_u64(a, b, c), exact >> 64 ? UINT64_MAX : (uint64_t)exact);
    }
}

/* What a guest computes, letter by letter from the ABI, in 128 bits. */
static uint64_t guest_ns(struct tsc_scale s, uint64_t delta)
{
    unsigned __int128 d = s.shift < 0 ? delta >> -s.shift : (unsigned __int128)delta << s.shift;

    return (uint64_t)((d * s.mul) >> 32);
}

static void scales(void)
{
    static const uint64_t hz[] = {1000000,    3579545,    999999999,  1000000000,   1000000001,
                                  2000000000, 2399998000, 4999999999, 100000000000, 1000000000000};

    for (unsigned i = 0; i < ARRAY_SIZE(hz); i++) {
        struct tsc_scale s = tsc_scale_from(SECOND, hz[i]);

        CU_ASSERT(s.mul >> 31 == 1);
        for (uint64_t seconds = 1; seconds < 4000000; seconds = seconds * 3 + 1) {
            uint64_t ns = tsc_scale_apply(s, seconds * hz[i]);
            uint64_t wrong = ns > seconds * SECOND ? ns - seconds * SECOND : seconds * SECOND - ns;

            CU_ASSERT_EQUAL(ns, guest_ns(s, seconds * hz[i]));
            CU_ASSERT(wrong <= seconds + 1); /* mul has 31 bits at least: better than 1 in 10^9 */
        }
    }
}

/* A deadline is never early by more than rounding, and never late by more than a few parts in 10^9.
 */
static void inverse(void)
{
    for (unsigned i = 0; i < 5000; i++) {
        struct tsc_scale s = tsc_scale_from(SECOND, UINT64_C(1000000) + random64() % 10000000000u);
        uint64_t ns = random64() >> (24 + random() % 40);
        uint64_t back = tsc_scale_apply(s, tsc_scale_ticks(s, ns));
        uint64_t tick =
            tsc_scale_apply(s, 1) + tsc_scale_apply(s, UINT64_C(1) << (s.shift < 0 ? -s.shift : 0));

        CU_ASSERT(back <= ns + 1);
        CU_ASSERT(ns - back <= tick + 2);
    }
    struct tsc_scale slow = tsc_scale_from(SECOND, 1000000),
                     fast = tsc_scale_from(SECOND, 10 * SECOND);

    CU_ASSERT_EQUAL(tsc_scale_ticks(fast, UINT64_MAX), UINT64_MAX);
    CU_ASSERT(tsc_scale_ticks(slow, UINT64_MAX) > UINT64_MAX / 2000);
}

static void wraps(void)
{
    const uint32_t mask = 0xffffff;

    CU_ASSERT_EQUAL(counter_elapsed(10, 30, mask, 20), 20);
    CU_ASSERT_EQUAL(counter_elapsed(0xfffff0, 0x10, mask, 0), 0x20);
    CU_ASSERT_EQUAL(counter_elapsed(0xfffff0, 0x10, mask, 0x1000000), 0x1000020);
    CU_ASSERT_EQUAL(counter_elapsed(0, 5, UINT32_MAX, UINT64_C(3) << 32), (UINT64_C(3) << 32) + 5);
    /* Right for any expectation that errs by less than half a wrap. */
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t elapsed = random64() >> (20 + random() % 40);
        uint32_t last = (uint32_t)random64() & mask;
        uint64_t off = random64() % (mask / 2);
        uint64_t expected = i & 1 ? elapsed + off : elapsed - (off < elapsed ? off : elapsed);

        CU_ASSERT_EQUAL(counter_elapsed(last, (uint32_t)(last + elapsed) & mask, mask, expected),
                        elapsed);
    }
}

static void stated_frequencies(void)
{
    CU_ASSERT_EQUAL(tsc_hz_from_crystal(2, 216, 24000000), 2592000000u);
    CU_ASSERT_EQUAL(tsc_hz_from_crystal(2, 216, 0), 0);
    CU_ASSERT_EQUAL(tsc_hz_from_crystal(0, 216, 24000000), 0);
    CU_ASSERT_EQUAL(tsc_hz_from_crystal(2, 0, 24000000), 0);
    CU_ASSERT(hz_agree(1000, 1010));
    CU_ASSERT(!hz_agree(1000, 1011));
    CU_ASSERT(!hz_agree(1011, 1000));
    CU_ASSERT(!hz_agree(1000, 0));
}

/* A machine: its TSC really runs at hz, the clock started with a frequency that is ppm off. */
struct machine {
    uint64_t hz, true_ns;
    struct clock_record clock;
    struct clock_window window;
};

static uint64_t tsc_at(const struct machine *m, uint64_t ns)
{
    return mul_div_u64(ns, m->hz, SECOND) + 12345;
}

static void start(struct machine *m, uint64_t hz, int ppm)
{
    *m = (struct machine){.hz = hz};
    clock_write(
        &m->clock,
        (struct clock_slot){tsc_at(m, 0), 0,
                            tsc_scale_from(SECOND, hz + (uint64_t)((int64_t)hz / 1000000 * ppm))});
    m->window = (struct clock_window){tsc_at(m, 0), 0};
}

static int64_t error_now(const struct machine *m)
{
    struct clock_slot s = clock_read(&m->clock);

    return (int64_t)(clock_ns_at(&s, tsc_at(m, m->true_ns)) - m->true_ns);
}

/* A second passes, the clock is steered with a reading that errs by up to `noise`; INV-TIME-1. */
static void second(struct machine *m, uint64_t noise, bool steady)
{
    struct clock_slot before, after;
    uint64_t tsc;

    m->true_ns += SECOND;
    tsc = tsc_at(m, m->true_ns);
    before = clock_read(&m->clock);
    clock_steer(&m->clock, &m->window, tsc, m->true_ns + (noise ? random64() % noise : 0), steady);
    after = clock_read(&m->clock);
    CU_ASSERT(clock_ns_at(&after, tsc) >= clock_ns_at(&before, tsc));
    CU_ASSERT(clock_ns_at(&after, tsc + 1000) >= clock_ns_at(&after, tsc));
}

static void steering(void)
{
    static const int ppm[] = {-900, -50, 0, 50, 900};

    for (unsigned i = 0; i < ARRAY_SIZE(ppm); i++) {
        for (unsigned steady = 0; steady < 2; steady++) {
            struct machine m;

            start(&m, 2399998000, ppm[i]);
            for (unsigned s = 0; s < 60; s++)
                second(&m, 0, steady);
            CU_ASSERT(llabs(error_now(&m)) < 100);
            for (unsigned s = 0; s < 20000; s++) { /* across changes of window */
                second(&m, 1000, steady);
                CU_ASSERT(llabs(error_now(&m)) < 3000);
            }
        }
    }
}

/* Lost by more than a step: forward at once, backward by slewing only. */
static void lost_clock(void)
{
    struct machine m;

    start(&m, 3000000000, 0);
    second(&m, 0, true);
    m.true_ns += 3600 * SECOND; /* the counter went on while the TSC stood still */
    clock_steer(&m.clock, &m.window, tsc_at(&m, SECOND), m.true_ns, true);
    struct clock_slot s = clock_read(&m.clock);
    CU_ASSERT_EQUAL(clock_ns_at(&s, tsc_at(&m, SECOND)), m.true_ns);
    /* What went wrong has no part in the rate from then on. */
    clock_steer(&m.clock, &m.window, tsc_at(&m, 2 * SECOND), m.true_ns + SECOND, true);
    s = clock_read(&m.clock);
    CU_ASSERT(hz_agree(tsc_scale_ticks(s.scale, SECOND), m.hz));

    start(&m, 3000000000, 0);
    second(&m, 0, true);
    uint64_t tsc = tsc_at(&m, 101 * SECOND); /* the TSC went on while the counter stood still */
    clock_steer(&m.clock, &m.window, tsc, SECOND + 1, true);
    s = clock_read(&m.clock);
    CU_ASSERT(clock_ns_at(&s, tsc) > 100 * SECOND);
    clock_steer(&m.clock, &m.window, tsc + m.hz, 2 * SECOND, true);
    s = clock_read(&m.clock);
    CU_ASSERT(clock_ns_at(&s, tsc + m.hz) > 101 * SECOND);
}

/* A TSC whose rate falls, in the course of each half hour, from ppm above hz to as much below. */
static uint64_t drifted_tsc(uint64_t ns, uint64_t hz, unsigned ppm)
{
    const uint64_t half = 1800 * SECOND;
    uint64_t in_half = ns % half;
    /* The integral of a rate that falls by 2 ppm in `half`: ahead in between, and not at either end. */
    unsigned __int128 ahead = (unsigned __int128)in_half * (half - in_half) / half * ppm / 1000000;

    return mul_div_u64(ns + (uint64_t)ahead, hz, SECOND) + 777;
}

/* A crystal that warms and cools: the error stays within what the drift is in the time that working it off
 * takes. */
static void drift(void)
{
    for (unsigned steady = 0; steady < 2; steady++) {
        const uint64_t hz = 2399998000;
        struct clock_record clock = {.sequence = 0};
        struct clock_window window = {drifted_tsc(0, hz, 10), 0};
        uint64_t last = 0;

        clock_write(&clock, (struct clock_slot){window.tsc, 0, tsc_scale_from(SECOND, hz)});
        for (uint64_t s = 1; s < 10000; s++) {
            uint64_t tsc = drifted_tsc(s * SECOND, hz, 10), mine;
            struct clock_slot slot;

            clock_steer(&clock, &window, tsc, s * SECOND + random64() % 200, steady);
            slot = clock_read(&clock);
            mine = clock_ns_at(&slot, tsc);
            CU_ASSERT(mine > last);
            last = mine;
            if (s > 60)
                CU_ASSERT(llabs((int64_t)(mine - s * SECOND)) < 60000);
        }
    }
}

#define CLOCKS 4

/* CPUs whose TSCs are not in step, each with a clock of its own: all follow one time, so no two are far
 * apart. */
static void several(void)
{
    static const uint64_t hz[CLOCKS] = {2399998000, 2400123000, 2399000000, 2400000000};
    struct machine m[CLOCKS];

    for (unsigned i = 0; i < CLOCKS; i++)
        start(&m[i], hz[i], (int)i * 100 - 150);
    for (unsigned s = 0; s < 5000; s++) {
        int64_t least = INT64_MAX, most = INT64_MIN;

        for (unsigned i = 0; i < CLOCKS; i++) {
            second(&m[i], 1000, i % 2);
            least = error_now(&m[i]) < least ? error_now(&m[i]) : least;
            most = error_now(&m[i]) > most ? error_now(&m[i]) : most;
        }
        if (s > 60)
            CU_ASSERT(most - least < 5000);
    }
}

/* A vCPU reads by a copy of the record that is a little older than another's: by how much the copies
 * can differ is the slew's limit, for as long as they do. */
static void late_copy(void)
{
    const uint64_t late = 100000; /* ns: an interrupt between CPUs, and then some */

    for (int ppm = -900; ppm <= 900; ppm += 300) {
        struct machine m;

        start(&m, 3000000000, ppm);
        for (unsigned s = 0; s < 200; s++) {
            struct clock_slot old = clock_read(&m.clock), new;
            uint64_t tsc, a, b;

            second(&m, 1000, true);
            new = clock_read(&m.clock);
            tsc = tsc_at(&m, m.true_ns + late);
            a = clock_ns_at(&old, tsc);
            b = clock_ns_at(&new, tsc);
            /* While it starts the rate itself is wrong by ppm, too; then it is rounding. */
            CU_ASSERT(llabs((int64_t)(a - b)) <= (s < 10 ? 200 : 4));
        }
    }
}

static void slew_limit(void)
{
    CU_ASSERT_EQUAL(clock_slew_ppb(2000, 2 * SECOND), 1000);
    CU_ASSERT_EQUAL(clock_slew_ppb(-2000, 2 * SECOND), -1000);
    CU_ASSERT_EQUAL(clock_slew_ppb(INT64_MAX, SECOND), SLEW_MAX_PPB);
    CU_ASSERT_EQUAL(clock_slew_ppb(INT64_MIN, SECOND), -SLEW_MAX_PPB);
    /* A TSC value from before the record is its beginning. */
    struct clock_slot s = {1000, 77, tsc_scale_from(SECOND, SECOND)};
    CU_ASSERT_EQUAL(clock_ns_at(&s, 900), 77);
    CU_ASSERT_EQUAL(clock_ns_at(&s, 1100), 177);
}

static const struct test_case cases[] = {
    {"a * b / c", mul_div},
    {"scales, as guests apply them", scales},
    {"deadlines", inverse},
    {"counters that wrap", wraps},
    {"stated frequencies", stated_frequencies},
    {"steering", steering},
    {"a clock that is lost", lost_clock},
    {"a rate that drifts", drift},
    {"several clocks", several},
    {"a late copy", late_copy},
    {"slew and record limits", slew_limit},
    {NULL, NULL},
};

const struct suite suite_tsc = {"tsc", cases, NULL, NULL};
