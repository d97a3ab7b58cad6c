/* SPDX-License-Identifier: MIT
 *
 * Rings, and whose turn it is.
 *
 * The page is the guest's to write at any time. Our two indices are kept outside of it; its two are
 * read once and then believed only as far as they make sense: no more than a ring of bytes between
 * the two ends. A guest that breaks this rule, or announces a message that is too long, loses its
 * watches, transactions and what was on the way, finds the reason in the page, and is not served any
 * more, until it asks for a new start as the protocol says.
 *
 * A message for the client is put together in client->out and trickles into the ring as there is
 * room. The next request is taken up only when the last message has gone out whole: a client that
 * does not read is not served, and costs nobody anything. Events and requests take turns, so that
 * neither keeps the other from its place. In a round a client gets at most ROUND_MESSAGES messages.
 *
 * INV-RING-1: rsp_prod - rsp_cons <= 1024 as far as the guest has not lied, and nothing between
 *             them is overwritten.
 */
#include "store/ring.h"
#include "kit/lib.h"
#include "store/request.h"
#include "store/tx.h"
#include "store/watch.h"

#define HEADER ((unsigned)sizeof(struct xsd_sockmsg))

_Static_assert(CLIENTS_MAX <= 64, "store_round() has 64 bits for them");

/* ---- the end of a connection, and a new one ---- */

static void forget(struct store *store, struct client *client)
{
    watch_remove_all(store, client);
    tx_end_all(store, client);
    client->in_length = client->out_length = client->out_sent = 0;
}

static void hang_up(struct store *store, struct client *client, uint32_t error)
{
    forget(store, client);
    client->link = LINK_BROKEN;
    __atomic_store_n(&client->ring->error, error, __ATOMIC_RELEASE);
}

/* The guest asks for it and waits, touching nothing, until we say that it is done. */
static bool reconnect(struct store *store, struct client *client)
{
    struct xenstore_domain_interface *ring = client->ring;

    if (__atomic_load_n(&ring->connection, __ATOMIC_ACQUIRE) != XENSTORE_RECONNECT) {
        return false;
    }
    forget(store, client);
    client->req_cons = client->rsp_prod = 0;
    ring->req_cons = ring->req_prod = ring->rsp_cons = ring->rsp_prod = 0;
    ring->error = XENSTORE_ERROR_NONE;
    client->link = LINK_UP;
    __atomic_store_n(&ring->connection, XENSTORE_CONNECTED, __ATOMIC_RELEASE);
    return true;
}

/* ---- bytes ---- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Copies between a ring and a buffer, in two pieces where the ring ends. */
static void copy_in(void *to, const char *ring, uint32_t index, unsigned count)
{
    unsigned at = MASK_XENSTORE_IDX(index), first = least(count, XENSTORE_RING_SIZE - at);

    memcpy(to, ring + at, first);
    memcpy((char *)to + first, ring, count - first);
}

static void copy_out(char *ring, uint32_t index, const void *from, unsigned count)
{
    unsigned at = MASK_XENSTORE_IDX(index), first = least(count, XENSTORE_RING_SIZE - at);

    memcpy(ring + at, from, first);
    memcpy(ring, (const char *)from + first, count - first);
}

/* Moves what has come into client->in, up to the end of the message. Sets *moved if there was any.
 * False: the guest's index is wrong. */
static bool take_bytes(struct client *client, unsigned wanted, bool *moved)
{
    struct xenstore_domain_interface *ring = client->ring;
    uint32_t there = __atomic_load_n(&ring->req_prod, __ATOMIC_ACQUIRE) - client->req_cons;
    unsigned count = least(there, wanted - client->in_length);

    if (there > XENSTORE_RING_SIZE) {
        return false;
    }
    if (count > 0) {
        copy_in(client->in.bytes + client->in_length, ring->req, client->req_cons, count);
        client->in_length += count;
        client->req_cons += count;
        __atomic_store_n(&ring->req_cons, client->req_cons, __ATOMIC_RELEASE);
        *moved = true;
    }
    return true;
}

/* Moves what is in client->out into the ring, as far as there is room. */
static bool give_bytes(struct client *client, bool *moved)
{
    struct xenstore_domain_interface *ring = client->ring;
    uint32_t there = client->rsp_prod - __atomic_load_n(&ring->rsp_cons, __ATOMIC_ACQUIRE);
    unsigned count;

    if (there > XENSTORE_RING_SIZE) {
        return false;
    }
    count = least(XENSTORE_RING_SIZE - there, client->out_length - client->out_sent);
    if (count > 0) {
        copy_out(ring->rsp, client->rsp_prod, client->out.bytes + client->out_sent, count);
        client->out_sent += count;
        client->rsp_prod += count;
        __atomic_store_n(&ring->rsp_prod, client->rsp_prod, __ATOMIC_RELEASE);
        *moved = true;
    }
    if (client->out_sent == client->out_length) {
        client->out_sent = client->out_length = 0;
    }
    return true;
}

/* ---- messages ---- */

static struct text payload_of_out(struct client *client)
{
    return text_in((char *)client->out.bytes + HEADER, XENSTORE_PAYLOAD_MAX);
}

static void set_out(struct client *client, uint32_t type, const struct xsd_sockmsg *request,
                    unsigned length)
{
    client->out.header = (struct xsd_sockmsg){.type = type,
                                              .req_id = request != NULL ? request->req_id : 0,
                                              .tx_id = request != NULL ? request->tx_id : 0,
                                              .len = length};
    client->out_length = HEADER + length;
}

/* The whole request is in client->in. */
static void answer(struct store *store, struct client *client)
{
    const struct xsd_sockmsg *header = &client->in.header;
    struct text reply = payload_of_out(client);
    int rc = request_execute(store, client, header->type, header->tx_id,
                             (const char *)client->in.bytes + HEADER, header->len, &reply);

    if (rc == 0) {
        set_out(client, header->type, header, reply.length);
    } else {
        reply = payload_of_out(client);
        text_add(&reply, request_error(rc), strlen(request_error(rc)) + 1);
        set_out(client, XS_ERROR, header, reply.length);
    }
    client->in_length = 0;
}

static bool send_event(struct store *store, struct client *client)
{
    struct text payload = payload_of_out(client);

    if (!watch_next_event(store, client, &payload)) {
        return false;
    }
    set_out(client, XS_WATCH_EVENT, NULL, payload.length);
    return true;
}

/* Reads on. True if a whole request has come; on an error the client has been hung up. */
static bool receive(struct store *store, struct client *client, bool *moved)
{
    bool good = true;

    if (client->in_length < HEADER) {
        good = take_bytes(client, HEADER, moved);
    }
    if (good && client->in_length >= HEADER) {
        if (client->in.header.len > XENSTORE_PAYLOAD_MAX) {
            hang_up(store, client, XENSTORE_ERROR_PROTO);
            return false;
        }
        good = take_bytes(client, HEADER + client->in.header.len, moved);
    }
    if (!good) {
        hang_up(store, client, XENSTORE_ERROR_RINGIDX);
        return false;
    }
    return client->in_length >= HEADER && client->in_length == HEADER + client->in.header.len;
}

/* The next message for the client: an event or an answer, in turns. False: there is none. */
static bool next_message(struct store *store, struct client *client, bool *moved)
{
    if (!client->request_first && send_event(store, client)) {
        client->request_first = true;
        return true;
    }
    client->request_first = false;
    if (receive(store, client, moved)) {
        answer(store, client);
        return true;
    }
    return client->link == LINK_UP && send_event(store, client);
}

/* One client's part of a round. True if it is to be sent an event. */
static bool serve(struct store *store, struct client *client)
{
    bool moved = reconnect(store, client);
    unsigned messages = 0;

    client->due = false;
    while (client->link == LINK_UP) {
        if (!give_bytes(client, &moved)) {
            hang_up(store, client, XENSTORE_ERROR_RINGIDX);
            moved = true;
        } else if (client->out_length > 0) {
            break; /* the ring is full: the guest will say when it has read */
        } else if (messages == ROUND_MESSAGES) {
            client->due = true;
            break;
        } else if (!next_message(store, client, &moved)) {
            moved |= client->link != LINK_UP;
            break;
        }
        messages++;
    }
    return moved;
}

bool store_round(struct store *store, uint64_t *notify)
{
    bool more = false;

    *notify = 0;
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &store->client[i];

        if (client->used && client->due && client->link != LINK_NONE && serve(store, client)) {
            *notify |= UINT64_C(1) << i;
        }
    }
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        more |= store->client[i].due && store->client[i].link == LINK_UP;
    }
    return more;
}
