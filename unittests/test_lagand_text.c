/* SPDX-License-Identifier: MIT
 *
 * Texts in and out: agents' reports, the configuration file, the reasons of decisions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lagand_world.h"
#include "tools/lagand/config.h"
#include "tools/lagand/report.h"
#include "tools/lagand/why.h"

/* What is printed is read again, and no text of any kind is trouble. */
static void reports(void)
{
    struct lagan_pressure_need in, out;
    uint64_t had, have;
    char line[REPORT_SIZE], noise[REPORT_SIZE];

    srand((unsigned)test_seed);
    for (unsigned i = 0; i < 20000; i++) {
        in = (struct lagan_pressure_need){.working_set = (uint32_t)rand() * 2U,
                                          .free = (uint32_t)rand() >> (rand() % 32),
                                          .reclaimable = (uint32_t)rand() >> (rand() % 32),
                                          .refault_rate = UINT32_MAX - (uint32_t)(rand() % 3),
                                          .stall_ppm = (uint32_t)(rand() % 1000001)};
        had = (uint32_t)rand();
        report_print(line, &in, had);
        CU_ASSERT_EQUAL(report_parse(line, &out, &have), 0);
        CU_ASSERT_EQUAL(memcmp(&in, &out, sizeof(in)), 0);
        CU_ASSERT_EQUAL(had, have);
        strcpy(noise, line);
        noise[(size_t)rand() % strlen(noise)] = (char)(rand() % 255 + 1);
        if (report_parse(noise, &out, &have) == 0) { /* then it is one number that is another */
            report_print(line, &out, have);
            CU_ASSERT(strlen(line) <= strlen(noise) + 2); /* or two are one, and the last is 0 */
            CU_ASSERT(out.stall_ppm <= 1000000 && out.working_set <= UINT32_MAX);
        }
    }
    /* The longest. */
    in = (struct lagan_pressure_need){.working_set = UINT32_MAX,
                                      .free = UINT32_MAX,
                                      .reclaimable = UINT32_MAX,
                                      .refault_rate = UINT32_MAX,
                                      .stall_ppm = 1000000};
    report_print(line, &in, UINT32_MAX);
    CU_ASSERT_EQUAL(report_parse(line, &out, &have), 0);
    /* One that does not say what it has. */
    CU_ASSERT_EQUAL(report_parse("1 2 3 4 5 6", &out, &have), 0);
    CU_ASSERT(out.stall_ppm == 6 && have == 0);
}

/* ---- the configuration file ---- */

static char why[160];

static int config_of(const char *content)
{
    FILE *f = fmemopen((void *)(uintptr_t)content, strlen(content) + (*content == '\0'), "r");
    int rc;

    config_begin(&config);
    rc = *content ? config_read(&config, f, why, sizeof(why)) : 0;
    fclose(f);
    return rc;
}

static void good_config(void)
{
    const struct config_rule *r;

    CU_ASSERT_EQUAL(config_of(""), 0);
    r = config_rule(&config, "web");
    CU_ASSERT(r->manage == MANAGE_AGENT && config_floor(r, 1000) == 250 &&
              r->ceiling == UINT64_MAX && r->weight == 256);
    CU_ASSERT_EQUAL(config_floor(r, 1), 1);
    CU_ASSERT_EQUAL(config_rule(&config, "Domain-0")->manage, MANAGE_NEVER);
    CU_ASSERT_STRING_EQUAL(config.metrics, "/var/lib/prometheus/node-exporter/lagan.prom");
    CU_ASSERT_EQUAL(config_of("# all\n\nfloor = 50%\nweight=100\nlow = 64M\n  min=32M\t\n"
                              "metrics = none\nmanage = yes\n[web]\nfloor=128M\nceiling = 1.5G\n"
                              "[ db ]\nmanage = no\nweight = 65535\n[Domain-0]\n"),
                    0);
    CU_ASSERT(config.low == 64 * MIB && config.min == 32 * MIB && !config.metrics[0]);
    r = config_rule(&config, "web");
    CU_ASSERT(r->manage == MANAGE_ALWAYS && config_floor(r, 1000) == 128 * MIB &&
              r->ceiling == 1536 * MIB && r->weight == 100);
    r = config_rule(&config, "db");
    CU_ASSERT(r->manage == MANAGE_NEVER && config_floor(r, 1000) == 500 && r->weight == 65535);
    CU_ASSERT_EQUAL(config_rule(&config, "Domain-0")->manage, MANAGE_ALWAYS);
    CU_ASSERT_EQUAL(config_rule(&config, "other")->weight, 100);
}

static void bad_config(void)
{
    static const struct {
        const char *content, *why;
    } table[] = {{"floor\n", "line 1: neither"},
                 {"\n\nroof = 1\n", "line 3: no such word"},
                 {"floor = 0\n", "line 1: no such word here, or a value"},
                 {"floor = 0%\n", "line 1: "},
                 {"floor = 101%\n", "line 1: "},
                 {"floor = %\n", "line 1: "},
                 {"floor = max\n", "line 1: "},
                 {"floor =\n", "line 1: "},
                 {"weight = 0\n", "line 1: "},
                 {"weight = 65536\n", "line 1: "},
                 {"weight = 5%\n", "line 1: "},
                 {"weight = -1\n", "line 1: "},
                 {"manage = perhaps\n", "line 1: "},
                 {"ceiling = 0\n", "line 1: "},
                 {"low = max\n", "line 1: "},
                 {"metrics = here\n", "line 1: "},
                 {"[web\n", "line 1: a section's name"},
                 {"[]\n", "line 1: a section without"},
                 {"[web]\nlow = 1M\n", "line 2: no such word here"},
                 {"low = 1M\nmin = 2M\n", "min is above low"}};
    char big[600];

    for (unsigned i = 0; i < sizeof(table) / sizeof(*table); i++) {
        CU_ASSERT(config_of(table[i].content) < 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, table[i].why));
    }
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    CU_ASSERT(config_of(big) < 0);
    CU_ASSERT_STRING_EQUAL(why, "line 1: too long");
}

static void many_sections(void)
{
    static char content[CONFIG_RULES_MAX * 8];

    content[0] = '\0';
    for (unsigned i = 0; i < CONFIG_RULES_MAX; i++)
        strcat(content, "[a]\n");
    CU_ASSERT_EQUAL(config_of(content), 0);
    strcat(content, "[a]\n");
    CU_ASSERT(config_of(content) < 0);
}

/* ---- reasons ---- */

static void matters(void)
{
    CU_ASSERT_TRUE(why_matters(100 * MIB, 104 * MIB));
    CU_ASSERT_FALSE(why_matters(100 * MIB, 104 * MIB - 1));
    CU_ASSERT_TRUE(why_matters(104 * MIB, 100 * MIB));
    CU_ASSERT_FALSE(why_matters(1024 * MIB, 1055 * MIB));
    CU_ASSERT_TRUE(why_matters(1024 * MIB, 1056 * MIB));
    CU_ASSERT_FALSE(why_matters(5, 5));
}

static void check_line(const struct why_guest *g, unsigned count, const struct why_host *h,
                       const char *expected)
{
    char line[WHY_LINE];

    why_line(line, g, count, 0, h);
    CU_ASSERT_STRING_EQUAL(line, expected);
}

static void more(void)
{
    struct why_host h = {0};
    struct why_guest g[5] = {
        {.name = "web", .from = 512 * MIB, .to = 640 * MIB, .active = 600 * MIB},
        {.name = "db", .from = 512 * MIB, .to = 400 * MIB, .active = 100 * MIB},
        {.name = "a", .from = 512 * MIB, .to = 500 * MIB, .active = 512 * MIB},
        {.name = "b", .from = 64 * MIB, .to = 60 * MIB, .active = 60 * MIB},
        {.name = "c", .from = 64 * MIB, .to = 50 * MIB, .active = 60 * MIB}};

    check_line(g, 1, &h, "web: 512 -> 640 MiB: it uses 600 MiB; from free memory");
    check_line(g, 2, &h, "web: 512 -> 640 MiB: it uses 600 MiB; taken from db (idle)");
    check_line(g, 4, &h, "web: 512 -> 640 MiB: it uses 600 MiB; taken from db (idle), b");
    g[2].to = 400 * MIB;
    check_line(g, 5, &h,
               "web: 512 -> 640 MiB: it uses 600 MiB; taken from db (idle), a, b and others");
    g[0].stall_ppm = 129999;
    check_line(g, 1, &h,
               "web: 512 -> 640 MiB: it waits for memory 12% of the time; from free memory");
    g[0].refault_rate = 800;
    check_line(
        g, 1, &h,
        "web: 512 -> 640 MiB: it reads 800 pages/s again that it had dropped; from free memory");
    g[0].cache_need = 799;
    check_line(
        g, 1, &h,
        "web: 512 -> 640 MiB: it reads 800 pages/s again that it had dropped; from free memory");
    g[0].cache_need = 128 * MIB;
    g[0].saves = 41;
    check_line(
        g, 1, &h,
        "web: 512 -> 640 MiB: its cache's curve says that 128 MiB more save 41 reads/s; from "
        "free memory");
    g[0].floor = 600 * MIB;
    check_line(g, 1, &h, "web: 512 -> 640 MiB: its floor is 600 MiB; from free memory");
    g[0].fixed = true;
    check_line(g, 1, &h, "web: 512 -> 640 MiB: by order; from free memory");
    g[0].reserve = 700 * MIB;
    check_line(g, 1, &h, "web: 512 -> 640 MiB: a reservation of 700 MiB waits; from free memory");
}

static void less(void)
{
    struct why_host h = {0};
    struct why_guest g[2] = {
        {.name = "db", .from = 512 * MIB, .to = 384 * MIB, .active = 200 * MIB},
        {.name = "web", .from = 512 * MIB, .to = 640 * MIB}};

    check_line(g, 2, &h, "db: 512 -> 384 MiB: for web; it has 312 MiB idle");
    h.room = 1;
    check_line(g, 2, &h,
               "db: 512 -> 384 MiB: for web, and room for 1 MiB of a new domain; it has 312 "
               "MiB idle");
    check_line(g, 1, &h, "db: 512 -> 384 MiB: room for 1 MiB of a new domain; it has 312 MiB idle");
    h.room = 0;
    check_line(g, 1, &h, "db: 512 -> 384 MiB: less is free; it has 312 MiB idle");
    h.low = true;
    g[0].active = 500 * MIB;
    check_line(g, 1, &h,
               "db: 512 -> 384 MiB: the host is low; it uses 500 MiB, and others as much for their "
               "weight");
    g[1].to = g[1].from;
    g[1].reserve = 600 * MIB; /* what it waits for is not there yet */
    g[0].active = 0;
    check_line(g, 2, &h, "db: 512 -> 384 MiB: for web; it has 512 MiB idle");
    g[0].fixed = true;
    check_line(g, 2, &h, "db: 512 -> 384 MiB: by order");
}

/* Names are what an administrator likes. */
static void long_names(void)
{
    struct why_host h = {0};
    char name[WHY_LINE], line[WHY_LINE];
    struct why_guest g[4];

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    for (unsigned i = 0; i < 4; i++)
        g[i] = (struct why_guest){.name = name, .from = 512 * MIB, .to = i ? 1 : 1024 * MIB};
    why_line(line, g, 4, 0, &h);
    CU_ASSERT_EQUAL(strlen(line), WHY_LINE - 1);
}

static void saved_reads(void)
{
    struct lagan_pcache_curve c = {.points = 3,
                                   .gets = 1000,
                                   .window_ns = 10000000000,
                                   .point = {{100, 900}, {200, 500}, {400, 500}}};

    CU_ASSERT_EQUAL(why_saves(&c, 0, 100), 10);
    CU_ASSERT_EQUAL(why_saves(&c, 0, 50), 5);
    CU_ASSERT_EQUAL(why_saves(&c, 100, 100), 40);
    CU_ASSERT_EQUAL(why_saves(&c, 150, 1000), 20);
    CU_ASSERT_EQUAL(why_saves(&c, 200, 100), 0);
    CU_ASSERT_EQUAL(why_saves(&c, 500, 100), 0); /* nothing is seen there */
    c.window_ns = 0;
    CU_ASSERT_EQUAL(why_saves(&c, 0, 100), 0);
    c.window_ns = 1000000000;
    c.points = UINT32_MAX;
    CU_ASSERT_EQUAL(why_saves(&c, 0, 100), 100);
    CU_ASSERT_EQUAL(why_saves(&(struct lagan_pcache_curve){0}, 0, 100), 0);
}

static const struct test_case cases[] = {
    {"reports", reports},         {"a good file", good_config},
    {"bad files", bad_config},    {"many sections", many_sections},
    {"what matters", matters},    {"why more", more},
    {"why less", less},           {"long names", long_names},
    {"saved reads", saved_reads}, {NULL, NULL},
};

const struct suite suite_lagand_text = {"lagand text", cases, NULL, NULL};
