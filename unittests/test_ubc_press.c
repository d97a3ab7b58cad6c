/* SPDX-License-Identifier: MIT
 *
 * All that is left of memory is mapped by readers, and somebody wants some: the event, the grace, and what is taken then,
 * whatever the readers do.
 */
#include <string.h>

#include "mm/claim.h"
#include "mm/spare.h"
#include "unittests/ubc_kit.h"

enum { MAPPED = 150, LOW = 20 };

static uint64_t volume, told;
static struct account hungry;
static uint32_t handle[UBC_DOMAINS][MAPPED];
static uint64_t now;

static void tell(domid_t id)
{
    told |= UINT64_C(1) << id;
}

static void map_some(unsigned d)
{
    for (unsigned n = 0; n < MAPPED; n++)
        CU_ASSERT_EQUAL_FATAL(do_map_block(d, volume, n, n, &handle[d][n]), 0);
}

/* Takes all that is free. */
static void eat(void)
{
    mfn_t m;

    while (account_alloc(&hungry, 0, HEAP_ANY, &m) == 0)
        ;
    CU_ASSERT_EQUAL(heap_free_pages(), 0);
}

static void start(void)
{
    host_set_time(now = 1000);
    ubc_start();
    volume = ubc_make_shared(1, 1000);
    CU_ASSERT_EQUAL_FATAL(account_init(&hungry, 77, UINT64_MAX), 0);
    for (uint64_t n = 0; n < MAPPED; n++)
        CU_ASSERT_EQUAL_FATAL(do_insert(UPUB, volume, n, 1, 7), 0);
    ubc_set_work(NULL, tell);
    told = 0;
    claim_watch(ubc_lack);
}

static void end(void)
{
    claim_watch(NULL);
    host_preempt_every(0);
    kit_relinquish(&hungry);
    account_destroy(&hungry);
    ubc_end();
    host_set_time(0);
}

/* The readers have all the memory that they may have / may have so much more. */
static void allow(unsigned d, uint64_t more)
{
    account_set_max_pages(ud[d].account, ud[d].account->pages + more);
}

/* The housekeeper comes whenever it wants, until `until`. */
static void run(uint64_t until)
{
    uint64_t when;

    while ((when = ubc_housekeep()) != 0 && when <= until) {
        CU_ASSERT(when > now);
        now = when;
        host_set_time(now);
    }
}

static void run_out(void)
{
    run(now + 2 * LAGAN_UBC_GRACE_NS);
    CU_ASSERT_EQUAL(ubc_housekeep(), 0);
}

/* Pages in `d` that say what they have to, of so many entries. */
static unsigned good_entries(unsigned d)
{
    unsigned good = 0;
    uint32_t tag;

    for (unsigned n = 0; n < MAPPED; n++) {
        CU_ASSERT_EQUAL(ubc_pte(d, n) & PTE_RW, 0);
        if (ubc_sees(d, n, n, &tag)) {
            CU_ASSERT_EQUAL(tag, 7);
            good++;
        }
    }
    return good;
}

static unsigned count_status(unsigned d, int status)
{
    struct lagan_ubc_unmap next = {0};
    unsigned count = 0;

    for (; do_next(d, volume, &next) == 0; next.handle++)
        count += next.status == status;
    return count;
}

/* ---- */

/* Readers that do nothing, and have all that they may have: the host has its memory after the grace, not before. */
static void deaf_readers(void)
{
    struct account a;
    mfn_t m;

    start();
    map_some(UREAD);
    map_some(UREAD2);
    eat();
    allow(UREAD, 0);
    allow(UREAD2, 0);
    CU_ASSERT_EQUAL_FATAL(account_init(&a, 78, UINT64_MAX), 0);
    CU_ASSERT_EQUAL(claim_set(&a, 100), -XEN_ENOMEM); /* a new domain */
    run(now + LAGAN_UBC_GRACE_NS - 1);
    CU_ASSERT_EQUAL(told, 1 << ud[UREAD].account->id | 1 << ud[UREAD2].account->id);
    CU_ASSERT_EQUAL(count_status(UREAD, LAGAN_UBC_WANTED), MAPPED);
    CU_ASSERT_EQUAL(good_entries(UREAD), MAPPED);
    CU_ASSERT_EQUAL(do_stats(volume).mapped, MAPPED);
    run_out();
    CU_ASSERT_EQUAL(claim_set(&a, 100), 0);
    CU_ASSERT(do_stats(volume).mapped <= MAPPED - 100);
    CU_ASSERT(do_stats(volume).mapped > 0); /* and not more than it needed, in steps of some */
    CU_ASSERT_EQUAL(do_stats(volume).pages, MAPPED); /* they are still there, as free memory */
    CU_ASSERT_EQUAL(do_stats(volume).copied, 0);
    CU_ASSERT_EQUAL(do_stats(volume).taken + do_stats(volume).mappings, 2 * MAPPED);
    CU_ASSERT(count_status(UREAD, LAGAN_UBC_GONE) >= 100);
    CU_ASSERT_EQUAL(count_status(UREAD, LAGAN_UBC_WANTED), 0);
    ubc_check();
    for (unsigned n = 0; n < 100; n++)
        CU_ASSERT_EQUAL_FATAL(account_alloc(&a, 0, HEAP_ANY, &m), 0);
    (void)good_entries(UREAD);
    (void)good_entries(UREAD2);
    for (unsigned n = 0; n < MAPPED; n++)
        CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, handle[UREAD][n]), 0);
    ubc_check();
    kit_relinquish(&a);
    account_destroy(&a);
    end();
}

/* Readers that listen: nothing is taken from them, and it is over at once. */
static void good_readers(void)
{
    start();
    map_some(UREAD);
    eat();
    run(now + LAGAN_UBC_GRACE_NS / 2);
    CU_ASSERT(told != 0);
    for (unsigned n = 0; n < 8192 / 256; n++)
        CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, handle[UREAD][n]), 0);
    run(now + LAGAN_UBC_GRACE_NS / 4);
    CU_ASSERT_EQUAL(ubc_housekeep(), 0);
    CU_ASSERT_EQUAL(count_status(UREAD, LAGAN_UBC_WANTED), 0);
    CU_ASSERT_EQUAL(do_stats(volume).taken, 0);
    CU_ASSERT_EQUAL(do_stats(volume).mappings, MAPPED - 8192 / 256);
    ubc_check();
    end();
}

/* While it goes on, nobody maps idle pages; and while pages are taken, none. */
static void no_new_mappings(void)
{
    uint32_t h;

    start();
    map_some(UREAD);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, handle[UREAD][5]), 0);
    ubc_lack(20);
    CU_ASSERT(ubc_housekeep() > 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD, volume, 5, 5, &h), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(do_map_block(UREAD2, volume, 4, 4, &h), 0); /* it costs nothing more */
    run(now + LAGAN_UBC_GRACE_NS - 1);
    CU_ASSERT_EQUAL(do_map_block(UREAD2, volume, 3, 3, &h), 0);
    ubc_lack(140); /* meanwhile it is more */
    while (ubc_engine.press.phase != PRESS_TAKE)
        host_set_time(now = ubc_housekeep());
    CU_ASSERT_EQUAL(do_map_block(UREAD2, volume, 140, 6, &h), -XEN_EAGAIN);
    run_out();
    CU_ASSERT(do_stats(volume).mapped <= MAPPED - 1 - 140);
    CU_ASSERT_EQUAL(do_map_block(UREAD2, volume, 5, 6, &h), 0);
    ubc_check();
    end();
}

/* ---- copies ---- */

/* The reader may have LOW pages more, and there is free memory: its entries map copies. */
static void begin_copies(void)
{
    start();
    map_some(UREAD);
    allow(UREAD, LOW);
    ubc_lack(125);
    run_out();
    CU_ASSERT_EQUAL(do_stats(volume).copied, LOW);
    CU_ASSERT_EQUAL(ubc_engine.copies, LOW);
    CU_ASSERT_EQUAL(count_status(UREAD, LAGAN_UBC_COPIED), LOW);
    CU_ASSERT(do_stats(volume).mapped <= MAPPED - 125 - LOW); /* copies give the host nothing */
    CU_ASSERT_EQUAL(good_entries(UREAD), MAPPED - do_stats(volume).taken);
    ubc_check();
}

/* Its owner has guessed the frame that is being written. */
static void guess(void *to)
{
    struct account *a = ud[UREAD].account;
    mfn_t m = arch_frame_of(to);

    CU_ASSERT_TRUE_FATAL(frame_get(m, a->id));
    CU_ASSERT_NOT_EQUAL(type_get(m, TYPE_L1), 0); /* what is copied would be its entries */
    frame_put(m);
    CU_ASSERT_EQUAL(account_release(a, m), 0);
    CU_ASSERT_EQUAL(frame_owner(frame_of(m)), a->id); /* and nobody else has it */
}

static void copies_are_guessed(void)
{
    start();
    map_some(UREAD);
    allow(UREAD, LOW);
    ubc_lack(50);
    host_on_copy(guess);
    run_out();
    host_on_copy(NULL);
    CU_ASSERT(do_stats(volume).copied > 0);
    CU_ASSERT_EQUAL(good_entries(UREAD), MAPPED - do_stats(volume).taken);
    ubc_check();
    end();
}

static void copies_end_with_handles(void)
{
    uint64_t pages;

    begin_copies();
    pages = ud[UREAD].account->pages;
    for (unsigned n = 0; n < LOW; n++) {
        CU_ASSERT(ubc_pte(UREAD, n) & PTE_P);
        CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, handle[UREAD][n]), 0);
        CU_ASSERT_EQUAL(ubc_pte(UREAD, n), 0);
    }
    CU_ASSERT_EQUAL(ubc_engine.copies, 0);
    CU_ASSERT_EQUAL(ud[UREAD].account->pages, pages - LOW);
    ubc_check();
    end();
}

/* When an invalidate has returned no copy can be read, nor does a TLB remember one. */
static void copies_are_invalidated(void)
{
    uint32_t tag;

    begin_copies();
    host_preempt_every(3);
    CU_ASSERT_EQUAL(do_invalidate(UPUB, volume, 3, 5, NULL), 0);
    host_preempt_every(0);
    for (unsigned n = 0; n < LOW; n++)
        CU_ASSERT_EQUAL(ubc_sees(UREAD, n, n, &tag), n < 3 || n >= 8);
    CU_ASSERT_EQUAL(ubc_engine.copies, LOW - 5);
    CU_ASSERT_EQUAL(do_stats(volume).invalidated, 5);
    ubc_check();
    CU_ASSERT_EQUAL(do_renew(UPUB, &volume, 2, 1000), 0);
    CU_ASSERT_EQUAL(good_entries(UREAD), 0);
    CU_ASSERT_EQUAL(ubc_engine.copies, 0);
    ubc_check();
    end();
}

/* Who has no right any more sees none, nor by what its TLB remembers. */
static void copies_go_with_rights(void)
{
    begin_copies();
    CU_ASSERT(good_entries(UREAD) > 0);
    CU_ASSERT_EQUAL(ubc_give(volume, UREAD, 0, 0), 0);
    CU_ASSERT_EQUAL(good_entries(UREAD), 0);
    CU_ASSERT_EQUAL(ubc_engine.copies, 0);
    ubc_check();
    end();
}

/* Whatever the guest does with a frame that is its own. */
static void hostile_with_copies(void)
{
    struct table_change c = {.from = ud[UREAD].account->id};
    mfn_t m;

    begin_copies();
    c.from = ud[UREAD].account->id;
    m = pte_frame(ubc_pte(UREAD, 0));
    CU_ASSERT_EQUAL(account_release(ud[UREAD].account, m), 0); /* gives it back */
    CU_ASSERT_EQUAL(account_release(ud[UREAD].account, m), -XEN_EINVAL);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, handle[UREAD][0]), 0);
    CU_ASSERT_EQUAL(frame_refs(frame_of(m)), 0);
    m = pte_frame(ubc_pte(UREAD, 1));
    c.entry = kit_pte(m, KIT_RW); /* maps it writable elsewhere */
    CU_ASSERT_EQUAL(table_update(ud[UREAD].account, ud[UREAD].space.l1[1], 100, &c), 0);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, handle[UREAD][1]), 0);
    CU_ASSERT_EQUAL(ubc_pte(UREAD, 1), 0);
    CU_ASSERT_EQUAL(frame_state(frame_of(m)), FRAME_OWNED);
    c.entry = 0;
    CU_ASSERT_EQUAL(table_update(ud[UREAD].account, ud[UREAD].space.l1[1], 100, &c), 0);
    CU_ASSERT_EQUAL(frame_refs(frame_of(m)), 0);
    c.entry = 0; /* writes over the entry */
    CU_ASSERT_EQUAL(table_update(ud[UREAD].account, ud[UREAD].space.l1[0], KIT_DATA + 2, &c), 0);
    CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, handle[UREAD][2]), 0);
    ubc_check();
    ubc_kill(UREAD); /* and the rest when it ends */
    CU_ASSERT_EQUAL(ud[UREAD].account->pages, 0);
    CU_ASSERT_EQUAL(ubc_engine.copies, 0);
    ubc_restart(UREAD);
    ubc_check();
    end();
}

/* Entries that are not there any more when they are taken; preempted everywhere; a volume that goes meanwhile. */
static void hostile_readers(void)
{
    struct table_change c = {.entry = 0};

    start();
    map_some(UREAD);
    map_some(UREAD2);
    c.from = ud[UREAD].account->id;
    for (unsigned n = 0; n < 20; n++)
        CU_ASSERT_EQUAL(table_update(ud[UREAD].account, ud[UREAD].space.l1[0], KIT_DATA + n, &c),
                        0);
    ubc_lack(1000);
    host_preempt_every(2);
    run(now + LAGAN_UBC_GRACE_NS + LAGAN_UBC_GRACE_NS / 500);
    ubc_kill(UREAD2);
    run_out();
    host_preempt_every(0);
    CU_ASSERT_EQUAL(do_stats(volume).mapped, 0);
    ubc_check();
    ubc_restart(UREAD2);
    CU_ASSERT_EQUAL(ubc_give(volume, UREAD2, LAGAN_UBC_READ, 200), 0);
    for (unsigned n = 0; n < MAPPED; n++)
        CU_ASSERT_EQUAL(do_unmap_handle(UREAD, volume, handle[UREAD][n]), 0);
    map_some(UREAD);
    ubc_lack(1000);
    run(now + LAGAN_UBC_GRACE_NS + LAGAN_UBC_GRACE_NS / 1000);
    CU_ASSERT_EQUAL(do_destroy(volume), 0);
    run_out();
    volume = ubc_make_shared(1, 1000);
    ubc_check();
    end();
}

static const struct test_case cases[] = {{"readers that do not listen", deaf_readers},
                                         {"readers that listen", good_readers},
                                         {"no new mappings meanwhile", no_new_mappings},
                                         {"copies that are guessed", copies_are_guessed},
                                         {"copies end with their handles", copies_end_with_handles},
                                         {"copies are invalidated", copies_are_invalidated},
                                         {"copies go with rights", copies_go_with_rights},
                                         {"a guest and its copies", hostile_with_copies},
                                         {"hostile readers", hostile_readers},
                                         {NULL, NULL}};
const struct suite suite_ubc_press = {"ubc_press", cases, NULL, NULL};
