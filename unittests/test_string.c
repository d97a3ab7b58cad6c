/* SPDX-License-Identifier: MIT
 *
 * The target's string functions against the host's, on random contents, offsets and overlaps.
 */
#include <stdlib.h>
#include <string.h>

#include <lagan/string.h>

#include "suite.h"
#include "target_string.h"

#define ARENA 160

static unsigned char ours[ARENA], theirs[ARENA];

static size_t pick(size_t below)
{
    return (size_t)rand() % below;
}

/* Few distinct bytes, so that comparisons get past the first one and strings end somewhere. */
static void fill(void)
{
    for (size_t i = 0; i < ARENA; i++)
        ours[i] = theirs[i] = (unsigned char)(pick(8) ? pick(4) : pick(256));
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void test_moves(void)
{
    for (int round = 0; round < 20000; round++) {
        size_t n = pick(70), to = pick(ARENA - 70), from = pick(ARENA - 70);

        fill();
        CU_ASSERT_PTR_EQUAL(target_memmove(ours + to, ours + from, n), ours + to);
        memmove(theirs + to, theirs + from, n);
        if (memcmp(ours, theirs, ARENA) != 0)
            CU_FAIL_FATAL("memmove differs");
    }
}

static void test_copy_and_fill(void)
{
    unsigned char source[ARENA];

    for (int round = 0; round < 5000; round++) {
        size_t n = pick(70), to = pick(ARENA - 70), from = pick(ARENA - 70);
        int byte = (int)pick(1024) - 512;

        fill();
        memcpy(source, ours, ARENA);
        CU_ASSERT_PTR_EQUAL(target_memcpy(ours + to, source + from, n), ours + to);
        memcpy(theirs + to, source + from, n);
        CU_ASSERT_EQUAL_FATAL(memcmp(ours, theirs, ARENA), 0);
        CU_ASSERT_PTR_EQUAL(target_memset(ours + from, byte, n), ours + from);
        memset(theirs + from, byte, n);
        CU_ASSERT_EQUAL_FATAL(memcmp(ours, theirs, ARENA), 0);
    }
}

static void test_comparisons(void)
{
    for (int round = 0; round < 20000; round++) {
        size_t n = pick(20), a = pick(ARENA - 80), b = pick(ARENA - 80);
        char x[24], y[24];

        fill();
        memcpy(x, ours + a, sizeof(x));
        memcpy(y, pick(2) ? (char *)ours + b : x, sizeof(y));
        y[pick(sizeof(y))] ^= (char)pick(256);
        x[sizeof(x) - 1] = y[sizeof(y) - 1] = '\0';
        CU_ASSERT_EQUAL_FATAL(sign(target_memcmp(x, y, n)), sign(memcmp(x, y, n)));
        CU_ASSERT_EQUAL_FATAL(sign(target_strcmp(x, y)), sign(strcmp(x, y)));
        CU_ASSERT_EQUAL_FATAL(sign(target_strncmp(x, y, n)), sign(strncmp(x, y, n)));
    }
}

static void test_searches(void)
{
    for (int round = 0; round < 5000; round++) {
        char x[24];
        int c = (int)pick(8);
        size_t max = pick(30);

        fill();
        memcpy(x, ours + pick(ARENA - 80), sizeof(x));
        x[sizeof(x) - 1] = '\0';
        CU_ASSERT_EQUAL(target_strlen(x), strlen(x));
        CU_ASSERT_EQUAL(target_strnlen(x, max), strnlen(x, max));
        CU_ASSERT_PTR_EQUAL(target_strchr(x, c), strchr(x, c));
        CU_ASSERT_PTR_EQUAL(target_strchr(x, c + 256), strchr(x, c));
    }
    CU_ASSERT_PTR_NOT_NULL(target_strchr("abc", '\0'));
}

static void test_strlcpy(void)
{
    char buf[5] = "????";

    CU_ASSERT_EQUAL(strlcpy(buf, "abc", 0), 3);
    CU_ASSERT_EQUAL(buf[0], '?');
    CU_ASSERT_EQUAL(strlcpy(buf, "abc", 1), 3);
    CU_ASSERT_STRING_EQUAL(buf, "");
    CU_ASSERT_EQUAL(strlcpy(buf, "abcd", 4), 4);
    CU_ASSERT_STRING_EQUAL(buf, "abc");
    CU_ASSERT_EQUAL(strlcpy(buf, "abcd", 5), 4);
    CU_ASSERT_STRING_EQUAL(buf, "abcd");
    CU_ASSERT_EQUAL(strlcpy(buf, "", sizeof(buf)), 0);
    CU_ASSERT_STRING_EQUAL(buf, "");
}

static int seed(void)
{
    srand((unsigned)test_seed);
    return 0;
}

static const struct test_case cases[] = {
    {"memmove with every kind of overlap", test_moves},
    {"memcpy and memset", test_copy_and_fill},
    {"comparisons", test_comparisons},
    {"searches", test_searches},
    {"strlcpy at the edges", test_strlcpy},
    {NULL, NULL},
};

const struct suite suite_string = {.name = "string", .cases = cases, .setup = seed};
