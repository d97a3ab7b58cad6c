/* SPDX-License-Identifier: MIT
 *
 * Streams: layout, bytes, wishes for events, ends, and an other end that lies.
 */
#include <stdlib.h>
#include <string.h>
#include <xen/io/libxenvchan.h>

#include "unittests/stream_kit.h"
#include "unittests/suite.h"

static struct stream_pair pair;

/* ---- layout ---- */

static void test_libvchan(void)
{
    CU_ASSERT_EQUAL(sizeof(struct lagan_stream), sizeof(struct vchan_interface));
#define SAME(ours, theirs) \
    CU_ASSERT_EQUAL(offsetof(struct lagan_stream, ours), offsetof(struct vchan_interface, theirs))
    SAME(left.prod, left.prod);
    SAME(left.cons, left.cons);
    SAME(right.prod, right.prod);
    SAME(left_order, left_order);
    SAME(right_order, right_order);
    SAME(client_live, cli_live);
    SAME(server_live, srv_live);
    SAME(client_notify, cli_notify);
    SAME(server_notify, srv_notify);
    SAME(grants, grants);
    CU_ASSERT_EQUAL(LAGAN_STREAM_NOTIFY_WRITE, VCHAN_NOTIFY_WRITE);
    CU_ASSERT_EQUAL(LAGAN_STREAM_NOTIFY_READ, VCHAN_NOTIFY_READ);
}

static void test_orders(void)
{
    static const struct {
        unsigned left, right;
        int rc;
        unsigned left_pages, right_pages;
    } rows[] = {
        {10, 11, 0, 0, 0},           {11, 10, 0, 0, 0},
        {10, 12, 0, 0, 1},           {12, 12, 0, 1, 1},
        {16, 14, 0, 16, 4},          {20, 20, 0, 256, 256},
        {10, 19, 0, 0, 128},         {10, 20, -XEN_EINVAL, 0, 0},
        {11, 20, 0, 0, 256},         {9, 12, -XEN_EINVAL, 0, 0},
        {12, 21, -XEN_EINVAL, 0, 0}, {10, 10, -XEN_EINVAL, 0, 0},
        {0, 0, -XEN_EINVAL, 0, 0},   {65535, 12, -XEN_EINVAL, 0, 0},
        {11, 11, -XEN_EINVAL, 0, 0},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct stream_layout layout = {0};

        CU_ASSERT_EQUAL(stream_layout(&layout, rows[i].left, rows[i].right), rows[i].rc);
        CU_ASSERT_EQUAL(layout.left_pages, rows[i].left_pages);
        CU_ASSERT_EQUAL(layout.right_pages, rows[i].right_pages);
    }
}

static void test_look(void)
{
    struct stream_layout layout;
    uint32_t refs[4];

    pair_begin(&pair, 13, 12);
    CU_ASSERT_EQUAL(stream_look(pair.page, &layout, refs, 2), -XEN_E2BIG);
    pair.page->server_live = LAGAN_STREAM_CLOSED;
    CU_ASSERT_EQUAL(stream_look(pair.page, &layout, refs, 4), -XEN_ENOTCONN);
    pair.page->server_live = LAGAN_STREAM_OPEN;
    pair.page->left_order = 9;
    CU_ASSERT_EQUAL(stream_look(pair.page, &layout, refs, 4), -XEN_EINVAL);
    pair_end(&pair);
}

/* ---- bytes ---- */

/* Both ways at once, in pieces drawn at random, next to a naive model: what has been written and
 * what has been read, as two counters; byte n is pattern(n). */
static uint8_t pattern(uint64_t n)
{
    return (uint8_t)(n * 7 + n / 251);
}

static uint64_t move_out(struct stream *s, uint64_t at, uint32_t length, bool in_place)
{
    uint8_t bytes[5000];
    void *room = bytes;
    int64_t moved = length;

    if (in_place) {
        moved = stream_room(s, &room);
        CU_ASSERT_TRUE_FATAL(moved >= 0);
        moved = moved < length ? moved : length;
    }
    for (int64_t i = 0; i < moved; i++)
        ((uint8_t *)room)[i] = pattern(at + (uint64_t)i);
    if (in_place) {
        if (moved > 0)
            stream_written(s, (uint32_t)moved);
    } else {
        moved = stream_write(s, bytes, length);
    }
    CU_ASSERT_TRUE_FATAL(moved >= 0 && moved <= length);
    return (uint64_t)moved;
}

static uint64_t move_in(struct stream *s, uint64_t at, uint32_t length, bool in_place)
{
    uint8_t bytes[5000];
    const void *there = bytes;
    int64_t moved = in_place ? stream_bytes(s, &there) : stream_read(s, bytes, length);
    unsigned wrong = 0;

    CU_ASSERT_TRUE_FATAL(moved >= 0);
    moved = moved < length ? moved : length;
    for (int64_t i = 0; i < moved; i++)
        wrong += ((const uint8_t *)there)[i] != pattern(at + (uint64_t)i);
    CU_ASSERT_EQUAL_FATAL(wrong, 0);
    if (in_place && moved > 0)
        stream_done(s, (uint32_t)moved);
    return (uint64_t)moved;
}

static void random_traffic(unsigned left_order, unsigned right_order, unsigned steps)
{
    uint64_t wrote[2] = {0, 0}, got[2] = {0, 0};

    pair_begin(&pair, left_order, right_order);
    for (unsigned i = 0; i < steps; i++) {
        unsigned way = (unsigned)random() % 2, what = (unsigned)random() % 4;
        uint32_t length = (uint32_t)random() % (random() % 2 ? 5000 : 20);
        struct stream *from = way ? &pair.server : &pair.client;
        struct stream *to = way ? &pair.client : &pair.server;
        uint32_t size = from->out.size;

        if (what < 2)
            wrote[way] += move_out(from, wrote[way], length, what);
        else
            got[way] += move_in(to, got[way], length, what == 3);
        CU_ASSERT_TRUE(got[way] <= wrote[way] && wrote[way] - got[way] <= size);
        CU_ASSERT_EQUAL(stream_readable(to), (int64_t)(wrote[way] - got[way]));
        CU_ASSERT_EQUAL(stream_writable(from), (int64_t)(size - (wrote[way] - got[way])));
    }
    CU_ASSERT_TRUE(got[0] > 1000 && got[1] > 1000);
    pair_end(&pair);
}

static void test_traffic(void)
{
    srandom((unsigned)test_seed);
    random_traffic(10, 11, 20000);
    random_traffic(12, 10, 20000);
    random_traffic(14, 12, 20000);
}

/* Indices near 2^32: nothing happens when they wrap. */
static void test_wrap(void)
{
    struct stream_layout layout;
    uint32_t refs[4];
    uint64_t wrote = 0, got = 0;

    pair_begin(&pair, 12, 12);
    pair.page->left.cons = pair.page->left.prod = 0xffffff00;
    CU_ASSERT_EQUAL(stream_look(pair.page, &layout, refs, 4), 0);
    stream_join(&pair.client, pair.page, &layout, pair.left, pair.right);
    pair.server.in.own = pair.server.in.seen = 0xffffff00;
    while (wrote < 20000) {
        wrote += move_out(&pair.client, wrote, 777, false);
        got += move_in(&pair.server, got, 500, false);
    }
    CU_ASSERT_EQUAL(pair.page->left.prod, (uint32_t)(0xffffff00 + wrote));
    pair_end(&pair);
}

/* ---- events ---- */

static bool kicked(struct stream *s)
{
    bool kick = s->kick;

    s->kick = false;
    return kick;
}

static void test_events(void)
{
    uint8_t bytes[4096] = {0};

    pair_begin(&pair, 12, 12);
    CU_ASSERT_TRUE(kicked(&pair.client)); /* here I am */
    CU_ASSERT_TRUE(stream_connected(&pair.server));
    /* The first bytes are asked for from the start; then only by who has found none. */
    CU_ASSERT_EQUAL(stream_write(&pair.client, bytes, 10), 10);
    CU_ASSERT_TRUE(kicked(&pair.client));
    CU_ASSERT_EQUAL(stream_write(&pair.client, bytes, 10), 10);
    CU_ASSERT_FALSE(kicked(&pair.client));
    CU_ASSERT_EQUAL(stream_read(&pair.server, bytes, 100), 20);
    CU_ASSERT_FALSE(kicked(&pair.server));
    CU_ASSERT_EQUAL(stream_write(&pair.client, bytes, 10), 10);
    CU_ASSERT_FALSE(kicked(&pair.client));
    CU_ASSERT_EQUAL(stream_read(&pair.server, bytes, 100), 10);
    CU_ASSERT_EQUAL(stream_read(&pair.server, bytes, 100), 0);
    CU_ASSERT_EQUAL(stream_write(&pair.client, bytes, 1), 1);
    CU_ASSERT_TRUE(kicked(&pair.client));
    /* The same for room. */
    CU_ASSERT_EQUAL(stream_write(&pair.client, bytes, 4096), 4095);
    CU_ASSERT_EQUAL(stream_write(&pair.client, bytes, 1), 0);
    CU_ASSERT_EQUAL(stream_read(&pair.server, bytes, 100), 100);
    CU_ASSERT_TRUE(kicked(&pair.server));
    CU_ASSERT_EQUAL(stream_read(&pair.server, bytes, 100), 100);
    CU_ASSERT_FALSE(kicked(&pair.server));
    /* Less than is wanted is nothing. */
    CU_ASSERT_EQUAL(stream_await_room(&pair.client, 1000), 0);
    CU_ASSERT_EQUAL(stream_read(&pair.server, bytes, 800), 800);
    CU_ASSERT_TRUE(kicked(&pair.server));
    CU_ASSERT_EQUAL(stream_await_room(&pair.client, 1000), 1000);
    CU_ASSERT_EQUAL(stream_await_bytes(&pair.server, 4000), 0);
    CU_ASSERT_EQUAL(stream_await_bytes(&pair.server, 3096), 3096);
    pair_end(&pair);
}

/* ---- ends ---- */

static void test_close(void)
{
    uint8_t bytes[100] = {0};

    for (unsigned way = 0; way < 2; way++) {
        struct stream *from = way ? &pair.server : &pair.client;
        struct stream *to = way ? &pair.client : &pair.server;

        pair_begin(&pair, 12, 12);
        CU_ASSERT_EQUAL(stream_write(from, bytes, 50), 50);
        (void)kicked(from);
        stream_close(from);
        CU_ASSERT_TRUE(kicked(from));
        CU_ASSERT_EQUAL(stream_write(from, bytes, 1), -XEN_ENOTCONN);
        CU_ASSERT_EQUAL(stream_write(to, bytes, 1), -XEN_ENOTCONN);
        CU_ASSERT_EQUAL(stream_read(to, bytes, 30), 30);
        CU_ASSERT_EQUAL(stream_await_bytes(to, 21), -XEN_ENOTCONN);
        CU_ASSERT_EQUAL(stream_readable(to), 20);
        CU_ASSERT_EQUAL(stream_read(to, bytes, 30), 20);
        CU_ASSERT_EQUAL(stream_readable(to), -XEN_ENOTCONN);
        CU_ASSERT_EQUAL(stream_read(to, bytes, 30), -XEN_ENOTCONN);
        pair_end(&pair);
    }
}

static void test_gone(void)
{
    uint8_t bytes[100] = {0};

    pair_begin(&pair, 12, 12);
    CU_ASSERT_EQUAL(stream_write(&pair.client, bytes, 50), 50);
    stream_peer_gone(&pair.server);
    CU_ASSERT_EQUAL(stream_write(&pair.server, bytes, 1), -XEN_ESRCH);
    CU_ASSERT_EQUAL(stream_read(&pair.server, bytes, 100), 50);
    CU_ASSERT_EQUAL(stream_read(&pair.server, bytes, 100), -XEN_ESRCH);
    stream_close(&pair.server);
    CU_ASSERT_EQUAL(stream_read(&pair.server, bytes, 100), -XEN_ESRCH);
    pair_end(&pair);
}

static void test_before_the_client(void)
{
    static _Alignas(4096) uint8_t page[4096];
    struct stream_layout layout;
    struct stream server, client;
    uint8_t bytes[100];

    CU_ASSERT_EQUAL(stream_layout(&layout, 10, 11), 0);
    stream_serve(&server, page, &layout, NULL, NULL, NULL);
    CU_ASSERT_FALSE(stream_connected(&server));
    CU_ASSERT_EQUAL(stream_write(&server, "early", 5), 5);
    CU_ASSERT_EQUAL(stream_read(&server, bytes, 100), 0);
    CU_ASSERT_EQUAL(stream_look(page, &layout, NULL, 0), 0);
    stream_join(&client, page, &layout, NULL, NULL);
    CU_ASSERT_TRUE(stream_connected(&server));
    CU_ASSERT_EQUAL(stream_read(&client, bytes, 100), 5);
    CU_ASSERT_EQUAL(memcmp(bytes, "early", 5), 0);
}

/* ---- lies ---- */

/* Whatever the index says: an error for good, or as many bytes as there can be. */
static void test_lies(void)
{
    static const uint32_t lies[] = {0xffffffff, 0x80000000, 4097, 0x7fffffff, 5000, 99};
    uint8_t bytes[8192];

    for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        pair_begin(&pair, 12, 12);
        CU_ASSERT_EQUAL(stream_write(&pair.client, bytes, 100), 100);
        CU_ASSERT_EQUAL(stream_readable(&pair.server), 100);
        pair.page->left.prod = lies[i];
        CU_ASSERT_EQUAL(stream_read(&pair.server, bytes, 8192), -XEN_EBADMSG);
        pair.page->left.prod = 100;
        CU_ASSERT_EQUAL(stream_read(&pair.server, bytes, 8192), -XEN_EBADMSG);
        CU_ASSERT_EQUAL(stream_write(&pair.server, bytes, 10), -XEN_EBADMSG);
        pair_end(&pair);

        pair_begin(&pair, 12, 12);
        CU_ASSERT_EQUAL(stream_write(&pair.client, bytes, 98), 98);
        pair.page->left.cons = lies[i];
        CU_ASSERT_EQUAL(stream_write(&pair.client, bytes, 8192), -XEN_EBADMSG);
        pair_end(&pair);
    }
}

/* The page says another size, other grants, other own indices: nobody reads them again. */
static void test_rewritten(void)
{
    uint8_t bytes[8192] = {0};

    pair_begin(&pair, 12, 12);
    pair.page->left_order = pair.page->right_order = 30;
    CU_ASSERT_EQUAL(stream_write(&pair.client, bytes, 8192), 4096);
    pair.page->left.prod = 0x12345678;
    CU_ASSERT_EQUAL(stream_write(&pair.client, bytes, 1), 0);
    pair.page->left.prod = 4096;
    CU_ASSERT_EQUAL(stream_read(&pair.server, bytes, 96), 96);
    CU_ASSERT_EQUAL(stream_write(&pair.client, bytes, 8192), 96);
    CU_ASSERT_EQUAL(pair.page->left.prod, 4192);
    pair_end(&pair);
}

static const struct test_case cases[] = {
    {"the layout is libvchan's", test_libvchan},
    {"orders", test_orders},
    {"looking at a page", test_look},
    {"random traffic", test_traffic},
    {"indices that wrap", test_wrap},
    {"events only for who waits", test_events},
    {"close", test_close},
    {"gone without a word", test_gone},
    {"before the client comes", test_before_the_client},
    {"indices that lie", test_lies},
    {"a page rewritten", test_rewritten},
    {NULL, NULL},
};

const struct suite suite_stream = {.name = "stream", .cases = cases};
