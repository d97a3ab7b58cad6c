/* SPDX-License-Identifier: MIT
 *
 * 9pfs rings: messages of all lengths through both ways, and front ends that lie.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xen/grant_table.h>
#include <xen/io/9pfs.h>

#include "transport/pfs.h"
#include "unittests/suite.h"

static _Alignas(4096) uint8_t page[4096];
static uint8_t *data;
static struct xen_9pfs_data_intf *shared = (void *)page;
static struct pfs_ring front, back;

static void begin(unsigned order)
{
    uint32_t refs[PFS_REFS_MAX], got[PFS_REFS_MAX];
    unsigned seen;

    for (uint32_t i = 0; i < PFS_REFS_MAX; i++)
        refs[i] = 50 + i;
    data = malloc(4096UL << order);
    pfs_offer(&front, page, order, refs, data);
    CU_ASSERT_EQUAL_FATAL(pfs_look(page, &seen, got), 0);
    CU_ASSERT_EQUAL(seen, order);
    CU_ASSERT_EQUAL(memcmp(refs, got, 4UL << order), 0);
    pfs_accept(&back, page, order, data);
}

static void end(void)
{
    free(data);
}

static void fill(uint8_t *m, uint32_t length, uint32_t seed)
{
    for (uint32_t i = 0; i < length; i++)
        m[i] = (uint8_t)(seed + i * 3);
    m[0] = (uint8_t)length;
    m[1] = (uint8_t)(length >> 8);
    m[2] = (uint8_t)(length >> 16);
    m[3] = 0;
}

static void test_traffic(void)
{
    static uint8_t m[5000], got[5000];
    uint32_t sent[2] = {0, 0}, came[2] = {0, 0};

    srandom((unsigned)test_seed);
    begin(1);
    for (unsigned i = 0; i < 40000; i++) {
        unsigned way = (unsigned)random() % 2;
        struct pfs_ring *from = way ? &back : &front, *to = way ? &front : &back;

        if (random() % 2) {
            uint32_t length = 7 + sent[way] * 31 % 4090,
                     head = 7 + (uint32_t)random() % (length - 6);

            fill(m, length, sent[way]);
            sent[way] += pfs_send(from, m, head, m + head, length - head) == 1;
        } else {
            uint32_t length = 7 + came[way] * 31 % 4090;
            int64_t rc = pfs_receive(to, got, sizeof(got));

            CU_ASSERT_TRUE_FATAL(rc == 0 || rc == length);
            CU_ASSERT_TRUE(rc == 0 || to->kick);
            fill(m, length, came[way]);
            CU_ASSERT_TRUE_FATAL(rc == 0 || memcmp(m, got, length) == 0);
            came[way] += rc != 0;
        }
        CU_ASSERT_TRUE(came[way] <= sent[way]);
    }
    CU_ASSERT_TRUE(came[0] > 1000 && came[1] > 1000);
    CU_ASSERT_EQUAL(pfs_send(&front, m, 4097, NULL, 0), -XEN_EMSGSIZE);
    end();
}

/* A message that comes in pieces: nothing before the last of them. */
static void test_pieces(void)
{
    static uint8_t m[100], got[100];

    begin(1);
    fill(m, sizeof(m), 9);
    for (uint32_t i = 0; i < sizeof(m); i++) {
        CU_ASSERT_EQUAL(pfs_receive(&back, got, sizeof(got)), 0);
        ring_put(&front.out, 0, m + i, 1);
        ring_wrote(&front.out, 1);
    }
    CU_ASSERT_EQUAL(pfs_receive(&back, got, sizeof(got)), sizeof(m));
    CU_ASSERT_EQUAL(memcmp(m, got, sizeof(m)), 0);
    end();
}

static void test_orders(void)
{
    uint32_t refs[PFS_REFS_MAX];
    unsigned order;

    begin(3);
    shared->ring_order = 0;
    CU_ASSERT_EQUAL(pfs_look(page, &order, refs), -XEN_EINVAL);
    shared->ring_order = 10;
    CU_ASSERT_EQUAL(pfs_look(page, &order, refs), -XEN_EINVAL);
    shared->ring_order = 9;
    CU_ASSERT_EQUAL(pfs_look(page, &order, refs), 0);
    end();
}

static void test_lies(void)
{
    static const uint32_t lengths[] = {0, 6, 2049, 4097, 0xffffffff, 0x80000000};
    static const uint32_t indices[] = {4097, 0xffffffff, 0x80000000};
    static uint8_t got[4096];

    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        begin(1);
        memcpy(data + 4096, &lengths[i], 4);
        shared->out_prod = 100;
        CU_ASSERT_EQUAL(pfs_receive(&back, got, 2048), -XEN_EBADMSG);
        CU_ASSERT_EQUAL(pfs_send(&back, got, 10, NULL, 0), -XEN_EBADMSG);
        end();
    }
    for (unsigned i = 0; i < sizeof(indices) / sizeof(indices[0]); i++) {
        begin(1);
        shared->out_prod = indices[i];
        CU_ASSERT_EQUAL(pfs_receive(&back, got, 4096), -XEN_EBADMSG);
        end();
        begin(1);
        shared->in_cons = indices[i];
        CU_ASSERT_EQUAL(pfs_send(&back, got, 10, NULL, 0), -XEN_EBADMSG);
        end();
    }
}

static const struct test_case cases[] = {
    {"random traffic", test_traffic},
    {"a message in pieces", test_pieces},
    {"orders", test_orders},
    {"a front end that lies", test_lies},
    {NULL, NULL},
};

const struct suite suite_pfs = {.name = "pfs", .cases = cases};
