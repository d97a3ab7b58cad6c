/* SPDX-License-Identifier: MIT
 *
 * The library for Linux programs, on made-up devices: two threads as two programs.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "unittests/fake_xendev.h"
#include "unittests/suite.h"
#include "vstream.h"

#define BYTES 400000U

static struct vstream server, client;

static void fill(uint8_t *bytes)
{
    for (uint32_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 3 + i / 257);
}

static void *echo(void *arg)
{
    uint8_t bytes[1000];

    (void)arg;
    for (uint32_t i = 0; i < BYTES; i += sizeof(bytes))
        if (vstream_read(&server, bytes, sizeof(bytes), 10000) ||
            vstream_write(&server, bytes, sizeof(bytes), 10000))
            return NULL;
    vstream_end(&server);
    return arg;
}

static void *send_all(void *arg)
{
    return vstream_write(&client, arg, BYTES, 10000) ? NULL : arg;
}

/* All sizes of rings; there and back, and then both have given everything back. */
static void test_echo(void)
{
    static const unsigned orders[][2] = {{10, 11}, {12, 12}, {16, 10}};
    static uint8_t out[BYTES], in[1000];

    fill(out);
    for (unsigned i = 0; i < 3; i++) {
        pthread_t other;
        void *rc;

        fake_begin();
        CU_ASSERT_EQUAL_FATAL(vstream_serve(&server, 2, orders[i][0], orders[i][1]), 0);
        CU_ASSERT_EQUAL_FATAL(vstream_join(&client, 1, server.ref, server.port), 0);
        pthread_create(&other, NULL, echo, &server);
        /* One thread at a time to an end: a part out, and the same part in. */
        for (uint32_t at = 0; at < BYTES; at += sizeof(in)) {
            CU_ASSERT_EQUAL_FATAL(vstream_write(&client, out + at, sizeof(in), 10000), 0);
            CU_ASSERT_EQUAL_FATAL(vstream_read(&client, in, sizeof(in), 10000), 0);
            CU_ASSERT_EQUAL_FATAL(memcmp(in, out + at, sizeof(in)), 0);
        }
        pthread_join(other, &rc);
        CU_ASSERT_PTR_NOT_NULL(rc);
        CU_ASSERT_EQUAL(vstream_read(&client, in, 1, 10000), -ENOTCONN);
        vstream_end(&client);
        CU_ASSERT_TRUE(fake.open == 0 && fake.mapped == 0 && fake.unbound == 2);
    }
}

/* A sender that has to wait for room all the time. */
static void test_one_way(void)
{
    static uint8_t out[BYTES], in[BYTES];
    pthread_t other;
    void *rc;

    fill(out);
    fake_begin();
    CU_ASSERT_EQUAL_FATAL(vstream_serve(&server, 2, 10, 12), 0);
    CU_ASSERT_EQUAL_FATAL(vstream_join(&client, 1, server.ref, server.port), 0);
    pthread_create(&other, NULL, send_all, out);
    CU_ASSERT_EQUAL(vstream_read(&server, in, BYTES, 10000), 0);
    pthread_join(other, &rc);
    CU_ASSERT_PTR_NOT_NULL(rc);
    CU_ASSERT_EQUAL(memcmp(in, out, BYTES), 0);
    CU_ASSERT_EQUAL(vstream_read(&server, in, 1, 0), -ETIMEDOUT);
    vstream_end(&server);
    CU_ASSERT_EQUAL(vstream_write(&client, out, 1, 0), -ENOTCONN);
    vstream_end(&client);
}

/* The process dies: the kernel unmaps, and says so. */
static void test_death(void)
{
    uint8_t byte = 0;

    fake_begin();
    CU_ASSERT_EQUAL_FATAL(vstream_serve(&server, 2, 12, 12), 0);
    CU_ASSERT_EQUAL_FATAL(vstream_join(&client, 1, server.ref, server.port), 0);
    xendev_unmap(&client.dev, false, client.page.handle, client.page.at, 1);
    client.page.at = NULL;
    CU_ASSERT_EQUAL(vstream_wait(&server, 10000), 0);
    CU_ASSERT_EQUAL(vstream_read(&server, &byte, 1, 10000), -ENOTCONN);
    vstream_end(&server);
}

/* Each call to the kernel fails once: an error, and nothing is left over. */
static void test_failures(void)
{
    for (uint32_t n = 0; n < 20; n++) {
        int rc;

        fake_begin();
        fake.fail_at = n;
        rc = vstream_serve(&server, 2, 12, 13);
        if (rc == 0) {
            rc = vstream_join(&client, 1, server.ref, server.port);
            if (rc == 0)
                vstream_end(&client);
            vstream_end(&server);
        }
        CU_ASSERT_EQUAL(rc == 0, n >= 12);
        CU_ASSERT_TRUE(fake.open == 0 && fake.mapped == 0 && fake.unbound == fake.ports);
    }
}

static void test_refused(void)
{
    fake_begin();
    CU_ASSERT_EQUAL(vstream_serve(&server, 2, 9, 12), -EINVAL);
    CU_ASSERT_EQUAL(vstream_join(&client, 1, 100000, 1), -EINVAL);
    CU_ASSERT_EQUAL(vstream_join(&client, 1, 20, 1), -EINVAL); /* a page of zeros */
    CU_ASSERT_TRUE(fake.open == 0 && fake.mapped == 0);
}

static const struct test_case cases[] = {
    {"there and back", test_echo},          {"one way", test_one_way},
    {"the death of a process", test_death}, {"each call fails once", test_failures},
    {"what is refused", test_refused},      {NULL, NULL},
};

const struct suite suite_vstream = {.name = "vstream", .cases = cases};
