/* SPDX-License-Identifier: MIT
 *
 * The page cache's exchanging form: whose frames are whose, what they hold, who may still see them.
 */
#include <string.h>

#include <lagan/arch.h>
#include "mm/heap_lists.h"
#include "mm/pcache_state.h"
#include "mm/pte.h"
#include "mm/type.h"
#include "unittests/pcache_kit.h"

enum { PAGES = 1024 };

static struct pcache_answer answer;

/* put: named `what`; get: the id of that name; 0: not asked for. */
static int exchange(unsigned d, mfn_t m, uint64_t put, uint64_t get_id)
{
    struct pcache_query q = {.put = put != 0, .get = get_id != 0};

    q.put_name.key = put;
    q.get_name.key = get_id;
    return pcache_exchange(kit_domain[d].pc, m, &q, &answer);
}

/* The frame goes, a blank one comes under its guest number; and back again without a byte copied. */
static void test_round_trip(void)
{
    mfn_t m, blank, back;
    uint64_t id, pages;

    pckit_start(PAGES, 2);
    m = pckit_frame(0, 77);
    pages = kit_domain[0].account.pages;
    pckit_fill(m, 0, 5, 1);
    CU_ASSERT_EQUAL(exchange(0, m, 5, 0), 0);
    CU_ASSERT_TRUE(answer.kept && answer.exchanged && answer.blank && !answer.hit);
    blank = answer.frame;
    id = answer.id;
    CU_ASSERT_NOT_EQUAL(blank.n, m.n);
    CU_ASSERT_EQUAL(frame_state(frame_of(m)), FRAME_LENT);
    CU_ASSERT_EQUAL(arch_m2p_get(m), UINT64_MAX);
    CU_ASSERT_EQUAL(arch_m2p_get(blank), 77);
    CU_ASSERT_TRUE(pckit_is_blank(blank, 0));
    CU_ASSERT_EQUAL(kit_domain[0].account.pages, pages);
    pckit_check();
    CU_ASSERT_EQUAL(exchange(0, blank, 0, id), 0);
    CU_ASSERT_TRUE(answer.hit && answer.exchanged && !answer.kept && !answer.blank);
    back = answer.frame;
    CU_ASSERT_EQUAL(back.n, m.n);
    CU_ASSERT_TRUE(pckit_holds(back, 0, 5, 1));
    CU_ASSERT_EQUAL(arch_m2p_get(back), 77);
    CU_ASSERT_EQUAL(exchange(0, back, 0, id), 0); /* a replay: a miss, and nothing changes */
    CU_ASSERT_TRUE(!answer.hit && !answer.exchanged);
    CU_ASSERT_EQUAL(answer.frame.n, back.n);
    pckit_check();
    pckit_end();
}

/* Put and got in one call. */
static void test_both(void)
{
    uint64_t id;
    mfn_t m;

    pckit_start(PAGES, 1);
    m = pckit_frame(0, 1);
    pckit_fill(m, 0, 1, 1);
    CU_ASSERT_EQUAL(exchange(0, m, 1, 0), 0);
    id = answer.id;
    pckit_fill(answer.frame, 0, 2, 1);
    CU_ASSERT_EQUAL(exchange(0, answer.frame, 2, id), 0);
    CU_ASSERT_TRUE(answer.hit && answer.kept && answer.exchanged);
    CU_ASSERT_TRUE(pckit_holds(answer.frame, 0, 1, 1));
    id = answer.id;
    CU_ASSERT_EQUAL(exchange(0, answer.frame, 0, id), 0);
    CU_ASSERT_TRUE(answer.hit && pckit_holds(answer.frame, 0, 2, 1));
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 0);
    pckit_check();
    pckit_end();
}

/* Frames that are not the domain's, or in use: nothing changes. */
static void test_refused(void)
{
    mfn_t m, other;

    pckit_start(PAGES, 2);
    m = pckit_frame(0, 1);
    other = pckit_frame(1, 1);
    CU_ASSERT_EQUAL(exchange(0, other, 1, 0), -XEN_EPERM);
    CU_ASSERT_EQUAL(exchange(0, mfn(HOST_MAX_MFN + 5), 1, 0), -XEN_EPERM);
    CU_ASSERT_EQUAL(exchange(0, MFN_INVALID, 1, 0), -XEN_EPERM);
    CU_ASSERT_EQUAL(exchange(0, mfn(0), 1, 0), -XEN_EPERM);
    CU_ASSERT_TRUE(frame_get(m, 1));
    CU_ASSERT_EQUAL(exchange(0, m, 1, 0), -XEN_EBUSY); /* as if it was mapped, or granted */
    CU_ASSERT_EQUAL(arch_m2p_get(m), 1);
    frame_put(m);
    CU_ASSERT_EQUAL(frame_get_writable(m, 1), 0);
    CU_ASSERT_EQUAL(exchange(0, m, 1, 0), -XEN_EBUSY);
    frame_put_writable(m);
    CU_ASSERT_EQUAL(account_release(&kit_domain[0].account, m), 0);
    CU_ASSERT_EQUAL(exchange(0, m, 1, 0), -XEN_EPERM); /* freed */
    CU_ASSERT_EQUAL(pckit_stats(0).puts, 0);
    pckit_check();
    pckit_end();
}

static void test_bad_pools(void)
{
    struct pcache_query q = {.put = true, .put_name = {.pool = 9, .key = 1}};
    int pool;
    mfn_t m;

    pckit_start(PAGES, 1);
    m = pckit_frame(0, 1);
    pckit_fill(m, 0, 1, 1);
    CU_ASSERT_EQUAL(pcache_exchange(kit_domain[0].pc, m, &q, &answer), -XEN_ENOENT);
    q.put_name.pool = PCACHE_POOLS;
    CU_ASSERT_EQUAL(pcache_exchange(kit_domain[0].pc, m, &q, &answer), -XEN_ENOENT);
    pool = pcache_pool_new(kit_domain[0].pc, true);
    q.put_name.pool = (unsigned)pool;
    CU_ASSERT_EQUAL(pcache_exchange(kit_domain[0].pc, m, &q, &answer), -XEN_EINVAL);
    CU_ASSERT_EQUAL(answer.frame.n, m.n);
    CU_ASSERT_EQUAL(frame_refs(frame_of(m)), 1); /* it was not withdrawn for good */
    pckit_check();
    pckit_end();
}

/* What a domain gave is never what another gets, before it was cleared. */
static void test_scrubbed(void)
{
    struct pcache_name n = {.pool = KIT_POOL, .key = 1};
    struct pcache_held h;
    int rc;

    pckit_start(PAGES, 2);
    pckit_keep_all(0);
    pckit_keep_all(1);
    for (unsigned d = 0; d < 2; d++) {
        for (uint64_t i = 1; i <= 3 * PAGES; i++) {
            mfn_t m = i <= 16 ? pckit_frame(d, i) : answer.frame;

            if (i % 7 == 0 && pcache_put(kit_domain[d].pc, &n, &h, &rc)) /* given up, not filled */
                CU_ASSERT_FALSE(pcache_put_end(kit_domain[d].pc, &h, false));
            pckit_fill(m, d, i, 1);
            CU_ASSERT_EQUAL_FATAL(exchange(d, m, i, 0), 0);
            CU_ASSERT_TRUE_FATAL(!answer.exchanged || pckit_is_blank(answer.frame, d));
        }
        pckit_check();
    }
    pckit_end();
}

/* A guest that still has a translation of a page that it gave: harmless while the page is in the cache, gone before
 * anybody else can have the frame. */
static void test_tlb(void)
{
    struct account *a = &kit_domain[0].account;
    mfn_t l4, l3, l2, l1, m, got;
    struct table_change c = {.from = 1};

    pckit_start(PAGES, 2);
    l4 = pckit_frame(0, 10), l3 = pckit_frame(0, 11), l2 = pckit_frame(0, 12);
    l1 = pckit_frame(0, 13), m = pckit_frame(0, 14);
    *(uint64_t *)arch_map_frame(l4) = l3.n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    *(uint64_t *)arch_map_frame(l3) = l2.n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    *(uint64_t *)arch_map_frame(l2) = l1.n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    *(uint64_t *)arch_map_frame(l1) = m.n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    CU_ASSERT_EQUAL_FATAL(table_pin(a, l4, 4), 0);
    host_tlb_load(2, a, l4);
    CU_ASSERT_TRUE(host_touch(2, 0, true, &got));
    CU_ASSERT_EQUAL(got.n, m.n);
    CU_ASSERT_EQUAL(exchange(0, m, 1, 0), -XEN_EBUSY); /* mapped */
    CU_ASSERT_EQUAL(table_update(a, l1, 0, &c), 0);
    CU_ASSERT_EQUAL(exchange(0, m, 1, 0), 0); /* not flushed by the guest */
    CU_ASSERT_TRUE(answer.exchanged);
    CU_ASSERT_TRUE(host_touch(2, 0, true, &got));
    CU_ASSERT_EQUAL(got.n, m.n);
    pckit_check();
    /* Dropped: to the heap. */
    CU_ASSERT_EQUAL(pcache_set_quota(kit_domain[0].pc, 0, 0, 1), 0);
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 0);
    CU_ASSERT_EQUAL(frame_state(frame_of(m)) == FRAME_LENT, false);
    CU_ASSERT_FALSE(host_touch(2, 0, true, &got));
    pckit_check();
    host_tlb_load(2, NULL, mfn(0));
    CU_ASSERT_EQUAL(table_unpin(a, l4), 0);
    pckit_end();
}

/* A table that is given while a CPU remembers having walked through it. */
static void test_tlb_table(void)
{
    struct account *a = &kit_domain[0].account;
    mfn_t l4, l3, l2, l1, m, got;
    struct table_change c = {.from = 1};

    pckit_start(PAGES, 1);
    l4 = pckit_frame(0, 10), l3 = pckit_frame(0, 11), l2 = pckit_frame(0, 12);
    l1 = pckit_frame(0, 13), m = pckit_frame(0, 14);
    *(uint64_t *)arch_map_frame(l4) = l3.n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    *(uint64_t *)arch_map_frame(l3) = l2.n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    *(uint64_t *)arch_map_frame(l2) = l1.n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    *(uint64_t *)arch_map_frame(l1) = m.n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    CU_ASSERT_EQUAL_FATAL(table_pin(a, l4, 4), 0);
    host_tlb_load(1, a, l4);
    CU_ASSERT_TRUE(host_touch(1, 0, false, &got));
    CU_ASSERT_EQUAL(table_update(a, l2, 0, &c), 0);
    while (table_drop(&c.old_table) == -XEN_ERESTART)
        ;
    CU_ASSERT_EQUAL(exchange(0, l1, 1, 0), 0);
    CU_ASSERT_TRUE(answer.exchanged);
    pckit_check();
    host_tlb_load(1, NULL, mfn(0));
    CU_ASSERT_EQUAL(table_unpin(a, l4), 0);
    pckit_end();
}

/* A domain that dies in the middle: the frame goes with it, and so does what was wanted. */
static void test_dying(void)
{
    struct account *a = &kit_domain[0].account;
    mfn_t m;

    pckit_start(PAGES, 1);
    m = pckit_frame(0, 1);
    pckit_fill(m, 0, 1, 1);
    a->dying = true;
    CU_ASSERT_EQUAL(exchange(0, m, 1, 0), 0);
    CU_ASSERT_TRUE(!answer.kept && !answer.exchanged);
    CU_ASSERT_EQUAL(a->pages, 0);
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 0);
    a->dying = false;
    pckit_check();
    pckit_end();
}

/* In the last runs that are lent altogether contents are copied, not frames swapped. */
static void test_whole_runs(void)
{
    uint64_t id, whole;
    mfn_t m;

    pckit_start(2048, 1);
    pckit_keep_all(0);
    m = pckit_frame(0, 1);
    for (uint64_t i = 1; i < 4000 && spare_whole_runs() == 0; i++)
        CU_ASSERT_NOT_EQUAL_FATAL(pckit_put(0, 0, i, 1), 0);
    whole = spare_whole_runs();
    id = pckit_put(0, 0, 9999, 1);
    for (unsigned i = 0; i < 8; i++) {
        struct slot *s = slot_at(kit_domain[0].pc, kit_domain[0].pc->kept.oldest);

        /* The oldest page is in the run. */
        pckit_fill(m, 0, 5000 + i, 2);
        CU_ASSERT_EQUAL(exchange(0, m, 5000 + i, s->id), 0);
        CU_ASSERT_TRUE(answer.hit && answer.kept);
        m = answer.frame;
        CU_ASSERT_EQUAL(*(uint64_t *)arch_map_frame(m) >> 56, 1);
        CU_ASSERT_NOT_EQUAL(*(uint64_t *)arch_map_frame(m) >> 24 & 0xffff, 5000 + i);
        id = answer.id;
    }
    CU_ASSERT_EQUAL(spare_whole_runs(), whole);
    CU_ASSERT_EQUAL(exchange(0, m, 0, id), 0);
    CU_ASSERT_TRUE(answer.hit && pckit_holds(answer.frame, 0, 5007, 2));
    pckit_check();
    pckit_end();
}

/* A hit makes the room for what is put beside it only if the ceiling still allows that many. */
static void test_ceiling(void)
{
    struct pcache_query q = {.put = true, .get = true};
    struct pcache *pc;
    struct pcache_held h[3];
    mfn_t m;

    pckit_start(PAGES, 1);
    pckit_keep_all(0);
    pc = kit_domain[0].pc;
    m = pckit_frame(0, 1);
    for (uint64_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(pckit_put(0, KIT_POOL, i, 1), 1);
    for (uint64_t i = 0; i < 3; i++) {
        struct pcache_name n = {.pool = KIT_POOL, .key = i};

        CU_ASSERT_TRUE_FATAL(pcache_get(pc, &n, true, &h[i]));
    }
    CU_ASSERT_EQUAL(pcache_set_quota(pc, 0, 1, 256), 0); /* none can be dropped now */
    pcache_get_end(pc, &h[2], true);
    q.get_name = (struct pcache_name){.pool = KIT_POOL, .key = 2};
    q.put_name = (struct pcache_name){.pool = KIT_POOL, .key = 3};
    CU_ASSERT_EQUAL(pcache_exchange(pc, m, &q, &answer), 0);
    CU_ASSERT_TRUE(answer.hit && !answer.kept);
    CU_ASSERT_TRUE(pckit_holds(answer.frame, 0, 2, 1));
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 2);
    pcache_get_end(pc, &h[0], true);
    pcache_get_end(pc, &h[1], true);
    m = answer.frame;
    q.get_name.key = 0;
    CU_ASSERT_EQUAL(pcache_exchange(pc, m, &q, &answer), 0);
    CU_ASSERT_TRUE(answer.hit && answer.kept); /* page 1 made way */
    CU_ASSERT_EQUAL(pckit_stats(0).pages, 1);
    CU_ASSERT_EQUAL(pckit_get_key(0, 1, 1, true), 0);
    pckit_check();
    pckit_end();
}

/* What cannot be kept after all (here: no memory for the index) is not lost to the guest. */
static void test_not_kept_after_all(void)
{
    struct pcache_query q = {.put = true, .put_name = {.pool = KIT_POOL, .key = 9}};
    mfn_t m;

    pckit_start(PAGES, 1);
    pckit_keep_all(0);
    m = pckit_frame(0, 1);
    CU_ASSERT_NOT_EQUAL(pckit_put(0, 0, 1, 1), 0); /* there are slots */
    pckit_fill(m, 0, 9, 1);
    host_fail_after(1);
    CU_ASSERT_EQUAL(pcache_exchange(kit_domain[0].pc, m, &q, &answer), 0);
    CU_ASSERT_TRUE(host_fail_off());
    CU_ASSERT_TRUE(answer.exchanged && !answer.kept && !answer.blank && !answer.hit);
    CU_ASSERT_TRUE(pckit_holds(answer.frame, 0, 9, 1));
    CU_ASSERT_EQUAL(pckit_stats(0).no_room, 1);
    pckit_check();
    pckit_end();
}

static const struct test_case cases[] = {{"there and back", test_round_trip},
                                         {"put and got in one", test_both},
                                         {"frames that are refused", test_refused},
                                         {"pools that are refused", test_bad_pools},
                                         {"nobody sees another's", test_scrubbed},
                                         {"translations that are left", test_tlb},
                                         {"walks that are left", test_tlb_table},
                                         {"a death in the middle", test_dying},
                                         {"whole runs stay whole", test_whole_runs},
                                         {"ceiling", test_ceiling},
                                         {"not kept after all", test_not_kept_after_all},
                                         {NULL, NULL}};

const struct suite suite_pcache_swap = {"pcache_swap", cases, NULL, NULL};
