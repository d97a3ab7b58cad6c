/* SPDX-License-Identifier: MIT
 *
 * Pages that are wanted back by a time: which those are, what becomes of them, and what their blocks' readers have
 * meanwhile.
 */
#include <string.h>

#include "mm/window.h"
#include "unittests/ubc_kit.h"

enum { BLOCKS = 100, TIME = 500, LATER = 1000 };

static uint64_t volume;

static void fill(void)
{
    for (uint64_t b = 0; b < BLOCKS; b++)
        CU_ASSERT_EQUAL(do_insert(UPUB, volume, b, 1, (uint32_t)b + 100), 0);
}

static void start(void)
{
    host_set_time(LATER);
    ubc_start();
    volume = ubc_make_shared(1, BLOCKS);
    fill();
}

static void end(void)
{
    ubc_check();
    ubc_end();
    host_set_time(0);
}

static uint32_t map(unsigned d, uint64_t block, unsigned n)
{
    uint32_t h = UINT32_MAX;

    CU_ASSERT_EQUAL_FATAL(do_map_block(d, volume, block, n, &h), 0);
    return h;
}

static int revoke(unsigned d, uint64_t count)
{
    return do_revoke(d, volume, 0, count, TIME);
}

/* The handles of the domain's that are wanted back; the first of them in *h. */
static unsigned wanted(unsigned d, uint32_t *h)
{
    struct lagan_ubc_unmap next = {0};
    unsigned count = 0;

    for (; do_next(d, volume, &next) == 0; next.handle++)
        if (next.status == LAGAN_UBC_WANTED && count++ == 0)
            *h = next.handle;
    return count;
}

static bool says(unsigned d, unsigned n, uint64_t block, uint32_t expected)
{
    uint32_t tag;

    return ubc_sees(d, n, block, &tag) && tag == expected;
}

static void bury(void)
{
    while (ubc_housekeep())
        host_set_time(arch_time_ns() + LATER);
}

/* ---- its life ---- */

static void in_time(void)
{
    struct lagan_ubc_unmap next = {.handle = 0};
    uint32_t h1, h2;

    start();
    h1 = map(UREAD, 10, 0);
    h2 = map(UREAD, 20, 1);
    (void)map(UREAD, 60, 2);
    CU_ASSERT_TRUE(says(UREAD, 0, 10, 110));
    CU_ASSERT_EQUAL(revoke(UPUB, 50), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(ubc_told, UINT64_C(1) << ud[UREAD].account->id);
    CU_ASSERT_EQUAL(do_stats(volume).pages, 52);
    CU_ASSERT_EQUAL(revoke(UPUB, 50), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(ubc_told, 0);
    CU_ASSERT_EQUAL(revoke(UPUB, 51), -XEN_EBUSY);
    ubc_check();
    CU_ASSERT_EQUAL(do_next(UREAD, volume, &next), 0);
    CU_ASSERT_EQUAL(next.handle, h1);
    CU_ASSERT_EQUAL(next.status, LAGAN_UBC_WANTED);
    CU_ASSERT_EQUAL(next.block, 10);
    CU_ASSERT_TRUE(says(UREAD, 0, 10, 110));
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, next.handle), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 10, 0, &h1), -XEN_ENOENT);
    CU_ASSERT_EQUAL(revoke(UPUB, 50), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(do_stats(volume).pages, 51);
    host_set_time(LATER + TIME - 1);
    CU_ASSERT_EQUAL(revoke(UPUB, 50), -XEN_EAGAIN);
    host_set_time(LATER + TIME);
    CU_ASSERT_EQUAL(revoke(UPUB, 50), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 1), 0);
    CU_ASSERT_NOT_EQUAL(ubc_pte(UREAD, 2) & PTE_P, 0);
    next.handle = 0;
    CU_ASSERT_EQUAL(do_next(UREAD, volume, &next), 0);
    CU_ASSERT_EQUAL(next.handle, h2);
    CU_ASSERT_EQUAL(next.status, LAGAN_UBC_GONE);
    next.handle++;
    CU_ASSERT_EQUAL(do_next(UREAD, volume, &next), -XEN_ENOENT);
    CU_ASSERT_EQUAL(do_stats(volume).revoked, 50);
    CU_ASSERT_EQUAL(do_stats(volume).taken, 1); /* what is let go of is not taken */
    end();
}

/* Nobody has any of it: at once. */
static void idle(void)
{
    start();
    CU_ASSERT_EQUAL(do_revoke(UCONTROL, volume, 0, 100, LAGAN_UBC_TIMEOUT_MAX + 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(do_revoke(UCONTROL, volume, 0, 100, LAGAN_UBC_TIMEOUT_MAX), 0);
    CU_ASSERT_EQUAL(do_stats(volume).pages, 0);
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 0, 1, 1), 0);
    end();
}

/* A publisher with the longest time there is: it is in nobody's way for longer, nor when it is gone, nor in the
 * control domain's. */
static void for_long(void)
{
    uint32_t h;

    start();
    (void)map(UREAD, 10, 0);
    CU_ASSERT_EQUAL(do_revoke(UPUB, volume, 0, 50, UINT64_MAX), -XEN_EINVAL);
    CU_ASSERT_EQUAL(do_revoke(UPUB, volume, 0, 50, LAGAN_UBC_TIMEOUT_MAX), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(do_revoke(UPUB, volume, 0, 51, 9), -XEN_EBUSY);
    host_set_time(LATER + LAGAN_UBC_TIMEOUT_MAX);
    CU_ASSERT_TRUE(
        says(UREAD, 0, 10, 110)); /* it has not been asked for again: nothing is taken... */
    CU_ASSERT_EQUAL(wanted(UREAD, &h), 1); /* ...and it is wanted still */
    CU_ASSERT_EQUAL(do_revoke(UPUB, volume, 0, 51, LAGAN_UBC_TIMEOUT_MAX), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(do_revoke(UCONTROL, volume, 0, 20, 9), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(do_revoke(UPUB, volume, 50, 20, 9), -XEN_EBUSY);
    host_set_time(LATER + 9 + LAGAN_UBC_TIMEOUT_MAX);
    CU_ASSERT_EQUAL(do_revoke(UCONTROL, volume, 0, 20, 0), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0), 0);
    (void)map(UREAD2, 60, 3);
    CU_ASSERT_EQUAL(do_revoke(UPUB, volume, 50, 20, LAGAN_UBC_TIMEOUT_MAX), -XEN_EAGAIN);
    ubc_kill(UPUB);
    ubc_restart(UPUB);
    CU_ASSERT_EQUAL(ubc_give(volume, UPUB, LAGAN_UBC_PUBLISH, 0), 0);
    CU_ASSERT_EQUAL(do_revoke(UPUB, volume, 0, 10, LAGAN_UBC_TIMEOUT_MAX), 0);
    end();
}

/* All that is mapped, in steps; and again. */
static void many(void)
{
    uint32_t h[BLOCKS];

    start();
    for (unsigned n = 0; n < BLOCKS; n++)
        h[n] = map(UREAD, n, n);
    host_preempt_every(1);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(ubc_told, UINT64_C(1) << ud[UREAD].account->id);
    CU_ASSERT_EQUAL(wanted(UREAD, &h[0]), BLOCKS);
    for (unsigned n = 0; n < BLOCKS; n += 2)
        CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h[n]), 0);
    ubc_check();
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    host_set_time(LATER + TIME);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), 0);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(do_stats(volume).pages, 0);
    CU_ASSERT_EQUAL(do_stats(volume).revoked, BLOCKS);
    CU_ASSERT_EQUAL(do_stats(volume).taken, BLOCKS / 2);
    CU_ASSERT_EQUAL(do_stats(volume).mapped, 0);
    end();
}

/* The time is over before it begins: even so what comes in is not taken. */
static void at_once(void)
{
    start();
    (void)map(UREAD, 10, 0);
    (void)map(UREAD2, 10, 0);
    CU_ASSERT_EQUAL(do_revoke(UPUB, volume, 0, 50, 0), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0) | ubc_pte(UREAD2, 0), 0);
    CU_ASSERT_EQUAL(do_stats(volume).pages, 50);
    end();
}

/* ---- blocks meanwhile ---- */

static void new_pages(void)
{
    uint32_t h, unused;

    start();
    h = map(UREAD, 10, 0);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(do_map_block(UREAD2, volume, 10, 0, &unused), -XEN_ENOENT);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, volume, 10, &unused), -XEN_ENOENT);
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 10, 1, 5), 0); /* one that is wanted back */
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 10, 1, 5), -XEN_EEXIST);
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 20, 1, 6), 0); /* one that was not mapped */
    (void)map(UREAD2, 10, 0);
    (void)map(UREAD, 20, 1);
    ubc_check();
    CU_ASSERT_TRUE(says(UREAD, 0, 10, 110));
    CU_ASSERT_TRUE(says(UREAD2, 0, 10, 5));
    CU_ASSERT_EQUAL(wanted(UREAD2, &unused), 0);
    CU_ASSERT_EQUAL(wanted(UREAD, &unused), 1);
    CU_ASSERT_EQUAL(unused, h);
    CU_ASSERT_EQUAL(do_stats(volume).pages, 3);
    CU_ASSERT_EQUAL(do_stats(volume).mapped, 3);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    host_set_time(LATER + TIME);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0), 0);
    CU_ASSERT_TRUE(says(UREAD2, 0, 10, 5));
    CU_ASSERT_TRUE(says(UREAD, 1, 20, 6));
    CU_ASSERT_EQUAL(do_stats(volume).taken, 1);
    CU_ASSERT_EQUAL(do_stats(volume).revoked, BLOCKS);
    /* It is over; another one is about all that is there. */
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(wanted(UREAD2, &unused), 1);
    end();
}

/* What comes in before the pass has come so far is not what it is about. */
static void ahead_of_the_pass(void)
{
    struct lagan_ubc_range in = {.count = BLOCKS, .timeout_ns = TIME};
    struct ubc_tell tell;
    struct ubc_ref ref;

    start();
    (void)map(UREAD, 10, 0);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 99, 1, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(ubc_get(&ud[UPUB].client, false, volume, &ref), 0);
    CU_ASSERT_EQUAL(ubc_revoke(&ref, &in, &tell), -XEN_ERESTART);
    CU_ASSERT_EQUAL(tell.count, 0);
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 99, 2, 7), 0);
    (void)map(UREAD2, 99, 0);
    ubc_put(&ref);
    host_set_time(LATER + TIME); /* not even by force */
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0), 0);
    CU_ASSERT_TRUE(says(UREAD2, 0, 99, 7));
    end();
}

static uint64_t news(unsigned d)
{
    struct ubc_tell tell;
    uint64_t ids = 0;
    struct ubc_ref ref;

    CU_ASSERT_EQUAL_FATAL(ubc_get(&ud[d].client, d == UCONTROL, volume, &ref), 0);
    ubc_news(&ref, &tell);
    ubc_put(&ref);
    for (unsigned i = 0; i < tell.count; i++)
        ids |= UINT64_C(1) << tell.id[i];
    return ids;
}

/* Both wait for what the other has, and let go of nothing before they have it. */
static void crosswise(void)
{
    const uint64_t readers = UINT64_C(1) << ud[UREAD].account->id | UINT64_C(1)
                                                                        << ud[UREAD2].account->id;
    struct lagan_ubc_map op[2];
    uint32_t h[2];

    start();
    h[0] = map(UREAD, 10, 0);
    h[1] = map(UREAD2, 20, 0);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(ubc_told, readers);
    for (unsigned i = 0; i < 2; i++) {
        struct lagan_ubc_want want = {0};

        op[i] = (struct lagan_ubc_map){
            .block = i ? 10 : 20, .address = ubc_va(1), .flags = LAGAN_UBC_WANT};
        CU_ASSERT_EQUAL(do_map_op(UREAD + i, volume, &op[i]), -XEN_EBUSY);
        CU_ASSERT_EQUAL(news(UREAD + i), UINT64_C(1) << ud[UPUB].account->id);
        CU_ASSERT_EQUAL(do_wanted(UPUB, volume, &want), 0);
        CU_ASSERT_EQUAL(want.block, op[i].block);
    }
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    for (unsigned i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(do_insert(UPUB, volume, op[i].block, 1, 5), 0);
    CU_ASSERT_EQUAL(news(UPUB), readers);
    for (unsigned i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(do_map_op(UREAD + i, volume, &op[i]), 0);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    for (unsigned i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(do_unmap_handle(UREAD + i, volume, h[i]), 0);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), 0);
    CU_ASSERT_EQUAL(do_stats(volume).taken, 0);
    CU_ASSERT_EQUAL(do_stats(volume).mapped, 2);
    end();
}

/* ---- pages that are wanted back and something else ---- */

/* Nobody goes on with it. What is let go of is the heap's, nevertheless. */
static void given_up(void)
{
    uint64_t free;
    uint32_t h;

    start();
    h = map(UREAD, 10, 0); /* what it takes besides stays */
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    bury();
    free = heap_free_pages();
    h = map(UREAD, 10, 0);
    CU_ASSERT_EQUAL(heap_free_pages(), free - 1);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    CU_ASSERT_EQUAL(ubc_engine.busy, 0);
    CU_ASSERT(heap_free_pages() >= free);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 10, 0, &h),
                    -XEN_ENOENT); /* it is there, and found by nobody */
    CU_ASSERT_EQUAL(do_stats(volume).pages, 1);
    ubc_check();
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 10, 1, 5), 0);
    (void)map(UREAD, 10, 0);
    CU_ASSERT_EQUAL(revoke(UCONTROL, 50), -XEN_EAGAIN); /* another takes its place */
    CU_ASSERT_EQUAL(do_stats(volume).pages, 1);
    CU_ASSERT_EQUAL(wanted(UREAD, &h), 1);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    CU_ASSERT_EQUAL(ubc_reclaim(BLOCKS), 1);
    ubc_check();
    CU_ASSERT_EQUAL(revoke(UCONTROL, 50), 0);
    CU_ASSERT_EQUAL(do_stats(volume).pages, 0);
    end();
}

/* Two revocations, of which the first was given up: no block has three pages. */
static void one_after_the_other(void)
{
    uint32_t older, newer, h;

    start();
    older = map(UREAD, 10, 0);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 10, 1, 5), 0);
    newer = map(UREAD2, 10, 0);
    CU_ASSERT_EQUAL(revoke(UCONTROL, 50), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(wanted(UREAD2, &h), 0);
    (void)map(UREAD, 10, 1); /* it is still found */
    CU_ASSERT_EQUAL(revoke(UCONTROL, 50), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(ubc_told, 0);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, older), 0);
    CU_ASSERT_EQUAL(revoke(UCONTROL, 50), -XEN_EAGAIN);
    CU_ASSERT_NOT_EQUAL(ubc_told, 0); /* now the other is wanted */
    CU_ASSERT_EQUAL(wanted(UREAD2, &h), 1);
    CU_ASSERT_EQUAL(h, newer);
    CU_ASSERT_EQUAL(do_map_block(UREAD2, volume, 10, 1, &h), -XEN_ENOENT);
    ubc_check();
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 10, 1, 6), 0);
    (void)map(UREAD2, 10, 1);
    CU_ASSERT_EQUAL(do_revoke(UCONTROL, volume, 0, 20, TIME), -XEN_EAGAIN);
    host_set_time(LATER + TIME);
    CU_ASSERT_EQUAL(do_revoke(UCONTROL, volume, 0, 20, TIME), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 1) | ubc_pte(UREAD2, 0) | ubc_pte(UREAD2, 1), 0);
    CU_ASSERT_EQUAL(do_stats(volume).pages, 0);
    end();
}

/* When the block changes both its pages are old. */
static void invalidated(void)
{
    uint32_t h;

    start();
    (void)map(UREAD, 10, 0);
    (void)map(UREAD, 11, 1);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 10, 1, 110), 0);
    (void)map(UREAD2, 10, 0);
    CU_ASSERT_TRUE(says(UREAD, 0, 10, 110));
    host_preempt_every(1);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 10, 1, NULL), 0);
    host_preempt_every(0);
    CU_ASSERT_FALSE(says(UREAD, 0, 10, 110));
    CU_ASSERT_FALSE(says(UREAD2, 0, 10, 110));
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0) | ubc_pte(UREAD2, 0), 0);
    CU_ASSERT_TRUE(says(UREAD, 1, 11, 111));
    CU_ASSERT_EQUAL(do_stats(volume).invalidated, 2);
    ubc_check();
    CU_ASSERT_EQUAL(do_renew(UPUB, &volume, 2, BLOCKS), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 1), 0);
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 11, ubc_epoch(1), 1), 0);
    h = map(UREAD, 11, 1);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    end();
}

/* The host wants memory at the same time: the reader has copies of what was wanted back, which an invalidate finds. */
static void pressed(void)
{
    uint64_t now = LATER, when;

    start();
    for (unsigned n = 0; n < BLOCKS; n++)
        (void)map(UREAD, n, n);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    ubc_lack(BLOCKS);
    while ((when = ubc_housekeep()) != 0 && when < now + 10 * LAGAN_UBC_GRACE_NS)
        host_set_time(when);
    CU_ASSERT_EQUAL(do_stats(volume).copied, BLOCKS);
    CU_ASSERT_EQUAL(ubc_engine.busy, 0);
    CU_ASSERT_EQUAL(ubc_idle_pages(), BLOCKS);
    CU_ASSERT_EQUAL(do_stats(volume).taken, 0);
    CU_ASSERT_TRUE(says(UREAD, 10, 10, 110));
    ubc_check();
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 10, 1, NULL), 0);
    CU_ASSERT_FALSE(says(UREAD, 10, 10, 110));
    CU_ASSERT_TRUE(says(UREAD, 11, 11, 111));
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), 0);
    CU_ASSERT_EQUAL(do_stats(volume).pages, 0);
    end();
}

/* There is no memory to note that a page is wanted: it is tried again, and its time is the same. */
static void no_memory(void)
{
    uint32_t h;

    start();
    (void)map(UREAD, 10, 0);
    host_fail_after(1);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    CU_ASSERT_TRUE(host_fail_off());
    CU_ASSERT_EQUAL(wanted(UREAD, &h), 0);
    ubc_check();
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    CU_ASSERT_NOT_EQUAL(ubc_told, 0);
    CU_ASSERT_EQUAL(wanted(UREAD, &h), 1);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), 0);
    fill();
    (void)map(UREAD, 10, 0);
    host_set_time(LATER + TIME);
    host_fail_after(1);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    host_set_time(LATER + 2 * TIME);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), 0);
    (void)host_fail_off();
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0), 0);
    end();
}

/* A reader's own entries stay as long as its handle, and no longer. */
static void own_entries(void)
{
    struct table_change c = {0};
    struct lagan_ubc_open io;
    mfn_t old, new;
    uint32_t h;

    host_set_time(LATER);
    ubc_start();
    volume = ubc_make_slotted(1, BLOCKS);
    fill();
    CU_ASSERT_EQUAL(do_open(UREAD, 1, &io), 0);
    h = map(UREAD, 10, 0);
    old = pte_frame(ubc_pte(UREAD, 0));
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 10, 1, 5), 0);
    (void)map(UREAD2, 10, 0);
    new = pte_frame(ubc_pte(UREAD2, 0));
    CU_ASSERT_NOT_EQUAL(old.n, new.n);
    CU_ASSERT_EQUAL(arch_m2p_get(old), io.slots + 10);
    CU_ASSERT_EQUAL(arch_m2p_get(new), io.slots + 10);
    c.entry = kit_pte(old, KIT_RO | WINDOW_ENTRY);
    c.from = ud[UREAD].account->id;
    CU_ASSERT_EQUAL(table_update(ud[UREAD].account, ud[UREAD].space.l1[0], KIT_DATA + 5, &c), 0);
    CU_ASSERT_TRUE(says(UREAD, 5, 10, 110));
    ubc_check();
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    CU_ASSERT_EQUAL(revoke(UPUB, BLOCKS), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 5), 0);
    CU_ASSERT_EQUAL(arch_m2p_get(old), UINT64_MAX);
    CU_ASSERT_EQUAL(arch_m2p_get(new), io.slots + 10);
    CU_ASSERT_TRUE(says(UREAD2, 0, 10, 5));
    end();
}

static const struct test_case cases[] = {{"in time, and when it is over", in_time},
                                         {"what nobody has", idle},
                                         {"with a long time", for_long},
                                         {"more than a step", many},
                                         {"with no time", at_once},
                                         {"blocks that come in meanwhile", new_pages},
                                         {"blocks ahead of the pass", ahead_of_the_pass},
                                         {"two that wait for each other's", crosswise},
                                         {"given up", given_up},
                                         {"one after the other", one_after_the_other},
                                         {"and invalidated", invalidated},
                                         {"and the host wants memory", pressed},
                                         {"and there is no memory", no_memory},
                                         {"and own entries", own_entries},
                                         {NULL, NULL}};
const struct suite suite_ubc_revoke = {"ubc_revoke", cases, NULL, NULL};
