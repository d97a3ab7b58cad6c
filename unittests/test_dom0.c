/* SPDX-License-Identifier: MIT
 *
 * The first domain's share of the host: memory, vCPUs, command line. The options come from the
 * parser, so that what is tested is what a line of text means.
 */
#include <string.h>

#include "suite.h"
#include "xen/cmdline.h"
#include "xen/dom0.h"

#define MIB(n) (UINT64_C(n) << (20 - PAGE_SHIFT))
#define GIB(n) MIB(n * 1024)

static struct options o;

static void set(const char *line)
{
    options_default(&o);
    CU_ASSERT_EQUAL(cmdline_parse(&o, line), 0);
}

static void test_memory(void)
{
    static const struct {
        const char *line;
        uint64_t free, pages, max;
    } t[] = {
        {"", GIB(1), GIB(1) - MIB(64), GIB(1) - MIB(64)},
        {"", GIB(64), GIB(4), GIB(4)},
        {"", 0, 0, 0},
        {"dom0_mem=512M", GIB(1), MIB(512), MIB(512)},
        {"dom0_mem=2G", GIB(1), GIB(1), GIB(1)},
        {"dom0_mem=-256M", GIB(1), MIB(768), MIB(768)},
        {"dom0_mem=-2G", GIB(1), 0, 0},
        {"dom0_mem=512M,max:2G", GIB(4), MIB(512), GIB(2)},
        {"dom0_mem=512M,max:256M", GIB(4), MIB(256), MIB(256)},
        {"dom0_mem=max:1G", GIB(64), GIB(1), GIB(1)},
        {"dom0_mem=max:-1G", GIB(3), GIB(2), GIB(2)},
        {"dom0_mem=min:512M,-1G", MIB(1280), MIB(512), MIB(512)},
        {"dom0_mem=min:2G,64M", GIB(1), GIB(1), GIB(1)},
        {"dom0_mem=min:512M,max:256M,384M", GIB(1), MIB(256), MIB(256)},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        set(t[i].line);
        CU_ASSERT_EQUAL(dom0_pages(&o, t[i].free), t[i].pages);
        CU_ASSERT_EQUAL(dom0_max_pages(&o, t[i].free), t[i].max);
    }
}

static void test_vcpus(void)
{
    static const struct {
        const char *line;
        unsigned online, limit, count;
    } t[] = {
        {"", 3, 8, 3},
        {"", 16, 8, 8},
        {"dom0_max_vcpus=2", 4, 8, 2},
        {"dom0_max_vcpus=6", 4, 8, 6},
        {"dom0_max_vcpus=2-4", 1, 8, 2},
        {"dom0_max_vcpus=2-4", 3, 8, 3},
        {"dom0_max_vcpus=2-4", 8, 8, 4},
        {"dom0_max_vcpus=-3", 8, 8, 3},
        {"dom0_max_vcpus=3-", 1, 8, 3},
        {"dom0_max_vcpus=20", 4, 8, 8},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        set(t[i].line);
        CU_ASSERT_EQUAL(dom0_vcpus(&o, t[i].online, t[i].limit), t[i].count);
    }
}

static void test_line(void)
{
    char to[12];

    set("");
    CU_ASSERT(dom0_line(&o, "quiet ro", to, sizeof(to)));
    CU_ASSERT_STRING_EQUAL(to, "quiet ro");
    CU_ASSERT(dom0_line(&o, "eleven char", to, sizeof(to)));
    CU_ASSERT_FALSE(dom0_line(&o, "twelve chars", to, sizeof(to)));
    CU_ASSERT_STRING_EQUAL(to, "twelve char");

    set("noreboot -- a=1 b");
    CU_ASSERT(dom0_line(&o, "quiet", to, sizeof(to)));
    CU_ASSERT_STRING_EQUAL(to, "quiet a=1 b");
    CU_ASSERT(dom0_line(&o, "", to, sizeof(to)));
    CU_ASSERT_STRING_EQUAL(to, "a=1 b");
    CU_ASSERT_FALSE(dom0_line(&o, "quieter", to, sizeof(to)));
    CU_ASSERT_STRING_EQUAL(to, "quieter a=1");
    CU_ASSERT_FALSE(dom0_line(&o, "eleven char", to, sizeof(to)));
    CU_ASSERT_STRING_EQUAL(to, "eleven char");
    CU_ASSERT_FALSE(dom0_line(&o, "ten charac", to, sizeof(to)));
}

static const struct test_case cases[] = {
    {"memory: a size, what is left to others, limits", test_memory},
    {"vCPUs within a range", test_vcpus},
    {"the command line and what is added to it", test_line},
    {NULL, NULL},
};

const struct suite suite_dom0 = {.name = "dom0", .cases = cases};
