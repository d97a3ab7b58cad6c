/* SPDX-License-Identifier: MIT
 *
 * The zpool of the Linux module, over a pool that is made up: what is stored comes back, whatever the pool refuses.
 */
#include <string.h>

#include <linux/bitops.h>
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/zpool.h>

#include "linux/cache_pool.h"
#include "unittests/suite.h"

#define KEYS    4096U
#define OBJECTS 2000U

bool kernel_memory_fails;
int kernel_preemption_off;
unsigned kernel_warnings;
struct zpool_driver *kernel_zpool;

/* ---- the pool ---- */

static struct {
    uint8_t *page[KEYS];
    unsigned used, limit, pools;
    bool absent;
} fake;

bool pool_service(void)
{
    return !fake.absent;
}

int pool_new_persistent(void)
{
    fake.pools++;
    return 7;
}

void pool_destroy(int pool)
{
    CU_ASSERT(pool == 7 && fake.used == 0);
    fake.pools--;
}

static void drop(u64 key)
{
    fake.used -= fake.page[key] != NULL;
    free(fake.page[key]);
    fake.page[key] = NULL;
}

int pool_put(int pool, struct pool_page *p, unsigned count)
{
    CU_ASSERT_FATAL(pool == 7 && count == 1 && p->block < KEYS);
    drop(p->block);
    p->done = fake.used < fake.limit;
    if (p->done) {
        fake.page[p->block] = malloc(PAGE_SIZE);
        memcpy(fake.page[p->block], p->page, PAGE_SIZE);
        fake.used++;
    }
    return 0;
}

int pool_get(int pool, struct pool_page *p, unsigned count)
{
    CU_ASSERT_FATAL(pool == 7 && count == 1 && p->block < KEYS);
    p->done = fake.page[p->block] != NULL;
    if (p->done)
        memcpy(p->page, fake.page[p->block], PAGE_SIZE);
    if (p->done && !p->stays)
        drop(p->block);
    return 0;
}

int pool_flush(int pool, u64 first, u64 count)
{
    CU_ASSERT_FATAL(pool == 7 && count == 1 && first < KEYS);
    CU_ASSERT(fake.page[first] != NULL);
    drop(first);
    return 0;
}

/* ---- objects ---- */

static struct {
    unsigned long handle; /* 0: there is none */
    size_t size;
    uint8_t first;
} object[OBJECTS];
static void *zpool;

static void begin(unsigned limit)
{
    memset(&fake, 0, sizeof(fake));
    memset(object, 0, sizeof(object));
    kernel_warnings = 0;
    fake.limit = limit;
    CU_ASSERT_FATAL(kernel_module_init() == 0 && kernel_zpool != NULL);
    zpool = kernel_zpool->create("test", 0, NULL, NULL);
    CU_ASSERT_FATAL(zpool != NULL);
}

static bool store(unsigned i, size_t size)
{
    unsigned long handle;
    uint8_t *at;

    if (kernel_zpool->malloc(zpool, size, 0, &handle))
        return false;
    object[i].handle = handle;
    object[i].size = size;
    object[i].first++;
    at = kernel_zpool->map(zpool, handle, ZPOOL_MM_WO);
    for (size_t n = 0; n < size; n++)
        at[n] = (uint8_t)(object[i].first + i * 31 + n * 7);
    kernel_zpool->unmap(zpool, handle);
    return true;
}

static bool is_right(unsigned i)
{
    const uint8_t *at = kernel_zpool->map(zpool, object[i].handle, ZPOOL_MM_RO);
    bool right = true;

    for (size_t n = 0; n < object[i].size; n++)
        right &= at[n] == (uint8_t)(object[i].first + i * 31 + n * 7);
    kernel_zpool->unmap(zpool, object[i].handle);
    return right;
}

static void forget(unsigned i)
{
    kernel_zpool->free(zpool, object[i].handle);
    object[i].handle = 0;
}

static void end(void)
{
    for (unsigned i = 0; i < OBJECTS; i++)
        if (object[i].handle)
            forget(i);
    CU_ASSERT_EQUAL(kernel_zpool->total_size(zpool), 0);
    kernel_zpool->destroy(zpool);
    kernel_module_exit();
    CU_ASSERT(fake.used == 0 && fake.pools == 0 && kernel_warnings == 0);
    CU_ASSERT(kernel_zpool == NULL && kernel_preemption_off == 0);
}

static void test_sizes(void)
{
    static const size_t sizes[] = {1, 511, 512, 680, 681, 1024, 1025, 1360, 1361, 2048, 2049, 4096};
    unsigned long handle;
    unsigned count = 0;

    begin(KEYS);
    CU_ASSERT(kernel_zpool->malloc(zpool, 0, 0, &handle) == -ENOSPC);
    CU_ASSERT(kernel_zpool->malloc(zpool, 4097, 0, &handle) == -ENOSPC);
    for (unsigned round = 0; round < 24; round++)
        for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
            CU_ASSERT(store(count++, sizes[i]));
    for (unsigned i = 0; i < count; i++)
        CU_ASSERT(is_right(i));
    /* 3, 1, 2, 2, 2 and 2 of the sizes share pages of 8, 6, 4, 3, 2 and 1 slots. */
    CU_ASSERT_EQUAL(kernel_zpool->total_size(zpool) >> PAGE_SHIFT, 9 + 4 + 12 + 16 + 24 + 48);
    end();
}

/* Random objects come, go and are read; now and then the pool has no room, or the kernel no memory. */
static void test_model(void)
{
    uint64_t random = test_seed | 1;
    unsigned refused = 0, stored = 0, wrong = 0;

    begin(120);
    for (unsigned step = 0; step < 60000; step++) {
        unsigned i;
        bool fails;

        random = random * 6364136223846793005U + 1442695040888963407U;
        i = (unsigned)(random >> 33) % OBJECTS;
        fails = (random >> 20 & 31) == 0;
        if (step % 10000 == 0)
            fake.limit = 40 + (unsigned)(random >> 40) % 120;
        if (!object[i].handle) {
            kernel_memory_fails = fails;
            if (store(i, 1 + (random >> 44) % 3000))
                stored++;
            else
                refused++;
            kernel_memory_fails = false;
        } else {
            wrong += !is_right(i);
            if (random >> 62)
                forget(i);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(stored > 1000 && refused > 100);
    end();
}

/* When the pool is full, what is stored stays, and what comes is refused until something goes. */
static void test_full(void)
{
    unsigned count = 0;

    begin(10);
    while (count < OBJECTS && store(count, 2000))
        count++;
    /* Of two slots: ten pages in the pool, and one that it does not take. */
    CU_ASSERT_EQUAL(count, 22);
    CU_ASSERT(!store(count, 100) && !store(count, 4000));
    for (unsigned i = 0; i < count; i++)
        CU_ASSERT(is_right(i));
    forget(0);
    forget(1);
    CU_ASSERT(store(0, 100) && store(1, 2000));
    for (unsigned i = 0; i < count; i++)
        CU_ASSERT(is_right(i));
    end();
}

/* A page waits for those who have not written yet, and for those who still look. */
static void test_unwritten(void)
{
    unsigned long handle[2];
    uint8_t *at[2];

    begin(KEYS);
    for (unsigned i = 0; i < 2; i++)
        CU_ASSERT_FATAL(kernel_zpool->malloc(zpool, 2000, 0, &handle[i]) == 0);
    at[0] = kernel_zpool->map(zpool, handle[0], ZPOOL_MM_WO);
    at[0][1999] = 1;
    kernel_zpool->unmap(zpool, handle[0]);
    CU_ASSERT_EQUAL(fake.used, 0);
    at[0] = kernel_zpool->map(zpool, handle[0], ZPOOL_MM_RO);
    at[1] = kernel_zpool->map(zpool, handle[1], ZPOOL_MM_WO);
    at[1][1999] = 2;
    kernel_zpool->unmap(zpool, handle[1]);
    CU_ASSERT(fake.used == 0 && at[0][1999] == 1);
    kernel_zpool->unmap(zpool, handle[0]);
    CU_ASSERT_EQUAL(fake.used, 1);
    for (unsigned i = 0; i < 2; i++) {
        at[i] = kernel_zpool->map(zpool, handle[i], ZPOOL_MM_RO);
        CU_ASSERT_EQUAL(at[i][1999], 1 + i);
        kernel_zpool->unmap(zpool, handle[i]);
        kernel_zpool->free(zpool, handle[i]);
    }
    /* A slot that is had again is not written yet. */
    for (unsigned i = 0; i < 2; i++)
        CU_ASSERT_FATAL(kernel_zpool->malloc(zpool, 2000, 0, &handle[i]) == 0);
    kernel_zpool->map(zpool, handle[0], ZPOOL_MM_WO);
    kernel_zpool->unmap(zpool, handle[0]);
    kernel_zpool->free(zpool, handle[0]);
    CU_ASSERT_FATAL(kernel_zpool->malloc(zpool, 2000, 0, &handle[0]) == 0);
    kernel_zpool->map(zpool, handle[1], ZPOOL_MM_WO);
    kernel_zpool->unmap(zpool, handle[1]);
    CU_ASSERT_EQUAL(fake.used, 0);
    kernel_zpool->free(zpool, handle[0]);
    kernel_zpool->free(zpool, handle[1]);
    end();
}

/* Half empty pages are filled again before there are more. */
static void test_reuse(void)
{
    begin(KEYS);
    for (unsigned i = 0; i < 800; i++)
        CU_ASSERT(store(i, 500));
    CU_ASSERT_EQUAL(kernel_zpool->total_size(zpool) >> PAGE_SHIFT, 100);
    for (unsigned i = 0; i < 800; i++)
        if (i % 8 < 5)
            forget(i);
    for (unsigned i = 0; i < 800; i++)
        if (i % 8 < 5)
            CU_ASSERT(store(i, 500));
    CU_ASSERT_EQUAL(kernel_zpool->total_size(zpool) >> PAGE_SHIFT, 100);
    for (unsigned i = 0; i < 800; i++)
        CU_ASSERT(is_right(i));
    end();
}

/* A host that loses what it must not is found out, and nobody is given another page's bytes. */
static void test_lost(void)
{
    const uint8_t *at;

    begin(KEYS);
    for (unsigned i = 0; i < 16; i++)
        CU_ASSERT(store(i, 500));
    CU_ASSERT(fake.used == 2 && is_right(8));
    drop(0);
    at = kernel_zpool->map(zpool, object[0].handle, ZPOOL_MM_RO);
    for (unsigned n = 0; n < 500; n++)
        CU_ASSERT(at[n] == 0);
    kernel_zpool->unmap(zpool, object[0].handle);
    CU_ASSERT(kernel_warnings == 1 && is_right(8));
    kernel_warnings = 0;
    fake.page[0] = calloc(1, PAGE_SIZE);
    fake.used++;
    end();
}

/* Nothing to do on a host without the service. */
static void test_absent(void)
{
    fake.absent = true;
    CU_ASSERT(kernel_module_init() == -ENODEV && kernel_zpool == NULL);
}

static const struct test_case cases[] = {
    {"objects of all sizes", test_sizes},
    {"random objects", test_model},
    {"a full pool", test_full},
    {"a page that is being written", test_unwritten},
    {"pages that are half empty", test_reuse},
    {"a page that is lost", test_lost},
    {"no service", test_absent},
    {NULL, NULL},
};
const struct suite suite_zpool = {.name = "zpool", .cases = cases};
