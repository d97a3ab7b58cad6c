/* SPDX-License-Identifier: MIT
 *
 * Hosts without spare memory: all of it is another cache's, whose pages are worth more; or it is mapped. Who reads a volume for the
 * first time gets his blocks all the same.
 */
#include "mm/spare.h"
#include "unittests/ubc_kit.h"

/* ---- another lender has all of memory, and what it has is worth more ---- */

enum { CROWD = 1 << 15 };
static struct {
    mfn_t frame[CROWD];
    unsigned count;
} crowd;
static uint64_t crowd_worth;

static bool crowd_drop_frame(mfn_t m, const struct account *a)
{
    (void)m;
    (void)a;
    return false;
}

static unsigned crowd_drop(unsigned count, const struct account *a)
{
    mfn_t list[32];
    unsigned n = 0;

    (void)a;
    while (n < 32 && n < count && crowd.count > 0)
        list[n++] = crowd.frame[--crowd.count];
    spare_return(list, n);
    return n;
}

static uint64_t crowd_worst(void)
{
    return crowd.count ? crowd_worth : UINT64_MAX;
}

/* It borrows all that there is. */
static void crowd_comes(void)
{
    static const struct spare_lender other = {
        .worst = crowd_worst, .drop = crowd_drop, .drop_frame = crowd_drop_frame};

    crowd_worth = UINT64_MAX - 1;
    crowd.count = 0;
    spare_register(SPARE_PCACHE, &other);
    while (crowd.count < CROWD &&
           spare_borrow(SPARE_PCACHE, 0, SPARE_LAST, &crowd.frame[crowd.count]))
        crowd.count++;
    CU_ASSERT(crowd.count > 1000 && crowd.count < CROWD);
}

static void crowd_goes(void)
{
    while (crowd_drop(32, NULL))
        ;
}

/* What a reader waits for is there when he comes for it, though it is worth nothing yet, and more comes in after it. */
static void awaited(void)
{
    struct lagan_ubc_map op = {.block = 5, .address = ubc_va(0), .flags = LAGAN_UBC_WANT};

    ubc_start_with(1000);
    crowd_comes();
    CU_ASSERT_EQUAL(do_map_op(UREAD, ubc_one, &op), -XEN_EBUSY);
    for (uint64_t n = 5; n < 37; n++)
        (void)do_insert(UPUB, ubc_one, n, 1, 7);
    CU_ASSERT_EQUAL(do_map_op(UREAD, ubc_one, &op), 0);
    ubc_check();
    crowd_goes();
    ubc_end();
}

/* Somebody asks for the blocks from `first` on, and they come in. */
static void bring_wanted(uint64_t first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct lagan_ubc_map op = {.block = first + i, .flags = LAGAN_UBC_LOOK | LAGAN_UBC_WANT};

        CU_ASSERT_EQUAL(do_map_op(UREAD, ubc_one, &op), -XEN_EBUSY);
        CU_ASSERT_EQUAL(do_insert(UPUB, ubc_one, first + i, 1, 7), 0);
    }
}

/* Such pages go last, and to who needs memory; not to a new page, nor to another cache. */
static void awaited_last(void)
{
    struct account a;
    uint64_t free;
    uint32_t tag;
    mfn_t m;

    ubc_start_with(1000);
    bring_wanted(0, 10);
    ubc_bring(100, 5);
    crowd_comes();
    crowd_worth = 0;
    CU_ASSERT_FALSE(spare_make_room_for(SPARE_PCACHE, 0));
    CU_ASSERT_TRUE(spare_make_room_for(SPARE_PCACHE, UINT64_MAX));
    CU_ASSERT_EQUAL(do_stats(ubc_one).pages, 10);
    CU_ASSERT_FALSE(spare_make_room_for(SPARE_PCACHE, UINT64_MAX));
    crowd_worth = UINT64_MAX; /* they have nothing to give */
    CU_ASSERT_FALSE(ubc_frame_get(&m));
    CU_ASSERT_EQUAL(do_stats(ubc_one).pages, 10);
    crowd_worth = 0;
    crowd_goes();
    ubc_check();
    CU_ASSERT_EQUAL(do_read_tag(UREAD, ubc_one, 3, &tag), 0); /* has come, and is as any other */
    CU_ASSERT_TRUE(spare_make_room_for(SPARE_PCACHE, UINT64_MAX));
    CU_ASSERT_EQUAL(do_stats(ubc_one).pages, 9);
    ubc_check();
    CU_ASSERT_EQUAL_FATAL(account_init(&a, 77, UINT64_MAX), 0);
    free = heap_free_pages();
    while (account_alloc(&a, 0, HEAP_ANY, &m) == 0)
        free--;
    CU_ASSERT_EQUAL(free, 0);
    CU_ASSERT_EQUAL(do_stats(ubc_one).pages, 0);
    ubc_check();
    kit_relinquish(&a);
    account_destroy(&a);
    ubc_end();
}

/* A new page takes the frame of what is worth as little elsewhere before one of ours. */
static void worth_as_little(void)
{
    mfn_t m;

    ubc_start_with(1000);
    ubc_bring(0, 5);
    crowd_comes();
    crowd_worth = 0;
    CU_ASSERT_TRUE_FATAL(ubc_frame_get(&m));
    CU_ASSERT_EQUAL(do_stats(ubc_one).pages, 5);
    ubc_frame_put(m);
    crowd_goes();
    ubc_check();
    ubc_end();
}

/* There are so many at most as can be asked for at a time. */
static void awaited_most(void)
{
    ubc_start_with(1000);
    bring_wanted(0, 150);
    ubc_check();
    crowd_comes();
    crowd_worth = 0;
    CU_ASSERT_TRUE(spare_make_room_for(SPARE_PCACHE, UINT64_MAX));
    CU_ASSERT_EQUAL(do_stats(ubc_one).pages, 128);
    CU_ASSERT_PTR_NULL(ubc_page_of(21));
    CU_ASSERT_PTR_NOT_NULL(ubc_page_of(22));
    CU_ASSERT_FALSE(spare_make_room_for(SPARE_PCACHE, UINT64_MAX));
    CU_ASSERT_EQUAL(do_invalidate(UPUB, ubc_one, 0, 1000, NULL), 0);
    crowd_goes();
    ubc_check();
    ubc_end();
}

/* No memory is to spare, and somebody has mapped some: it goes from hand to hand. */
static void turns(void)
{
    uint32_t h[64], other;
    uint64_t now = 1000;

    host_set_time(now);
    ubc_start_with(1000);
    ubc_bring(0, 65);
    CU_ASSERT_EQUAL(do_map_block(UREAD2, ubc_one, 64, 0, &other), 0);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD2, ubc_one, other), 0);
    for (unsigned i = 0; i < 64; i++)
        CU_ASSERT_EQUAL_FATAL(do_map_block(UREAD, ubc_one, i, i, &h[i]), 0);
    account_set_max_pages(ud[UREAD].account, ud[UREAD].account->pages); /* it gets no copies */
    ubc_engine.reserve = heap_free_pages() + 64;                        /* more than they have */
    CU_ASSERT_EQUAL(do_map_block(UREAD2, ubc_one, 64, 0, &other), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(ubc_engine.press.want, 0);
    ubc_engine.reserve = heap_free_pages() + 2;
    CU_ASSERT_EQUAL(do_map_block(UREAD2, ubc_one, 64, 0, &other), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(ubc_engine.press.want, 3);
    for (uint64_t when; (when = ubc_housekeep()) != 0; host_set_time(now))
        now = when;
    CU_ASSERT_EQUAL(do_map_block(UREAD2, ubc_one, 64, 0, &other), 0);
    ubc_check();
    ubc_end();
    host_set_time(0);
}

static const struct test_case cases[] = {
    {"what is waited for on a full host", awaited}, {"what is waited for goes last", awaited_last},
    {"what is worth as little", worth_as_little},   {"not too much is waited for", awaited_most},
    {"mapped pages go from hand to hand", turns},   {NULL, NULL}};
const struct suite suite_ubc_crowd = {"ubc_crowd", cases, NULL, NULL};
