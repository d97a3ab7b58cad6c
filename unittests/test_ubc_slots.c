/* SPDX-License-Identifier: MIT
 *
 * Volumes with slots: entries that readers make themselves, and how they are taken; and what readers ask for.
 */
#include <string.h>

#include "mm/claim.h"
#include "mm/window.h"
#include "unittests/ubc_kit.h"

enum { BLOCKS = 100, ALIAS = 200 };

static uint64_t volume, slots;

static void start(void)
{
    struct lagan_ubc_open io;

    host_set_time(1000);
    ubc_start();
    volume = ubc_make_slotted(1, BLOCKS);
    for (uint64_t b = 0; b < BLOCKS; b++)
        CU_ASSERT_EQUAL(do_insert(UPUB, volume, b, 1, (uint32_t)b + 100), 0);
    CU_ASSERT_EQUAL(do_open(UREAD, 1, &io), 0);
    CU_ASSERT_EQUAL(io.flags, LAGAN_UBC_SLOTS);
    slots = io.slots;
}

static void end(void)
{
    ubc_end();
    host_set_time(0);
}

/* Entry n of the domain's first table is to be e. */
static int set(unsigned d, unsigned n, uint64_t e)
{
    struct table_change c = {.entry = e, .from = ud[d].account->id};

    return table_update(ud[d].account, ud[d].space.l1[0], KIT_DATA + n, &c);
}

/* Block b by handle at entry b, and once more at ALIAS + b. */
static mfn_t map_twice(unsigned d, unsigned b, uint32_t *handle)
{
    mfn_t m;

    CU_ASSERT_EQUAL_FATAL(do_map_block(d, volume, b, b, handle), 0);
    m = pte_frame(ubc_pte(d, b));
    CU_ASSERT_EQUAL(set(d, ALIAS + b, kit_pte(m, KIT_RW | WINDOW_ENTRY)), 0);
    CU_ASSERT_EQUAL(ubc_pte(d, ALIAS + b) & ~(PTE_A | PTE_D), kit_pte(m, KIT_RO | WINDOW_ENTRY));
    return m;
}

static bool alias_is_there(unsigned d, unsigned b)
{
    uint32_t tag;

    if (!ubc_sees(d, ALIAS + b, b, &tag))
        return false;
    CU_ASSERT_EQUAL(tag, b + 100);
    return true;
}

static void own_entries(void)
{
    uint32_t h, h2;
    mfn_t hit, m;

    start();
    m = map_twice(UREAD, 5, &h);
    CU_ASSERT_EQUAL(arch_m2p_get(m), slots + 5);
    CU_ASSERT_TRUE(alias_is_there(UREAD, 5));
    CU_ASSERT_FALSE(host_touch(UREAD, ubc_va(ALIAS + 5), true, &hit));
    CU_ASSERT_EQUAL(set(UPUB, 0, kit_pte(m, KIT_RO)), -XEN_EINVAL); /* it may not read */
    CU_ASSERT_EQUAL(set(UPUB, 0, kit_pte(m, KIT_RO | WINDOW_ENTRY)), -XEN_EINVAL);
    ubc_check();
    /* The handle goes first: the page cannot be idle. */
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    CU_ASSERT_EQUAL(ubc_engine.loose, 1);
    CU_ASSERT_TRUE(alias_is_there(UREAD, 5));
    ubc_check();
    CU_ASSERT_EQUAL(do_map_block(UREAD2, volume, 5, 5, &h2), 0); /* loose no more */
    CU_ASSERT_EQUAL(ubc_engine.loose, 0);
    ubc_check();
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD2, volume, h2), 0);
    CU_ASSERT_NOT_EQUAL(ubc_housekeep(), 0);
    CU_ASSERT_EQUAL(ubc_engine.loose, 1);
    CU_ASSERT_EQUAL(set(UREAD, ALIAS + 5, 0), 0);
    (void)ubc_housekeep();
    CU_ASSERT_EQUAL(ubc_engine.loose, 0);
    CU_ASSERT_EQUAL(ubc_engine.busy, 0);
    CU_ASSERT_EQUAL(arch_m2p_get(m), UINT64_MAX);
    CU_ASSERT_EQUAL(set(UREAD, ALIAS + 5, kit_pte(m, KIT_RO)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ubc_housekeep(), 0);
    ubc_check();
    end();
}

/* What is remembered of an entry that its maker has emptied without a word is gone before the frame is another's. */
static void remembered(void)
{
    uint32_t h;

    start();
    (void)map_twice(UREAD, 5, &h);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    arch_tlb_flush((cpumask_t){UINT64_MAX});
    CU_ASSERT_TRUE(alias_is_there(UREAD, 5)); /* remembered after the flush */
    CU_ASSERT_EQUAL(set(UREAD, ALIAS + 5, 0), 0);
    (void)ubc_housekeep();
    CU_ASSERT(ubc_reclaim(BLOCKS) > 0);
    ubc_check();
    end();
}

/* ---- what takes them ---- */

static void invalidate(void)
{
    uint32_t h, h2;

    start();
    (void)map_twice(UREAD, 5, &h);
    (void)map_twice(UREAD2, 5, &h2);
    (void)map_twice(UREAD, 6, &h2);
    CU_ASSERT_TRUE(alias_is_there(UREAD, 5));
    host_preempt_every(1);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 5, 1, NULL), 0);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, ALIAS + 5), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD2, ALIAS + 5), 0);
    CU_ASSERT_FALSE(alias_is_there(UREAD, 5));
    CU_ASSERT_FALSE(alias_is_there(UREAD2, 5));
    CU_ASSERT_TRUE(alias_is_there(UREAD, 6));
    CU_ASSERT_TRUE(list_empty(&ubc_engine.slot[volume % UBC_VOLUMES]->dead));
    ubc_check();
    end();
}

static void revoke(void)
{
    uint32_t h;

    start();
    (void)map_twice(UREAD, 5, &h);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    CU_ASSERT_EQUAL(do_revoke(UPUB, volume, 0, BLOCKS, 0), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, ALIAS + 5), 0);
    CU_ASSERT_EQUAL(do_stats(volume).pages, 0);
    CU_ASSERT_EQUAL(ubc_engine.busy, 0);
    ubc_check();
    end();
}

static void lost_rights(void)
{
    uint32_t h, h2;

    start();
    (void)map_twice(UREAD, 5, &h);
    (void)map_twice(UREAD2, 5, &h2);
    CU_ASSERT_EQUAL(ubc_give(volume, UREAD, 0, 0), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, ALIAS + 5), 0);
    CU_ASSERT_FALSE(alias_is_there(UREAD, 5));
    CU_ASSERT_TRUE(alias_is_there(UREAD2, 5));
    ubc_check();
    end();
}

static void ends(void)
{
    uint32_t h;

    start();
    (void)map_twice(UREAD, 5, &h);
    (void)map_twice(UREAD, 7, &h);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    CU_ASSERT_EQUAL(do_renew(UPUB, &volume, 2, 40000), -XEN_EINVAL); /* more than slots */
    CU_ASSERT_EQUAL(do_destroy(volume), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, ALIAS + 5), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, ALIAS + 7), 0);
    CU_ASSERT_EQUAL(ubc_engine.windows, 0);
    ubc_check();
    volume = ubc_make_slotted(1, BLOCKS);
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 5, 1, 105), 0);
    (void)map_twice(UREAD, 5, &h);
    ubc_kill(UREAD);
    CU_ASSERT_EQUAL(ubc_engine.busy, 0);
    ubc_restart(UREAD);
    end();
}

/* The host wants its memory: readers that do nothing lose what they have, wherever it is. */
static void press(void)
{
    enum { MAPPED = 60 };
    static struct account hungry;
    uint64_t when, now = 1000;
    uint32_t h;
    mfn_t m;

    start();
    claim_watch(ubc_lack);
    for (unsigned b = 0; b < MAPPED; b++) {
        (void)map_twice(UREAD, b, &h);
        if (b % 2)
            CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, h), 0);
    }
    account_set_max_pages(ud[UREAD].account, ud[UREAD].account->pages);
    CU_ASSERT_EQUAL(account_init(&hungry, 77, UINT64_MAX), 0);
    while (account_alloc(&hungry, 0, HEAP_ANY, &m) == 0)
        ;
    while ((when = ubc_housekeep()) != 0 && when < now + 10 * LAGAN_UBC_GRACE_NS)
        host_set_time(when);
    CU_ASSERT(heap_free_pages() > 0);
    CU_ASSERT(ubc_engine.busy + heap_free_pages() >= MAPPED);
    CU_ASSERT(ubc_engine.busy <=
              MAPPED - 4096 / 256); /* such a part of the host is taken at least */
    for (unsigned b = 0, left = 0; b < MAPPED; b++) {
        left += alias_is_there(UREAD, b);
        CU_ASSERT(left <= ubc_engine.busy);
    }
    ubc_check();
    claim_watch(NULL);
    kit_relinquish(&hungry);
    account_destroy(&hungry);
    end();
}

/* ---- entries that come too late ---- */

static void withdrawn(void)
{
    mfn_t m, table;
    uint32_t h;

    start();
    m = map_twice(UREAD, 5, &h);
    table = kit_frame(ud[UREAD].account); /* before the other is free */
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 5, 1, NULL), 0);
    CU_ASSERT_EQUAL(set(UREAD, 0, kit_pte(m, KIT_RO)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(set(UREAD, 0, kit_pte(ud[UREAD].space.data[0], KIT_RO)), 0);
    CU_ASSERT_EQUAL(set(UREAD, 0, kit_pte(m, KIT_RO | WINDOW_ENTRY)), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 0), 0);
    *kit_entry(table, 3) = kit_pte(m, KIT_RO | WINDOW_ENTRY);
    *kit_entry(table, 4) = kit_pte(ud[UREAD].space.data[0], KIT_RO);
    CU_ASSERT_TRUE(frame_get(table, ud[UREAD].account->id));
    CU_ASSERT_EQUAL(type_get(table, TYPE_L1), 0);
    CU_ASSERT_EQUAL(*kit_entry(table, 3), 0);
    CU_ASSERT_EQUAL(*kit_entry(table, 4), kit_pte(ud[UREAD].space.data[0], KIT_RO));
    type_put(table);
    *kit_entry(table, 3) = kit_pte(m, KIT_RO);
    CU_ASSERT_EQUAL(type_get(table, TYPE_L1), -XEN_EINVAL);
    frame_put(table);
    /* Only one that has such rights is not told. */
    CU_ASSERT_EQUAL(set(UPUB, 0, kit_pte(m, KIT_RO | WINDOW_ENTRY)), -XEN_EINVAL);
    ubc_check();
    end();
}

/* A transfer of a device's, in the middle of which the block changes: the frame stays until it is over. */
static void transfer(void)
{
    struct table_change c = {.from = ud[UREAD].account ? (domid_t)(UREAD + 3) : 0};
    uint32_t h;
    mfn_t m;

    start();
    m = map_twice(UREAD, 5, &h);
    c.entry = kit_pte(m, KIT_RO);
    CU_ASSERT_EQUAL(table_update(ud[UPUB].account, ud[UPUB].space.l1[0], KIT_DATA, &c),
                    -XEN_EINVAL);
    ud[UPUB].account->maps_io = true;
    CU_ASSERT_EQUAL(table_update(ud[UPUB].account, ud[UPUB].space.l1[0], KIT_DATA, &c), 0);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 5, 1, NULL), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, ALIAS + 5), 0);
    CU_ASSERT_FALSE(list_empty(&ubc_engine.slot[volume % UBC_VOLUMES]->dead));
    CU_ASSERT_NOT_EQUAL(ubc_housekeep(), 0);
    CU_ASSERT_EQUAL(set(UPUB, 0, 0), 0);
    (void)ubc_housekeep();
    CU_ASSERT_TRUE(list_empty(&ubc_engine.slot[volume % UBC_VOLUMES]->dead));
    ubc_check();
    end();
}

static void places(void)
{
    struct lagan_ubc_create in = {.id = {7}, .generation = 1, .flags = LAGAN_UBC_SLOTS};
    struct lagan_ubc_open io;

    ubc_start();
    in.blocks = (UINT64_C(1) << 26) + 1;
    CU_ASSERT_EQUAL(do_create(&in), -XEN_ENOSPC);
    in.blocks--;
    CU_ASSERT_EQUAL(do_create(&in), 0); /* all there is */
    in.id[0]++, in.blocks = 1;
    CU_ASSERT_EQUAL(do_create(&in), -XEN_ENOSPC);
    CU_ASSERT_EQUAL(do_destroy(ubc_engine.slot[0]->handle), 0);
    for (unsigned i = 0; i < WINDOWS_MAX; i++) {
        in.id[0] = (uint8_t)(100 + i);
        CU_ASSERT_EQUAL(do_create(&in), 0);
        CU_ASSERT_EQUAL(do_open(UCONTROL, 100 + i, &io), 0);
        CU_ASSERT_EQUAL(io.slots, (UINT64_C(1) << 26) + i * 32768);
    }
    in.id[0] = 99;
    CU_ASSERT_EQUAL(do_create(&in), -XEN_ENOSPC);
    CU_ASSERT_EQUAL(do_destroy(ubc_engine.slot[1]->handle), 0);
    in.blocks = 40000; /* the hole is too small */
    CU_ASSERT_EQUAL(do_create(&in), 0);
    CU_ASSERT_EQUAL(do_open(UCONTROL, 99, &io), 0);
    CU_ASSERT_EQUAL(io.slots, (UINT64_C(1) << 26) + WINDOWS_MAX * 32768);
    ubc_check();
    end();
}

/* ---- what readers ask for ---- */

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

static int ask(unsigned d, uint64_t block)
{
    struct lagan_ubc_map op = {.block = block, .flags = LAGAN_UBC_LOOK | LAGAN_UBC_WANT};

    return do_map_op(d, volume, &op);
}

static uint64_t next_wanted(uint32_t flags)
{
    struct lagan_ubc_want io = {.flags = flags};
    int rc = do_wanted(UPUB, volume, &io);

    CU_ASSERT(rc == 0 || rc == -XEN_ENOENT);
    return rc ? UINT64_MAX : io.block;
}

static void wants(void)
{
    const uint64_t pub = 1 << (UPUB + 3), read = 1 << (UREAD + 3), read2 = 1 << (UREAD2 + 3);
    struct lagan_ubc_want io = {.block = 11};

    ubc_start();
    volume = ubc_make_slotted(1, BLOCKS);
    CU_ASSERT_EQUAL(next_wanted(0), UINT64_MAX);
    CU_ASSERT_EQUAL(ask(UREAD, 10), -XEN_EBUSY);
    CU_ASSERT_EQUAL(news(UREAD), pub);
    CU_ASSERT_EQUAL(news(UREAD), 0);
    CU_ASSERT_EQUAL(ask(UREAD2, 10), -XEN_EBUSY);
    CU_ASSERT_EQUAL(news(UREAD), 0); /* it has been asked for */
    CU_ASSERT_EQUAL(ask(UREAD2, 11), -XEN_EBUSY);
    CU_ASSERT_EQUAL(ask(UREAD, BLOCKS), -XEN_ENOENT);
    CU_ASSERT_EQUAL(do_wanted(UREAD, volume, &io), -XEN_EPERM);
    CU_ASSERT_EQUAL(do_refuse(UREAD, volume, &io), -XEN_EPERM);
    CU_ASSERT_EQUAL(next_wanted(0), 10);
    CU_ASSERT_EQUAL(next_wanted(0), 11);
    CU_ASSERT_EQUAL(next_wanted(0), UINT64_MAX);
    CU_ASSERT_EQUAL(ask(UREAD, 10), -XEN_EBUSY);
    CU_ASSERT_EQUAL(next_wanted(0), UINT64_MAX);
    CU_ASSERT_EQUAL(next_wanted(LAGAN_UBC_AGAIN), 10); /* another publisher */
    CU_ASSERT_EQUAL(next_wanted(0), 11);
    (void)news(UREAD);
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 10, 1, 1), 0);
    CU_ASSERT_EQUAL(news(UPUB), read | read2);
    CU_ASSERT_EQUAL(ask(UREAD, 10), 0);
    io.flags = 0, io.block = 11;
    CU_ASSERT_EQUAL(do_refuse(UPUB, volume, &io), 0);
    CU_ASSERT_EQUAL(do_refuse(UPUB, volume, &io), -XEN_ENOENT);
    CU_ASSERT_EQUAL(news(UPUB), 0); /* nobody has asked since */
    CU_ASSERT_EQUAL(ask(UREAD2, 11), -XEN_EIO);
    CU_ASSERT_EQUAL(ask(UREAD2, 11), -XEN_EBUSY);
    CU_ASSERT_EQUAL(next_wanted(0), 11);
    io.flags = 2;
    CU_ASSERT_EQUAL(do_wanted(UPUB, volume, &io), -XEN_EINVAL);
    CU_ASSERT_EQUAL(do_refuse(UPUB, volume, &io), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ask(UREAD2, 20), -XEN_EBUSY);
    CU_ASSERT_EQUAL(ask(UREAD, 20), -XEN_EBUSY);
    CU_ASSERT_EQUAL(ask(UREAD2, 20), -XEN_EBUSY);
    CU_ASSERT_EQUAL(ubc_give(volume, UREAD2, 0, 0), 0); /* what it has asked for goes with it... */
    CU_ASSERT_EQUAL(next_wanted(LAGAN_UBC_AGAIN), 20);  /* ...but for what another waits for */
    CU_ASSERT_EQUAL(next_wanted(0), UINT64_MAX);
    CU_ASSERT_EQUAL(do_insert(UPUB, volume, 20, 1, 1), 0);
    CU_ASSERT_EQUAL(news(UPUB), pub | read);
    CU_ASSERT_EQUAL(next_wanted(LAGAN_UBC_AGAIN), UINT64_MAX);
    CU_ASSERT_EQUAL(ubc_give(volume, UPUB, 0, 0), 0);
    CU_ASSERT_EQUAL(ask(UREAD, 12), -XEN_ENOENT); /* nobody would answer */
    ubc_check();
    ubc_end();
}

/* One reader cannot take the room of the others. */
static void greed(void)
{
    unsigned asked = 0;

    ubc_start();
    volume = ubc_make_slotted(1, 1000);
    while (ask(UREAD, asked) == -XEN_EBUSY)
        asked++;
    CU_ASSERT_EQUAL(asked, 32);
    CU_ASSERT_EQUAL(ask(UREAD, 999), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(ask(UREAD2, 999), -XEN_EBUSY);
    for (unsigned i = 0; i < asked; i++) {
        struct lagan_ubc_want io = {.block = i};

        CU_ASSERT_EQUAL(next_wanted(0), i);
        CU_ASSERT_EQUAL(do_refuse(UPUB, volume, &io), 0);
    }
    CU_ASSERT_EQUAL(ask(UREAD, 500), -XEN_EBUSY);
    ubc_check();
    ubc_end();
}

static const struct test_case cases[] = {{"own entries", own_entries},
                                         {"remembered entries", remembered},
                                         {"invalidate", invalidate},
                                         {"revoke", revoke},
                                         {"lost rights", lost_rights},
                                         {"ends", ends},
                                         {"press", press},
                                         {"withdrawn entries", withdrawn},
                                         {"transfer", transfer},
                                         {"places", places},
                                         {"wants", wants},
                                         {"greed", greed},
                                         {NULL, NULL}};
const struct suite suite_ubc_slots = {"ubc_slots", cases, NULL, NULL};
