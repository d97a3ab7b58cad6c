/* SPDX-License-Identifier: MIT
 *
 * Volumes and rights, inserts and reads, renewals and ends.
 */
#include <string.h>

#include "mm/spare.h"
#include "unittests/ubc_kit.h"

/* ---- volumes and rights ---- */

static void names(void)
{
    struct lagan_ubc_create in = {.id = {1}, .generation = 7, .blocks = 10}, out;
    struct lagan_ubc_open io;
    uint64_t first;

    ubc_start();
    CU_ASSERT_EQUAL(do_create(&in), 0);
    first = in.volume;
    CU_ASSERT_EQUAL(do_create(&in), -XEN_EEXIST);
    in.id[15] = 1;
    CU_ASSERT_EQUAL(do_create(&in), 0);
    CU_ASSERT_NOT_EQUAL(in.volume, first);
    CU_ASSERT_EQUAL(do_open(UCONTROL, 1, &io), 0);
    CU_ASSERT_EQUAL(io.volume, first);
    CU_ASSERT_EQUAL(io.generation, 7);
    CU_ASSERT_EQUAL(io.blocks, 10);
    CU_ASSERT_EQUAL(do_open(UREAD, 1, &io), -XEN_ENOENT);
    CU_ASSERT_EQUAL(do_open(UCONTROL, 2, &io), -XEN_ENOENT);
    CU_ASSERT_EQUAL(ubc_list(0, &out), 0);
    CU_ASSERT_EQUAL(out.volume, first);
    CU_ASSERT_EQUAL(ubc_list(2, &out), -XEN_ENOENT);
    CU_ASSERT_EQUAL(ubc_list(UBC_VOLUMES, &out), -XEN_ENXIO);
    CU_ASSERT_EQUAL(do_destroy(first), 0);
    CU_ASSERT_EQUAL(do_open(UCONTROL, 1, &io), -XEN_ENOENT);
    CU_ASSERT_EQUAL(do_destroy(first), -XEN_ENXIO);
    ubc_check();
    ubc_end();
}

static void malformed(void)
{
    struct lagan_ubc_create good = {.id = {1}, .generation = 1, .blocks = 10}, in;

    ubc_start();
    in = good, in.blocks = 0;
    CU_ASSERT_EQUAL(do_create(&in), -XEN_EINVAL);
    in = good, in.blocks = LAGAN_UBC_BLOCKS_MAX + 1;
    CU_ASSERT_EQUAL(do_create(&in), -XEN_EINVAL);
    in = good, in.flags = 2;
    CU_ASSERT_EQUAL(do_create(&in), -XEN_EINVAL);
    in = good, in.root[31] = 1;
    CU_ASSERT_EQUAL(do_create(&in), -XEN_EINVAL);
    in = good, in.flags = LAGAN_UBC_TREE, in.salt_bytes = 257;
    CU_ASSERT_EQUAL(do_create(&in), -XEN_EINVAL);
    in = good, in.flags = LAGAN_UBC_TREE, in.salt_bytes = 3, in.salt[3] = 1;
    CU_ASSERT_EQUAL(do_create(&in), -XEN_EINVAL);
    in = good, in.reserved[1] = 1;
    CU_ASSERT_EQUAL(do_create(&in), -XEN_EINVAL);
    ubc_end();
}

static void rights(void)
{
    uint64_t v;
    uint32_t tag, h;

    ubc_start();
    v = ubc_make(1, 100);
    CU_ASSERT_EQUAL(do_insert(UREAD, v, 5, 1, 9), -XEN_ENXIO);
    CU_ASSERT_EQUAL(ubc_give(v, UREAD, LAGAN_UBC_READ, 2), 0);
    CU_ASSERT_EQUAL(ubc_give(v, UPUB, LAGAN_UBC_PUBLISH, 0), 0);
    CU_ASSERT_EQUAL(do_insert(UREAD, v, 5, 1, 9), -XEN_EPERM);
    CU_ASSERT_EQUAL(do_insert(UPUB, v, 5, 1, 9), 0);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, v, 5, &tag), 0);
    CU_ASSERT_EQUAL(tag, 9);
    CU_ASSERT_EQUAL(do_read_tag(UPUB, v, 5, &tag), -XEN_EPERM);
    CU_ASSERT_EQUAL(do_read_tag(UREAD2, v, 5, &tag), -XEN_ENXIO);
    CU_ASSERT_EQUAL(do_map_block(UREAD2, v, 5, 0, &h), -XEN_ENXIO);
    CU_ASSERT_EQUAL(do_invalidate(UREAD, v, 0, 1, NULL), -XEN_EPERM);
    CU_ASSERT_EQUAL(do_renew(UREAD, &v, 2, 100), -XEN_EPERM);
    CU_ASSERT_EQUAL(do_revoke(UREAD, v, 0, 1, 0), -XEN_EPERM);
    CU_ASSERT_EQUAL(ubc_give(v, UREAD, 4, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ubc_give(v, UREAD, LAGAN_UBC_READ, LAGAN_UBC_LIMIT_MAX + 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(do_map_block(UREAD, v, 5, 0, &h), 0);
    CU_ASSERT_EQUAL(ubc_give(v, UREAD, LAGAN_UBC_READ, 0), -XEN_EBUSY);
    CU_ASSERT_EQUAL(ubc_give(v, UREAD, 0, 0), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0), 0);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, v, 5, &tag), -XEN_ENXIO);
    ubc_check();
    ubc_end();
}

static void many_volumes(void)
{
    struct lagan_ubc_create in = {.generation = 1, .blocks = 1};
    unsigned n = 0;

    ubc_start();
    do {
        memcpy(in.id, &n, sizeof(n));
        n++;
    } while (do_create(&in) == 0);
    CU_ASSERT_EQUAL(n, UBC_VOLUMES + 1);
    CU_ASSERT_EQUAL(do_create(&in), -XEN_ENOSPC);
    ubc_check();
    ubc_end();
}

/* ---- inserts ---- */

static void insert(void)
{
    struct lagan_ubc_insert in = {.block = 3};
    uint64_t page[PAGE_SIZE / 8], v;
    struct lagan_ubc_stats s;
    uint32_t tag;

    ubc_start();
    v = ubc_make_shared(1, 100);
    ubc_fill(page, 3, 1);
    CU_ASSERT_EQUAL(do_insert_page(UPUB, v, &in, 1, page), 0);
    CU_ASSERT_EQUAL(do_insert_page(UPUB, v, &in, 1, page), -XEN_EEXIST);
    in.block = 100;
    CU_ASSERT_EQUAL(do_insert_page(UPUB, v, &in, 1, page), -XEN_EINVAL);
    in.block = 4, in.level = 1;
    CU_ASSERT_EQUAL(do_insert_page(UPUB, v, &in, 1, page), -XEN_EINVAL);
    in.level = 0, in.flags = LAGAN_UBC_HASH;
    CU_ASSERT_EQUAL(do_insert_page(UPUB, v, &in, 1, page), -XEN_EINVAL);
    in.flags = 4;
    CU_ASSERT_EQUAL(do_insert_page(UPUB, v, &in, 1, page), -XEN_EINVAL);
    in.flags = 0, in.reserved0 = 1;
    CU_ASSERT_EQUAL(do_insert_page(UPUB, v, &in, 1, page), -XEN_EINVAL);
    CU_ASSERT_EQUAL(do_insert(UPUB, v, 99, 1, 2), 0);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, v, 99, &tag), 0);
    CU_ASSERT_EQUAL(tag, 2);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, v, 98, &tag), -XEN_ENOENT);
    s = do_stats(v);
    CU_ASSERT_EQUAL(s.pages, 2);
    CU_ASSERT_EQUAL(s.inserts, 2);
    CU_ASSERT_EQUAL(s.hits, 1);
    CU_ASSERT_EQUAL(s.misses, 1);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 2);
    ubc_check();
    ubc_end();
}

/* INV-UBC-4 */
static void late_insert(void)
{
    uint64_t v, before, after;
    uint32_t tag;

    ubc_start();
    v = ubc_make_shared(1, 1000);
    before = ubc_epoch(1);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, v, 10, 1, &after), 0);
    CU_ASSERT_EQUAL(do_insert(UPUB, v, 10, before, 1), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(do_insert(UPUB, v, 11, before, 1), 0);
    CU_ASSERT_EQUAL(do_insert(UPUB, v, 12, after + 1, 1), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(do_insert(UPUB, v, 10, after, 2), 0);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, v, 10, &tag), 0);
    CU_ASSERT_EQUAL(tag, 2);
    CU_ASSERT_EQUAL(do_stats(v).refused, 2);
    /* All of it: each block is in some group. */
    CU_ASSERT_EQUAL(do_invalidate(UPUB, v, 0, 1000, NULL), 0);
    for (uint64_t b = 0; b < 1000; b++)
        CU_ASSERT_EQUAL(do_insert(UPUB, v, b, after, 3), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(do_stats(v).pages, 0);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, v, 999, 2, NULL), -XEN_EINVAL);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, v, 1, UINT64_MAX, NULL), -XEN_EINVAL);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, v, 1, 0, NULL), -XEN_EINVAL);
    ubc_check();
    ubc_end();
}

static void donation(void)
{
    uint64_t v, pages;
    uint32_t tag;
    mfn_t m, used;

    ubc_start();
    v = ubc_make_shared(1, 10);
    m = kit_frame(ud[UPUB].account);
    used = kit_frame(ud[UPUB].account);
    ubc_fill(arch_map_frame(m), 4, 77);
    *kit_entry(ud[UPUB].space.l1[1], 100) = 0;
    pages = ud[UPUB].account->pages;
    CU_ASSERT_EQUAL(do_donate(UPUB, v, 4, 1, mfn(ud[UREAD].space.data[0].n)), -XEN_EINVAL);
    CU_ASSERT_TRUE(frame_get(used, ud[UPUB].account->id));
    CU_ASSERT_EQUAL(do_donate(UPUB, v, 4, 1, used), -XEN_EBUSY);
    frame_put(used);
    CU_ASSERT_EQUAL(do_donate(UPUB, v, 4, 0, m), 0);
    CU_ASSERT_EQUAL(ud[UPUB].account->pages, pages - 1);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, v, 4, &tag), 0);
    CU_ASSERT_EQUAL(tag, 77);
    CU_ASSERT_EQUAL(do_donate(UPUB, v, 4, 1, used), -XEN_EEXIST);
    CU_ASSERT_EQUAL(ud[UPUB].account->pages, pages - 1);
    ubc_check();
    ubc_end();
}

/* A read that is under way when its block is invalidated says so. */
static void read_and_invalidate(void)
{
    struct ubc_ref ref;
    struct ubc_held h;
    uint64_t v;

    ubc_start();
    v = ubc_make_shared(1, 10);
    CU_ASSERT_EQUAL(do_insert(UPUB, v, 4, 1, 1), 0);
    CU_ASSERT_EQUAL(ubc_get(&ud[UREAD].client, false, v, &ref), 0);
    CU_ASSERT_EQUAL(ubc_hold(&ref, 4, &h), 0);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 0);
    CU_ASSERT_EQUAL(ubc_reclaim(1), 0);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, v, 4, 1, NULL), 0);
    CU_ASSERT_EQUAL(*(const uint32_t *)h.data, 4); /* still there */
    CU_ASSERT_EQUAL(ubc_release(&ref, &h), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(ubc_hold(&ref, 4, &h), -XEN_ENOENT);
    ubc_put(&ref);
    ubc_check();
    ubc_end();
}

/* ---- generations ---- */

static void renew(void)
{
    uint64_t v, old;
    uint32_t tag, h;

    ubc_start();
    old = v = ubc_make_shared(1, 600);
    for (uint64_t b = 0; b < 600; b += 3)
        CU_ASSERT_EQUAL(do_insert(UPUB, v, b, 1, 1), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD, v, 3, 0, &h), 0);
    CU_ASSERT_TRUE(ubc_sees(UREAD, 0, 3, &tag));
    CU_ASSERT_EQUAL(do_renew(UPUB, &v, 0, 600), -XEN_EINVAL);
    host_preempt_every(2);
    CU_ASSERT_EQUAL(do_renew(UPUB, &v, 2, 20), 0);
    host_preempt_every(0);
    CU_ASSERT_NOT_EQUAL(v, old);
    CU_ASSERT_FALSE(ubc_sees(UREAD, 0, 3, &tag));
    CU_ASSERT_EQUAL(do_read_tag(UREAD, old, 3, &tag), -XEN_ENXIO);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, v, 3, &tag), -XEN_ENOENT);
    CU_ASSERT_EQUAL(do_insert(UPUB, old, 3, 1, 1), -XEN_ENXIO);
    CU_ASSERT_EQUAL(do_insert(UPUB, v, 30, ubc_epoch(1), 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(do_stats(v).pages, 0);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 0);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, v, h), 0);
    ubc_check();
    ubc_end();
}

/* Preempted half way: of a generation that is going nobody gets anything, nor does who has lost his rights. */
static void half_way(void)
{
    struct lagan_ubc_create io = {.generation = 2, .blocks = 100};
    struct ubc_ref ref;
    uint32_t tag, h;
    uint64_t v;

    ubc_start();
    v = ubc_make_shared(1, 100);
    for (unsigned n = 0; n < 100; n++) {
        CU_ASSERT_EQUAL(do_insert(UPUB, v, n, 1, 1), 0);
        CU_ASSERT_EQUAL(do_map_block(UREAD, v, n, n, &h), 0);
    }
    CU_ASSERT_EQUAL(ubc_get(&ud[UCONTROL].client, true, v, &ref), 0);
    CU_ASSERT_EQUAL(ubc_allow(&ref, &ud[UREAD].client, 0, 0), -XEN_ERESTART);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, v, 99, &tag), -XEN_ENXIO);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, v, h), -XEN_ENXIO);
    CU_ASSERT_EQUAL(ubc_renew(&ref, &io), -XEN_ERESTART);
    CU_ASSERT_EQUAL(do_read_tag(UREAD2, v, 99, &tag), -XEN_ENXIO);
    v = io.volume;
    CU_ASSERT_EQUAL(do_read_tag(UREAD2, v, 99, &tag), -XEN_ENOENT);
    CU_ASSERT_EQUAL(ubc_allow(&ref, &ud[UREAD].client, 0, 0), 0);
    ubc_put(&ref);
    CU_ASSERT_EQUAL(do_stats(v).mappings, 0);
    ubc_check();
    ubc_end();
}

/* A volume outlives its guests; a guest that ends leaves nothing of its own behind. */
static void ends(void)
{
    struct lagan_ubc_open io;
    uint64_t v;
    uint32_t tag, h;

    ubc_start();
    v = ubc_make_shared(1, 100);
    CU_ASSERT_EQUAL(do_insert(UPUB, v, 7, 1, 5), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD, v, 7, 0, &h), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD2, v, 7, 0, &h), 0);
    ubc_kill(UPUB);
    CU_ASSERT_EQUAL(do_stats(v).mappings, 2);
    ubc_kill(UREAD);
    CU_ASSERT_EQUAL(do_stats(v).mappings, 1);
    ubc_restart(UREAD);
    CU_ASSERT_EQUAL(do_open(UREAD, 1, &io), -XEN_ENOENT);
    CU_ASSERT_EQUAL(ubc_give(v, UREAD, LAGAN_UBC_READ, 1), 0);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, v, 7, &tag), 0);
    CU_ASSERT_EQUAL(tag, 5);
    ubc_kill(UREAD2);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 1);
    CU_ASSERT_EQUAL(ubc_give(v, UREAD2, LAGAN_UBC_READ, 1), -XEN_ESRCH);
    ubc_check();
    ubc_end();
}

/* ---- memory ---- */

static void reclaim(void)
{
    uint64_t a, b, free;
    uint32_t tag, h;

    ubc_start();
    a = ubc_make_shared(1, 100);
    b = ubc_make_shared(2, 100);
    for (uint64_t n = 0; n < 50; n++) {
        CU_ASSERT_EQUAL(do_insert(UPUB, a, n, 1, 1), 0);
        CU_ASSERT_EQUAL(do_insert(UPUB, b, n, 1, 2), 0);
        CU_ASSERT_EQUAL(do_read_tag(UREAD, a, n, &tag), 0);
    }
    CU_ASSERT_EQUAL(do_map_block(UREAD, b, 0, 0, &h), 0);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, b, 1, &tag), 0);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 99);
    free = heap_free_pages();
    /* What is read less goes first, and of that what was used last stays longest. */
    CU_ASSERT_EQUAL(ubc_reclaim(48), 48);
    CU_ASSERT(heap_free_pages() >= free); /* they were free before, as they are now */
    CU_ASSERT_EQUAL(spare_held(SPARE_UBC), 51);
    CU_ASSERT_EQUAL(do_stats(a).pages, 50);
    CU_ASSERT_EQUAL(do_stats(b).pages, 2);
    CU_ASSERT_EQUAL(do_read_tag(UREAD, b, 1, &tag), 0);
    ubc_check();
    CU_ASSERT_EQUAL(ubc_reclaim(1000), 51);
    CU_ASSERT_EQUAL(do_stats(b).pages, 1); /* mapped */
    CU_ASSERT_TRUE(ubc_sees(UREAD, 0, 0, &tag));
    ubc_check();
    ubc_end();
}

/* Each allocation fails once, and nothing is left behind. */
static int scenario(void)
{
    struct lagan_ubc_create in = {.id = {9}, .flags = LAGAN_UBC_TREE, .blocks = 9, .salt_bytes = 2};
    uint64_t v;
    uint32_t h;
    int rc = do_create(&in);

    if (rc)
        return rc;
    CU_ASSERT_EQUAL(do_destroy(in.volume), 0);
    in = (struct lagan_ubc_create){.id = {8}, .blocks = 1 << 30};
    rc = do_create(&in);
    v = in.volume;
    if (!rc)
        rc = ubc_give(v, UREAD, LAGAN_UBC_READ, 200000);
    if (!rc)
        rc = do_insert(UCONTROL, v, 1 << 29, 1, 1);
    if (!rc)
        rc = do_map_block(UREAD, v, 1 << 29, 0, &h);
    if (v)
        CU_ASSERT_EQUAL(do_destroy(v), 0);
    return rc;
}

static void failing_allocations(void)
{
    int rc;

    ubc_start();
    for (unsigned n = 1;; n++) {
        host_fail_after(n);
        rc = scenario();
        if (!host_fail_off())
            break;
        CU_ASSERT_EQUAL(rc, -XEN_ENOMEM);
        ubc_check();
    }
    CU_ASSERT_EQUAL(rc, 0);
    ubc_end();
}

static const struct test_case cases[] = {
    {"names of volumes", names},
    {"malformed volumes", malformed},
    {"rights", rights},
    {"as many volumes as there can be", many_volumes},
    {"inserts and refusals", insert},
    {"an insert that lost to an invalidate", late_insert},
    {"donations", donation},
    {"a read and an invalidate at a time", read_and_invalidate},
    {"a new generation", renew},
    {"preempted half way", half_way},
    {"ends of domains", ends},
    {"reclaim, in the order of worth", reclaim},
    {"failing allocations", failing_allocations},
    {NULL, NULL}};
const struct suite suite_ubc = {"ubc", cases, NULL, NULL};
