/* SPDX-License-Identifier: MIT
 *
 * The target's vsnprintf against the host's: every combination of flags, widths, precisions,
 * lengths and conversions on edge values, and every buffer size for a long text.
 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"
#include "target_string.h"

#define GUARD 0x5a

/* The formats below are put together at run time; that is the point. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat"

#define SAME(size, ...)                                                                           \
    do {                                                                                          \
        char ours[256], theirs[256];                                                              \
        int a, b;                                                                                 \
                                                                                                  \
        memset(ours, GUARD, sizeof(ours));                                                        \
        memset(theirs, GUARD, sizeof(theirs));                                                    \
        a = target_snprintf(ours, size, __VA_ARGS__);                                             \
        b = snprintf(theirs, size, __VA_ARGS__);                                                  \
        if (a != b || memcmp(ours, theirs, sizeof(ours)) != 0) {                                  \
            printf("\nours \"%.*s\" (%d), host's \"%.*s\" (%d)\n", 200, ours, a, 200, theirs, b); \
            CU_FAIL("differs from the host's vsnprintf");                                         \
        }                                                                                         \
    } while (0)

static const char *const flags[] = {"",   "-",  "0",  "+",  " ",  "#",
                                    "-0", "+0", "-+", "#0", "-#", "+ "};
static const char *const widths[] = {"",   "1",  "7",   "25",  ".",   ".0",
                                     ".1", ".9", "9.0", "9.5", "5.9", "24.22"};

static void each_format(const char *conversion, void (*check)(const char *fmt))
{
    for (size_t f = 0; f < sizeof(flags) / sizeof(*flags); f++)
        for (size_t w = 0; w < sizeof(widths) / sizeof(*widths); w++) {
            char fmt[40];

            snprintf(fmt, sizeof(fmt), "<%%%s%s%s>", flags[f], widths[w], conversion);
            check(fmt);
        }
}

static void check_int(const char *fmt)
{
    static const int values[] = {0, 1, -1, 9, 10, -128, 127, 255, 32768, INT_MAX, INT_MIN};

    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        SAME(200, fmt, values[i]);
}

static void check_long(const char *fmt)
{
    static const long values[] = {0,        1,        -1,       1L << 31,
                                  1L << 32, LONG_MAX, LONG_MIN, 0x123456789abcL};

    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        SAME(200, fmt, values[i]);
}

static void check_string(const char *fmt)
{
    SAME(200, fmt, "");
    SAME(200, fmt, "x");
    SAME(200, fmt, "a longer text, longer than all");
}

static void check_pointer(const char *fmt)
{
    SAME(200, fmt, (void *)1);
    SAME(200, fmt, (void *)UINTPTR_MAX);
}

static void test_numbers(void)
{
    static const char *const ints[] = {"d",  "i",  "u",  "x",   "X",   "o",
                                       "hd", "hu", "hx", "hhd", "hhu", "hhx"};
    static const char *const longs[] = {"ld", "lu", "lx", "lX", "lo", "lld", "llx",
                                        "zd", "zu", "zx", "jd", "ju", "td"};

    for (size_t i = 0; i < sizeof(ints) / sizeof(*ints); i++)
        each_format(ints[i], check_int);
    for (size_t i = 0; i < sizeof(longs) / sizeof(*longs); i++)
        each_format(longs[i], check_long);
}

static void test_texts(void)
{
    char *volatile none = NULL; /* volatile: else the compiler says that this is not portable */

    each_format("s", check_string);
    each_format("c", check_int);
    SAME(200, "%c%c", 'a', '\0');
    SAME(200, "100%% of %s", "it");
    SAME(200, "%s", none);
    SAME(200, "%.3s", "abcdef");
    for (size_t w = 0; w < 2; w++)
        check_pointer(w ? "%p" : "<%20p>");
    check_pointer("<%-20p>");
}

static void test_stars(void)
{
    for (int width = -12; width <= 12; width++)
        for (int precision = -2; precision <= 8; precision++) {
            SAME(200, "<%*.*d>", width, precision, 421);
            SAME(200, "<%*.*s>", width, precision, "text");
            SAME(200, "<%0*x>", width, 0x421);
        }
}

static void test_every_size(void)
{
    const char *volatile fmt = "%s|%08x|%-12d|%lu|%40s|"; /* volatile: cutting short is meant */

    for (size_t size = 0; size < 90; size++)
        SAME(size, fmt, "start", 0xbeefu, -7, ULONG_MAX, "end");
    CU_ASSERT_EQUAL(target_snprintf(NULL, 0, "%s", "seven.."), 7);
}

static void test_unknown_is_copied(void)
{
    char buf[32];

    CU_ASSERT_EQUAL(target_snprintf(buf, sizeof(buf), "a%5qb"), 5);
    CU_ASSERT_STRING_EQUAL(buf, "a%5qb");
    CU_ASSERT_EQUAL(target_snprintf(buf, sizeof(buf), "end%"), 4);
    CU_ASSERT_STRING_EQUAL(buf, "end%");
    CU_ASSERT_EQUAL(target_snprintf(buf, sizeof(buf), "end%-08l"), 8);
    CU_ASSERT_STRING_EQUAL(buf, "end%-08l");
}

static const struct test_case cases[] = {
    {"numbers in every format", test_numbers},
    {"texts, characters, pointers", test_texts},
    {"width and precision as arguments", test_stars},
    {"every buffer size", test_every_size},
    {"unknown conversions are copied", test_unknown_is_copied},
    {NULL, NULL},
};

const struct suite suite_vsnprintf = {.name = "vsnprintf", .cases = cases};
