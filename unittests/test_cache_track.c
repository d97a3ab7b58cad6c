/* SPDX-License-Identifier: MIT
 *
 * Writes against fills: what the Linux module knows of its volume's blocks. Cases, and threads that read, fill, evict and
 * write a disk with a pool above it, where nobody may ever find in the pool what the disk has no more.
 */
#include <pthread.h>
#include <sched.h>

#include "linux/cache_track.h"
#include "unittests/suite.h"

#define BLOCKS (64U * TRACK_EXTENT) /* twice as many extents as there are groups */

static bool may_fill(struct track *t, u64 first, u32 count, u64 token)
{
    unsigned long flags;
    bool may = track_lock_read(t, first, count, token, &flags);

    if (may)
        track_unlock(t, first, flags);
    return may;
}

static bool may_put(struct track *t, u64 block, u32 stamp, u32 mask)
{
    unsigned long flags;
    bool may = track_lock_page(t, block, stamp, mask, &flags);

    if (may)
        track_unlock(t, block, flags);
    return may;
}

static void test_read(void)
{
    struct track *t = track_new(BLOCKS);
    u64 token, other;

    CU_ASSERT(track_read_begin(t, 100, 8, &token));
    CU_ASSERT(may_fill(t, 100, 8, token));
    /* Neighbours are none of its business. */
    track_write_begin(t, 99, 1);
    track_write_begin(t, 108, 1);
    CU_ASSERT(may_fill(t, 100, 8, token));
    /* Its own blocks, while they are written and after it. */
    track_write_begin(t, 107, 1);
    CU_ASSERT(!may_fill(t, 100, 8, token));
    CU_ASSERT(!track_read_begin(t, 100, 8, &other));
    CU_ASSERT(track_read_begin(t, 100, 7, &other));
    track_write_end(t, 107, 1);
    CU_ASSERT(!may_fill(t, 100, 8, token));
    CU_ASSERT(track_read_begin(t, 100, 8, &token) && may_fill(t, 100, 8, token));
    track_write_end(t, 99, 1);
    track_write_end(t, 108, 1);
    /* A read that began while one was written stays suspicious: its token was never valid. */
    track_write_begin(t, 100, 1);
    track_write_begin(t, 100, 1);
    track_write_end(t, 100, 1);
    CU_ASSERT(!track_read_begin(t, 100, 1, &token));
    track_write_end(t, 100, 1);
    CU_ASSERT(track_read_begin(t, 100, 1, &token));
    track_free(t);
}

static void test_ranges(void)
{
    static const u64 ends[] = {0, 511, 512, 1535, 1536, 40 * TRACK_EXTENT, BLOCKS - 1};
    struct track *t = track_new(BLOCKS);
    u64 token, far;

    /* From one extent into the third. */
    CU_ASSERT(track_read_begin(t, 1024, 512, &token) && track_read_begin(t, 1537, 1, &far));
    track_write_begin(t, 511, 1026);
    CU_ASSERT(!may_fill(t, 1024, 512, token) && may_fill(t, 1537, 1, far));
    track_write_end(t, 511, 1026);
    /* What was known of any of these blocks alone is of the past, also now. */
    for (u64 block = 510; block <= 1537; block++)
        CU_ASSERT(may_put(t, block, 0, ~0U) == (block < 511 || block > 1536));

    /* All of it, and more than that: each block once, so that each end takes it back. */
    track_write_begin(t, 3, (u64)1 << 40);
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        CU_ASSERT(!track_read_begin(t, ends[i], 1, &token));
    track_write_end(t, 3, (u64)1 << 40);
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        CU_ASSERT(track_read_begin(t, ends[i], 1, &token));
    track_free(t);
}

static void test_pages(void)
{
    struct track *t = track_new(BLOCKS);
    u32 stamp, later;
    u64 token;
    bool alone;

    track_write_page(t, 9, &stamp, &alone);
    CU_ASSERT(alone && !may_put(t, 9, stamp, ~0U));
    track_write_end(t, 9, 1);
    CU_ASSERT(may_put(t, 9, stamp, ~0U) && may_put(t, 9, stamp & 0xff, 0xff));
    CU_ASSERT(!may_put(t, 9, stamp + 1, ~0U) && !may_put(t, 9, stamp + 1, 0xff));
    CU_ASSERT(may_put(t, 9, stamp + 256, 0xff));
    CU_ASSERT_EQUAL(track_stamp(t, 9), stamp);
    /* It is a write as any other. */
    CU_ASSERT(track_read_begin(t, 9, 1, &token));
    track_write_page(t, 9, &later, &alone);
    track_write_end(t, 9, 1);
    CU_ASSERT(alone && later != stamp && !may_fill(t, 9, 1, token) && !may_put(t, 9, stamp, ~0U));
    stamp = later;

    track_write_begin(t, 8, 4);
    track_write_page(t, 9, &later, &alone);
    CU_ASSERT(!alone && later != stamp);
    track_write_end(t, 9, 1);
    CU_ASSERT(!may_put(t, 9, later, ~0U));
    track_write_end(t, 8, 4);
    CU_ASSERT(!may_put(t, 9, stamp, ~0U));
    track_free(t);
}

static void test_filled(void)
{
    struct track *t = track_new(BLOCKS);
    u32 stamp;
    bool alone;

    CU_ASSERT(!track_write_begin(t, 0, BLOCKS));
    track_write_end(t, 0, BLOCKS);
    track_set_filled(t, 600);
    CU_ASSERT(!track_write_begin(t, 0, 512) && !track_write_begin(t, 1024, 512));
    CU_ASSERT(track_write_begin(t, 511, 2) && track_write_begin(t, 0, BLOCKS));
    CU_ASSERT(track_write_page(t, 1023, &stamp, &alone));
    track_clear_filled(t);
    CU_ASSERT(!track_write_begin(t, 600, 1) && !track_write_page(t, 1023, &stamp, &alone));
    track_free(t);
}

/* A small volume has no more than it needs. */
static void test_size(void)
{
    struct track *small = track_new(1), *large = track_new((u64)1 << 36);

    CU_ASSERT(track_size(small) < 8192 && track_size(large) < 256 * 1024);
    CU_ASSERT(!track_write_begin(small, 0, 1));
    track_write_end(small, 0, 1);
    track_free(small);
    track_free(large);
}

/* ---- threads ---- */

#define WRITERS 2U
#define PLACES  8U /* blocks of each writer: one is written by one thread only */
#define STEPS   20000U

static struct {
    struct track *track;
    _Atomic u64 disk[WRITERS * PLACES];
    _Atomic u64 pool[WRITERS * PLACES]; /* 0: nothing */
    _Atomic unsigned wrong, filled;
    _Atomic unsigned running;
} world;

static void put(unsigned block, u64 value)
{
    world.pool[block] = value;
    track_set_filled(world.track, block);
    world.filled++;
}

/* As cache_io.c does: begin, flush, write, end. Then nothing old may be there, now or later. */
static void *writer(void *arg)
{
    unsigned base = *(unsigned *)arg * PLACES;
    u32 stamp;
    bool alone;

    for (u64 n = 1; n <= STEPS; n++) {
        unsigned block = base + (unsigned)(n * 2654435761U % PLACES);
        bool kept = n % 3 == 0, filled;
        u64 found;

        filled = kept ? track_write_page(world.track, block, &stamp, &alone)
                      : track_write_begin(world.track, block, 1);
        if (filled)
            world.pool[block] = 0;
        world.disk[block] = n;
        if (n % 64 == 0)
            sched_yield();
        track_write_end(world.track, block, 1);
        found = world.pool[block];
        if (found && found != n)
            world.wrong++;
        /* The page that was written is evicted. */
        if (kept && alone) {
            unsigned long flags;

            if (track_lock_page(world.track, block, stamp, 0xfffff, &flags)) {
                put(block, n);
                track_unlock(world.track, block, flags);
            }
        }
    }
    world.running--;
    return NULL;
}

/* Reads rows of blocks from the disk, and fills the pool with them. */
static void *reader(void *arg)
{
    u32 turn = *(unsigned *)arg;

    while (world.running > 0) {
        unsigned first = turn++ % (WRITERS * PLACES - 4);
        unsigned long flags;
        u64 value[4], token;
        bool fresh = track_read_begin(world.track, first, 4, &token);

        for (unsigned i = 0; i < 4; i++)
            value[i] = world.disk[first + i];
        if (turn % 64 == 0)
            sched_yield();
        if (!fresh || !track_lock_read(world.track, first, 4, token, &flags))
            continue;
        for (unsigned i = 0; i < 4; i++)
            put(first + i, value[i]);
        track_unlock(world.track, first, flags);
    }
    return NULL;
}

static void test_threads(void)
{
    unsigned index[] = {0, 1};
    pthread_t thread[4];

    world.track = track_new(BLOCKS);
    world.running = WRITERS;
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_FATAL(pthread_create(&thread[i], NULL, reader, &index[i]) == 0);
        CU_ASSERT_FATAL(pthread_create(&thread[2 + i], NULL, writer, &index[i]) == 0);
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    CU_ASSERT_EQUAL(world.wrong, 0);
    CU_ASSERT(world.filled > 100);
    for (unsigned i = 0; i < WRITERS * PLACES; i++)
        CU_ASSERT(world.pool[i] == 0 || world.pool[i] == world.disk[i]);
    track_free(world.track);
}

static const struct test_case cases[] = {
    {"a read and writes", test_read},
    {"writes of many blocks", test_ranges},
    {"pages that are written", test_pages},
    {"what may be in the pool", test_filled},
    {"sizes", test_size},
    {"threads", test_threads},
    {NULL, NULL},
};
const struct suite suite_cache_track = {.name = "cache_track", .cases = cases};
