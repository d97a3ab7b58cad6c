/* SPDX-License-Identifier: MIT
 *
 * A store for the tests, and domains that talk to it through their rings. In requests and answers
 * '|' stands for the terminator of a string.
 */
#pragma once

#include "store/ring.h"
#include "store/store.h"

#define PEERS       6
#define EVENTS_KEPT 256

struct peer {
    uint16_t domid;
    struct client *client;
    struct xenstore_domain_interface *page;
    uint32_t req_prod, rsp_cons;
    uint32_t next_id;
    char answer[8192];
    char event[EVENTS_KEPT][256]; /* "path|token|", cut where longer */
    unsigned events;
    bool deaf; /* reads nothing out of its ring */
};

extern struct store *const kit_store;
extern struct peer kit_peer[PEERS];

/* A new, empty store (with birth_of_store()), and no peers. */
void store_kit_reset(void);
/* Introduces domain `domid` as kit_peer[index], with a home of its own that it may write to. */
struct peer *store_kit_add(unsigned index, uint16_t domid);

/* Puts bytes into the peer's ring as far as there is room; how many. */
size_t peer_put(struct peer *peer, const void *bytes, size_t count);
/* Takes up to `count` bytes out of it; how many. */
size_t peer_take(struct peer *peer, void *bytes, size_t count);
/* Rounds until nothing moves; every peer that is not deaf reads its events. Audits the store. */
void store_kit_settle(void);
/* Sends one request and waits for its answer: the payload, or "!EINVAL", or "!" when the
 * connection is gone. Events that come meanwhile are kept. */
const char *peer_ask(struct peer *peer, uint32_t type, uint32_t tx, const char *request);
const char *peer_ask_bytes(struct peer *peer, uint32_t type, uint32_t tx, const void *payload,
                           size_t length);
/* Begins a transaction: its number. */
uint32_t peer_start(struct peer *peer);
/* The events since the last call, one after another with a blank between, as "path|token|". */
const char *peer_events(struct peer *peer);
