/* SPDX-License-Identifier: MIT
 *
 * The guests' agent: what it makes of what the kernel says.
 */
#include <errno.h>
#include <string.h>

#include "suite.h"
#include "tools/lagan-agent/figures.h"

static const char meminfo[] = "MemTotal:         200000 kB\n"
                              "MemFree:           40000 kB\n"
                              "MemAvailable:     100000 kB\n"
                              "Buffers:             400 kB\n"
                              "Active:            50000 kB\n"
                              "Inactive:          60000 kB\n"
                              "Active(anon):      10000 kB\n"
                              "Inactive(anon):    20000 kB\n"
                              "Active(file):      30000 kB\n"
                              "Inactive(file):    40000 kB\n"
                              "Unevictable:        4000 kB\n"
                              "SUnreclaim:         8000 kB\n"
                              "KernelStack:        1600 kB\n"
                              "PageTables:         2400 kB\n";
static const char vmstat[] = "nr_free_pages 1\n"
                             "workingset_refault_anon 30\n"
                             "workingset_refault_file 1200\n"
                             "workingset_activate_file 7\n";
static const char pressure[] = "some avg10=0.00 avg60=0.00 avg300=0.00 total=123456\n"
                               "full avg10=0.00 avg60=0.00 avg300=0.00 total=99\n";

static void texts(void)
{
    struct figures f = {0};

    CU_ASSERT_EQUAL(figures_meminfo(&f, meminfo), 0);
    CU_ASSERT(f.total == 50000 && f.free == 10000 && f.available == 25000 && f.anonymous == 7500 &&
              f.active_file == 7500 && f.unevictable == 1000 && f.tables == 600 &&
              f.stacks == 400 && f.slab == 2000);
    CU_ASSERT_EQUAL(figures_vmstat(&f, vmstat), 0);
    CU_ASSERT_EQUAL(f.refaults, 1230);
    CU_ASSERT_EQUAL(figures_vmstat(&f, "workingset_refault_file 5\n"), 0);
    CU_ASSERT_EQUAL(f.refaults, 5);
    CU_ASSERT_EQUAL(figures_pressure(&f, pressure), 0);
    CU_ASSERT_EQUAL(f.stall_us, 123456);
    CU_ASSERT_EQUAL(figures_meminfo(&f, ""), -EINVAL);
    CU_ASSERT_EQUAL(figures_meminfo(&f, "MemTotal: 1 kB\n"), -EINVAL);
    CU_ASSERT_EQUAL(figures_vmstat(&f, ""), -EINVAL);
    CU_ASSERT_EQUAL(figures_pressure(&f, ""), -EINVAL);
}

static struct figures usual(void)
{
    struct figures f = {.have = 51000};

    (void)figures_meminfo(&f, meminfo);
    (void)figures_vmstat(&f, vmstat);
    (void)figures_pressure(&f, pressure);
    return f;
}

static void needs(void)
{
    struct figures before = usual(), now = usual();
    struct lagan_pressure_need need;

    now.refaults += 50;
    now.stall_us += 100000;
    figures_need(&before, &now, 2000, &need);
    /* anonymous, read twice, unevictable, tables, stacks, slab, and what the kernel began with */
    CU_ASSERT_EQUAL(need.working_set, 20000 + 20000 / 16);
    CU_ASSERT(need.free == 10000 && need.reclaimable == 15000);
    CU_ASSERT(need.refault_rate == 25 && need.stall_ppm == 50000);
    CU_ASSERT(need.flags == 0 && need.reserved[0] == 0);
    figures_need(&before, &now, 0, &need);
    CU_ASSERT(need.refault_rate == 0 && need.stall_ppm == 0);
    /* It grows, and will go on growing; it shrinks, and that is that. */
    now.anonymous += 1000;
    figures_need(&before, &now, 1000, &need);
    CU_ASSERT_EQUAL(need.working_set, 21000 + 21000 / 16 + 2000);
    figures_need(&now, &before, 1000, &need);
    CU_ASSERT_EQUAL(need.working_set, 20000 + 20000 / 16);
    now.anonymous -= 1000;
    /* Counters that go back, and more waiting than there is time. */
    figures_need(&now, &before, 1000, &need);
    CU_ASSERT(need.refault_rate == 0 && need.stall_ppm == 0);
    now.stall_us += 99999999;
    figures_need(&before, &now, 1000, &need);
    CU_ASSERT_EQUAL(need.stall_ppm, 1000000);
    /* What is free below the kernel's own reserve cannot be given. */
    now.available = 300;
    figures_need(&before, &now, 1000, &need);
    CU_ASSERT(need.free == 300 && need.reclaimable == 0);
    /* Never more than it has. */
    before = (struct figures){0};
    now = (struct figures){.have = 100, .free = 500, .available = 900, .anonymous = 1000};
    figures_need(&before, &now, 1000, &need);
    CU_ASSERT(need.working_set == 100 + 100 / 16 + 200 && need.free == 100 &&
              need.reclaimable == 0);
}

static void news(void)
{
    struct lagan_pressure_need a = {.working_set = 100000, .free = 5000, .reclaimable = 5000};
    struct lagan_pressure_need b = a;

    CU_ASSERT_FALSE(figures_news(&a, &b));
    b.working_set = 102000;
    CU_ASSERT_FALSE(figures_news(&a, &b));
    b.working_set = 104000;
    CU_ASSERT_TRUE(figures_news(&a, &b));
    b = a;
    b.free = 0;
    b.reclaimable = 10000; /* the same in all */
    CU_ASSERT_FALSE(figures_news(&a, &b));
    b.reclaimable = 9000;
    CU_ASSERT_TRUE(figures_news(&a, &b));
    b = a;
    b.refault_rate = 16;
    CU_ASSERT_TRUE(figures_news(&a, &b));
    b = a;
    b.stall_ppm = 10000;
    CU_ASSERT_TRUE(figures_news(&a, &b));
    CU_ASSERT_TRUE(figures_news(&b, &a));
}

static void missing(void)
{
    struct figures f = usual();

    CU_ASSERT_EQUAL(figures_missing(&f, 51000), 0);
    CU_ASSERT_EQUAL(figures_missing(&f, UINT64_MAX), 0);
    CU_ASSERT_EQUAL(figures_missing(&f, 50000), 0); /* more than that is free */
    CU_ASSERT_EQUAL(figures_missing(&f, 31000), 20000 + 256 - 10000);
    f.available = 0; /* free, but the kernel's own */
    CU_ASSERT_EQUAL(figures_missing(&f, 50999), 257);
}

static const struct test_case cases[] = {
    {"what the kernel says", texts}, {"needs", needs}, {"news", news},
    {"what is missing", missing},    {NULL, NULL},
};

const struct suite suite_lagan_agent = {"lagan agent", cases, NULL, NULL};
