/* SPDX-License-Identifier: MIT
 *
 * What the tests of the page cache share.
 */
#include "unittests/pcache_kit.h"

#include <string.h>

#include <lagan/arch.h>
#include "mm/pcache_state.h"
#include "mm/type.h"

struct kit_domain kit_domain[KIT_DOMAINS];
static uint64_t free_at_start;

void pckit_domain_start(unsigned d)
{
    struct kit_domain *k = &kit_domain[d];

    CU_ASSERT_EQUAL_FATAL(account_init(&k->account, (domid_t)(1 + d), heap_total_pages()), 0);
    CU_ASSERT_EQUAL_FATAL(pcache_create(&k->account, &k->pc), 0);
    CU_ASSERT_EQUAL(pcache_pool_new(k->pc, false), KIT_POOL);
}

void pckit_keep_all(unsigned d)
{
    struct pcache *pc = kit_domain[d].pc;

    pcache_ghost_init(pc->ghost, pc->ghost_table, 0, 1, 0);
}

void pckit_domain_end(unsigned d)
{
    struct kit_domain *k = &kit_domain[d];

    if (!k->pc)
        return;
    while (pcache_relinquish(k->pc) == -XEN_ERESTART)
        ;
    while (account_relinquish(&k->account) == -XEN_ERESTART)
        ;
    CU_ASSERT_EQUAL(k->account.pages, 0);
    pcache_destroy(k->pc);
    account_destroy(&k->account);
    k->pc = NULL;
}

void pckit_start(uint64_t pages, unsigned domains)
{
    host_heap(pages, pages);
    host_set_time(UINT64_C(1000000000));
    memset(kit_domain, 0, sizeof(kit_domain));
    accounts_init();
    CU_ASSERT_TRUE_FATAL(spare_init());
    pcache_init();
    free_at_start = heap_free_pages();
    for (unsigned d = 0; d < domains; d++)
        pckit_domain_start(d);
}

void pckit_check(void)
{
    uint64_t sum = heap_free_pages();

    CU_ASSERT_EQUAL(pcache_audit(), 0);
    heap_audit();
    CU_ASSERT_EQUAL(mm_audit(), 0);
    CU_ASSERT_EQUAL(host_tlb_check(), 0);
    for (unsigned i = 0; i < HEAP_CAUSES; i++)
        sum += heap_used_pages((enum heap_cause)i);
    for (const struct account *a = account_next(0); a; a = account_next(a->id + 1U))
        sum += a->pages;
    CU_ASSERT_EQUAL(sum, heap_total_pages());
}

void pckit_end(void)
{
    host_fail_off();
    host_preempt_every(0);
    for (unsigned d = 0; d < KIT_DOMAINS; d++)
        pckit_domain_end(d);
    pckit_check();
    CU_ASSERT_EQUAL(spare_pages(), 0);
    CU_ASSERT_EQUAL(spare_kept(), 0);
    CU_ASSERT_EQUAL(heap_free_pages(), free_at_start);
}

static uint64_t word_of(unsigned d, uint64_t what, uint64_t generation, unsigned i)
{
    uint64_t x = ((uint64_t)d << 56 ^ what << 24 ^ generation) + i * UINT64_C(0x9e3779b97f4a7c15);

    return (x ^ x >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
}

void pckit_fill(mfn_t m, unsigned d, uint64_t what, uint64_t generation)
{
    uint64_t *p = arch_map_frame(m);

    p[0] = (uint64_t)(d + 1) << 56 ^ what << 24 ^ generation;
    for (unsigned i = 1; i < PAGE_SIZE / sizeof(*p); i++)
        p[i] = word_of(d, what, generation, i);
}

bool pckit_holds(mfn_t m, unsigned d, uint64_t what, uint64_t generation)
{
    const uint64_t *p = arch_map_frame(m);

    if (p[0] != ((uint64_t)(d + 1) << 56 ^ what << 24 ^ generation))
        return false;
    for (unsigned i = 1; i < PAGE_SIZE / sizeof(*p); i++)
        if (p[i] != word_of(d, what, generation, i))
            return false;
    return true;
}

bool pckit_is_blank(mfn_t m, unsigned d)
{
    const uint64_t *p = arch_map_frame(m);

    if (p[0])
        return p[0] >> 56 == d + 1;
    for (unsigned i = 1; i < PAGE_SIZE / sizeof(*p); i++)
        if (p[i])
            return false;
    return true;
}

mfn_t pckit_frame(unsigned d, uint64_t gfn)
{
    mfn_t m = MFN_INVALID;

    CU_ASSERT_EQUAL_FATAL(account_alloc_named(&kit_domain[d].account, 0, 0, gfn, &m), 0);
    return m;
}

uint64_t pckit_put(unsigned d, unsigned pool, uint64_t key, uint64_t generation)
{
    struct pcache_name n = {.pool = pool, .key = key};
    struct pcache_held h;
    int rc;

    if (!pcache_put(kit_domain[d].pc, &n, &h, &rc))
        return 0;
    pckit_fill(h.frame, d, key, generation);
    if (!pcache_put_end(kit_domain[d].pc, &h, true))
        return 0;
    return pool ? 1 : h.id;
}

static int get(unsigned d, const struct pcache_name *n, uint64_t what, uint64_t generation,
               bool stays)
{
    struct pcache_held h;
    bool right;

    if (!pcache_get(kit_domain[d].pc, n, stays, &h))
        return 0;
    right = pckit_holds(h.frame, d, what, generation);
    pcache_get_end(kit_domain[d].pc, &h, true);
    return right ? 1 : -1;
}

int pckit_get_key(unsigned d, uint64_t key, uint64_t generation, bool stays)
{
    return get(d, &(struct pcache_name){.pool = KIT_POOL, .key = key}, key, generation, stays);
}

int pckit_get_id(unsigned d, uint64_t id, uint64_t name, uint64_t generation)
{
    return get(d, &(struct pcache_name){.key = id, .name = name}, name, generation, false);
}

struct lagan_pcache_stats pckit_stats(unsigned d)
{
    struct lagan_pcache_stats s = {.domid = (uint16_t)(1 + d)};

    pcache_get_stats(kit_domain[d].pc, &s);
    return s;
}

/* xorshift64* */
uint64_t pckit_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * UINT64_C(2685821657736338717)) >> 16;
}
