/* SPDX-License-Identifier: MIT
 *
 * Accounts: register, limits, lent pages.
 */
#include "mm/claim.h"
#include "unittests/mm_kit.h"

static void test_register(void)
{
    struct account c;

    kit_start(64);
    CU_ASSERT_EQUAL(account_init(&c, 1, 10), -XEN_EEXIST);
    CU_ASSERT_EQUAL(account_init(&c, 0x8000, 10), -XEN_EINVAL);
    CU_ASSERT_PTR_EQUAL(account_find(1), &kit_a);
    CU_ASSERT_PTR_NULL(account_find(3));
    CU_ASSERT_PTR_NULL(account_find(0x7ff0));
    CU_ASSERT_PTR_NULL(account_find(0xffff));
    CU_ASSERT_EQUAL(account_init(&c, 600, 10), 0);
    CU_ASSERT_PTR_EQUAL(account_next(0), &kit_a);
    CU_ASSERT_PTR_EQUAL(account_next(3), &c);
    CU_ASSERT_PTR_NULL(account_next(601));
    account_destroy(&c);
    CU_ASSERT_PTR_NULL(account_find(600));
    host_fail_after(1);
    CU_ASSERT_EQUAL(account_init(&c, 0x2000, 10), -XEN_ENOMEM);
    CU_ASSERT(host_fail_off());
    CU_ASSERT_PTR_NULL(account_find(0x2000));
}

/* The register's pages come and go with the accounts in their range. */
static void test_register_pages(void)
{
    struct account c, d;
    uint64_t free;

    kit_start(64);
    free = heap_free_pages();
    CU_ASSERT_EQUAL(account_init(&c, 600, 10), 0);
    CU_ASSERT_EQUAL(heap_free_pages(), free - 1);
    CU_ASSERT_EQUAL(account_init(&d, 1023, 10), 0);
    CU_ASSERT_EQUAL(account_init(&kit_b, 1023, 10), -XEN_EEXIST);
    account_destroy(&c);
    CU_ASSERT_PTR_EQUAL(account_find(1023), &d);
    CU_ASSERT_EQUAL(heap_free_pages(), free - 1);
    account_destroy(&d);
    CU_ASSERT_EQUAL(heap_free_pages(), free);
    CU_ASSERT_PTR_NULL(account_find(1023));
    for (unsigned id = 3; id < DOMID_FIRST_RESERVED; id += 97) {
        CU_ASSERT_EQUAL(account_init(&c, (domid_t)id, 10), 0);
        account_destroy(&c);
    }
    CU_ASSERT_EQUAL(heap_free_pages(), free);
}

static unsigned emptied;

static void count_emptied(void)
{
    emptied++;
}

/* Whoever waits for the last frame of a dying account is told, and of no other. */
static void test_emptied(void)
{
    mfn_t m[3];

    kit_start(64);
    accounts_watch(count_emptied);
    emptied = 0;
    for (unsigned i = 0; i < 3; i++) {
        m[i] = kit_frame(i ? &kit_a : &kit_b);
        CU_ASSERT(frame_get(m[i], i ? 1 : 2));
    }
    CU_ASSERT_EQUAL(account_release(&kit_b, m[0]), 0);
    frame_put(m[0]);
    CU_ASSERT_EQUAL(account_relinquish(&kit_a), 0);
    CU_ASSERT(kit_a.pages == 2 && kit_b.pages == 0 && emptied == 0);
    frame_put(m[1]);
    CU_ASSERT_EQUAL(emptied, 0);
    frame_put(m[2]);
    CU_ASSERT_EQUAL(emptied, 1);
    kit_end();
}

/* Frames that are on their way to an account while it claims, or do not get there. */
static void test_claim_on_the_way(void)
{
    uint64_t from, free;
    mfn_t m, n;

    kit_start(256);
    free = heap_free_pages();
    CU_ASSERT_FATAL(heap_alloc_for(&kit_a, 0, HEAP_CLEAR, &m, &from));
    CU_ASSERT_EQUAL(from, 0);
    CU_ASSERT_EQUAL(claim_set(&kit_a, 10), 0);
    CU_ASSERT_EQUAL(account_give(&kit_a, m), 0);
    CU_ASSERT(kit_a.pages == 1 && claim_pages(&kit_a) == 9 && heap_claimed_pages() == 9);
    CU_ASSERT_FATAL(heap_alloc_for(&kit_a, 0, HEAP_CLEAR, &n, &from));
    CU_ASSERT(from == 1 && claim_pages(&kit_a) == 8);
    heap_free_for(&kit_a, n, 0, from);
    CU_ASSERT(claim_pages(&kit_a) == 9 && heap_claimed_pages() == 9);
    CU_ASSERT_EQUAL(heap_free_pages(), free - 1);
    /* It fails at the limit when the other has come, and claims no more than it lacks. */
    CU_ASSERT_FATAL(heap_alloc_for(&kit_a, 0, HEAP_CLEAR, &n, &from));
    CU_ASSERT_EQUAL(claim_set(&kit_a, 3), 0);
    CU_ASSERT_EQUAL(claim_pages(&kit_a), 2);
    heap_free_for(&kit_a, n, 0, from);
    CU_ASSERT(claim_pages(&kit_a) == 2 && heap_claimed_pages() == 2);
    CU_ASSERT_EQUAL(claim_set(&kit_a, 0), 0);
    CU_ASSERT_EQUAL(account_release(&kit_a, m), 0);
    kit_end();
}

static void test_limits(void)
{
    mfn_t m;

    kit_start(256);
    kit_a.max_pages = 10;
    CU_ASSERT_EQUAL(account_alloc(&kit_a, 4, 0, &m), -XEN_EPERM);
    CU_ASSERT_EQUAL(account_alloc(&kit_a, 3, 0, &m), 0);
    CU_ASSERT_EQUAL(kit_a.pages, 8);
    CU_ASSERT_EQUAL(m.n % 8, 0);
    CU_ASSERT_EQUAL(account_alloc(&kit_a, 2, 0, &m), -XEN_EPERM);
    CU_ASSERT_EQUAL(account_alloc(&kit_a, 1, HEAP_LOW, &m), 0);
    CU_ASSERT(m.n < HOST_HIGH_START);
    CU_ASSERT_EQUAL(account_alloc(&kit_a, 0, 0, &m), -XEN_EPERM);
    kit_a.max_pages = 5; /* set below what it has */
    CU_ASSERT_EQUAL(account_alloc(&kit_a, 0, 0, &m), -XEN_EPERM);
    CU_ASSERT_EQUAL(account_alloc(&kit_b, HEAP_MAX_ORDER + 1, 0, &m), -XEN_ENOMEM);
    kit_b.max_pages = UINT64_MAX;
    CU_ASSERT_EQUAL(account_alloc(&kit_b, 9, 0, &m), -XEN_ENOMEM);
    host_fail_after(1);
    CU_ASSERT_EQUAL(account_alloc(&kit_b, 0, 0, &m), -XEN_ENOMEM);
    CU_ASSERT(host_fail_off());
    CU_ASSERT_EQUAL(kit_b.pages, 0);
    kit_check(0);
    kit_end();
}

/* A frame comes cleared, whatever its last owner wrote. */
static void test_cleared(void)
{
    mfn_t m;

    kit_start(64);
    for (unsigned i = 0; i < 40; i++) {
        m = kit_frame(i % 2 ? &kit_a : &kit_b);
        for (unsigned j = 0; j < TABLE_ENTRIES; j++)
            if (*kit_entry(m, j) != 0)
                CU_FAIL("content of another owner");
        for (unsigned j = 0; j < TABLE_ENTRIES; j++)
            *kit_entry(m, j) = 0xdeadbeef;
        CU_ASSERT_EQUAL(account_release(i % 2 ? &kit_a : &kit_b, m), 0);
    }
    kit_end();
}

static void test_release(void)
{
    mfn_t m, hv;

    kit_start(64);
    m = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(account_release(&kit_b, m), -XEN_EINVAL);
    CU_ASSERT_EQUAL(account_release(&kit_a, mfn(HOST_MAX_MFN + 1)), -XEN_EINVAL);
    CU_ASSERT_FATAL(heap_alloc(0, 0, &hv));
    CU_ASSERT_EQUAL(account_release(&kit_a, hv), -XEN_EINVAL);
    heap_free(hv, 0);
    CU_ASSERT_EQUAL(kit_a.pages, 1);
    CU_ASSERT(HOST_PANICS(account_destroy(&kit_a)));
    kit_end();
}

static void test_share(void)
{
    unsigned before;
    mfn_t m, own;

    kit_start(64);
    own = kit_frame(&kit_a);
    CU_ASSERT_FATAL(heap_alloc(0, HEAP_CLEAR, &m));
    CU_ASSERT_EQUAL(account_share(&kit_a, own), -XEN_EINVAL);
    CU_ASSERT_EQUAL(account_share(&kit_a, m), 0);
    CU_ASSERT_EQUAL(account_share(&kit_a, m), -XEN_EINVAL);
    CU_ASSERT_EQUAL(kit_a.pages, 1); /* not charged */
    CU_ASSERT_EQUAL(account_release(&kit_a, m), -XEN_EINVAL);
    CU_ASSERT_FALSE(frame_get(m, 2));
    CU_ASSERT_EQUAL(frame_get_writable(m, 1), 0);
    CU_ASSERT_EQUAL(type_get(m, TYPE_L1), -XEN_EINVAL); /* never a table */
    CU_ASSERT_EQUAL(type_get(m, TYPE_SEGDESC), -XEN_EINVAL);
    CU_ASSERT_EQUAL(account_unshare(&kit_a, m), -XEN_EBUSY);
    CU_ASSERT_EQUAL(account_unshare(&kit_b, m), -XEN_EINVAL);
    frame_note_abroad(m);
    frame_put_writable(m);
    before = host_tlb_flush_count();
    CU_ASSERT_EQUAL(account_unshare(&kit_a, m), 0);
    CU_ASSERT_EQUAL(host_tlb_flush_count() - before, HOST_CPUS);
    CU_ASSERT_EQUAL(account_unshare(&kit_a, m), -XEN_EINVAL);
    CU_ASSERT_EQUAL(account_unshare(&kit_a, mfn(HOST_MAX_MFN)), -XEN_EINVAL);
    heap_free(m, 0);
    kit_end();
}

static const struct test_case cases[] = {
    {"register", test_register},
    {"pages of the register", test_register_pages},
    {"the last frame", test_emptied},
    {"claims and frames on the way", test_claim_on_the_way},
    {"limits", test_limits},
    {"cleared frames", test_cleared},
    {"release", test_release},
    {"lent pages", test_share},
    {0},
};
const struct suite suite_account = {"account", cases, NULL, NULL};
