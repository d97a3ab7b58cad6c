/* SPDX-License-Identifier: MIT
 *
 * The page cache under its quotas and under the allocator: floors, loans, ceilings, whose pages go, blocks
 * of all sizes, persistent pools, ends of pools, books without memory.
 */
#include <stdlib.h>

#include <lagan/arch.h>
#include "mm/claim.h"
#include "mm/pcache_state.h"
#include "mm/type.h"
#include "unittests/pcache_kit.h"

enum { PAGES = 2048 };

static void fill(unsigned d, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        (void)pckit_put(d, KIT_POOL, i, 1);
}

static void start(void)
{
    pckit_start(PAGES, 2);
    pckit_keep_all(0);
    pckit_keep_all(1);
}

/* A floor is memory: not free to others, lent meanwhile, there at once for its domain. */
static void test_floor(void)
{
    uint64_t before, there;
    mfn_t *list = calloc(2 * PAGES, sizeof(*list)), m;
    unsigned count = 0;

    start();
    before = heap_free_pages();
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[0].pc, 500, UINT32_MAX, 256), 0);
    CU_ASSERT_EQUAL(heap_free_pages(), before - 500);
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[1].pc, before, UINT32_MAX, 256), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[1].pc, 10, 9, 256), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[1].pc, 1, 9, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(heap_free_pages(), before - 500);
    fill(1, 3 * PAGES); /* the other borrows it, too */
    CU_ASSERT_TRUE(pckit_stats(1).pages > heap_free_pages());
    pckit_check();
    fill(0, 500);
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 500);
    CU_ASSERT_EQUAL(pckit_stats(0).no_room, 0);
    pckit_check();
    while (count < 2 * PAGES && heap_alloc(0, HEAP_ANY, &m))
        list[count++] = m;
    CU_ASSERT_EQUAL(heap_free_pages(), 0);
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 500); /* not for all the memory in the world */
    CU_ASSERT_EQUAL(pckit_stats(1).pages, 0);
    there = 0;
    for (uint64_t i = 0; i < 500; i++)
        there += pckit_get_key(0, i, 1, true) == 1;
    CU_ASSERT_EQUAL(there, 500);
    pckit_check();
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[0].pc, 499, UINT32_MAX, 256), 0);
    CU_ASSERT_TRUE(heap_alloc(0, HEAP_ANY, &m));
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 499);
    heap_free(m, 0);
    while (count > 0)
        heap_free(list[--count], 0);
    free(list);
    pckit_end();
}

/* Pages above it go one batch after the other, the last of which is smaller. */
static void test_floor_to_the_page(void)
{
    start();
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[0].pc, 0, UINT32_MAX, 65535), 0);
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[1].pc, 500, 505, 1), 0);
    fill(1, 505);
    fill(0, 3 * PAGES);
    CU_ASSERT_EQUAL(pckit_stats(1).pages, 500);
    CU_ASSERT_EQUAL(pckit_stats(1).dropped_cache, 5);
    pckit_end();
}

static void test_ceiling(void)
{
    start();
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[0].pc, 0, 100, 256), 0);
    fill(0, 300);
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 100);
    CU_ASSERT_EQUAL(pckit_get_key(0, 199, 1, true), 0);
    CU_ASSERT_EQUAL(pckit_get_key(0, 200, 1, true), 1);
    CU_ASSERT_EQUAL(pckit_stats(0).dropped_self, 200);
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[0].pc, 0, 50, 256), 0);
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 50);
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[0].pc, 0, 0, 256), 0);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 1, 1), 0);
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 0);
    pckit_check();
    pckit_end();
}

/* Who uses its pages keeps them, though another puts and puts; and the ledger says whom it cost. */
static void test_use(void)
{
    struct lagan_pcache_ledger l[17];
    struct lagan_pcache_stats s;
    unsigned rows;

    start();
    fill(1, 3 * PAGES);
    for (unsigned round = 0; round < 8; round++)
        for (uint64_t i = 0; i < 400; i++) {
            if (pckit_get_key(0, i, 1, true) == 0)
                (void)pckit_put(0, KIT_POOL, i, 1);
            for (unsigned j = 0; j < 10; j++) /* ten times as much */
                (void)pckit_put(1, KIT_POOL, 100000 + round * 4000 + i * 10 + j, 1);
        }
    s = pckit_stats(0);
    CU_ASSERT_TRUE(s.hits > 400 * 6);
    CU_ASSERT_TRUE(s.dropped_cache < 100);
    s = pckit_stats(1);
    CU_ASSERT_TRUE(s.dropped_cache >= 300);
    rows = pcache_get_ledger(kit_domain[1].pc, l, 17);
    CU_ASSERT_TRUE(rows >= 1 && rows <= 17);
    for (unsigned i = 0; i < rows; i++)
        if (l[i].other == 1)
            CU_ASSERT_EQUAL(l[i].for_cache, s.dropped_cache);
    pckit_check();
    pckit_end();
}

/* The weight counts the right way round. */
static void test_weight(void)
{
    uint64_t light, heavy;

    start();
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[0].pc, 0, UINT32_MAX, 2560), 0);
    for (uint64_t i = 0; i < 6 * PAGES; i++)
        for (unsigned d = 0; d < 2; d++) {
            (void)pckit_put(d, KIT_POOL, i, 1);
            (void)pckit_get_key(d, i / 2, 1, true);
        }
    heavy = pckit_stats(0).pages;
    light = pckit_stats(1).pages;
    CU_ASSERT_TRUE(heavy > light);
    pckit_end();
}

/* Blocks of each size come from a host whose spare memory is all lent. */
static void test_blocks(void)
{
    start();
    for (unsigned order = 0; order <= 9; order++) {
        mfn_t m;

        for (unsigned d = 0; d < 2; d++)
            fill(d, 2 * PAGES);
        CU_ASSERT_TRUE(spare_pages() > heap_free_pages() * 9 / 10);
        CU_ASSERT_TRUE_FATAL(heap_alloc(order, HEAP_CLEAR, &m));
        CU_ASSERT_EQUAL(m.n % (1U << order), 0);
        for (uint64_t i = 0; i < 1U << order; i++)
            CU_ASSERT_TRUE(pckit_is_blank(mfn(m.n + i), 99));
        pckit_check();
        heap_free(m, order);
    }
    CU_ASSERT_TRUE(spare_counts().recalled >= 1023);
    pckit_end();
}

/* Low memory too, and claimed memory. */
static void test_zones_and_claims(void)
{
    uint64_t free;
    mfn_t m;

    start();
    fill(0, 3 * PAGES);
    CU_ASSERT_TRUE(heap_alloc(0, HEAP_LOW, &m));
    CU_ASSERT_TRUE(m.n < 0x100000);
    heap_free(m, 0);
    CU_ASSERT_TRUE(heap_alloc(3, HEAP_LOW, &m));
    CU_ASSERT_TRUE(m.n < 0x100000);
    heap_free(m, 3);
    free = heap_free_pages();
    CU_ASSERT_EQUAL(claim_set(&kit_domain[1].account, free), 0); /* all of it, lent as it is */
    CU_ASSERT_FALSE(heap_alloc(0, HEAP_ANY, &m));
    CU_ASSERT_EQUAL(account_alloc(&kit_domain[1].account, 0, 0, &m), 0);
    pckit_check();
    claim_end(&kit_domain[1].account);
    pckit_end();
}

/* Persistent pages: the account's own, never lent, never dropped; a guest that guesses the frame gains nothing. */
static void test_persistent(void)
{
    struct pcache_name n = {.pool = 2, .key = 1};
    struct pcache_held h;
    uint64_t pages;
    uint32_t cursor = 0;
    mfn_t m;
    int rc;

    start();
    CU_ASSERT_EQUAL(pcache_pool_new(kit_domain[0].pc, true), 2);
    pages = kit_domain[0].account.pages;
    CU_ASSERT_TRUE_FATAL(pcache_put(kit_domain[0].pc, &n, &h, &rc));
    pckit_fill(h.frame, 0, 1, 1);
    m = h.frame;
    CU_ASSERT_TRUE(pcache_put_end(kit_domain[0].pc, &h, true));
    CU_ASSERT_EQUAL(kit_domain[0].account.pages, pages + 1);
    CU_ASSERT_EQUAL(pckit_stats(0).persistent, 1);
    CU_ASSERT_EQUAL(spare_pages(), 0);
    CU_ASSERT_EQUAL(table_pin(&kit_domain[0].account, m, 1), -XEN_EINVAL); /* not a page table */
    CU_ASSERT_EQUAL(account_release(&kit_domain[0].account, m), 0); /* the guest gives it up */
    fill(1, 3 * PAGES);
    CU_ASSERT_TRUE_FATAL(pcache_get(kit_domain[0].pc, &n, true, &h));
    CU_ASSERT_TRUE(pckit_holds(h.frame, 0, 1, 1));
    pcache_get_end(kit_domain[0].pc, &h, true);
    pckit_check();
    kit_domain[0].account.max_pages = kit_domain[0].account.pages;
    n.key = 2;
    CU_ASSERT_FALSE(pcache_put(kit_domain[0].pc, &n, &h, &rc));
    CU_ASSERT_EQUAL(rc, -XEN_ENOMEM);
    CU_ASSERT_EQUAL(pcache_pool_destroy(kit_domain[0].pc, 2, &cursor), 0);
    CU_ASSERT_EQUAL(kit_domain[0].account.pages, pages);
    CU_ASSERT_EQUAL(pcache_pool_destroy(kit_domain[0].pc, 2, &cursor), -XEN_ENOENT);
    pckit_check();
    pckit_end();
}

/* Preempted at each step; a pool that ends is empty when its number is used again. */
static void test_preempted(void)
{
    uint64_t flushed = 0;
    uint32_t cursor = 0;
    unsigned calls = 0;

    start();
    fill(0, 1000);
    host_preempt_every(1);
    while (pcache_pool_destroy(kit_domain[0].pc, KIT_POOL, &cursor) == -XEN_ERESTART)
        CU_ASSERT_TRUE_FATAL(calls++ < 100);
    CU_ASSERT_TRUE(calls > 3);
    CU_ASSERT_EQUAL(pcache_pool_new(kit_domain[0].pc, false), KIT_POOL);
    CU_ASSERT_EQUAL(pckit_get_key(0, 999, 1, true), 0);
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 0);
    fill(0, 1000);
    cursor = 0;
    while (pcache_flush_pool(kit_domain[0].pc, PCACHE_POOLS, &cursor, &flushed) == -XEN_ERESTART)
        ;
    CU_ASSERT_EQUAL(flushed, 1000);
    fill(0, 1000);
    calls = 0;
    while (pcache_relinquish(kit_domain[0].pc) == -XEN_ERESTART)
        CU_ASSERT_TRUE_FATAL(calls++ < 100);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 1, 1), 0);
    host_preempt_every(0);
    pckit_check();
    pckit_end();
}

/* No memory for records: the put is refused, and nothing is lost. */
static void test_no_memory(void)
{
    unsigned n;

    for (n = 1; n < 100; n++) {
        uint64_t kept;

        start();
        host_fail_after(n);
        kept = pckit_put(0, KIT_POOL, 1, 1);
        if (!host_fail_off()) {
            CU_ASSERT_EQUAL(kept, 1);
            pckit_end();
            break;
        }
        pckit_check();
        CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, 1, 2), 1);
        pckit_end();
    }
    CU_ASSERT_TRUE(n > 4 && n < 100);
}

/* ---- another lender, which has all memory ---- */

static struct {
    mfn_t frame[2 * PAGES];
    unsigned count;
    uint64_t worth; /* of each page */
} other;

static uint64_t other_worst(void)
{
    return other.count ? other.worth : UINT64_MAX;
}

static unsigned other_drop(unsigned count, const struct account *a)
{
    (void)a;
    count = count < other.count ? count : other.count;
    other.count -= count;
    spare_return(&other.frame[other.count], count);
    return count;
}

static bool other_drop_frame(mfn_t m, const struct account *a)
{
    (void)m;
    (void)a;
    return false;
}

/* What is worth less makes way for a put, whoever has it; what is worth more does not; a ceiling is one; what a floor
 * promises is taken from whoever has it. */
static void test_other_lender(void)
{
    static const struct spare_lender lender = {
        .worst = other_worst, .drop = other_drop, .drop_frame = other_drop_frame};
    unsigned had;

    start();
    other.count = 0;
    spare_register(SPARE_UBC, &lender);
    while (spare_borrow(SPARE_UBC, 0, SPARE_LAST, &other.frame[other.count]))
        other.count++;
    had = other.count;
    other.worth = 1;
    fill(0, 100); /* a newcomer, whose pages may be worth as much */
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 0);
    CU_ASSERT_TRUE(other.count + 32 >= had); /* for its records, once */
    had = other.count;
    other.worth = 0; /* nobody uses them */
    fill(0, 1);
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 1);
    CU_ASSERT_TRUE(other.count < had);
    fill(0, 500);
    had = other.count;
    CU_ASSERT_TRUE(pckit_stats(0).pages + had + 200 > heap_free_pages());
    other.worth = UINT64_MAX - 1; /* more than anybody's */
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[0].pc, 800, UINT32_MAX, 1), 0);
    fill(0, 2000);
    CU_ASSERT_TRUE(pckit_stats(0).pages >= 800 && pckit_stats(0).pages < 1000);
    had = other.count;
    other.worth = 0;
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[0].pc, 0, 900, 1), 0);
    for (uint64_t i = 1000; i < 2000; i++)
        (void)pckit_get_key(0, i, 1, true);
    CU_ASSERT_TRUE(pckit_stats(0).worth > 0);
    fill(0, 3000);
    CU_ASSERT_TRUE(pckit_stats(0).pages <= 900 && had - other.count < 200);
    pckit_check();
    while (other_drop(32, NULL))
        ;
    spare_register(SPARE_UBC, NULL);
    pckit_end();
}

static const struct test_case cases[] = {{"floor", test_floor},
                                         {"floor, to the page", test_floor_to_the_page},
                                         {"ceiling", test_ceiling},
                                         {"use decides", test_use},
                                         {"weights", test_weight},
                                         {"blocks", test_blocks},
                                         {"low and claimed memory", test_zones_and_claims},
                                         {"persistent pages", test_persistent},
                                         {"preempted", test_preempted},
                                         {"no memory", test_no_memory},
                                         {"another lender", test_other_lender},
                                         {NULL, NULL}};

const struct suite suite_pcache_host = {"pcache_host", cases, NULL, NULL};
