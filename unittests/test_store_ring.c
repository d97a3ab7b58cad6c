/* SPDX-License-Identifier: MIT
 *
 * The ring: messages in pieces, indices anywhere, guests that lie, guests that do not read, and the
 * others who notice nothing of it.
 */
#include <stdlib.h>
#include <string.h>

#include "store_kit.h"
#include "suite.h"

static struct peer *a, *b;

static void fresh(void)
{
    store_kit_reset();
    a = store_kit_add(0, 5);
    b = store_kit_add(1, 6);
}

static size_t message(char *bytes, uint32_t type, uint32_t id, const void *payload, size_t length)
{
    struct xsd_sockmsg header = {type, id, 0, (uint32_t)length};

    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), payload, length);
    return sizeof(header) + length;
}

static uint64_t rounds(void)
{
    uint64_t notify, all = 0;

    while (store_round(kit_store, &notify))
        all |= notify;
    CU_ASSERT_FATAL(store_audit(kit_store));
    return all | notify;
}

static unsigned index_of(const struct peer *peer)
{
    return (unsigned)(peer->client - kit_store->client);
}

static bool told(uint64_t notify, const struct peer *peer)
{
    return notify >> index_of(peer) & 1;
}

static void test_introduction(void)
{
    fresh();
    CU_ASSERT_EQUAL(a->page->server_features,
                    XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR);
    CU_ASSERT_PTR_NULL(store_introduce(kit_store, 5, NULL));
    CU_ASSERT_PTR_NULL(store_introduce(kit_store, 0, NULL));
    CU_ASSERT_EQUAL(rounds(), 0);
    for (uint16_t i = 0; i < CLIENTS_MAX - 3; i++)
        CU_ASSERT_PTR_NOT_NULL(store_introduce(kit_store, (uint16_t)(100 + i), NULL));
    CU_ASSERT_PTR_NULL(store_introduce(kit_store, 99, NULL));
    CU_ASSERT(store_audit(kit_store));
}

/* One byte at a time, with the indices about to wrap. */
static void test_pieces(void)
{
    char bytes[64];
    size_t size = message(bytes, XS_READ, 9, "domid", 6);
    struct xsd_sockmsg header;
    char answer[8] = "";

    fresh();
    a->page->req_cons = a->page->req_prod = a->req_prod = UINT32_MAX - 5;
    a->page->rsp_cons = a->page->rsp_prod = a->rsp_cons = UINT32_MAX - 3;
    store_release(kit_store, a->client);
    a->client = store_introduce(kit_store, 5, a->page);
    (void)peer_ask(b, XS_WRITE, 0, "data/x|1");
    for (size_t i = 0; i < size; i++) {
        CU_ASSERT_EQUAL(peer_put(a, bytes + i, 1), 1);
        CU_ASSERT(told(rounds(), a));
        CU_ASSERT_EQUAL(a->page->req_cons, a->page->req_prod);
    }
    CU_ASSERT_EQUAL(peer_take(a, &header, sizeof(header)), sizeof(header));
    CU_ASSERT(header.type == XS_ERROR && header.req_id == 9 && header.tx_id == 0 &&
              header.len == 7);
    CU_ASSERT_EQUAL(peer_take(a, answer, 8), 7);
    CU_ASSERT_STRING_EQUAL(answer, "EACCES");
    CU_ASSERT(!told(rounds(), a));
}

/* Many small requests at once: answered in order, all of them, a few a round. */
static void test_batch(void)
{
    char bytes[1024];
    size_t size = 0;
    uint64_t notify;

    fresh();
    for (uint32_t i = 0; i < 20; i++)
        size += message(bytes + size, XS_READ, i, "domid", 6);
    CU_ASSERT_EQUAL(peer_put(a, bytes, size), size);
    CU_ASSERT(store_round(kit_store, &notify));
    CU_ASSERT_EQUAL(a->page->rsp_prod, ROUND_MESSAGES * (sizeof(struct xsd_sockmsg) + 1));
    (void)rounds();
    for (uint32_t i = 0; i < 20; i++) {
        struct xsd_sockmsg header;
        char value;

        CU_ASSERT_EQUAL(peer_take(a, &header, sizeof(header)), sizeof(header));
        CU_ASSERT(header.type == XS_READ && header.req_id == i && header.len == 1);
        CU_ASSERT(peer_take(a, &value, 1) == 1 && value == '5');
    }
}

/* The largest message both ways, through rings of a quarter of its size. */
static void test_large(void)
{
    char payload[XENSTORE_PAYLOAD_MAX + 1];

    fresh();
    memset(payload, 'v', sizeof(payload));
    memcpy(payload, "data/x", 7);
    CU_ASSERT_STRING_EQUAL(peer_ask_bytes(a, XS_WRITE, 0, payload, XENSTORE_PAYLOAD_MAX), "OK|");
    CU_ASSERT_EQUAL(strlen(peer_ask(a, XS_READ, 0, "data/x|")), XENSTORE_PAYLOAD_MAX - 7);
    CU_ASSERT_STRING_EQUAL(peer_ask(b, XS_READ, 0, "domid|"), "6");
}

/* Lies: what the guest does to its page, and the error it finds there. */
struct lie {
    uint32_t req_prod, rsp_cons, len, error;
};

static const struct lie lies[] = {
    {1025, 0, 0, XENSTORE_ERROR_RINGIDX},        {UINT32_MAX, 0, 0, XENSTORE_ERROR_RINGIDX},
    {0, 1, 0, XENSTORE_ERROR_RINGIDX},           {0, 0x80000000, 0, XENSTORE_ERROR_RINGIDX},
    {16, 0, 4097, XENSTORE_ERROR_PROTO},         {16, 0, UINT32_MAX, XENSTORE_ERROR_PROTO},
    {1024, 0, 0x80000000, XENSTORE_ERROR_PROTO},
};

static void test_lies(void)
{
    for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        const struct lie *lie = &lies[i];
        struct xsd_sockmsg header = {XS_READ, 1, 0, lie->len};
        uint32_t start;

        fresh();
        (void)peer_ask(a, XS_WATCH, 0, "data|t|");
        (void)peer_start(a);
        store_kit_settle();
        start = a->req_prod;
        for (unsigned j = 0; j < sizeof(header); j++)
            a->page->req[MASK_XENSTORE_IDX(start + j)] = ((char *)&header)[j];
        a->page->req_prod += lie->req_prod;
        a->page->rsp_cons += lie->rsp_cons;
        a->client->due = true;
        CU_ASSERT(told(rounds(), a));
        CU_ASSERT_EQUAL(a->page->error, lie->error);
        CU_ASSERT_EQUAL(a->client->link, LINK_BROKEN);
        CU_ASSERT(a->client->watch_count == 0 && a->client->tx_count == 0);
        /* Nothing it does now is looked at; the other one goes on. */
        a->page->req_prod = start + 16;
        a->client->due = true;
        CU_ASSERT(!told(rounds(), a));
        CU_ASSERT_STRING_EQUAL(peer_ask(b, XS_READ, 0, "domid|"), "6");
    }
}

static void test_reconnect(void)
{
    static const char *const all[] = {"broken", "up"};

    for (unsigned i = 0; i < 2; i++) {
        char half[20];

        fresh();
        (void)peer_ask(a, XS_WRITE, 0, "data/x|1");
        (void)peer_ask(a, XS_WATCH, 0, "data|t|");
        (void)message(half, XS_READ, 1, "data", 4);
        (void)peer_put(a, half, 10);
        if (strcmp(all[i], "broken") == 0)
            a->page->req_prod += 5000;
        (void)rounds();
        a->page->connection = XENSTORE_RECONNECT;
        a->client->due = true;
        CU_ASSERT(told(rounds(), a));
        CU_ASSERT(a->page->connection == XENSTORE_CONNECTED && a->page->error == 0);
        CU_ASSERT(a->page->req_prod == 0 && a->page->req_cons == 0);
        CU_ASSERT(a->page->rsp_prod == 0 && a->page->rsp_cons == 0);
        CU_ASSERT_EQUAL(a->client->watch_count, 0);
        a->req_prod = a->rsp_cons = 0;
        a->events = 0;
        CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_READ, 0, "data/x|"), "1");
        CU_ASSERT_STRING_EQUAL(peer_events(a), "");
    }
}

/* The guest may spoil our indices in the page: they are not read from there. */
static void test_spoiled(void)
{
    char bytes[64];

    fresh();
    (void)peer_ask(a, XS_READ, 0, "domid|");
    (void)peer_put(a, bytes, message(bytes, XS_READ, 1, "domid", 6));
    a->page->req_cons = 12345;
    a->page->rsp_prod = 54321;
    (void)rounds();
    CU_ASSERT_EQUAL(a->client->link, LINK_UP);
    CU_ASSERT_EQUAL(a->page->req_cons, a->req_prod);
    CU_ASSERT_EQUAL(a->page->rsp_prod, a->rsp_cons + sizeof(struct xsd_sockmsg) + 1);
    CU_ASSERT_EQUAL(peer_take(a, bytes, sizeof(bytes)), sizeof(struct xsd_sockmsg) + 1);
    a->page->req_cons = a->req_prod;
    a->page->rsp_prod = a->rsp_cons;
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_READ, 0, "domid|"), "5");
}

/* Who floods and does not read is stopped by its own ring; the other's request takes one round. */
static void test_flood(void)
{
    char bytes[64];
    size_t size = message(bytes, XS_READ, 1, "domid", 6), sent = 0;
    uint64_t notify;

    fresh();
    for (unsigned i = 0; i < 1000; i++) {
        sent = (sent + peer_put(a, bytes + sent, size - sent)) % size;
        (void)store_round(kit_store, &notify);
    }
    CU_ASSERT_EQUAL(a->page->rsp_prod - a->page->rsp_cons, XENSTORE_RING_SIZE);
    CU_ASSERT_EQUAL(a->page->req_prod - a->page->req_cons, XENSTORE_RING_SIZE);
    CU_ASSERT_EQUAL(a->client->link, LINK_UP);
    (void)peer_put(b, bytes, size);
    (void)store_round(kit_store, &notify);
    CU_ASSERT(told(notify, b));
    CU_ASSERT_EQUAL(b->page->rsp_prod, sizeof(struct xsd_sockmsg) + 1);
}

/* Events and answers take turns: a flood of others' events keeps no answer back. */
static void test_turns(void)
{
    char bytes[64];
    size_t size;
    unsigned messages = 0;
    bool answered = false;

    fresh();
    (void)peer_ask(b, XS_SET_PERMS, 0, "data|b6|");
    (void)peer_ask(a, XS_WATCH, 0, "/local/domain/6/data|t|");
    (void)peer_events(a);
    size = message(bytes, XS_READ, 77, "domid", 6);
    for (char c = 'a'; c < 'z'; c++) {
        char request[] = "data/?|1";

        request[5] = c;
        a->deaf = true;
        a->client->link = LINK_NONE; /* so that all of them wait */
        (void)peer_ask(b, XS_WRITE, 0, request);
    }
    a->client->link = LINK_UP;
    (void)peer_put(a, bytes, size);
    (void)rounds();
    while (!answered && messages < 10) {
        struct xsd_sockmsg header;
        char payload[64];

        CU_ASSERT_EQUAL_FATAL(peer_take(a, &header, sizeof(header)), sizeof(header));
        CU_ASSERT_EQUAL_FATAL(peer_take(a, payload, header.len), header.len);
        answered = header.req_id == 77;
        messages++;
    }
    CU_ASSERT(answered && messages <= 3);
}

static const struct test_case cases[] = {{"introduction", test_introduction},
                                         {"bytes one at a time", test_pieces},
                                         {"many at once", test_batch},
                                         {"the largest message", test_large},
                                         {"lies", test_lies},
                                         {"a new start", test_reconnect},
                                         {"spoiled indices", test_spoiled},
                                         {"a flood", test_flood},
                                         {"turns", test_turns},
                                         {NULL, NULL}};

const struct suite suite_store_ring = {.name = "store: rings", .cases = cases};
