/* SPDX-License-Identifier: MIT
 *
 * Four CPUs at grants at once: two of the mapper's, which map, touch, unmap and copy; one of the
 * granter's, which rewrites its entries, in use or not, makes tables of its pages, and grows its
 * table; and one that changes the version of a third domain's table, and copies from the first.
 * Under ThreadSanitizer nothing may race; in the end all counts are right and nothing is lost.
 */
#include <pthread.h>
#include <stdlib.h>

#include "unittests/grant_kit.h"

enum { ROUNDS = 4000, REFS = 4 };

static mfn_t page[REFS];
static _Atomic unsigned mapped, copied, pinned;

static uint64_t *shared_entry(unsigned ref)
{
    return (uint64_t *)grant_v1(gd[GA].table, ref);
}

static void write_entry(unsigned ref, uint64_t flags, uint64_t domain, mfn_t m)
{
    __atomic_store_n(shared_entry(ref), flags | domain << 16 | m.n << 32, __ATOMIC_SEQ_CST);
}

static void *mapper(void *argument)
{
    unsigned lane = (unsigned)(uintptr_t)argument;
    struct grant_user u = gd[GB].user;
    uint64_t rnd = kit_seed(100 + lane);

    host_enter_cpu(lane);
    u.lane = lane;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned ref = 8 + (unsigned)(kit_random(&rnd) % REFS);
        struct gnttab_map_grant_ref op = {.host_addr = grant_va(lane),
                                          .flags = GNTMAP_host_map |
                                                   (kit_random(&rnd) % 2 ? GNTMAP_readonly : 0),
                                          .ref = ref,
                                          .dom = gd[GA].account->id};
        struct grant_unmap_batch b;
        mfn_t hit;

        grant_enter();
        if (grant_map(&u, &op) != 0)
            op.status = GNTST_eagain;
        grant_leave();
        if (op.status != GNTST_okay)
            continue;
        mapped++;
        if (!host_touch(lane, grant_va(lane), !(op.flags & GNTMAP_readonly), &hit))
            abort();
        grant_unmap_begin(&b, &u);
        grant_enter();
        if (grant_unmap_one(&b, grant_va(lane), 0, 0, op.handle) != GNTST_okay)
            abort();
        grant_unmap_finish(&b);
        grant_leave();
        if (host_touch(lane, grant_va(lane), false, &hit))
            abort();
    }
    return NULL;
}

static void *granter(void *argument)
{
    uint64_t rnd = kit_seed(200);

    (void)argument;
    host_enter_cpu(2);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned n = (unsigned)(kit_random(&rnd) % REFS);
        uint16_t flags = (uint16_t)__atomic_load_n(shared_entry(8 + n), __ATOMIC_SEQ_CST);

        if (i % 64 == 0 && i / 64 < 3)
            CU_ASSERT_EQUAL(grant_table_grow(gd[GA].table, 2 + i / 64), GNTST_okay);
        if (i % 8 == 0 && table_pin(gd[GA].account, page[n], 1) == 0) {
            pinned++;
            if (table_unpin(gd[GA].account, page[n]) != 0)
                abort();
        }
        if (!(flags & (GTF_reading | GTF_writing)))
            __atomic_compare_exchange_n((uint16_t *)shared_entry(8 + n), &flags,
                                        kit_random(&rnd) % 8 ? GTF_permit_access : 0, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void *third(void *argument)
{
    struct gnttab_copy op = {.len = 0, .flags = GNTCOPY_source_gref};

    (void)argument;
    host_enter_cpu(3);
    op.source.domid = gd[GC].account->id;
    op.dest.domid = DOMID_SELF;
    op.dest.u.gmfn = gd[GC].space.data[2].n;
    for (unsigned i = 0; i < ROUNDS; i++) {
        op.source.u.ref = 3;
        grant_enter();
        if (grant_copy(&gd[GC].user, &op) == 0)
            copied += op.status == GNTST_okay;
        grant_leave();
        if (i % 16 == 0 && grant_set_version(gd[GC].table, 1 + i / 16 % 2) != 0)
            abort();
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t t[4];

    grant_start();
    mapped = copied = pinned = 0;
    for (unsigned i = 0; i < REFS; i++) {
        page[i] = kit_frame(gd[GA].account);
        write_entry(8 + i, GTF_permit_access, gd[GB].account->id, page[i]);
    }
    grant_write(GC, 3, GC, gd[GC].space.data[1], GTF_permit_access);
    for (unsigned c = 0; c < 2; c++)
        host_tlb_load(c, gd[GB].account, gd[GB].space.l4);
    host_tlb_load(2, gd[GA].account, gd[GA].space.l4);
    host_tlb_load(3, gd[GC].account, gd[GC].space.l4);
    host_set_noise(true);
    pthread_create(&t[0], NULL, mapper, (void *)0);
    pthread_create(&t[1], NULL, mapper, (void *)1);
    pthread_create(&t[2], NULL, granter, NULL);
    pthread_create(&t[3], NULL, third, NULL);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    host_set_noise(false);
    host_enter_cpu(0);
    CU_ASSERT(mapped > 0 && copied > 0 && pinned > 0);
    for (unsigned c = 0; c < HOST_CPUS; c++)
        host_tlb_load(c, NULL, mfn(0));
    (void)!grant_set_version(gd[GC].table, 1);
    grant_check();
    grant_end();
}

/* Who changes a table waits for who is at it. */
static _Atomic int stage;

static void *at_it(void *argument)
{
    (void)argument;
    host_enter_cpu(1);
    grant_enter();
    stage = 1;
    for (unsigned i = 0; i < 2000; i++)
        arch_relax();
    stage = 2;
    grant_leave();
    return NULL;
}

static void test_waits(void)
{
    const struct grant_limits limits = {1, 1, 1};
    struct grant_table *t;
    pthread_t other;

    kit_start(100);
    grants_init();
    CU_ASSERT_EQUAL(grant_table_create(&kit_a, &limits, 1, &t), 0);
    stage = 0;
    pthread_create(&other, NULL, at_it, NULL);
    while (stage == 0)
        arch_relax();
    grant_table_destroy(t);
    CU_ASSERT_EQUAL(stage, 2);
    pthread_join(other, NULL);
    slab_trim();
    kit_end();
}

/* Another CPU does something that must not be done before we let it. */
static void *change_version(void *argument)
{
    host_enter_cpu(1);
    stage = 1;
    CU_ASSERT_EQUAL(grant_set_version(gd[GA].table, *(unsigned *)argument), 0);
    stage = 2;
    return NULL;
}

static void *relinquish(void *argument)
{
    (void)argument;
    host_enter_cpu(1);
    stage = 1;
    while (grant_table_relinquish(gd[GB].table) == -XEN_ERESTART)
        ;
    stage = 2;
    return NULL;
}

static void begin_other(pthread_t *other, void *(*what)(void *), void *argument)
{
    stage = 0;
    pthread_create(other, NULL, what, argument);
    while (stage == 0)
        arch_relax();
    for (unsigned i = 0; i < 100000; i++)
        arch_relax();
    CU_ASSERT_EQUAL(stage, 1);
}

/* A reserved entry may be let go of while the version changes, but not half-way. */
static void test_reserved(void)
{
    unsigned version[] = {2, 1};
    grant_handle_t h;
    pthread_t other;

    grant_start();
    grant_write(GA, 1, GB, gd[GA].space.data[2], GTF_permit_access);
    CU_ASSERT_EQUAL(do_map(GB, GA, 1, grant_va(0), GNTMAP_host_map, &h), GNTST_okay);
    for (unsigned i = 0; i < 2; i++) {
        struct grant_pins *p = grant_pins_of(gd[GA].table, 1);

        grant_entry_lock(p); /* as grant_unpin() has it */
        begin_other(&other, change_version, &version[i]);
        CU_ASSERT_EQUAL(grant_version(gd[GA].table), 3 - version[i]);
        CU_ASSERT_EQUAL(grant_status_count(gd[GA].table) > 0, i == 1);
        grant_entry_unlock(p);
        pthread_join(other, NULL);
        CU_ASSERT_EQUAL(stage, 2);
        CU_ASSERT_EQUAL(grant_version(gd[GA].table), version[i]);
    }
    CU_ASSERT_EQUAL(do_unmap(GB, h, grant_va(0)), GNTST_okay);
    CU_ASSERT_EQUAL(grant_flags(GA, 1), GTF_permit_access);
    grant_check();
    grant_end();
}

/* The mapper ends while a granter takes its frame back: the pin is given up once. */
static void test_taken_at_the_end(void)
{
    struct grant_handle *h;
    grant_handle_t handle;
    pthread_t other;
    uint64_t old;

    grant_start();
    grant_write(GA, 9, GB, gd[GA].space.data[2], GTF_permit_access);
    CU_ASSERT_EQUAL(do_map(GB, GA, 9, grant_va(0), GNTMAP_host_map, &handle), GNTST_okay);
    h = maptrack_of(&gd[GB].table->maptrack, handle);
    atomic_fetch_or(&h->state, HANDLE_BUSY | HANDLE_TAKING);
    begin_other(&other, relinquish, NULL);
    /* What grant_revoke.c does when there is no copy to be had. */
    CU_ASSERT_EQUAL(grant_handle_exchange(gd[GB].table, h, gd[GA].space.data[2], 0, &old), 0);
    grant_unpin(gd[GA].table, 9, true);
    h->ref = 0;
    atomic_store(&h->state, (h->state & ~(HANDLE_BUSY | HANDLE_TAKING)) | HANDLE_REVOKED);
    pthread_join(other, NULL);
    CU_ASSERT_EQUAL(stage, 2);
    CU_ASSERT_EQUAL(h->state, 0);
    CU_ASSERT_EQUAL(grant_flags(GA, 9), GTF_permit_access);
    grant_end();
}

static const struct test_case cases[] = {
    {"a reserved entry and a change of version", test_reserved},
    {"taken back from who ends", test_taken_at_the_end},
    {"a table goes when nobody is at it", test_waits},
    {"four CPUs", test_threads},
    {NULL, NULL},
};

const struct suite suite_grant_threads = {"grant threads", cases, NULL, NULL};
