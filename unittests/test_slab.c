/* SPDX-License-Identifier: MIT
 *
 * Small objects.
 */
#include <string.h>

#include "unittests/mm_kit.h"

static void test_sizes(void)
{
    static const uint8_t zero[2048];

    host_heap(0, 256);
    for (size_t bytes = 1; bytes <= 2048; bytes += 7) {
        uint8_t *p = slab_alloc(bytes), *q = slab_alloc(bytes);

        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        CU_ASSERT_PTR_NOT_NULL_FATAL(q);
        CU_ASSERT_EQUAL((uintptr_t)p % 16, 0);
        CU_ASSERT(p + bytes <= q || q + bytes <= p);
        CU_ASSERT_EQUAL(memcmp(p, zero, bytes), 0);
        memset(p, 0xff, bytes);
        memset(q, 0xff, bytes);
        slab_free(p);
        p = slab_alloc(bytes); /* the same memory: zeroed again */
        CU_ASSERT_EQUAL(memcmp(p, zero, bytes), 0);
        slab_free(p);
        slab_free(q);
        heap_audit();
    }
    CU_ASSERT_PTR_NULL(slab_alloc(2049));
    slab_free(NULL);
}

/* Two of 2 KiB on a page: nothing is lost to headers. */
static void test_density(void)
{
    void *p[64];

    host_heap(0, 64);
    for (unsigned i = 0; i < 64; i++)
        p[i] = slab_alloc(2048);
    CU_ASSERT_EQUAL(slab_audit(), 32);
    for (unsigned i = 0; i < 64; i++)
        slab_free(p[i]);
    CU_ASSERT_EQUAL(slab_audit(), 1); /* one is kept for the next */
    CU_ASSERT_EQUAL(heap_free_pages(), 63);
    heap_audit();
}

static void test_no_memory(void)
{
    host_heap(0, 1);
    CU_ASSERT_PTR_NOT_NULL(slab_alloc(16));
    CU_ASSERT_PTR_NULL(slab_alloc(2048));
    host_heap(0, 8);
    host_fail_after(1);
    CU_ASSERT_PTR_NULL(slab_alloc(16));
    CU_ASSERT(host_fail_off());
    CU_ASSERT_PTR_NOT_NULL(slab_alloc(16));
    heap_audit();
}

static void test_misuse(void)
{
    uint8_t *p;
    void *page;

    host_heap(0, 64);
    p = slab_alloc(64);
    page = page_alloc(0, 0);
    CU_ASSERT(HOST_PANICS(slab_free(p + 16)));
    host_heap(0, 64);
    page = page_alloc(0, 0);
    CU_ASSERT(HOST_PANICS(slab_free(page)));
}

static void test_random(void)
{
    enum { SLOTS = 700 };
    static struct {
        uint8_t *p;
        size_t bytes;
        uint8_t fill;
    } slot[SLOTS];
    uint64_t r = kit_seed(2);

    host_heap(0, 2048);
    memset(slot, 0, sizeof(slot));
    for (unsigned i = 0; i < 60000; i++) {
        unsigned s = (unsigned)kit_random(&r) % SLOTS;

        if (slot[s].p) {
            for (size_t b = 0; b < slot[s].bytes; b++)
                if (slot[s].p[b] != slot[s].fill)
                    CU_FAIL("an object was overwritten");
            slab_free(slot[s].p);
            slot[s].p = NULL;
        } else {
            slot[s].bytes = 1 + kit_random(&r) % (kit_random(&r) % 4 ? 128 : 2048);
            slot[s].fill = (uint8_t)kit_random(&r);
            slot[s].p = slab_alloc(slot[s].bytes);
            CU_ASSERT_PTR_NOT_NULL_FATAL(slot[s].p);
            memset(slot[s].p, slot[s].fill, slot[s].bytes);
        }
        if (i % 256 == 0)
            slab_audit();
    }
    for (unsigned s = 0; s < SLOTS; s++)
        slab_free(slot[s].p);
    heap_audit();
    CU_ASSERT(slab_audit() <= 14);
}

static const struct test_case cases[] = {
    {"each size", test_sizes},          {"density, and pages go back", test_density},
    {"no memory", test_no_memory},      {"misuse stops the machine", test_misuse},
    {"random operations", test_random}, {0},
};
const struct suite suite_slab = {"slab", cases, NULL, NULL};
