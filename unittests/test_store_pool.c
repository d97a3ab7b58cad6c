/* SPDX-License-Identifier: MIT
 *
 * The store's memory: pieces do not overlap, an account's limit is its own, everything comes back.
 */
#include <stdlib.h>
#include <string.h>

#include "store/pool.h"
#include "suite.h"

#define PAGES  24
#define PIECES 400

static _Alignas(4096) uint8_t memory[PAGES * POOL_PAGE];
static struct pool_page pages[PAGES];
static struct pool pool;
static struct pool_account account[2];

static void fresh(unsigned first, unsigned second)
{
    pool_init(&pool, memory, pages, PAGES);
    pool_account_init(&account[0], &pool, first);
    pool_account_init(&account[1], &pool, second);
}

static bool sound(void)
{
    return pool_audit(&pool) && pool_account_audit(&account[0]) && pool_account_audit(&account[1]);
}

static void test_limits(void)
{
    void *piece[PAGES];
    unsigned n = 0;

    fresh(8, 16);
    CU_ASSERT_PTR_NULL(pool_alloc(&account[0], POOL_PAGE + 1));
    while ((piece[n] = pool_alloc(&account[0], POOL_PAGE)))
        n++;
    CU_ASSERT_EQUAL(n, 8);
    CU_ASSERT_PTR_NULL(pool_alloc(&account[0], 1));
    /* The other's room is there whatever the first has done. */
    for (unsigned i = 0; i < 16; i++)
        CU_ASSERT_PTR_NOT_NULL(pool_alloc(&account[1], 2049));
    CU_ASSERT_PTR_NULL(pool_alloc(&account[1], 1));
    CU_ASSERT(sound());
    pool_free(&pool, piece[3]);
    CU_ASSERT_PTR_NOT_NULL(pool_alloc(&account[0], 1));
    CU_ASSERT(sound());
    pool_free(&pool, NULL);
}

static void test_owner(void)
{
    void *a, *b;

    fresh(4, 4);
    a = pool_alloc(&account[0], 10);
    b = pool_alloc(&account[1], 10);
    CU_ASSERT_PTR_EQUAL(pool_account_of(&pool, a), &account[0]);
    CU_ASSERT_PTR_EQUAL(pool_account_of(&pool, b), &account[1]);
    CU_ASSERT((uintptr_t)a / POOL_PAGE != (uintptr_t)b / POOL_PAGE);
}

/* Every piece is filled with a byte of its own, which must still be there when it is freed. */
static void test_random(void)
{
    struct {
        uint8_t *at;
        size_t size;
        uint8_t fill;
    } piece[PIECES] = {0};

    srand((unsigned)test_seed);
    fresh(12, 12);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)rand() % PIECES;

        if (piece[i].at) {
            for (size_t b = 0; b < piece[i].size; b++)
                CU_ASSERT_FATAL(piece[i].at[b] == piece[i].fill);
            pool_free(&pool, piece[i].at);
            piece[i].at = NULL;
            continue;
        }
        piece[i].size = 1 + (size_t)rand() % (rand() % 8 ? 200 : POOL_PAGE);
        piece[i].fill = (uint8_t)rand();
        piece[i].at = pool_alloc(&account[i % 2], piece[i].size);
        if (piece[i].at)
            memset(piece[i].at, piece[i].fill, piece[i].size);
        if (step % 64 == 0)
            CU_ASSERT_FATAL(sound());
    }
    for (unsigned i = 0; i < PIECES; i++)
        pool_free(&pool, piece[i].at);
    CU_ASSERT(sound() && account[0].pages == 0 && account[1].pages == 0);
    CU_ASSERT_EQUAL(pool.free_count, PAGES);
}

static const struct test_case cases[] = {{"an account's limit is its own", test_limits},
                                         {"a page is one account's", test_owner},
                                         {"pieces come and go at random", test_random},
                                         {NULL, NULL}};

const struct suite suite_store_pool = {.name = "store: memory", .cases = cases};
