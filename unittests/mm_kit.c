/* SPDX-License-Identifier: MIT
 *
 * What the tests of mm/ share.
 */
#include <string.h>

#include "unittests/mm_kit.h"

struct account kit_a, kit_b;
static uint64_t free_at_start;

void kit_start(uint64_t pages)
{
    host_heap(pages, pages);
    memset(&kit_a, 0, sizeof(kit_a));
    memset(&kit_b, 0, sizeof(kit_b));
    accounts_init();
    CU_ASSERT_EQUAL_FATAL(account_init(&kit_a, 1, pages), 0);
    CU_ASSERT_EQUAL_FATAL(account_init(&kit_b, 2, pages), 0);
    free_at_start = heap_free_pages();
}

void kit_check(uint64_t held)
{
    CU_ASSERT_EQUAL(mm_audit(), 0);
    CU_ASSERT_EQUAL(mm_audit_held(), held);
    CU_ASSERT_EQUAL(host_tlb_check(), 0);
    heap_audit();
}

void kit_relinquish(struct account *a)
{
    int rc;

    while ((rc = account_relinquish(a)) == -XEN_ERESTART)
        ;
    CU_ASSERT_EQUAL(rc, 0);
}

void kit_end(void)
{
    host_fail_off();
    host_preempt_every(0);
    kit_relinquish(&kit_a);
    kit_relinquish(&kit_b);
    CU_ASSERT_EQUAL(kit_a.pages, 0);
    CU_ASSERT_EQUAL(kit_b.pages, 0);
    kit_check(0);
    CU_ASSERT_EQUAL(heap_free_pages(), free_at_start);
    account_destroy(&kit_a);
    account_destroy(&kit_b);
}

mfn_t kit_frame(struct account *a)
{
    mfn_t m = MFN_INVALID;

    CU_ASSERT_EQUAL_FATAL(account_alloc(a, 0, 0, &m), 0);
    return m;
}

uint64_t *kit_entry(mfn_t m, unsigned index)
{
    return (uint64_t *)arch_map_frame(m) + index;
}

void kit_space_build(struct account *a, struct kit_space *s)
{
    s->l4 = kit_frame(a);
    s->l3 = kit_frame(a);
    s->l2 = kit_frame(a);
    *kit_entry(s->l4, 0) = kit_pte(s->l3, KIT_RW);
    *kit_entry(s->l3, 0) = kit_pte(s->l2, KIT_RW);
    for (unsigned i = 0; i < KIT_DATA; i++)
        s->data[i] = kit_frame(a);
    for (unsigned i = 0; i < KIT_L1; i++) {
        s->l1[i] = kit_frame(a);
        *kit_entry(s->l2, i) = kit_pte(s->l1[i], KIT_RW);
        for (unsigned j = 0; j < KIT_DATA; j++)
            *kit_entry(s->l1[i], j) = kit_pte(s->data[j], j % 2 ? KIT_RO : KIT_RW);
    }
}

/* xorshift64* */
uint64_t kit_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * UINT64_C(2685821657736338717)) >> 16;
}

uint64_t kit_seed(uint64_t salt)
{
    return (test_seed ^ salt * UINT64_C(0x9e3779b97f4a7c15)) | 1;
}
