/* SPDX-License-Identifier: MIT
 *
 * Suite for xen/arch/x86/bootinfo.c: texts, and the sane memory map against one kept quarter page
 * by quarter page.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "xen/arch/x86/bootinfo.h"

static struct boot_info bi;

static void clear(void)
{
    memset(&bi, 0, sizeof(bi));
}

static const char *keep(const char *text, unsigned skip)
{
    return bootinfo_keep_text(&bi, text, strlen(text), skip);
}

static void texts(void)
{
    clear();
    CU_ASSERT_STRING_EQUAL(keep("a b c", 0), "a b c");
    CU_ASSERT_STRING_EQUAL(keep("/boot/a  b c ", 1), "b c ");
    CU_ASSERT_STRING_EQUAL(keep("/boot/a", 1), "");
    CU_ASSERT_STRING_EQUAL(keep("", 1), "");
    CU_ASSERT_STRING_EQUAL(keep("placeholder", 0), "");
    CU_ASSERT_STRING_EQUAL(keep("placeholder x", 0), "x");
    CU_ASSERT_STRING_EQUAL(keep("placeholders x", 0), "placeholders x");
    CU_ASSERT_STRING_EQUAL(keep("file placeholder x", 1), "x");
    CU_ASSERT_STRING_EQUAL(bootinfo_keep_text(&bi, "ab\0cd", 5, 0), "ab");
    CU_ASSERT_STRING_EQUAL(bootinfo_keep_text(&bi, "abcd", 2, 0), "ab");
    CU_ASSERT_PTR_NULL(bi.complaint);
}

/* The texts' room is used to the last byte, and not one more. */
static void text_room(void)
{
    static char large[BOOT_TEXT_BYTES + 1];

    memset(large, 'x', sizeof(large) - 1);
    clear();
    CU_ASSERT_STRING_EQUAL(keep(large, 0), "");
    CU_ASSERT_PTR_NOT_NULL(bi.complaint);
    clear();
    CU_ASSERT_EQUAL(strlen(keep(large + 1, 0)), BOOT_TEXT_BYTES - 1);
    CU_ASSERT_PTR_NULL(bi.complaint);
    CU_ASSERT_STRING_EQUAL(keep("", 0), "");
    CU_ASSERT_PTR_NOT_NULL(bi.complaint);
}

static void adding(void)
{
    clear();
    bootinfo_add_range(&bi, 0x1000, 0, BOOT_RAM);
    CU_ASSERT_EQUAL(bi.map_count, 0);
    bootinfo_add_range(&bi, UINT64_MAX - 0xfff, 0x2000, BOOT_RAM);
    CU_ASSERT_EQUAL(bi.map[0].end, UINT64_MAX);
    bootinfo_add_range(&bi, 0, 0x1000, 7);
    CU_ASSERT_EQUAL(bi.map[1].type, BOOT_RESERVED);
    bootinfo_add_range(&bi, 0x1000, 0x1000, BOOT_RESERVED); /* goes on where the last one ends */
    CU_ASSERT_EQUAL(bi.map_count, 2);
    CU_ASSERT_EQUAL(bi.map[1].end, 0x2000);
    bootinfo_add_range(&bi, 0x2000, 0x1000, BOOT_RAM);
    CU_ASSERT_EQUAL(bi.map_count, 3);
}

/* A full map loses RAM; a reservation always finds room. */
static void map_full(void)
{
    clear();
    for (unsigned i = 0; i < BOOT_MAP_MAX; i++)
        bootinfo_add_range(&bi, i * 0x2000ul, 0x1000, BOOT_RAM);
    CU_ASSERT_EQUAL(bi.map_count, BOOT_MAP_MAX);
    CU_ASSERT_PTR_NULL(bi.complaint);
    bootinfo_add_range(&bi, 0x10000000, 0x1000, BOOT_RAM);
    CU_ASSERT_EQUAL(bi.map_count, BOOT_MAP_MAX);
    CU_ASSERT_PTR_NOT_NULL(bi.complaint);
    bootinfo_add_range(&bi, 0, 0x1000, BOOT_ACPI);
    CU_ASSERT_EQUAL(bi.map_count, BOOT_MAP_MAX);
    CU_ASSERT_EQUAL(bootinfo_sanitise(&bi), 0);
    CU_ASSERT_EQUAL(bi.map[0].type, BOOT_ACPI);
    CU_ASSERT_EQUAL(bi.map_count, BOOT_MAP_MAX - 1);
}

static void sane_by_hand(void)
{
    clear();
    bootinfo_add_range(&bi, 0x100000, 0x700400, BOOT_RAM);
    bootinfo_add_range(&bi, 0, 0x9fc00, BOOT_RAM);
    bootinfo_add_range(&bi, 0x300000, 0x1000, BOOT_ACPI);
    bootinfo_add_range(&bi, 0x300800, 0x1000, BOOT_RESERVED);
    bootinfo_add_range(&bi, 0x600000, 0x200, BOOT_BAD);
    CU_ASSERT_EQUAL_FATAL(bootinfo_sanitise(&bi), 0);

    static const struct boot_range expect[] = {
        {0, 0x9f000, BOOT_RAM},          {0x100000, 0x300000, BOOT_RAM},
        {0x300000, 0x301000, BOOT_ACPI}, {0x301000, 0x301800, BOOT_RESERVED},
        {0x302000, 0x600000, BOOT_RAM},  {0x600000, 0x600200, BOOT_BAD},
        {0x601000, 0x800000, BOOT_RAM},
    };
    CU_ASSERT_EQUAL_FATAL(bi.map_count, sizeof(expect) / sizeof(expect[0]));
    for (unsigned i = 0; i < bi.map_count; i++) {
        CU_ASSERT_EQUAL(bi.map[i].start, expect[i].start);
        CU_ASSERT_EQUAL(bi.map[i].end, expect[i].end);
        CU_ASSERT_EQUAL(bi.map[i].type, expect[i].type);
    }
}

/* ---- against a model: an array with the type of each quarter page ---- */

#define QUARTER  1024
#define QUARTERS 256
static uint32_t model[QUARTERS];

static void random_range(void)
{
    unsigned start = (unsigned)rand() % QUARTERS, count = (unsigned)rand() % (QUARTERS - start + 1);
    uint32_t type = rand() % 2 ? BOOT_RAM : 1 + (uint32_t)rand() % 5;

    bootinfo_add_range(&bi, start * QUARTER, count * QUARTER, type);
    for (unsigned q = start; q < start + count; q++)
        if (type > model[q])
            model[q] = type;
}

/* What the map must say of a quarter: RAM only if its whole page is. */
static uint32_t expected(unsigned q)
{
    if (model[q] != BOOT_RAM)
        return model[q];
    for (unsigned i = q & ~3u; i < (q & ~3u) + 4; i++)
        if (model[i] != BOOT_RAM)
            return 0;
    return BOOT_RAM;
}

static uint32_t said(unsigned q)
{
    uint64_t at = q * QUARTER;

    for (unsigned i = 0; i < bi.map_count; i++)
        if (bi.map[i].start <= at && at < bi.map[i].end)
            return bi.map[i].type;
    return 0;
}

/* INV-BOOT-1 */
static void audit(void)
{
    for (unsigned i = 0; i < bi.map_count; i++) {
        const struct boot_range *r = &bi.map[i];

        CU_ASSERT(r->start < r->end);
        CU_ASSERT(i == 0 || bi.map[i - 1].end <= r->start);
        CU_ASSERT(r->type != BOOT_RAM || ((r->start | r->end) & (PAGE_SIZE - 1)) == 0);
    }
}

static void sane_by_chance(void)
{
    srand((unsigned)test_seed);
    for (unsigned round = 0; round < 2000; round++) {
        unsigned wrong = 0;

        clear();
        memset(model, 0, sizeof(model));
        for (unsigned i = (unsigned)rand() % 12; i > 0; i--)
            random_range();
        CU_ASSERT_EQUAL_FATAL(bootinfo_sanitise(&bi), 0);
        audit();
        for (unsigned q = 0; q < QUARTERS; q++)
            wrong += said(q) != expected(q);
        CU_ASSERT_EQUAL_FATAL(wrong, 0);
    }
}

/* The most pieces that can come: the map is cut at its high end, and stays sane. */
static void too_many_pieces(void)
{
    clear();
    bootinfo_add_range(&bi, 0, (uint64_t)BOOT_MAP_MAX * 0x10000, BOOT_RAM);
    for (unsigned i = 1; i < BOOT_MAP_MAX; i++)
        bootinfo_add_range(&bi, i * 0x10000ul, 0x1000, BOOT_RESERVED);
    CU_ASSERT_EQUAL(bootinfo_sanitise(&bi), -XEN_E2BIG);
    CU_ASSERT_EQUAL(bi.map_count, BOOT_MAP_MAX);
    audit();
}

/* Ranges at the very top of the address space. */
static void the_top(void)
{
    clear();
    bootinfo_add_range(&bi, UINT64_MAX - 0x1fff, UINT64_MAX, BOOT_RAM);
    bootinfo_add_range(&bi, 0x5000, 0x1000, BOOT_RAM);
    CU_ASSERT_EQUAL(bootinfo_sanitise(&bi), 0);
    audit();
    CU_ASSERT_EQUAL(bi.map_count, 2);
    CU_ASSERT_EQUAL(bi.map[1].end, UINT64_MAX - 0xfff);
}

/* mem=: RAM above is forgotten, what is not RAM stays known. */
static void limited(void)
{
    clear();
    bootinfo_add_range(&bi, 0x1000, 0x5000, BOOT_RAM);
    bootinfo_add_range(&bi, 0x8000, 0x2000, BOOT_RESERVED);
    bootinfo_add_range(&bi, 0xa000, 0x1000, BOOT_RAM);
    bootinfo_add_range(&bi, 0, 0x3000, BOOT_RAM);
    bootinfo_limit_ram(&bi, 0x3000);
    CU_ASSERT_EQUAL(bootinfo_sanitise(&bi), 0);
    audit();
    CU_ASSERT_EQUAL(bi.map_count, 2);
    CU_ASSERT_EQUAL(bi.map[0].end, 0x3000);
    CU_ASSERT_EQUAL(bi.map[1].start, 0x8000);
    CU_ASSERT_EQUAL(bi.map[1].type, BOOT_RESERVED);
}

static const struct test_case cases[] = {
    {"texts", texts},
    {"room for texts", text_room},
    {"adding ranges", adding},
    {"a full map", map_full},
    {"a map made sane, by hand", sane_by_hand},
    {"maps made sane, by chance", sane_by_chance},
    {"too many pieces", too_many_pieces},
    {"the top of the address space", the_top},
    {"limited", limited},
    {NULL, NULL},
};
const struct suite suite_bootinfo = {"bootinfo", cases, NULL, NULL};
