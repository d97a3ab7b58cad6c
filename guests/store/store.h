/* SPDX-License-Identifier: MIT
 *
 * The store as a whole: its tree of nodes, and its clients. Everything is in one struct and in
 * memory that it was given, so that a test can have two.
 *
 * Client 0 is the administrator: the console's commands and what is written at a domain's birth act
 * in its name. It has the number 0, as the control domain has where there is one, and may do
 * everything. All others are domains, reached by their rings (ring.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/io/xs_wire.h>
#include "store/limits.h"
#include "store/perm.h"
#include "store/pool.h"

#define MESSAGE_BYTES (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)

struct node;  /* tree.h */
struct watch; /* watch.h */
struct event; /* watch.h */
struct tx;    /* tx.h */

/* Where a client's ring stands. */
enum link {
    LINK_NONE, /* the administrator; or a domain whose page could not be mapped */
    LINK_UP,
    LINK_BROKEN, /* the domain broke the protocol; it may ask for a new start */
};

struct client {
    bool used;
    uint16_t domid;
    bool shut_down; /* reported by @releaseDomain already */

    struct pool_account account;
    unsigned nodes; /* charged to it, those of open transactions among them */

    struct watch *watches; /* in the order of their making */
    unsigned watch_count;
    struct event *first_event, *last_event;
    unsigned event_count;

    struct tx *txs;
    unsigned tx_count;
    uint32_t last_tx;

    enum link link;
    struct xenstore_domain_interface *ring;
    uint32_t req_cons, rsp_prod; /* ours: the copies in the page are the guest's to spoil */
    bool due;                    /* there may be something to do for it */
    bool request_first;          /* an event went out last: a request has its turn */
    unsigned in_length, out_length, out_sent;
    union {
        struct xsd_sockmsg header;
        uint8_t bytes[MESSAGE_BYTES];
    } in, out;
};

struct store {
    struct pool pool;
    struct node *root;
    uint64_t generation; /* of the last change */
    struct perms introduce, release;
    struct client client[CLIENTS_MAX];
};

#define ADMIN(store) (&(store)->client[0])

/* An empty store in STORE_PAGES pages of memory, with `pages` to describe them. */
void store_init(struct store *store, void *memory, struct pool_page *pages);

/* A domain appears: room is set aside for it, @introduceDomain fires. With a ring (its page, mapped
 * for us) it can make requests. NULL when it is there already or CLIENTS_MAX are. */
struct client *store_introduce(struct store *store, uint16_t domid,
                               struct xenstore_domain_interface *ring);
/* It has gone: its nodes, watches, transactions and what others allowed it go too;
 * @releaseDomain fires. Its /local/domain/ID is not its own, and goes by birth.h. */
void store_release(struct store *store, struct client *client);
/* It has shut down, but is still there: @releaseDomain fires, once. */
void store_shut_down(struct store *store, struct client *client);

struct client *store_client(struct store *store, uint16_t domid);
static inline bool client_is_admin(const struct store *store, const struct client *client)
{
    return client == ADMIN(store);
}
/* Who pays for a new node at `path`: its owner; what the administrator makes in the home of a domain
 * (/local/domain/ID and below) is that domain's to pay, if it is here. */
struct client *store_payer(struct store *store, uint16_t owner, const char *path);

/* Walks everything; false if an invariant of tree, accounts, transactions or queues is broken. */
bool store_audit(struct store *store);
