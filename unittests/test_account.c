/* SPDX-License-Identifier: MIT
 *
 * Accounts: register, limits, lent pages.
 */
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
    {"register", test_register}, {"limits", test_limits},    {"cleared frames", test_cleared},
    {"release", test_release},   {"lent pages", test_share}, {0},
};
const struct suite suite_account = {"account", cases, NULL, NULL};
