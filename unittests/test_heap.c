/* SPDX-License-Identifier: MIT
 *
 * The page allocator.
 */
#include <stdlib.h>
#include <string.h>

#include "mm/claim.h"
#include "mm/scrub.h"
#include "unittests/mm_kit.h"
#include "unittests/model_heap.h"

enum { LOW = 600, HIGH = 3000 };

static void test_all_of_it(void)
{
    uint64_t n = 0;
    mfn_t m, first = MFN_INVALID;

    host_heap(LOW, HIGH);
    CU_ASSERT_EQUAL(heap_total_pages(), LOW + HIGH);
    CU_ASSERT_EQUAL(heap_free_pages(), LOW + HIGH);
    heap_audit();
    while (heap_alloc(0, 0, &m)) {
        if (n++ == 0)
            first = m;
        memset(arch_map_frame(m), 0x11, PAGE_SIZE);
    }
    CU_ASSERT_EQUAL(n, LOW + HIGH);
    CU_ASSERT_EQUAL(heap_free_pages(), 0);
    CU_ASSERT(first.n >= HOST_HIGH_START); /* low memory is taken last */
    heap_audit();
    for (n = HOST_LOW_START; n < HOST_LOW_START + LOW; n++)
        heap_free(mfn(n), 0);
    for (n = HOST_HIGH_START; n < HOST_HIGH_START + HIGH; n++)
        heap_free(mfn(n), 0);
    CU_ASSERT_EQUAL(heap_free_pages(), LOW + HIGH);
    heap_audit();
    CU_ASSERT(heap_alloc(11, 0, &m)); /* merged again: 2048 frames in one piece */
    CU_ASSERT_EQUAL(m.n % 2048, 0);
    heap_audit();
}

static void test_zones(void)
{
    mfn_t m;

    host_heap(LOW, HIGH);
    for (unsigned order = 0; order < 9; order++) {
        CU_ASSERT(heap_alloc(order, HEAP_LOW, &m));
        CU_ASSERT(m.n < HOST_HIGH_START && m.n % (1U << order) == 0);
        heap_free(m, order);
        CU_ASSERT(heap_alloc(order, 0, &m));
        CU_ASSERT(m.n >= HOST_HIGH_START && m.n % (1U << order) == 0);
        heap_free(m, order);
    }
    heap_audit();
    CU_ASSERT_FALSE(heap_alloc(10, HEAP_LOW, &m));
    CU_ASSERT_FALSE(heap_alloc(HEAP_MAX_ORDER, 0, &m));
    CU_ASSERT_FALSE(heap_alloc(HEAP_MAX_ORDER + 1, 0, &m));
    CU_ASSERT_EQUAL(heap_free_pages(), LOW + HIGH);

    host_heap(LOW, 0); /* a machine with low memory only */
    CU_ASSERT(heap_alloc(0, 0, &m) && m.n < HOST_HIGH_START);
    heap_free(m, 0);
    CU_ASSERT_EQUAL(heap_free_pages(), LOW);
    heap_audit();
}

static void test_clear(void)
{
    static const uint8_t zero[PAGE_SIZE];
    uint8_t *p;

    host_heap(LOW, 0);
    p = page_alloc(2, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(p, 0x77, 4 * PAGE_SIZE);
    page_free(p, 2);
    p = page_alloc(2, HEAP_CLEAR);
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(memcmp(p + i * PAGE_SIZE, zero, PAGE_SIZE), 0);
    page_free(p, 2);
    page_free(NULL, 0);
}

/* Boot must not pay for each frame: only block heads are touched. */
static void test_add_touches_heads_only(void)
{
    unsigned touched = 0;

    host_reset(0, 4096 + 37);
    heap_init();
    heap_add(mfn(HOST_HIGH_START), mfn(HOST_HIGH_START + 4096 + 37));
    for (uint64_t n = 0; n < 4096 + 37; n++)
        touched += frame_of(mfn(HOST_HIGH_START + n))->use != 0;
    CU_ASSERT_EQUAL(touched, 4); /* 4096 + 32 + 4 + 1 */
    heap_audit();

    host_reset(64, 0);
    heap_init();
    heap_add(mfn(0x13), mfn(0x13)); /* nothing */
    CU_ASSERT_EQUAL(heap_total_pages(), 0);
    heap_add(mfn(0x13), mfn(0x4d));
    CU_ASSERT_EQUAL(heap_total_pages(), 0x4d - 0x13);
    heap_audit();
}

/* Frames in other CPUs' caches are found before a request fails. */
static void test_caches_are_drained(void)
{
    mfn_t m, block[256];

    host_heap(0, 256);
    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++) {
        host_enter_cpu(cpu);
        CU_ASSERT(heap_alloc(0, 0, &m));
        heap_free(m, 0);
    }
    host_enter_cpu(0);
    CU_ASSERT(heap_alloc(8, 0, &m)); /* all of it, once the caches are empty */
    heap_free(m, 8);
    heap_audit();
    host_enter_cpu(1);
    CU_ASSERT(heap_alloc(0, 0, &block[0]));
    host_enter_cpu(0);
    for (unsigned i = 1; i < 256; i++)
        CU_ASSERT(heap_alloc(0, 0, &block[i]));
    CU_ASSERT_FALSE(heap_alloc(0, 0, &m));
    CU_ASSERT_EQUAL(heap_free_pages(), 0);
    for (unsigned i = 0; i < 256; i++)
        heap_free(block[i], 0);
    heap_audit();
    heap_drain_cpu_cache();
    CU_ASSERT_EQUAL(heap_free_pages(), 256);
    heap_audit();
}

static void test_misuse(void)
{
    mfn_t m;

    host_heap(0, 64);
    CU_ASSERT_FATAL(heap_alloc(1, 0, &m));
    CU_ASSERT(HOST_PANICS(heap_free(m, 0)));            /* not its size */
    CU_ASSERT(HOST_PANICS(heap_free(mfn(m.n + 1), 0))); /* inside */
    heap_free(m, 1);
    CU_ASSERT(HOST_PANICS(heap_free(m, 1))); /* twice */
    heap_audit();
}

static void test_failure_injection(void)
{
    mfn_t m;

    host_heap(0, 64);
    host_fail_after(1);
    CU_ASSERT_FALSE(heap_alloc(0, 0, &m));
    CU_ASSERT(host_fail_off());
    CU_ASSERT_EQUAL(heap_free_pages(), 64);
    heap_audit();
}

/* What the hypervisor took, and what an account has and has claimed. */
struct model_host {
    struct model_heap h;
    uint64_t limit; /* of frames, in all */
    uint64_t claim;
    mfn_t own[200];
    unsigned own_count;
};

static void model_hypervisor(struct model_host *s, uint64_t *r)
{
    unsigned order = kit_random(r) % 3 ? 0 : (unsigned)(kit_random(r) % 7);
    uint64_t unclaimed = s->limit - s->h.used - s->own_count - s->claim;
    mfn_t m;

    if (s->h.count < MODEL_BLOCKS && kit_random(r) % 100 < 52) {
        unsigned flags = (kit_random(r) % 4 ? 0 : HEAP_LOW) | (kit_random(r) % 2 ? HEAP_CLEAR : 0);

        if (!heap_alloc(order, flags, &m)) {
            CU_ASSERT(order || (flags & HEAP_LOW) || unclaimed == 0);
            return;
        }
        CU_ASSERT(unclaimed >= UINT64_C(1) << order);
        CU_ASSERT_EQUAL(m.n % (1U << order), 0);
        CU_ASSERT_FALSE(model_heap_overlaps(&s->h, m.n, order));
        memset(arch_map_frame(m), 0x5a, 64);
        model_heap_take(&s->h, m.n, order);
    } else if (s->h.count) {
        struct model_block b = model_heap_give(&s->h, (unsigned)kit_random(r) % s->h.count);

        heap_free(mfn(b.start), (unsigned)b.order);
    }
}

/* It takes one, gives one back, or changes its claim. */
static void model_account(struct model_host *s, uint64_t *r)
{
    uint64_t free = s->limit - s->h.used - s->own_count, want;
    bool ok;

    if (kit_random(r) % 8 == 0) {
        want = kit_random(r) % 2 ? kit_random(r) % (2 * free + 2) : 0;
        ok = want <= free;
        CU_ASSERT_EQUAL(claim_set(&kit_a, want ? s->own_count + want : 0) == 0, ok);
        if (ok)
            s->claim = want;
    } else if (kit_random(r) % 2 && s->own_count < ARRAY_SIZE(s->own)) {
        mfn_t *m = &s->own[s->own_count];

        ok = account_alloc(&kit_a, 0, 0, m) == 0;
        CU_ASSERT_EQUAL(ok, free > 0);
        if (ok) {
            memset(arch_map_frame(*m), 0xee, 64);
            s->own_count++;
            s->claim -= s->claim != 0;
        }
    } else if (s->own_count) {
        CU_ASSERT_EQUAL(account_release(&kit_a, s->own[--s->own_count]), 0);
    }
    CU_ASSERT_EQUAL(claim_pages(&kit_a), s->claim);
}

static void model_end(struct model_host *s)
{
    while (s->h.count) {
        struct model_block b = model_heap_give(&s->h, s->h.count - 1);

        heap_free(mfn(b.start), (unsigned)b.order);
    }
    while (account_relinquish(&kit_a) != 0)
        ;
    heap_audit();
    CU_ASSERT_EQUAL(heap_free_pages(), s->limit);
    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++) {
        host_enter_cpu(cpu);
        while (scrub_pending())
            scrub_step();
    }
    host_enter_cpu(0);
    heap_audit();
    CU_ASSERT_EQUAL(heap_dirty_pages(), 0);
}

/* LAGAN_MODEL_STEPS in the environment makes it longer. */
static void test_model(void)
{
    const char *steps = getenv("LAGAN_MODEL_STEPS");
    unsigned count = steps ? (unsigned)strtoul(steps, NULL, 0) : 100000;
    static struct model_host s;
    uint64_t r = kit_seed(1);

    host_heap(500, 1200);
    accounts_init();
    memset(&s, 0, sizeof(s));
    CU_ASSERT_EQUAL_FATAL(account_init(&kit_a, 1, 5000), 0);
    s.limit = heap_free_pages();
    for (unsigned i = 0; i < count; i++) {
        host_enter_cpu((unsigned)kit_random(&r) % HOST_CPUS);
        switch (kit_random(&r) % 8) {
        case 0:
            host_preempt_every((unsigned)kit_random(&r) % 8);
            scrub_step();
            host_preempt_every(0);
            break;
        case 1:
        case 2:
        case 3:
            model_account(&s, &r);
            break;
        default:
            model_hypervisor(&s, &r);
        }
        CU_ASSERT_EQUAL(heap_free_pages() + s.h.used + s.own_count, s.limit);
        if (i % 512 == 0)
            heap_audit();
    }
    model_end(&s);
    account_destroy(&kit_a);
}

/* Runs of any length: consecutive, of no more frames than asked for, and every one comes back. */
static void test_runs(void)
{
    static const uint64_t counts[] = {1, 2, 3, 5, 8, 31, 33, 100, 255, 511, 513, 1000};

    host_heap(LOW, HIGH);
    CU_ASSERT_PTR_NULL(page_alloc_run(0));
    CU_ASSERT_PTR_NULL(page_alloc_run((UINT64_C(1) << HEAP_MAX_ORDER) + 1));
    CU_ASSERT_PTR_NULL(page_alloc_run(2049)); /* no block of 4096 */
    page_free_run(NULL, 5);
    for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
        void *a = page_alloc_run(counts[i]), *b = page_alloc_run(counts[i]);

        CU_ASSERT(a && b);
        CU_ASSERT_EQUAL(heap_free_pages(), LOW + HIGH - 2 * counts[i]);
        memset(a, 1, counts[i] * PAGE_SIZE);
        memset(b, 2, counts[i] * PAGE_SIZE);
        CU_ASSERT_EQUAL(((uint8_t *)a)[counts[i] * PAGE_SIZE - 1], 1);
        heap_audit();
        page_free_run(a, counts[i]);
        heap_audit();
        page_free_run(b, counts[i]);
        CU_ASSERT_EQUAL(heap_free_pages(), LOW + HIGH);
        heap_audit();
    }
}

static const struct test_case cases[] = {
    {"all frames once, and back", test_all_of_it},
    {"zones and alignment", test_zones},
    {"cleared pages", test_clear},
    {"adding memory touches block heads only", test_add_touches_heads_only},
    {"runs of any length", test_runs},
    {"caches are drained before failing", test_caches_are_drained},
    {"misuse stops the machine", test_misuse},
    {"injected failure", test_failure_injection},
    {"random operations against the model", test_model},
    {0},
};
const struct suite suite_heap = {"heap", cases, NULL, NULL};
