/* SPDX-License-Identifier: MIT
 *
 * Traces over the page cache's policies: as good as one list of both sizes where nobody else is, never a point
 * worse than keeping everything, and no neighbour that reads from end to end takes anything away. Traces and
 * sizes are fixed, so that the figures are the same each time. tools/bench has the long form.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unittests/replay/rig.h"
#include "unittests/suite.h"

#define REFS  100000
#define PAGES 8000

static struct trace made[MADE_KINDS];

static int make_all(void)
{
    for (unsigned k = 0; k < MADE_KINDS; k++)
        trace_make(&made[k], (enum trace_kind)k, REFS, PAGES, 7 + k);
    return 0;
}

static int free_all(void)
{
    for (unsigned k = 0; k < MADE_KINDS; k++)
        trace_free(&made[k]);
    return 0;
}

/* By 10,000: of reads, so many. */
static int64_t points(uint64_t n, const struct trace *t)
{
    return (int64_t)(n * 10000 / (t->reads ? t->reads : 1));
}

/* The cache's size in per cent of PAGES. */
static const unsigned sizes[] = {1, 3, 6, 12, 25, 45, 65, 85, 105, 160};

static void one_list(void)
{
    for (unsigned k = 0; k < MADE_KINDS; k++) {
        for (unsigned i = 0; i < ARRAY_SIZE(sizes); i += 2) {
            uint32_t h = PAGES * sizes[i] / 100, g = PAGES / 20;
            int64_t one = points(one_lru(&made[k], g + h), &made[k]);
            int64_t ours = points(rig_alone(&made[k], RIG_OURS, g, h, NULL), &made[k]);

            CU_ASSERT(ours <= one + 100);
        }
    }
}

static void never_a_point(void)
{
    int64_t best = 0;

    for (unsigned k = 0; k < MADE_KINDS; k++) {
        for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
            uint32_t h = PAGES * sizes[i] / 100, g = PAGES / 25;
            int64_t all = points(rig_alone(&made[k], RIG_KEEP_ALL, g, h, NULL), &made[k]);
            int64_t ours = points(rig_alone(&made[k], RIG_OURS, g, h, NULL), &made[k]);

            CU_ASSERT(ours <= all + 100);
            best = ours - all < best ? ours - all : best;
        }
    }
    CU_ASSERT(best < -2000); /* and there is something in it, too */
}

/* Whoever has shown what its pages are worth to it loses nothing. (Two that read from end to end are alike, until one of
 * them begins anew: a loop has no right to more than its share before.) */
static void scanner(void)
{
    static const enum trace_kind kinds[] = {MADE_ZIPF, MADE_FLAT, MADE_VM};

    for (unsigned n = 0; n < ARRAY_SIZE(kinds); n++) {
        const struct trace *t = &made[kinds[n]];

        for (unsigned i = 2; i < ARRAY_SIZE(sizes); i += 3) {
            uint32_t h = PAGES * sizes[i] / 100, g = PAGES / 20;
            uint64_t alone = rig_alone(t, RIG_OURS, g, h, NULL);

            for (uint32_t tenths = 10; tenths <= 100; tenths *= 10) {
                CU_ASSERT(rig_beside_scanner(t, RIG_OURS, g, h, tenths, NULL) * 100 <= alone * 102);
            }
        }
    }
    CU_ASSERT(rig_beside_scanner(&made[MADE_ZIPF], RIG_GLOBAL, PAGES / 20, PAGES / 2, 100, NULL) *
                  2 >
              rig_alone(&made[MADE_ZIPF], RIG_GLOBAL, PAGES / 20, PAGES / 2, NULL) * 3);
}

static void puts_of_a_scan(void)
{
    struct rig_guest g;

    (void)rig_alone(&made[MADE_SCAN], RIG_OURS, 50, 50, &g);
    CU_ASSERT(g.kept * 5 < g.puts);
}

/* ---- the files ---- */

static void lines(void)
{
    struct trace t = {.ref = NULL};

    CU_ASSERT_FALSE(trace_line(&t, "time,obj,size", TRACE_CSV));
    CU_ASSERT_FALSE(trace_line(&t, "", TRACE_CSV));
    CU_ASSERT_FALSE(trace_line(&t, "12", TRACE_CSV));
    CU_ASSERT_TRUE(trace_line(&t, "12, 77,4096", TRACE_CSV));
    CU_ASSERT_TRUE(trace_line(&t, "12,78,4096,\"Write\"", TRACE_CSV));
    CU_ASSERT_TRUE(trace_line(&t, "128166372003061629,hm,1,Read,383496192,32768,413", TRACE_MSR));
    CU_ASSERT_TRUE(trace_line(&t, "3,W,4095,2,1577808000000046", TRACE_ALIBABA));
    CU_ASSERT_TRUE(trace_line(&t, "1538323200,16,8,1,2", TRACE_TENCENT));
    CU_ASSERT_FALSE(trace_line(&t, "1538323200,x,8,1,2", TRACE_TENCENT));
    CU_ASSERT_EQUAL_FATAL(t.count, 2 + 8 + 2 + 1);
    CU_ASSERT(t.ref[0].page == 77 && !t.ref[0].write && t.ref[1].page == 78 && t.ref[1].write);
    CU_ASSERT(t.ref[2].page == (UINT64_C(1) << 48 ^ 93627) && !t.ref[2].write);
    CU_ASSERT_EQUAL(t.ref[9].page, t.ref[2].page + 7);
    CU_ASSERT(t.ref[10].page == UINT64_C(3) << 48 && t.ref[10].write);
    CU_ASSERT(t.ref[12].page == (UINT64_C(2) << 48 ^ 2) && t.ref[12].write);
    CU_ASSERT_EQUAL(t.reads, 1 + 8);
    trace_free(&t);
    CU_ASSERT_EQUAL(trace_format_of("msr"), TRACE_MSR);
    CU_ASSERT_EQUAL(trace_format_of("?"), TRACE_FORMATS);
}

static void oracle_file(void)
{
    char name[] = "/tmp/replay-XXXXXX";
    int fd = mkstemp(name);
    struct trace t = {.ref = NULL};

    CU_ASSERT_FATAL(fd >= 0);
    for (uint32_t n = 0; n < 10; n++) {
        struct __attribute__((packed)) {
            uint32_t time;
            uint64_t object;
            uint32_t size;
            int64_t next;
        } record = {n, UINT64_C(0x100000000) + n % 4, 4096, -1};

        CU_ASSERT_EQUAL_FATAL(write(fd, &record, sizeof(record)), 24);
    }
    CU_ASSERT_EQUAL(write(fd, "cut off", 7), 7);
    close(fd);
    CU_ASSERT_TRUE(trace_read(&t, name, TRACE_ORACLE, 1000));
    CU_ASSERT_EQUAL(t.count, 10);
    CU_ASSERT_EQUAL(t.pages, 4);
    CU_ASSERT_EQUAL(t.ref[7].page, UINT64_C(0x100000003));
    CU_ASSERT_EQUAL(one_lru(&t, 4), 4);
    CU_ASSERT_EQUAL(one_lru(&t, 3), 10);
    trace_free(&t);
    unlink(name);
}

/* A file with these bytes; its name is in `name`. */
static void write_file(char *name, const void *bytes, size_t length)
{
    int fd = mkstemp(name);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(write(fd, bytes, length), (ssize_t)length);
    close(fd);
}

/* Byte by byte as the format is described: time, 4 bytes; object, 8; size, 4; next access, 8 (-1: none); the least
 * significant first. Which machine wrote the file or reads it does not matter. */
static void oracle_bytes(void)
{
    static const uint8_t bytes[] = {1, 0,    0, 0, 0x21, 0x43, 0x65, 0x87, 0,   0,   0,   0x10,
                                    0, 0x10, 0, 0, 2,    0,    0,    0,    0,   0,   0,   0,
                                    2, 0,    0, 0, 0x22, 0x43, 0x65, 0x87, 0,   0,   0,   0,
                                    0, 2,    0, 0, 0,    0,    0,    0,    0,   0,   0,   0x80,
                                    9, 0,    0, 0, 0x21, 0x43, 0x65, 0x87, 0,   0,   0,   0x10,
                                    0, 0x10, 0, 0, 255,  255,  255,  255,  255, 255, 255, 255};
    char name[] = "/tmp/replay-XXXXXX";
    struct trace t = {.ref = NULL};

    write_file(name, bytes, sizeof(bytes));
    CU_ASSERT_TRUE_FATAL(trace_read(&t, name, TRACE_ORACLE, 1000));
    CU_ASSERT(t.count == 3 && t.reads == 3 && t.pages == 2);
    CU_ASSERT_EQUAL(t.ref[0].page, UINT64_C(0x1000000087654321));
    CU_ASSERT_EQUAL(t.ref[1].page, UINT64_C(0x87654322));
    CU_ASSERT_EQUAL(t.ref[2].page, t.ref[0].page);
    trace_free(&t);
    CU_ASSERT_TRUE(trace_read(&t, name, TRACE_ORACLE, 2)); /* no more than are wanted */
    CU_ASSERT_EQUAL(t.count, 2);
    trace_free(&t);
    CU_ASSERT_FALSE(trace_read(&t, name, TRACE_CSV, 1000));
    trace_free(&t);
    unlink(name);
}

/* With a headline, lines that are none, other line ends, and a line of absurd length, whose end is no line. */
static void text_file(void)
{
    static char text[2000];
    char name[] = "/tmp/replay-XXXXXX";
    struct trace t = {.ref = NULL};
    size_t n = (size_t)snprintf(text, sizeof(text),
                                "timestamp,obj_id,obj_size,op\n0,100,4096,read\r\n"
                                "1,101,4096,write\r\n\n# 5,102\n2,100,4096,read\n3,103,4096,read,");

    memset(text + n, ' ', 300);
    n += 300;
    n += (size_t)snprintf(text + n, sizeof(text) - n, "4,104,4096,read\n5,105,4096,set\n6,106");
    write_file(name, text, n);
    CU_ASSERT_TRUE_FATAL(trace_read(&t, name, TRACE_CSV, 1000));
    CU_ASSERT(t.count == 6 && t.reads == 4 && t.pages == 5);
    CU_ASSERT(t.ref[0].page == 100 && t.ref[1].page == 101 && t.ref[1].write);
    CU_ASSERT(t.ref[2].page == 100 && t.ref[3].page == 103 && t.ref[4].page == 105);
    CU_ASSERT(t.ref[4].write && t.ref[5].page == 106);
    trace_free(&t);
    unlink(name);
    CU_ASSERT_FALSE(trace_read(&t, name, TRACE_CSV, 1000)); /* it is not there any more */
}

static const struct test_case cases[] = {
    {"alone: one list of both sizes", one_list},
    {"never a point worse than to keep everything", never_a_point},
    {"beside a scanner", scanner},
    {"a scan's puts", puts_of_a_scan},
    {"lines of files", lines},
    {"a file of oracleGeneral", oracle_file},
    {"oracleGeneral, byte by byte", oracle_bytes},
    {"a file of text", text_file},
    {NULL, NULL},
};

const struct suite suite_replay = {"replay", cases, make_all, free_all};
