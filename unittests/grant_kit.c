/* SPDX-License-Identifier: MIT
 *
 * See grant_kit.h.
 */
#include <string.h>

#include "unittests/grant_kit.h"

struct grant_domain gd[GRANT_DOMAINS];
static struct account account_c;
static uint64_t free_at_start;

static const struct grant_limits limits = {.frames = 4, .maptrack_frames = 4, .version = 2};

static void start_domain(unsigned d, struct account *a)
{
    gd[d].account = a;
    kit_space_build(a, &gd[d].space);
    host_preempt_every(0);
    CU_ASSERT_EQUAL_FATAL(table_pin(a, gd[d].space.l4, 4), 0);
    CU_ASSERT_EQUAL_FATAL(grant_table_create(a, &limits, GRANT_LANES, &gd[d].table), 0);
    CU_ASSERT_EQUAL_FATAL(grant_table_grow(gd[d].table, 1), GNTST_okay);
    gd[d].user = (struct grant_user){gd[d].table, gd[d].space.l4, 0};
    host_tlb_load(d, a, gd[d].space.l4);
}

void grant_start(void)
{
    kit_start(300);
    grants_init();
    CU_ASSERT_EQUAL_FATAL(account_init(&account_c, 3, 300), 0);
    free_at_start = heap_free_pages();
    start_domain(GA, &kit_a);
    start_domain(GB, &kit_b);
    start_domain(GC, &account_c);
}

void grant_check(void)
{
    CU_ASSERT_EQUAL(grant_audit(), 0);
    kit_check(grant_audit_held());
}

void grant_kill(unsigned d)
{
    if (host_tlb_loaded(d).n)
        host_tlb_load(d, NULL, mfn(0));
    kit_relinquish(gd[d].account);
    while (grant_table_relinquish(gd[d].table) == -XEN_ERESTART)
        ;
    grant_check();
}

void grant_restart(unsigned d)
{
    struct account *a = gd[d].account;
    domid_t id = a->id;

    CU_ASSERT_EQUAL(grant_table_withdraw(gd[d].table), 0);
    grant_table_destroy(gd[d].table);
    account_destroy(a);
    CU_ASSERT_EQUAL_FATAL(account_init(a, id, 300), 0);
    start_domain(d, a);
}

void grant_end(void)
{
    host_fail_off();
    host_preempt_every(0);
    for (unsigned d = 0; d < GRANT_DOMAINS; d++)
        grant_kill(d);
    for (unsigned d = 0; d < GRANT_DOMAINS; d++) {
        CU_ASSERT_EQUAL(gd[d].account->pages, 0);
        CU_ASSERT_EQUAL(grant_table_withdraw(gd[d].table), 0);
        grant_table_destroy(gd[d].table);
    }
    account_destroy(&account_c);
    slab_trim();
    grants_init();
    kit_end();
}

void grant_write(unsigned d, grant_ref_t ref, unsigned who, mfn_t m, uint16_t flags)
{
    *grant_v1(gd[d].table, ref) =
        (grant_entry_v1_t){.flags = flags, .domid = gd[who].account->id, .frame = (uint32_t)m.n};
}

uint16_t grant_flags(unsigned d, grant_ref_t ref)
{
    return grant_v1(gd[d].table, ref)->flags;
}

uint64_t grant_pte_address(unsigned d, unsigned n)
{
    return gd[d].space.l1[0].n << PAGE_SHIFT | (KIT_DATA + n) * sizeof(uint64_t);
}

uint64_t grant_pte(unsigned d, unsigned n)
{
    return *kit_entry(gd[d].space.l1[0], KIT_DATA + n);
}

int do_map(unsigned mapper, unsigned granter, grant_ref_t ref, uint64_t host_addr, uint32_t flags,
           grant_handle_t *handle)
{
    struct gnttab_map_grant_ref op = {.host_addr = host_addr,
                                      .flags = flags,
                                      .ref = ref,
                                      .dom = gd[granter].account->id,
                                      .handle = UINT32_MAX};
    int rc;

    do {
        grant_enter();
        rc = grant_map(&gd[mapper].user, &op);
        grant_leave();
    } while (rc == -XEN_ERESTART);
    CU_ASSERT_EQUAL(rc, 0);
    if (handle)
        *handle = op.handle;
    return op.status;
}

int do_unmap(unsigned mapper, grant_handle_t handle, uint64_t host_addr)
{
    struct grant_unmap_batch b;
    int status;

    grant_unmap_begin(&b, &gd[mapper].user);
    grant_enter();
    status = grant_unmap_one(&b, host_addr, 0, 0, handle);
    grant_unmap_finish(&b);
    grant_leave();
    return status;
}
