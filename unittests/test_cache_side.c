/* SPDX-License-Identifier: MIT
 *
 * The side table of the Linux module: of which block a page is a copy.
 */
#include "linux/cache_side.h"
#include "unittests/suite.h"

#define FRAMES 100U

static bool is(struct side_entry e, unsigned volume, u64 block, u32 stamp)
{
    return e.volume == volume && e.block == block && e.stamp == stamp;
}

static void test_entries(void)
{
    struct side *s = side_new(FRAMES);
    struct side_entry e = {
        .volume = SIDE_VOLUMES - 1, .block = SIDE_BLOCKS - 1, .stamp = SIDE_STAMP_MASK};

    CU_ASSERT(is(side_get(s, 5), 0, 0, 0));
    side_set(s, 5, &e);
    CU_ASSERT(is(side_get(s, 5), SIDE_VOLUMES - 1, SIDE_BLOCKS - 1, SIDE_STAMP_MASK));
    CU_ASSERT(is(side_get(s, 4), 0, 0, 0) && is(side_get(s, 6), 0, 0, 0));

    /* Of a stamp, only what there is room for; nothing of it gets into the block. */
    e = (struct side_entry){.volume = 1, .block = 7, .stamp = ~0U - 1};
    side_set(s, 5, &e);
    CU_ASSERT(is(side_get(s, 5), 1, 7, SIDE_STAMP_MASK - 1));

    CU_ASSERT(is(side_take(s, 5), 1, 7, SIDE_STAMP_MASK - 1));
    CU_ASSERT(is(side_take(s, 5), 0, 0, 0));
    side_set(s, 5, &e);
    side_clear(s, 5);
    CU_ASSERT(is(side_get(s, 5), 0, 0, 0));
    side_free(s);
}

/* Memory that came later has no entries. */
static void test_beyond(void)
{
    struct side *s = side_new(FRAMES);
    struct side_entry e = {.volume = 1, .block = 1};

    CU_ASSERT(side_size(s) >= FRAMES * sizeof(u64) && side_size(s) < (FRAMES + 8) * sizeof(u64));
    side_set(s, FRAMES - 1, &e);
    side_set(s, FRAMES, &e);
    side_clear(s, FRAMES);
    CU_ASSERT(is(side_get(s, FRAMES - 1), 1, 1, 0));
    CU_ASSERT(is(side_get(s, FRAMES), 0, 0, 0));
    CU_ASSERT(is(side_take(s, FRAMES), 0, 0, 0));
    side_free(s);
}

static void test_volumes(void)
{
    struct side *s = side_new(FRAMES);
    bool right = true;

    for (unsigned i = 0; i < FRAMES; i++) {
        struct side_entry e = {.volume = 1 + i % 3, .block = i, .stamp = i};

        side_set(s, i, &e);
    }
    side_clear_volume(s, 2);
    for (unsigned i = 0; i < FRAMES; i++)
        right &= i % 3 == 1 ? is(side_get(s, i), 0, 0, 0) : is(side_get(s, i), 1 + i % 3, i, i);
    CU_ASSERT(right);
    side_free(s);
}

static const struct test_case cases[] = {
    {"entries of a page", test_entries},
    {"memory that came later", test_beyond},
    {"a volume's entries go", test_volumes},
    {NULL, NULL},
};
const struct suite suite_cache_side = {.name = "cache_side", .cases = cases};
