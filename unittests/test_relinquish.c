/* SPDX-License-Identifier: MIT
 *
 * The end of an account.
 */
#include "unittests/mm_kit.h"

static int step_until_done(struct account *a, unsigned *calls)
{
    int rc;

    for (*calls = 1; (rc = account_relinquish(a)) == -XEN_ERESTART; ++*calls)
        kit_check(0);
    return rc;
}

static void build_and_pin(struct kit_space *s, unsigned order_of_pins)
{
    kit_space_build(&kit_a, s);
    if (order_of_pins & 1)
        CU_ASSERT_EQUAL(table_pin(&kit_a, s->l1[1], 1), 0);
    if (order_of_pins & 2)
        CU_ASSERT_EQUAL(table_pin(&kit_a, s->l4, 4), 0);
    if (order_of_pins & 4)
        CU_ASSERT_EQUAL(table_pin(&kit_a, s->l3, 3), 0);
}

static void test_every_step(void)
{
    struct kit_space s[3];
    unsigned calls;

    for (unsigned n = 0; n < 6; n++) {
        mfn_t m;

        kit_start(256);
        for (unsigned i = 0; i < 3; i++)
            build_and_pin(&s[i], i + n);
        CU_ASSERT_EQUAL(table_set(&kit_a, s[2].l3, 9, kit_pte(s[0].l2, KIT_RW), false), 0);
        kit_check(0);
        host_preempt_every(n);
        CU_ASSERT_EQUAL(step_until_done(&kit_a, &calls), 0);
        CU_ASSERT(calls > 1 || n == 0);
        host_preempt_every(0);
        CU_ASSERT_EQUAL(kit_a.pages, 0);
        CU_ASSERT_EQUAL(account_alloc(&kit_a, 0, 0, &m), -XEN_EPERM); /* dying */
        kit_end();
    }
}

/* What others hold leaves when they let go. */
static void test_held_by_others(void)
{
    unsigned calls;
    mfn_t m, n;

    kit_start(64);
    m = kit_frame(&kit_a);
    n = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(frame_get_writable(m, 1), 0);
    CU_ASSERT_EQUAL(account_release(&kit_a, n) == 0 && kit_a.pages == 1, true);
    while (account_relinquish(&kit_a) == -XEN_ERESTART)
        ;
    CU_ASSERT_EQUAL(kit_a.pages, 1);
    kit_check(1);
    CU_ASSERT_EQUAL(account_relinquish(&kit_a), 0); /* again: nothing happens */
    frame_put_writable(m);
    CU_ASSERT_EQUAL(kit_a.pages, 0);
    CU_ASSERT_EQUAL(step_until_done(&kit_a, &calls), 0);
    kit_end();
}

/* The frame that would be next leaves the list between two calls. */
static void test_next_leaves(void)
{
    mfn_t first, next;
    unsigned calls;

    kit_start(64);
    (void)kit_frame(&kit_a);
    next = kit_frame(&kit_a);
    first = kit_frame(&kit_a); /* the newest heads the list */
    CU_ASSERT_TRUE(frame_get(next, 1));
    CU_ASSERT_EQUAL(account_release(&kit_a, next), 0);
    host_preempt_every(1);
    CU_ASSERT_EQUAL(account_relinquish(&kit_a), -XEN_ERESTART); /* looked for tables */
    CU_ASSERT_EQUAL(kit_a.cursor, first.n);
    CU_ASSERT_EQUAL(account_relinquish(&kit_a), -XEN_ERESTART);
    CU_ASSERT_EQUAL(frame_refs(frame_of(first)), 0);
    CU_ASSERT_EQUAL(kit_a.cursor, next.n);
    frame_put(next);
    CU_ASSERT_EQUAL(step_until_done(&kit_a, &calls), 0);
    CU_ASSERT_EQUAL(kit_a.pages, 0);
    kit_end();
}

/* A domain that dies while its tables are being torn down, or its pin was preempted. */
static void test_in_the_middle(void)
{
    struct kit_space s;
    unsigned calls;

    for (unsigned steps = 1; steps < 5; steps++) {
        kit_start(64);
        kit_space_build(&kit_a, &s);
        CU_ASSERT_EQUAL(table_pin(&kit_a, s.l4, 4), 0);
        host_preempt_every(1);
        for (unsigned i = 0; i < steps && table_unpin(&kit_a, s.l4) == -XEN_ERESTART; i++)
            ;
        CU_ASSERT_EQUAL(step_until_done(&kit_a, &calls), 0);
        CU_ASSERT_EQUAL(kit_a.pages, 0);
        kit_end();
    }
}

/* Self-mapped and mutually mapped tables do not keep each other alive. */
static void test_cycles(void)
{
    unsigned calls;
    mfn_t x, y;

    kit_start(64);
    x = kit_frame(&kit_a);
    y = kit_frame(&kit_a);
    *kit_entry(x, 0) = kit_pte(y, KIT_RO);
    *kit_entry(x, 1) = kit_pte(x, KIT_RO);
    *kit_entry(y, 0) = kit_pte(x, KIT_RO);
    CU_ASSERT_EQUAL(table_pin(&kit_a, x, 1), 0);
    CU_ASSERT_EQUAL(table_pin(&kit_a, y, 1), 0);
    CU_ASSERT_EQUAL(account_release(&kit_a, x), 0);
    kit_check(0);
    CU_ASSERT_EQUAL(step_until_done(&kit_a, &calls), 0);
    CU_ASSERT_EQUAL(kit_a.pages, 0);
    kit_end();
}

/* The worst that a guest can leave behind: a table that is the last use of all that it maps. Between
 * two points of preemption so few frames are given back that it stays under 100,000 instructions;
 * one on its own is less than a thousand. */
static void test_bound(void)
{
    enum { MAPPED = 512, TABLES = 3 };
    mfn_t table[TABLES], m;
    unsigned calls;

    kit_start(MAPPED * TABLES + 100);
    for (unsigned t = 0; t < TABLES; t++)
        table[t] = kit_frame(&kit_a);
    for (unsigned i = 0; i < MAPPED * TABLES; i++) {
        m = kit_frame(&kit_a);
        *kit_entry(table[i / MAPPED], i % MAPPED) = kit_pte(m, i & 1 ? KIT_RW : KIT_RO);
    }
    for (unsigned t = 0; t < TABLES; t++)
        CU_ASSERT_EQUAL(table_pin(&kit_a, table[t], 1), 0);
    for (unsigned i = 0; i < MAPPED * TABLES; i++)
        if (i / MAPPED != 1)
            CU_ASSERT_EQUAL(
                account_release(&kit_a, pte_frame(*kit_entry(table[i / MAPPED], i % MAPPED))), 0);
    host_preempt_every(1);
    (void)host_longest_work();
    CU_ASSERT_EQUAL(account_relinquish(&kit_a), -XEN_ERESTART);
    CU_ASSERT_NOT_EQUAL(kit_a.cursor, table[TABLES - 1].n); /* it is far, so it was not reached */
    CU_ASSERT_EQUAL(step_until_done(&kit_a, &calls), 0);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(kit_a.pages, 0);
    CU_ASSERT(host_longest_work() <= 100);
    kit_end();
}

static const struct test_case cases[] = {
    {"preempted at every step", test_every_step},
    {"frames held by others", test_held_by_others},
    {"the next frame leaves", test_next_leaves},
    {"death in the middle of a teardown", test_in_the_middle},
    {"tables that map each other", test_cycles},
    {"work between two points of preemption", test_bound},
    {0},
};
const struct suite suite_relinquish = {"relinquish", cases, NULL, NULL};
