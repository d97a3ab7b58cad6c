/* SPDX-License-Identifier: MIT
 *
 * The TLB clock, also where its low half wraps.
 */
#include "mm/tlbclock.h"
#include "unittests/mm_kit.h"

static void flush(unsigned cpu)
{
    tlb_clock_flush_end(cpu, tlb_clock_flush_begin());
}

static void reset(void)
{
    tlb_clock_set(1);
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
        tlb_clock_flush_end(cpu, 0);
}

static void check_around(uint64_t start)
{
    const cpumask_t both = {3};
    uint32_t stamp;

    reset();
    tlb_clock_set(start);
    for (unsigned i = 0; i < 12; i++) {
        stamp = tlb_clock_now();
        CU_ASSERT_NOT_EQUAL(stamp, 0);
        CU_ASSERT_EQUAL(tlb_stale_cpus(stamp, both).bits, 3);
        flush(0);
        CU_ASSERT_EQUAL(tlb_stale_cpus(stamp, both).bits, 2);
        flush(1);
        CU_ASSERT_EQUAL(tlb_stale_cpus(stamp, both).bits, 0);
        CU_ASSERT_EQUAL(tlb_stale_cpus(stamp, cpumask_none()).bits, 0);
    }
}

static void test_order(void)
{
    uint64_t begun;
    uint32_t stamp;

    tlb_clock_set(100);
    begun = tlb_clock_flush_begin();
    stamp = tlb_clock_now(); /* the use ended after the flush began: the flush does not count */
    tlb_clock_flush_end(0, begun);
    CU_ASSERT_EQUAL(tlb_stale_cpus(stamp, cpumask_of(0)).bits, 1);
    CU_ASSERT_EQUAL(tlb_stale_cpus(0, cpumask_all()).bits, 0);
}

static void test_wrap(void)
{
    check_around(1);
    for (uint64_t back = 0; back < 14; back++)
        check_around((UINT64_C(5) << 32) - back);
}

/* A stamp so old that its low bits have come again costs a flush; a CPU that slept is never clean.
 */
static void test_age(void)
{
    uint32_t stamp;

    tlb_clock_set(UINT64_C(1) << 32 | 50);
    stamp = tlb_clock_now();
    flush(0);
    CU_ASSERT_EQUAL(tlb_stale_cpus(stamp, cpumask_of(0)).bits, 0);
    tlb_clock_set(UINT64_C(2) << 32 | 60); /* the stamp now reads as 10 ticks ago */
    CU_ASSERT_EQUAL(tlb_stale_cpus(stamp, cpumask_of(0)).bits, 1);

    tlb_clock_set(UINT64_C(3) << 32 | 1000); /* CPU 0 slept for 2^32 ticks */
    stamp = tlb_clock_now();
    CU_ASSERT_EQUAL(tlb_stale_cpus(stamp, cpumask_of(0)).bits, 1);
    tlb_clock_set(UINT64_C(3) << 32 | 0xf0000000);
    CU_ASSERT_EQUAL(tlb_stale_cpus(stamp, cpumask_of(0)).bits, 1);
}

static int teardown(void)
{
    reset();
    return 0;
}

static const struct test_case cases[] = {
    {"what counts as later", test_order},
    {"around the wrap", test_wrap},
    {"very old stamps", test_age},
    {0},
};
const struct suite suite_tlbclock = {"tlbclock", cases, teardown, teardown};
