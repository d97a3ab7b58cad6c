/* SPDX-License-Identifier: MIT
 *
 * Transactions: what one has looked at, and what it is going to change.
 */
#pragma once

#include "store/tree.h"

enum change_kind { CHANGE_CREATE, CHANGE_VALUE, CHANGE_PERMS, CHANGE_REMOVE };

/* One change, in the order of their making. What it needs to be carried out is in it already, so
 * that the commit cannot fail half-way. */
struct change {
    struct change *next, *previous;
    enum change_kind kind;
    bool quiet; /* a node made on the way to another one: no event of its own */
    union {
        struct node *node;  /* CREATE: not in the tree yet */
        struct blob *value; /* VALUE */
        struct perms perms; /* PERMS */
    } u;
    char path[];
};

struct tx {
    struct tx *next;
    uint32_t id;
    bool lost; /* it cannot be committed any more */
    struct change *first, *last;
    unsigned change_count;
    struct look *looks;
    unsigned look_count;
    uint64_t generation; /* of the store when it last changed something; 0: never */
};

/* *id is the new transaction's. 0 or -XEN_ENOSPC. */
int tx_start(struct store *store, struct client *client, uint32_t *id);
/* NULL: the client has none of this id. */
struct tx *tx_find(const struct client *client, uint32_t id);
/* Ends it: carried out if `commit`. 0, or -XEN_EAGAIN: something that it had looked at has changed,
 * and nothing was carried out. */
int tx_end(struct store *store, struct client *client, struct tx *tx, bool commit);
void tx_end_all(struct store *store, struct client *client);
/* All open transactions of all clients become ones that will not be committed. */
void tx_lose_all(struct store *store);

/* Notes that the transaction depends on the node at path (or on there being none), and on its list
 * of children. 0 or -XEN_ENOSPC. */
int tx_look(struct store *store, struct client *client, struct tx *tx, const char *path,
            bool children);
/* Room for a change, at the end of the log, to be filled in; u is zero. NULL: no room. */
struct change *tx_change(struct store *store, struct client *client, struct tx *tx,
                         enum change_kind kind, const char *path);
/* Takes changes back until `count` are left. */
void tx_undo(struct store *store, struct tx *tx, unsigned count);
/* Carries all changes out, each with its events; the log is empty then. */
void tx_apply(struct store *store, struct tx *tx);

/* Counts again. */
bool tx_audit(const struct store *store, const struct client *client);
/* Nodes that its transactions have made and that `payer` pays for. */
unsigned tx_nodes(const struct client *client, const struct client *payer);
