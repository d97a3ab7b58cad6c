/* SPDX-License-Identifier: MIT
 *
 * The guests' agent: what it makes of what the kernel says.
 */
#include <errno.h>
#include <string.h>

#include "suite.h"
#include "tools/lagan-agent/figures.h"
#include "tools/lagan-agent/nudge.h"

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
                              "SReclaimable:       4000 kB\n"
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
              f.stacks == 400 && f.slab == 2000 && f.loose_slab == 1000);
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

/* A guest of 200 MiB that uses most of it. */
static struct figures full(void)
{
    struct figures f = usual();

    f.anonymous += 18000;
    f.free = 3000;
    f.available = 6500;
    return f;
}

static void needs(void)
{
    struct figures before = full(), now = full();
    struct lagan_pressure_need need;

    now.refaults += 50;
    now.stall_us += 100000;
    figures_need(&before, &now, 2000, &need);
    /* anonymous, read twice, unevictable, tables, stacks, slab, and what the kernel began with: 38000, a sixteenth more; but
     * what is left is 6000, and not all of it would be memory if it were needed */
    CU_ASSERT_EQUAL(need.working_set, 51000 - 6000 + 4096);
    CU_ASSERT(need.refault_rate == 25 && need.stall_ppm == 50000);
    CU_ASSERT(need.flags == 0 && need.reserved[0] == 0);
    figures_need(&before, &now, 0, &need);
    CU_ASSERT(need.refault_rate == 0 && need.stall_ppm == 0);
    /* With a cache that is hardly used, it is what it uses that counts. */
    now.have = 151000;
    now.total = 150000;
    now.available = 130500;
    figures_need(&before, &now, 1000, &need);
    CU_ASSERT_EQUAL(need.working_set, 38000 + 38000 / 16);
    now = full();
    /* Counters that go back, and more waiting than there is time. */
    before.refaults = now.refaults + 50;
    before.stall_us = now.stall_us + 100000;
    figures_need(&before, &now, 1000, &need);
    CU_ASSERT(need.refault_rate == 0 && need.stall_ppm == 0);
    now.stall_us += 99999999;
    figures_need(&before, &now, 1000, &need);
    CU_ASSERT_EQUAL(need.stall_ppm, 1000000);
    /* Never more than it has. */
    before = (struct figures){0};
    now = (struct figures){.have = 100, .free = 500, .available = 900, .anonymous = 1000};
    figures_need(&before, &now, 1000, &need);
    CU_ASSERT(need.working_set == 4096 && need.free == 0 && need.reclaimable == 0);
}

/* What it can do without, and what it keeps for what comes before it has said more. */
static void room(void)
{
    struct figures f = usual();
    struct lagan_pressure_need need;

    figures_need(&f, &f, 1000, &need);
    CU_ASSERT(need.free == 10000 && need.reclaimable == 25000 - 500 - 4096 - 10000);
    f.available = 4596 + 300; /* what is free below the kernel's own reserve cannot be given */
    figures_need(&f, &f, 1000, &need);
    CU_ASSERT(need.free == 300 && need.reclaimable == 0);
    f.available = 4596;
    figures_need(&f, &f, 1000, &need);
    CU_ASSERT(need.free == 0 && need.reclaimable == 0);
    CU_ASSERT_EQUAL(need.working_set, 51000); /* all that it has */
    f.available = 1500;
    figures_need(&f, &f, 1000, &need);
    CU_ASSERT(need.free == 0 && need.working_set == 51000 + 3096);
    /* A sixteenth of a large one. */
    f.have = 160000;
    f.available = 80500;
    figures_need(&f, &f, 1000, &need);
    CU_ASSERT_EQUAL(need.free + need.reclaimable, 70000);
    /* All slab may be in use. */
    f.loose_slab = 200000;
    figures_need(&f, &f, 1000, &need);
    CU_ASSERT_EQUAL(need.free + need.reclaimable, 0);
}

static void growth(void)
{
    struct figures before = full(), now = full();
    struct lagan_pressure_need need;

    /* It grows, and will go on growing. */
    now.anonymous += 1000;
    figures_growth(&before, &now, 1000);
    CU_ASSERT_EQUAL(now.growth, 1000);
    figures_need(&before, &now, 1000, &need);
    CU_ASSERT_EQUAL(need.working_set, 49096 + 2000);
    figures_growth(&before, &now, 500);
    CU_ASSERT_EQUAL(now.growth, 2000);
    figures_growth(&before, &now, 0); /* that is too short to be sure */
    CU_ASSERT_EQUAL(now.growth, 4000);
    /* It stands, or shrinks: by and by that is that. */
    before = now;
    figures_growth(&before, &now, 250);
    CU_ASSERT_EQUAL(now.growth, 3200);
    now.anonymous -= 1000;
    figures_growth(&before, &now, 1000);
    CU_ASSERT_EQUAL(now.growth, 2000);
    figures_growth(&before, &now, 9000);
    CU_ASSERT_EQUAL(now.growth, 400);
    /* A quarter of what it has at most, however fast it was. */
    before = full();
    before.anonymous = 0;
    figures_growth(&before, &now, 250);
    figures_need(&before, &now, 250, &need);
    CU_ASSERT_EQUAL(need.working_set, 49096 + 51000 / 4);
}

static void pauses(void)
{
    struct figures f = usual();

    f.available = 500 + 64 * 999;
    f.have = 200000;
    CU_ASSERT_EQUAL(figures_pause_ms(&f), 999);
    f.available = 150000;
    CU_ASSERT_EQUAL(figures_pause_ms(&f), 1000);
    f.available = 500 + 64 * 200;
    CU_ASSERT_EQUAL(figures_pause_ms(&f), 200);
    f.available = 0;
    CU_ASSERT_EQUAL(figures_pause_ms(&f), 100);
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

/* A driver that has given up is woken, by another target and then the right one; one that moves or is there is left alone. */
static void nudges(void)
{
    struct nudge n = {0};

    CU_ASSERT_EQUAL(nudge_target(&n, 100, 5000, UINT64_MAX), 0);
    CU_ASSERT_EQUAL(nudge_target(&n, 9000, 5000, UINT64_MAX), 0);
    CU_ASSERT_EQUAL(nudge_target(&n, 90000, 5000, 5000), 0);
    CU_ASSERT_EQUAL(nudge_target(&n, 91000, 5000, 4000), 0);
    CU_ASSERT_EQUAL(nudge_target(&n, 92000, 4900, 4000), 0);
    CU_ASSERT_EQUAL(nudge_target(&n, 94999, 4900, 4000), 0);
    CU_ASSERT_EQUAL(nudge_target(&n, 95000, 4900, 4000), 4001);
    CU_ASSERT_EQUAL(nudge_target(&n, 95100, 4500, 4000), 0);
    CU_ASSERT_EQUAL(nudge_target(&n, 98100, 4500, 4000), 4000);
    CU_ASSERT_EQUAL(nudge_target(&n, 101100, 4500, 4000), 4001);
    /* It is where it was to be, but for the page above. */
    CU_ASSERT_EQUAL(nudge_target(&n, 101200, 4001, 4000), 0);
    CU_ASSERT_EQUAL(nudge_target(&n, 104200, 4001, 4000), 4000);
    CU_ASSERT_EQUAL(nudge_target(&n, 104300, 4000, 4000), 0);
    CU_ASSERT_EQUAL(nudge_target(&n, 999999, 4000, 4000), 0);
    /* Upwards too. */
    CU_ASSERT_EQUAL(nudge_target(&n, 1003000, 4000, 6000), 6001);
    CU_ASSERT_EQUAL(nudge_target(&n, 1003100, 4500, 6000), 0);
    CU_ASSERT_EQUAL(nudge_target(&n, 1003200, 6000, 6000), 0);
    CU_ASSERT_EQUAL(nudge_target(&n, 1006200, 6000, 6000), 6000);
    CU_ASSERT_EQUAL(nudge_target(&n, 1016200, 6000, 6000), 0);
}

static const struct test_case cases[] = {
    {"what the kernel says", texts},
    {"needs", needs},
    {"room", room},
    {"growth", growth},
    {"pauses", pauses},
    {"news", news},
    {"what is missing", missing},
    {"a driver that has stopped", nudges},
    {NULL, NULL},
};

const struct suite suite_lagan_agent = {"lagan agent", cases, NULL, NULL};
