/* SPDX-License-Identifier: MIT
 *
 * Messages: order, ids, pages, limits, and records that nobody should have written.
 */
#include <stdlib.h>
#include <string.h>

#include "transport/message.h"
#include "unittests/stream_kit.h"
#include "unittests/suite.h"

static struct stream_pair pair;
static struct messages server, client;
static struct message msg;
static uint64_t cookie;

static void begin(unsigned left_order, unsigned right_order)
{
    pair_begin(&pair, left_order, right_order);
    CU_ASSERT_EQUAL(message_begin(&server, &pair.server), 0);
    CU_ASSERT_EQUAL(message_begin(&client, &pair.client), 0);
}

static struct message of(unsigned type, unsigned pages, unsigned bytes)
{
    struct message m = {
        .head = {.type = (uint16_t)type, .pages = (uint8_t)pages, .bytes = (uint16_t)bytes}};

    for (unsigned i = 0; i < pages && i < LAGAN_MESSAGE_PAGES; i++)
        m.page[i] = (struct lagan_message_page){
            .ref = type * 100 + i, .offset = (uint16_t)i, .length = (uint16_t)(4096 - i)};
    for (unsigned i = 0; i < bytes && i < LAGAN_MESSAGE_BYTES; i++)
        m.bytes[i] = (uint8_t)(type + i);
    return m;
}

static bool same(const struct message *a, const struct message *b)
{
    return a->head.type == b->head.type && a->head.pages == b->head.pages &&
           a->head.bytes == b->head.bytes && a->head.status == b->head.status &&
           memcmp(a->page, b->page, a->head.pages * sizeof(a->page[0])) == 0 &&
           memcmp(a->bytes, b->bytes, a->head.bytes) == 0;
}

/* Random sizes; the server keeps requests and answers them in any order it likes. */
static void test_out_of_order(void)
{
    uint64_t kept[MESSAGE_PENDING], asked = 0, answered = 0;
    bool seen[5000] = {0};
    unsigned kept_count = 0;

    srandom((unsigned)test_seed);
    begin(10, 11);
    while (answered < 5000) {
        if (asked < 5000 && random() % 2) {
            struct message m =
                of((unsigned)asked, (unsigned)random() % 17, (unsigned)random() % 513);
            int rc = message_request(&client, &m, asked);

            CU_ASSERT_TRUE_FATAL(rc == 1 || rc == 0 || rc == -XEN_EBUSY);
            asked += rc == 1;
        }
        if (kept_count < MESSAGE_PENDING && message_receive(&server, &msg, &cookie) == 1) {
            struct message m = of(msg.head.type, msg.head.pages, msg.head.bytes);

            CU_ASSERT_EQUAL_FATAL(msg.head.kind, LAGAN_MESSAGE_REQUEST);
            CU_ASSERT_TRUE_FATAL(same(&m, &msg));
            kept[kept_count++] = msg.head.id;
        }
        if (kept_count && random() % 2) {
            unsigned i = (unsigned)random() % kept_count;
            struct message m = of(0, 0, 8);
            int rc = message_respond(&server, &m, kept[i]);

            CU_ASSERT_TRUE_FATAL(rc == 1 || rc == 0);
            if (rc == 1)
                kept[i] = kept[--kept_count];
        }
        if (message_receive(&client, &msg, &cookie) == 1) {
            CU_ASSERT_TRUE_FATAL(cookie < 5000 && !seen[cookie]);
            seen[cookie] = true;
            answered++;
        }
    }
    CU_ASSERT_EQUAL(client.pending_count, 0);
    CU_ASSERT_FALSE(message_take_pending(&client, &cookie));
    pair_end(&pair);
}

static void test_limits(void)
{
    begin(12, 12);
    msg = of(1, LAGAN_MESSAGE_PAGES + 1, 0);
    memcpy(msg.bytes, msg.page, sizeof(msg.page[0])); /* what would be the page too many */
    CU_ASSERT_EQUAL(message_notify(&client, &msg), -XEN_EINVAL);
    msg = of(1, 0, LAGAN_MESSAGE_BYTES + 1);
    CU_ASSERT_EQUAL(message_notify(&client, &msg), -XEN_EINVAL);
    msg = of(1, 2, 0);
    msg.page[1].length = 0;
    CU_ASSERT_EQUAL(message_notify(&client, &msg), -XEN_EINVAL);
    msg.page[1].length = 4096;
    msg.page[1].offset = 1;
    CU_ASSERT_EQUAL(message_notify(&client, &msg), -XEN_EINVAL);
    for (unsigned i = 0; i < MESSAGE_PENDING; i++) {
        msg = of(1, 0, 0);
        CU_ASSERT_EQUAL(message_request(&client, &msg, i), 1);
    }
    CU_ASSERT_EQUAL(message_request(&client, &msg, 99), -XEN_EBUSY);
    CU_ASSERT_EQUAL(client.pending_count, MESSAGE_PENDING);
    msg = of(7, 0, 3);
    CU_ASSERT_EQUAL(message_notify(&client, &msg), 1);
    for (unsigned i = 0; i < MESSAGE_PENDING; i++)
        CU_ASSERT_EQUAL(message_receive(&server, &msg, &cookie), 1);
    CU_ASSERT_EQUAL(message_receive(&server, &msg, &cookie), 1);
    CU_ASSERT_TRUE(msg.head.kind == LAGAN_MESSAGE_NOTICE && msg.head.type == 7);
    CU_ASSERT_EQUAL(message_receive(&server, &msg, &cookie), 0);
    pair_end(&pair);
}

/* The server ends with requests unanswered: each is handed back. */
static void test_end(void)
{
    unsigned sum = 0;

    begin(12, 12);
    for (unsigned i = 1; i <= 5; i++) {
        msg = of(i, 0, 0);
        CU_ASSERT_EQUAL(message_request(&client, &msg, i), 1);
    }
    stream_close(&pair.server);
    CU_ASSERT_EQUAL(message_receive(&client, &msg, &cookie), -XEN_ENOTCONN);
    while (message_take_pending(&client, &cookie))
        sum += (unsigned)cookie;
    CU_ASSERT_EQUAL(sum, 15);
    pair_end(&pair);
}

/* A record written by hand, of an end that does not use the library. */
static void record(struct stream *from, struct lagan_message head, const void *rest,
                   uint32_t length)
{
    CU_ASSERT_EQUAL(stream_write(from, &head, sizeof(head)), sizeof(head));
    CU_ASSERT_EQUAL(stream_write(from, rest, length), length);
}

static void test_bad_records(void)
{
    static const struct lagan_message_page crossing = {.ref = 1, .offset = 4000, .length = 97};
    static const uint8_t zeros[1024];
    struct message many = of(1, LAGAN_MESSAGE_PAGES, 0);
    const uint64_t hello = LAGAN_MESSAGE_MAGIC | (uint64_t)LAGAN_MESSAGE_VERSION << 32;
    const struct {
        struct lagan_message head;
        const void *rest;
        uint32_t length;
    } rows[] = {
        {{.kind = LAGAN_MESSAGE_REQUEST, .pages = 17}, many.page, 136},
        {{.kind = LAGAN_MESSAGE_REQUEST, .bytes = 513}, zeros, 528},
        {{.kind = LAGAN_MESSAGE_REQUEST, .bytes = 65535}, zeros, 1024},
        {{.kind = 4}, zeros, 0},
        {{.kind = LAGAN_MESSAGE_REQUEST, .pages = 2}, zeros, 16},
        {{.kind = LAGAN_MESSAGE_REQUEST, .pages = 1}, &crossing, 8},
        {{.kind = LAGAN_MESSAGE_HELLO, .id = hello}, zeros, 0},
        {{.kind = LAGAN_MESSAGE_RESPONSE, .id = 0}, zeros, 0},
        {{.kind = LAGAN_MESSAGE_RESPONSE, .id = 12345}, zeros, 0},
    };

    memcpy(many.bytes, many.page, sizeof(many.page[0]));
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin(12, 12);
        record(&pair.client, rows[i].head, rows[i].rest, rows[i].length);
        if (rows[i].length % 16)
            (void)stream_write(&pair.client, zeros, 16 - rows[i].length % 16);
        CU_ASSERT_EQUAL(message_receive(&server, &msg, &cookie), -XEN_EBADMSG);
        CU_ASSERT_EQUAL(message_receive(&server, &msg, &cookie), -XEN_EBADMSG);
        pair_end(&pair);
    }
}

static void test_bad_hello(void)
{
    static const uint64_t ids[] = {0, LAGAN_MESSAGE_MAGIC, LAGAN_MESSAGE_MAGIC | 2ULL << 32};

    for (unsigned i = 0; i < 3; i++) {
        pair_begin(&pair, 12, 12);
        CU_ASSERT_EQUAL(message_begin(&server, &pair.server), 0);
        record(&pair.client, (struct lagan_message){.id = ids[i]}, "", 0);
        CU_ASSERT_EQUAL(message_receive(&server, &msg, &cookie), -XEN_EBADMSG);
        pair_end(&pair);
    }
}

/* The second response to one request, also when its slot is in use again. */
static void test_answered_twice(void)
{
    uint64_t id;

    begin(12, 12);
    msg = of(1, 0, 0);
    CU_ASSERT_EQUAL(message_request(&client, &msg, 5), 1);
    CU_ASSERT_EQUAL(message_receive(&server, &msg, &cookie), 1);
    id = msg.head.id;
    CU_ASSERT_EQUAL(message_respond(&server, &msg, id), 1);
    CU_ASSERT_EQUAL(message_respond(&server, &msg, id), 1);
    CU_ASSERT_EQUAL(message_receive(&client, &msg, &cookie), 1);
    CU_ASSERT_EQUAL(cookie, 5);
    CU_ASSERT_EQUAL(message_request(&client, &msg, 6), 1);
    CU_ASSERT_EQUAL(message_receive(&client, &msg, &cookie), -XEN_EBADMSG);
    CU_ASSERT_EQUAL(client.pending_count, 1);
    pair_end(&pair);
}

/* Half a record, then the end: an error, not a wait. */
static void test_cut_off(void)
{
    struct lagan_message head = {.kind = LAGAN_MESSAGE_REQUEST, .bytes = 100};

    begin(12, 12);
    record(&pair.client, head, "half", 4);
    CU_ASSERT_EQUAL(message_receive(&server, &msg, &cookie), 0);
    stream_close(&pair.client);
    CU_ASSERT_EQUAL(message_receive(&server, &msg, &cookie), -XEN_ENOTCONN);
    pair_end(&pair);
}

static const struct test_case cases[] = {
    {"responses out of order", test_out_of_order},
    {"limits", test_limits},
    {"requests unanswered", test_end},
    {"records that are wrong", test_bad_records},
    {"hellos that are wrong", test_bad_hello},
    {"answered twice", test_answered_twice},
    {"cut off", test_cut_off},
    {NULL, NULL},
};

const struct suite suite_message = {.name = "message", .cases = cases};
