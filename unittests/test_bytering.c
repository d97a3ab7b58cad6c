/* SPDX-License-Identifier: MIT
 *
 * The byte ring, alone and between two threads (build it with TSan).
 */
#include <pthread.h>

#include "suite.h"
#include "xen/arch/x86/bytering.h"

static void fill_and_empty(void)
{
    static struct byte_ring r;

    /* Start just before the indices wrap, and go round several times. */
    atomic_store(&r.in, UINT32_MAX - 100);
    atomic_store(&r.out, UINT32_MAX - 100);
    for (unsigned turn = 0; turn < 5; turn++) {
        CU_ASSERT(byte_ring_empty(&r));
        CU_ASSERT_EQUAL(byte_ring_get(&r), -1);
        for (unsigned i = 0; i < BYTE_RING_BYTES; i++)
            CU_ASSERT(byte_ring_put(&r, (uint8_t)(i * 7)));
        CU_ASSERT(!byte_ring_put(&r, 1));
        CU_ASSERT(!byte_ring_empty(&r));
        for (unsigned i = 0; i < BYTE_RING_BYTES; i++)
            CU_ASSERT_EQUAL(byte_ring_get(&r), (uint8_t)(i * 7));
    }
}

#define PASSED 1000000u
static struct byte_ring shared;

static void *produce(void *unused)
{
    for (unsigned i = 0; i < PASSED; i++)
        while (!byte_ring_put(&shared, (uint8_t)(i % 251)))
            ;
    return unused;
}

static void two_threads(void)
{
    pthread_t producer;
    unsigned wrong = 0;

    CU_ASSERT_EQUAL_FATAL(pthread_create(&producer, NULL, produce, NULL), 0);
    for (unsigned i = 0; i < PASSED; i++) {
        int byte;

        while ((byte = byte_ring_get(&shared)) < 0)
            ;
        wrong += byte != (int)(i % 251);
    }
    pthread_join(producer, NULL);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(byte_ring_empty(&shared));
}

static const struct test_case cases[] = {
    {"fill and empty", fill_and_empty}, {"two threads", two_threads}, {NULL, NULL}};

const struct suite suite_bytering = {"bytering", cases, NULL, NULL};
