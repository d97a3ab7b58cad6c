/* SPDX-License-Identifier: MIT
 *
 * Suite for xen/arch/x86/bootmem.c: random reservations and allocations against one flag for each
 * page.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "xen/arch/x86/bootmem.h"

#define PAGES 512

static struct boot_info bi;
static struct bootmem bm;
static bool is_free[PAGES];

static void start(void)
{
    memset(&bi, 0, sizeof(bi));
    memset(is_free, 0, sizeof(is_free));
    bootinfo_add_range(&bi, 0, 100 * PAGE_SIZE, BOOT_RAM);
    bootinfo_add_range(&bi, 100 * PAGE_SIZE, 50 * PAGE_SIZE, BOOT_RESERVED);
    bootinfo_add_range(&bi, 200 * PAGE_SIZE, 300 * PAGE_SIZE, BOOT_RAM);
    bootmem_init(&bm, &bi, 16 * PAGE_SIZE);
    memset(is_free + 16, true, 84);
    memset(is_free + 200, true, 300);
}

/* INV-BOOTMEM-1, and agreement with the flags. */
static void audit(void)
{
    unsigned wrong = 0;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < bm.count; i++) {
        CU_ASSERT(bm.range[i].start < bm.range[i].end);
        CU_ASSERT(((bm.range[i].start | bm.range[i].end) & (PAGE_SIZE - 1)) == 0);
        CU_ASSERT(i == 0 || bm.range[i - 1].end <= bm.range[i].start);
    }
    for (uint64_t p = 0; p < PAGES; p++) {
        bool has = false;

        for (unsigned i = 0; i < bm.count; i++)
            has |= bm.range[i].start <= p * PAGE_SIZE && p * PAGE_SIZE < bm.range[i].end;
        wrong += has != is_free[p];
        bytes += is_free[p] ? PAGE_SIZE : 0;
    }
    CU_ASSERT_EQUAL_FATAL(wrong, 0);
    CU_ASSERT_EQUAL(bootmem_free_bytes(&bm), bytes);
    CU_ASSERT_EQUAL(bm.lost, 0);
}

static void reserve(uint64_t from, uint64_t to)
{
    bootmem_reserve(&bm, from, to);
    for (uint64_t p = from / PAGE_SIZE; from < to && p * PAGE_SIZE < to && p < PAGES; p++)
        is_free[p] = false;
}

/* The highest place there is, by the flags; PAGES: none. */
static uint64_t highest(uint64_t pages, uint64_t align, uint64_t limit)
{
    for (uint64_t p = limit < PAGES ? limit : PAGES; p-- > 0;) {
        uint64_t n = 0;

        while (n < pages && p + n < limit && p + n < PAGES && is_free[p + n])
            n++;
        if (n == pages && p % align == 0)
            return p;
    }
    return PAGES;
}

static void allocate(uint64_t pages, uint64_t align, uint64_t limit)
{
    uint64_t expect = highest(pages, align, limit), got = 0;
    bool ok = bootmem_alloc(&bm, pages * PAGE_SIZE, align * PAGE_SIZE, limit * PAGE_SIZE, &got);

    CU_ASSERT_EQUAL_FATAL(ok, expect != PAGES);
    if (!ok)
        return;
    CU_ASSERT_EQUAL_FATAL(got, expect * PAGE_SIZE);
    memset(is_free + expect, false, pages);
}

static void by_hand(void)
{
    start();
    audit();
    reserve(20 * PAGE_SIZE + 1, 21 * PAGE_SIZE - 1); /* both ends inside one page */
    audit();
    reserve(0, 17 * PAGE_SIZE);
    reserve(499 * PAGE_SIZE, UINT64_MAX);
    reserve(90 * PAGE_SIZE, 210 * PAGE_SIZE);
    reserve(30 * PAGE_SIZE, 30 * PAGE_SIZE); /* nothing */
    audit();
    allocate(1, 1, PAGES);
    allocate(16, 16, PAGES);
    allocate(10, 1, 90);
    allocate(400, 1, PAGES); /* there is none */
    audit();
}

static void by_chance(void)
{
    srand((unsigned)test_seed);
    for (unsigned round = 0; round < 300; round++) {
        start();
        for (unsigned i = 0; i < 40; i++) {
            uint64_t a = (uint64_t)rand() % (PAGES * PAGE_SIZE);

            if (rand() % 3 == 0)
                reserve(a, a + (uint64_t)rand() % (4 * PAGE_SIZE));
            else
                allocate(1 + (uint64_t)rand() % 20, 1ul << rand() % 5,
                         (uint64_t)rand() % (PAGES + 10));
            audit();
        }
    }
}

/* More cuts than the list has entries for lose memory, and nothing else. */
static void list_full(void)
{
    memset(&bi, 0, sizeof(bi));
    bootinfo_add_range(&bi, 0, 4ul * BOOTMEM_RANGES_MAX * PAGE_SIZE, BOOT_RAM);
    bootmem_init(&bm, &bi, 0);
    for (uint64_t i = 1; i < 2 * BOOTMEM_RANGES_MAX; i++)
        bootmem_reserve(&bm, i * 2 * PAGE_SIZE, (i * 2 + 1) * PAGE_SIZE);
    CU_ASSERT_EQUAL(bm.count, BOOTMEM_RANGES_MAX);
    CU_ASSERT(bm.lost > 0);
    /* Each page is free, lost, or one of those cut out before the list was full. */
    CU_ASSERT_EQUAL(bootmem_free_bytes(&bm) + bm.lost + bm.count * PAGE_SIZE,
                    4ul * BOOTMEM_RANGES_MAX * PAGE_SIZE);
}

static const struct test_case cases[] = {
    {"by hand", by_hand},
    {"by chance", by_chance},
    {"the list is full", list_full},
    {NULL, NULL},
};
const struct suite suite_bootmem = {"bootmem", cases, NULL, NULL};
