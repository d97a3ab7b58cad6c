/* SPDX-License-Identifier: MIT
 *
 * The page cache when the allocator takes whole runs of it: whose go, what of their pages is left for later, and that
 * nobody can tell the difference; and hits that are not worth what they seem.
 */
#include <unistd.h>

#include <lagan/arch.h>
#include "mm/heap_lists.h"
#include "mm/pcache_state.h"
#include "mm/pte.h"
#include "mm/type.h"
#include "unittests/pcache_kit.h"

enum { PAGES = 2048, MANY = 3000, PATIENCE_S = 60 };

static void fill(unsigned d, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        (void)pckit_put(d, KIT_POOL, i, 1);
}

static void start(unsigned domains)
{
    pckit_start(PAGES, domains);
    for (unsigned d = 0; d < domains; d++)
        pckit_keep_all(d);
}

/* Of its keys, so many are found, each with its content; they stay. */
static uint64_t found(unsigned d, uint64_t count)
{
    uint64_t hits = 0;

    for (uint64_t i = 0; i < count; i++) {
        int got = pckit_get_key(d, i, 1, true);

        CU_ASSERT_NOT_EQUAL_FATAL(got, -1);
        hits += got == 1;
    }
    return hits;
}

static mfn_t list[2 * PAGES];

static void take_some(uint64_t but, unsigned *count, unsigned order, unsigned flags)
{
    (void)alarm(PATIENCE_S);
    while (heap_free_pages() > but && heap_alloc(order, flags, &list[*count]))
        ++*count;
    (void)alarm(0);
}

static void take_all(uint64_t but, unsigned *count, unsigned order)
{
    take_some(but, count, order, HEAP_ANY);
}

/* One step takes a run; its pages count for nothing at once, are in the ledger, and misses. */
static void test_a_run(void)
{
    struct lagan_pcache_ledger l[17];
    struct lagan_pcache_stats s;
    uint64_t books;
    mfn_t m;

    start(1);
    for (uint64_t i = 0; spare_pages() + 600 < heap_free_pages(); i++)
        CU_ASSERT_NOT_EQUAL_FATAL(pckit_put(0, KIT_POOL, i, 1), 0);
    books = pckit_stats(0).pages;
    CU_ASSERT_TRUE_FATAL(heap_alloc(9, HEAP_CLEAR, &m));
    if (pckit_stats(0).dropped_host == 0) { /* the last free block was one */
        mfn_t first = m;

        CU_ASSERT_TRUE_FATAL(heap_alloc(9, HEAP_CLEAR, &m));
        heap_free(first, 9);
    }
    s = pckit_stats(0);
    CU_ASSERT_EQUAL(s.dropped_host, SPARE_RUN);
    CU_ASSERT_EQUAL(s.pages, books - SPARE_RUN);
    CU_ASSERT_EQUAL(kit_domain[0].pc->dropped.count, SPARE_RUN);
    CU_ASSERT_TRUE(pcache_tidy_pending());
    pckit_check();
    CU_ASSERT_EQUAL(pcache_get_ledger(kit_domain[0].pc, l, 17), 1);
    CU_ASSERT_EQUAL(l[0].other, DOMID_XEN);
    CU_ASSERT_EQUAL(l[0].for_host, SPARE_RUN);
    for (uint64_t i = 0; i < SPARE_RUN; i++)
        CU_ASSERT_TRUE(pckit_is_blank(mfn(m.n + i), 99));
    CU_ASSERT_EQUAL(found(0, books), books - SPARE_RUN);
    CU_ASSERT_EQUAL(kit_domain[0].pc->dropped.count, 0);
    CU_ASSERT_FALSE(pcache_tidy_pending());
    pckit_check();
    heap_free(m, 9);
    pckit_end();
}

/* What was dropped so is remembered like any other: asked for, it was a loss, and for whom. */
static void test_missed(void)
{
    struct lagan_pcache_ledger l[17];
    uint64_t refused, dropped;
    unsigned count = 0;

    pckit_start(PAGES, 1);
    fill(0, 1500);
    refused = pckit_stats(0).refused;
    CU_ASSERT_TRUE(refused < 100);
    take_all(900, &count, 9);
    dropped = pckit_stats(0).dropped_host;
    CU_ASSERT_TRUE(dropped >= SPARE_RUN);
    CU_ASSERT_EQUAL(pckit_stats(0).ghosts, dropped + refused);
    CU_ASSERT_EQUAL(found(0, 1500), 1500 - dropped - refused);
    CU_ASSERT_EQUAL(pcache_get_ledger(kit_domain[0].pc, l, 17), 1);
    CU_ASSERT_TRUE(l[0].missed > dropped / 2); /* not all names are remembered so long */
    pckit_check();
    while (count > 0)
        heap_free(list[--count], 9);
    pckit_end();
}

/* Two put side by side; the one who uses its pages keeps them as long as the other has runs. */
static void test_worth(void)
{
    unsigned count = 0;
    uint64_t had;

    start(2);
    for (uint64_t i = 0; i < 1500; i++) {
        CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, i, 1), 1);
        CU_ASSERT_EQUAL(pckit_put(1, KIT_POOL, i, 1), 1);
    }
    for (unsigned round = 0; round < 2; round++)
        CU_ASSERT_EQUAL(found(0, 1500), 1500);
    CU_ASSERT_TRUE(pckit_stats(0).worth > 0 && pckit_stats(1).worth == 0);
    had = pckit_stats(1).pages;
    while (pckit_stats(1).pages == had && pckit_stats(0).pages == 1500)
        take_all(heap_free_pages() - 128, &count, 7);
    CU_ASSERT_EQUAL(pckit_stats(0).dropped_host, 0);
    CU_ASSERT_TRUE(pckit_stats(1).dropped_host >= SPARE_RUN);
    CU_ASSERT_EQUAL(found(0, 1500), 1500);
    pckit_check();
    while (count > 0)
        heap_free(list[--count], 7);
    pckit_end();
}

/* No run goes that a floor needs a part of. */
static void test_floor(void)
{
    unsigned count = 0;

    start(2);
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[0].pc, 700, UINT32_MAX, 1), 0);
    fill(0, 1000);
    fill(1, 1000);
    CU_ASSERT_EQUAL(found(1, 1000), 1000);
    CU_ASSERT_TRUE(pckit_stats(0).worth < pckit_stats(1).worth);
    for (unsigned i = 0; i < 16 && pckit_stats(0).pages + pckit_stats(1).pages == 2000; i++)
        take_all(heap_free_pages() - 1, &count, 9);
    CU_ASSERT_EQUAL(pckit_stats(0).pages,
                    1000); /* not a part of a run in vain, though it is worth less */
    take_all(0, &count, 9);
    CU_ASSERT_TRUE(pckit_stats(0).pages >= 700);
    pckit_check();
    while (count > 0)
        heap_free(list[--count], 9);
    pckit_end();
}

/* A page that is being read, in the middle of a run that is wanted. */
static void test_reader(void)
{
    struct pcache_name n = {.pool = KIT_POOL};
    struct pcache_held h[16];
    unsigned count = 0;

    start(1);
    fill(0, MANY);
    for (unsigned i = 0; i < 16; i++) {
        n.key = 5 + i * MANY / 16;
        CU_ASSERT_TRUE_FATAL(pcache_get(kit_domain[0].pc, &n, true, &h[i]));
    }
    take_all(0, &count, 9);
    take_all(0, &count, 7);
    for (unsigned i = 0; i < 16; i++) {
        CU_ASSERT_TRUE(pckit_holds(h[i].frame, 0, 5 + i * MANY / 16, 1));
        pcache_get_end(kit_domain[0].pc, &h[i], true);
    }
    CU_ASSERT_TRUE(pckit_stats(0).pages >= 16);
    pckit_check();
    while (count > 0) {
        count--;
        heap_free(list[count], (unsigned)(frame_of(list[count])->use >> 56));
    }
    pckit_end();
}

/* The records of pages that are gone: by the client's calls, by CPUs with nothing to do, by flushes, at the end of a
 * pool and of the client. */
static void test_settling(void)
{
    struct pcache *pc;
    uint64_t flushed = 0, books;
    uint32_t cursor = 0;
    unsigned count = 0;

    start(1);
    pc = kit_domain[0].pc;
    fill(0, MANY);
    books = pc->books;
    take_all(1000, &count, 9);
    CU_ASSERT_TRUE_FATAL(pc->dropped.count > 1000);
    CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, MANY + 1, 1), 1);
    CU_ASSERT_EQUAL(pckit_get_key(0, MANY + 1, 1, true), 1);
    pckit_check();
    for (unsigned i = 0; i < 4; i++)
        pcache_tidy();
    CU_ASSERT_TRUE(pcache_tidy_pending());
    pckit_check();
    CU_ASSERT_EQUAL(pcache_flush_keys(pc, KIT_POOL, 0, 100, &cursor, &flushed), 0);
    pckit_check();
    while (pcache_tidy_pending())
        pcache_tidy();
    CU_ASSERT_EQUAL(pc->dropped.count, 0);
    CU_ASSERT_TRUE(pc->books < books - 1000 / 128);
    pckit_check();
    while (count > 0)
        heap_free(list[--count], 9);
    fill(0, MANY);
    take_all(1000, &count, 9);
    CU_ASSERT_TRUE(pc->dropped.count > 0);
    cursor = 0;
    CU_ASSERT_EQUAL(pcache_pool_destroy(pc, KIT_POOL, &cursor), 0);
    CU_ASSERT_EQUAL(pc->dropped.count, 0);
    pckit_check();
    while (count > 0)
        heap_free(list[--count], 9);
    CU_ASSERT_EQUAL(pcache_pool_new(pc, false), KIT_POOL);
    fill(0, MANY);
    take_all(1000, &count, 9);
    CU_ASSERT_TRUE(pc->dropped.count > 0);
    pckit_domain_end(0);
    CU_ASSERT_FALSE(pcache_tidy_pending());
    while (count > 0)
        heap_free(list[--count], 9);
    pckit_end();
}

/* Nobody gets a frame of a run while its former user's CPU can still write to it. */
static void test_tlb(void)
{
    struct pcache_query q = {.put = true, .put_name = {.key = 1}};
    struct account *a = &kit_domain[0].account;
    struct table_change c = {.from = 1};
    struct pcache_answer answer;
    mfn_t table[4], m, got;
    unsigned count = 0;

    start(2);
    for (unsigned i = 0; i < 4; i++)
        table[i] = pckit_frame(0, 10 + i);
    m = pckit_frame(0, 14);
    for (unsigned i = 0; i < 4; i++)
        *(uint64_t *)arch_map_frame(table[i]) =
            (i < 3 ? table[i + 1].n : m.n) << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    CU_ASSERT_EQUAL_FATAL(table_pin(a, table[0], 4), 0);
    host_tlb_load(2, a, table[0]);
    CU_ASSERT_TRUE(host_touch(2, 0, true, &got));
    CU_ASSERT_EQUAL(table_update(a, table[3], 0, &c), 0);
    CU_ASSERT_EQUAL(pcache_exchange(kit_domain[0].pc, m, &q, &answer), 0);
    CU_ASSERT_TRUE(answer.exchanged);
    fill(1, 2 * PAGES);
    CU_ASSERT_TRUE(host_touch(2, 0, true, &got));
    take_some(100, &count, 0, HEAP_BITS(33)); /* by place, as not all memory will do */
    CU_ASSERT_NOT_EQUAL(frame_state(frame_of(m)), FRAME_LENT);
    CU_ASSERT_FALSE(host_touch(2, 0, true, &got));
    pckit_check();
    while (count > 0)
        heap_free(list[--count], 0);
    host_tlb_load(2, NULL, mfn(0));
    CU_ASSERT_EQUAL(table_unpin(a, table[0]), 0);
    pckit_end();
}

/* Who gets one page over and over is not worth more than who uses all that it has. */
static void test_self_hits(void)
{
    start(2);
    fill(0, 1500);
    for (uint64_t i = 0; i < 1500; i++)
        (void)pckit_put(1, KIT_POOL, i, 1);
    for (unsigned i = 0; i < 4000; i++) {
        CU_ASSERT_EQUAL(pckit_get_key(0, 1499, 1, true), 1);
        if (i % 2) { /* and in the other form */
            (void)pckit_get_key(0, 1498, 1, false);
            (void)pckit_put(0, KIT_POOL, 1498, 1);
        }
    }
    CU_ASSERT_EQUAL(found(1, 1000), 1000);
    CU_ASSERT_TRUE(pckit_stats(0).worth < pckit_stats(1).worth / 8);
    pckit_check();
    pckit_end();
}

static const struct test_case cases[] = {{"a run", test_a_run},
                                         {"what is missed", test_missed},
                                         {"runs by worth", test_worth},
                                         {"floors and runs", test_floor},
                                         {"pages being read", test_reader},
                                         {"settling", test_settling},
                                         {"TLBs", test_tlb},
                                         {"hits on oneself", test_self_hits},
                                         {NULL, NULL}};

const struct suite suite_pcache_recall = {"pcache_recall", cases, NULL, NULL};
