/* SPDX-License-Identifier: MIT
 *
 * Two threads as two ends, with a semaphore for each event channel: every wait has to end by an
 * event that the other end was asked to send. ThreadSanitizer has nothing to say. And one honest
 * end beside a hostile one that rewrites the shared page all the time.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transport/message.h"
#include "unittests/stream_kit.h"
#include "unittests/suite.h"

static struct stream_pair pair;
static sem_t event[2]; /* [0]: for the client, [1]: for the server */
static _Atomic unsigned lost;
static _Atomic uint64_t events;

static void kick(struct stream *s)
{
    if (s->kick) {
        s->kick = false;
        events++;
        sem_post(&event[s->server ? 0 : 1]);
    }
}

/* An event that does not come in ten seconds is lost. */
static bool sleep_until_event(struct stream *s)
{
    struct timespec end;

    kick(s);
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 10;
    if (sem_timedwait(&event[s->server ? 1 : 0], &end)) {
        lost++;
        return false;
    }
    return true;
}

#define BYTES 3000000U

static void *write_all(void *arg)
{
    struct stream *s = arg;
    uint8_t bytes[3000];
    uint32_t at = 0, turn = 0;

    while (at < BYTES) {
        uint32_t length = 1 + turn++ * 37 % 2999;
        int64_t moved;

        for (uint32_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)((at + i) * 13 + (at + i) / 509);
        moved = stream_write(s, bytes, length < BYTES - at ? length : BYTES - at);
        if (moved < 0 || (moved == 0 && !sleep_until_event(s)))
            break;
        at += (uint32_t)moved;
        kick(s);
    }
    stream_close(s);
    kick(s);
    return NULL;
}

static void *read_all(void *arg)
{
    struct stream *s = arg;
    uint8_t bytes[3000];
    uint64_t at = 0, wrong = 0;

    for (;;) {
        int64_t moved = stream_read(s, bytes, 1 + (uint32_t)at * 11 % 2999);

        if (moved < 0 || (moved == 0 && !sleep_until_event(s)))
            break;
        for (int64_t i = 0; i < moved; i++, at++)
            wrong += bytes[i] != (uint8_t)(at * 13 + at / 509);
        kick(s);
    }
    return (void *)(uintptr_t)(wrong ? 1 : at);
}

static void test_stream(void)
{
    for (unsigned way = 0; way < 2; way++) {
        pthread_t writer, reader;
        void *got;

        pair_begin(&pair, 10, 11);
        sem_init(&event[0], 0, 0);
        sem_init(&event[1], 0, 0);
        lost = 0;
        events = 0;
        pthread_create(&writer, NULL, write_all, way ? &pair.server : &pair.client);
        pthread_create(&reader, NULL, read_all, way ? &pair.client : &pair.server);
        pthread_join(writer, NULL);
        pthread_join(reader, &got);
        CU_ASSERT_EQUAL((uintptr_t)got, BYTES);
        CU_ASSERT_EQUAL(lost, 0);
        pair_end(&pair);
    }
}

/* ---- messages ---- */

#define REQUESTS 20000U

static void *serve(void *arg)
{
    struct messages m;
    struct message msg;
    uint64_t cookie, held = 0;
    bool has_held = false;

    if (message_begin(&m, arg))
        return NULL;
    for (;;) {
        int rc = message_receive(&m, &msg, &cookie);

        if (rc < 0 || (rc == 0 && !sleep_until_event(arg)))
            return NULL;
        if (rc == 0)
            continue;
        /* Every second one is answered before the one before. */
        if (!has_held) {
            held = msg.head.id;
            has_held = true;
            continue;
        }
        while ((rc = message_respond(&m, &msg, msg.head.id)) == 0)
            if (!sleep_until_event(arg))
                return NULL;
        while (has_held && (rc = message_respond(&m, &msg, held)) == 0)
            if (!sleep_until_event(arg))
                return NULL;
        has_held = false;
        kick(arg);
    }
}

static void test_messages(void)
{
    struct messages m;
    struct message msg = {.head = {.bytes = 30}};
    unsigned asked = 0, answered = 0;
    uint64_t cookie;
    pthread_t server;

    pair_begin(&pair, 12, 10);
    sem_init(&event[0], 0, 0);
    sem_init(&event[1], 0, 0);
    lost = 0;
    pthread_create(&server, NULL, serve, &pair.server);
    CU_ASSERT_EQUAL(message_begin(&m, &pair.client), 0);
    while (answered < REQUESTS && !lost) {
        int rc = 0;

        msg.head.type = (uint16_t)asked;
        msg.head.pages = 0;
        if (asked < REQUESTS && asked - answered < 40)
            rc = message_request(&m, &msg, asked);
        asked += rc == 1;
        if (rc == 1)
            continue;
        rc = message_receive(&m, &msg, &cookie);
        CU_ASSERT_TRUE_FATAL(rc >= 0);
        answered += rc == 1;
        if (rc == 0)
            (void)sleep_until_event(&pair.client);
    }
    stream_close(&pair.client);
    kick(&pair.client);
    pthread_join(server, NULL);
    CU_ASSERT_EQUAL(lost, 0);
    CU_ASSERT_EQUAL(answered, REQUESTS);
    pair_end(&pair);
}

/* ---- a hostile end ---- */

static _Atomic bool stop, begun;

/* Atomic stores, so that ThreadSanitizer minds only what the library does. */
static void *rewrite(void *arg)
{
    uint32_t *page = arg;
    uint32_t n = 12345;

    while (!stop) {
        n = n * 1664525 + 1013904223;
        __atomic_store_n(&page[n >> 20 & 3], n & 1 ? n >> 5 : n >> 20, __ATOMIC_RELAXED);
        if (n % 7 == 0)
            __atomic_store_n(&page[5], n & 0xffff01ff, __ATOMIC_RELAXED);
        begun = true;
    }
    return NULL;
}

static void test_hostile(void)
{
    unsigned errors = 0;
    pthread_t hostile;

    for (unsigned round = 0; round < 300; round++) {
        uint8_t bytes[3000] = {0};
        struct messages m;
        struct message msg;
        uint64_t cookie;

        pair_begin(&pair, 12, 12);
        stop = begun = false;
        pthread_create(&hostile, NULL, rewrite, pair.page);
        while (!begun)
            sched_yield();
        if (round % 2 && !message_begin(&m, &pair.server))
            for (unsigned i = 0; i < 200; i++) {
                errors += message_receive(&m, &msg, &cookie) < 0;
                msg.head.pages = 0;
                msg.head.bytes = 100;
                (void)message_request(&m, &msg, i);
            }
        for (unsigned i = 0; i < 200; i++) {
            int64_t rc = stream_read(&pair.server, bytes, sizeof(bytes));

            CU_ASSERT_TRUE_FATAL(rc <= (int64_t)sizeof(bytes));
            errors += rc < 0;
            CU_ASSERT_TRUE_FATAL(stream_write(&pair.server, bytes, 100) <= 100);
        }
        stop = true;
        pthread_join(hostile, NULL);
        pair_end(&pair);
    }
    CU_ASSERT_TRUE(errors > 300);
}

static const struct test_case cases[] = {
    {"a stream, both ways", test_stream},
    {"messages", test_messages},
    {"a page that is rewritten all the time", test_hostile},
    {NULL, NULL},
};

const struct suite suite_transport_threads = {.name = "transport_threads", .cases = cases};
