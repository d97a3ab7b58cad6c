/* SPDX-License-Identifier: MIT
 *
 * A store and its domains, for the tests: the guests' side of the ring.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/admin.h"
#include "store/birth.h"
#include "store_kit.h"
#include "suite.h"

static struct store the_store;
static _Alignas(4096) uint8_t memory[STORE_PAGES * POOL_PAGE];
static struct pool_page pages[STORE_PAGES];
static _Alignas(4096) uint8_t ring_page[PEERS][4096];

struct store *const kit_store = &the_store;
struct peer kit_peer[PEERS];

void store_kit_reset(void)
{
    memset(kit_peer, 0, sizeof(kit_peer));
    memset(ring_page, 0, sizeof(ring_page));
    store_init(kit_store, memory, pages);
    if (birth_of_store(kit_store))
        abort();
}

struct peer *store_kit_add(unsigned index, uint16_t domid)
{
    struct peer *peer = &kit_peer[index];
    struct domain_facts facts = {
        .domid = domid, .name = "", .vcpus = 1, .memory_kib = 1024, .max_kib = 2048};

    memset(peer, 0, sizeof(*peer));
    memset(ring_page[index], 0, sizeof(ring_page[index]));
    peer->domid = domid;
    peer->page = (struct xenstore_domain_interface *)ring_page[index];
    peer->client = store_introduce(kit_store, domid, peer->page);
    if (!peer->client || birth_of_domain(kit_store, &facts))
        abort();
    return peer;
}

size_t peer_put(struct peer *peer, const void *bytes, size_t count)
{
    size_t room = XENSTORE_RING_SIZE - (peer->req_prod - peer->page->req_cons);

    if (count > room)
        count = room;
    for (size_t i = 0; i < count; i++)
        peer->page->req[MASK_XENSTORE_IDX(peer->req_prod + i)] = ((const char *)bytes)[i];
    peer->req_prod += (uint32_t)count;
    peer->page->req_prod = peer->req_prod;
    peer->client->due = true;
    return count;
}

size_t peer_take(struct peer *peer, void *bytes, size_t count)
{
    size_t there = peer->page->rsp_prod - peer->rsp_cons;

    if (count > there)
        count = there;
    for (size_t i = 0; i < count; i++)
        ((char *)bytes)[i] = peer->page->rsp[MASK_XENSTORE_IDX(peer->rsp_cons + i)];
    peer->rsp_cons += (uint32_t)count;
    peer->page->rsp_cons = peer->rsp_cons;
    peer->client->due = true;
    return count;
}

static void one_round(void)
{
    uint64_t notify;

    (void)store_round(kit_store, &notify);
}

/* Takes exactly so many bytes; false if they do not come. */
static bool take_all(struct peer *peer, char *bytes, size_t count)
{
    for (unsigned idle = 0; count > 0 && idle < 8; idle++) {
        size_t n = peer_take(peer, bytes, count);

        if (n > 0)
            idle = 0;
        bytes += n;
        count -= n;
        one_round();
    }
    return count == 0;
}

static void show(char *to, size_t size, const char *bytes, size_t length)
{
    size_t i;

    for (i = 0; i < length && i < size - 1; i++)
        to[i] = bytes[i] ? bytes[i] : '|';
    to[i] = '\0';
}

/* Reads one message, if there is one. An event is kept; false for an answer, or for none at all,
 * when peer->answer is "!". */
static bool read_event(struct peer *peer, uint32_t id)
{
    struct xsd_sockmsg header;
    char payload[XENSTORE_PAYLOAD_MAX];

    strcpy(peer->answer, "!");
    if (peer->client->link != LINK_UP || !take_all(peer, (char *)&header, sizeof(header)))
        return false;
    if (header.len > sizeof(payload) || !take_all(peer, payload, header.len))
        return false;
    if (header.type == XS_WATCH_EVENT) {
        CU_ASSERT(header.req_id == 0 && header.tx_id == 0);
        if (peer->events < EVENTS_KEPT)
            show(peer->event[peer->events++], sizeof(peer->event[0]), payload, header.len);
        return true;
    }
    CU_ASSERT_EQUAL(header.req_id, id);
    show(peer->answer + (header.type == XS_ERROR), sizeof(peer->answer) - 1, payload, header.len);
    if (header.type == XS_ERROR)
        peer->answer[strlen(peer->answer) - 1] = '\0';
    return false;
}

const char *peer_ask_bytes(struct peer *peer, uint32_t type, uint32_t tx, const void *payload,
                           size_t length)
{
    struct xsd_sockmsg header = {type, ++peer->next_id, tx, (uint32_t)length};
    char message[MESSAGE_BYTES];
    size_t at = 0, size = sizeof(header) + length;

    memcpy(message, &header, sizeof(header));
    memcpy(message + sizeof(header), payload, length);
    for (unsigned tries = 0; at < size && tries < 64; tries++) {
        at += peer_put(peer, message + at, size - at);
        one_round();
    }
    while (read_event(peer, peer->next_id)) {
    }
    return peer->answer;
}

const char *peer_ask(struct peer *peer, uint32_t type, uint32_t tx, const char *request)
{
    char payload[XENSTORE_PAYLOAD_MAX];
    size_t length = strlen(request);

    if (length > sizeof(payload))
        abort();
    for (size_t i = 0; i < length; i++)
        payload[i] = request[i] == '|' ? '\0' : request[i];
    return peer_ask_bytes(peer, type, tx, payload, length);
}

uint32_t peer_start(struct peer *peer)
{
    return (uint32_t)atoi(peer_ask(peer, XS_TRANSACTION_START, 0, "|"));
}

void store_kit_settle(void)
{
    for (unsigned i = 0; i < 3 * PEERS; i++) {
        struct peer *peer = &kit_peer[i % PEERS];

        one_round();
        if (peer->client && peer->client->used && peer->page && !peer->deaf)
            while (read_event(peer, 0)) {
            }
    }
    CU_ASSERT_FATAL(store_audit(kit_store));
}

const char *peer_events(struct peer *peer)
{
    static char all[EVENTS_KEPT * 64];
    size_t at = 0;

    store_kit_settle();
    all[0] = '\0';
    for (unsigned i = 0; i < peer->events && at < sizeof(all) - 300; i++)
        at += (size_t)sprintf(all + at, "%s%s", i ? " " : "", peer->event[i]);
    peer->events = 0;
    return all;
}
