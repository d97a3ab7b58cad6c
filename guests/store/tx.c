/* SPDX-License-Identifier: MIT
 *
 * Transactions.
 *
 * The tree is not copied. A transaction keeps a log of its changes, through which it sees the tree
 * (view.c), and a list of what it has looked at, each with the generations it found there (0 where
 * there was no node). It may be committed if all of that is still as it was: then it is as if all
 * of it had happened at this moment. Otherwise the client gets EAGAIN and begins anew. Two
 * transactions in different directories do not disturb each other.
 *
 * Changes hold the nodes and values that they will put into the tree, so a commit allocates nothing
 * and either happens whole or not at all. A transaction that looks again at something and finds it
 * changed is lost at once: it must not act on the new state, since the old one may come back, above
 * all that of there being no node, and then be taken for unchanged at the end. A lost transaction
 * sees the tree as it is, changes nothing, and is going to fail.
 *
 * When a domain goes, changes in open transactions may name it in permissions, or hold nodes that it
 * pays for. All of them are made to fail then: it happens seldom, and the protocol has its clients
 * try again.
 *
 * INV-TX-1: log and looks are within their limits and counted right.
 * INV-TX-2: a lost transaction holds nothing.
 */
#include "store/tx.h"
#include <xen/errno.h>
#include "kit/lib.h"
#include "store/watch.h"

struct look {
    struct look *next;
    uint64_t generation, child_generation; /* 0: no node */
    bool children;                         /* the list was looked at too */
    char path[];
};

/* ---- looks ---- */

static void fill_look(const struct store *store, struct look *look)
{
    const struct node *node = tree_find(store, look->path);

    look->generation = node != NULL ? node->generation : 0;
    look->child_generation = node != NULL ? node->child_generation : 0;
}

/* Whether the tree is still as it was seen. A look that has come to see the list of children later
 * than the node compares it with what it was at first: too strict at times, never too lax. */
static bool look_holds(const struct store *store, const struct look *look)
{
    const struct node *node = tree_find(store, look->path);
    uint64_t generation = node != NULL ? node->generation : 0;
    uint64_t child_generation = node != NULL ? node->child_generation : 0;

    return generation == look->generation &&
           (!look->children || child_generation == look->child_generation);
}

static bool looks_hold(const struct store *store, const struct tx *tx)
{
    const struct look *look = tx->looks;

    while (look != NULL && look_holds(store, look)) {
        look = look->next;
    }
    return look == NULL;
}

/* ---- the log ---- */

struct change *tx_change(struct store *store, struct client *client, struct tx *tx,
                         enum change_kind kind, const char *path)
{
    size_t bytes = strlen(path) + 1;
    struct change *change = NULL;

    if (tx->change_count < TX_LOG_MAX) {
        change = pool_alloc(&client->account, sizeof(*change) + bytes);
    }
    if (change == NULL) {
        return NULL;
    }
    *change = (struct change){.kind = kind, .previous = tx->last};
    memcpy(change->path, path, bytes);
    if (tx->last != NULL) {
        tx->last->next = change;
    } else {
        tx->first = change;
    }
    tx->last = change;
    tx->change_count++;
    tx->generation = ++store->generation;
    return change;
}

static void apply(struct store *store, const struct change *change)
{
    struct node *at = tree_find_nearest(store, change->path);

    switch (change->kind) {
    case CHANGE_CREATE:
        tree_link(store, at, change->u.node);
        break;
    case CHANGE_VALUE:
        tree_set_value(store, at, change->u.value);
        break;
    case CHANGE_PERMS:
        tree_set_perms(store, at, &change->u.perms);
        break;
    case CHANGE_REMOVE:
        watch_fire_removal(store, change->path);
        tree_remove(store, at);
        return;
    }
    if (!change->quiet) {
        watch_fire(store, change->path);
    }
}

/* What a change holds, when it is not carried out. */
static void drop(struct store *store, struct change *change)
{
    if (change->kind == CHANGE_CREATE && change->u.node != NULL) {
        node_free(store, change->u.node);
    } else if (change->kind == CHANGE_VALUE) {
        pool_free(&store->pool, change->u.value);
    }
    pool_free(&store->pool, change);
}

void tx_undo(struct store *store, struct tx *tx, unsigned count)
{
    while (tx->change_count > count) {
        struct change *change = tx->last;

        tx->last = change->previous;
        if (tx->last != NULL) {
            tx->last->next = NULL;
        } else {
            tx->first = NULL;
        }
        tx->change_count--;
        drop(store, change);
    }
}

void tx_apply(struct store *store, struct tx *tx)
{
    while (tx->first != NULL) {
        struct change *change = tx->first;

        apply(store, change);
        tx->first = change->next;
        pool_free(&store->pool, change);
    }
    tx->last = NULL;
    tx->change_count = 0;
}

static void drop_all(struct store *store, struct tx *tx)
{
    tx_undo(store, tx, 0);
    while (tx->looks != NULL) {
        struct look *look = tx->looks;

        tx->looks = look->next;
        pool_free(&store->pool, look);
    }
    tx->look_count = 0;
}

static void lose(struct store *store, struct tx *tx)
{
    drop_all(store, tx);
    tx->lost = true;
}

/* ---- looking ---- */

int tx_look(struct store *store, struct client *client, struct tx *tx, const char *path,
            bool children)
{
    size_t bytes = strlen(path) + 1;
    struct look *look = tx->looks;

    while (look != NULL && strcmp(look->path, path) != 0) {
        look = look->next;
    }
    if (look != NULL) {
        look->children |= children;
        if (!look_holds(store, look)) {
            lose(store, tx);
        }
        return 0;
    }
    if (tx->lost) {
        return 0;
    }
    if (tx->look_count >= TX_READS_MAX) {
        return -XEN_ENOSPC;
    }
    look = pool_alloc(&client->account, sizeof(*look) + bytes);
    if (look == NULL) {
        return -XEN_ENOSPC;
    }
    *look = (struct look){.next = tx->looks, .children = children};
    memcpy(look->path, path, bytes);
    fill_look(store, look);
    tx->looks = look;
    tx->look_count++;
    return 0;
}

/* ---- transactions ---- */

int tx_start(struct store *store, struct client *client, uint32_t *id)
{
    struct tx *tx;

    (void)store;
    if (client->tx_count >= TXS_MAX) {
        return -XEN_ENOSPC;
    }
    tx = pool_alloc(&client->account, sizeof(*tx));
    if (tx == NULL) {
        return -XEN_ENOSPC;
    }
    do {
        client->last_tx++;
    } while (client->last_tx == 0 || tx_find(client, client->last_tx) != NULL);
    *tx = (struct tx){.next = client->txs, .id = client->last_tx};
    client->txs = tx;
    client->tx_count++;
    *id = tx->id;
    return 0;
}

struct tx *tx_find(const struct client *client, uint32_t id)
{
    struct tx *tx = client->txs;

    while (tx != NULL && tx->id != id) {
        tx = tx->next;
    }
    return tx;
}

int tx_end(struct store *store, struct client *client, struct tx *tx, bool commit)
{
    bool good = !tx->lost && looks_hold(store, tx);
    struct tx **link = &client->txs;

    if (commit && good) {
        tx_apply(store, tx);
    }
    drop_all(store, tx);
    while (*link != tx) {
        link = &(*link)->next;
    }
    *link = tx->next;
    client->tx_count--;
    pool_free(&store->pool, tx);
    return commit && !good ? -XEN_EAGAIN : 0;
}

void tx_end_all(struct store *store, struct client *client)
{
    while (client->txs != NULL) {
        (void)tx_end(store, client, client->txs, false);
    }
}

void tx_lose_all(struct store *store)
{
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        for (struct tx *tx = store->client[i].txs; tx != NULL; tx = tx->next) {
            lose(store, tx);
        }
    }
}

/* ---- audit ---- */

static bool log_audit(const struct store *store, const struct tx *tx)
{
    unsigned changes = 0, looks = 0;
    const struct change *last = NULL;

    for (const struct change *c = tx->first; c != NULL; last = c, c = c->next) {
        if (c->previous != last || pool_account_of(&store->pool, c) == NULL) {
            return false;
        }
        changes++;
    }
    for (const struct look *l = tx->looks; l != NULL; l = l->next) {
        looks++;
    }
    return last == tx->last && changes == tx->change_count && changes <= TX_LOG_MAX &&
           looks == tx->look_count && looks <= TX_READS_MAX && (!tx->lost || changes + looks == 0);
}

bool tx_audit(const struct store *store, const struct client *client)
{
    unsigned txs = 0;

    for (const struct tx *tx = client->txs; tx != NULL; tx = tx->next) {
        if (!log_audit(store, tx)) {
            return false;
        }
        txs++;
    }
    return txs == client->tx_count && txs <= TXS_MAX;
}

unsigned tx_nodes(const struct client *client, const struct client *payer)
{
    unsigned nodes = 0;

    for (const struct tx *tx = client->txs; tx != NULL; tx = tx->next) {
        for (const struct change *c = tx->first; c != NULL; c = c->next) {
            nodes += c->kind == CHANGE_CREATE && c->u.node->payer == payer;
        }
    }
    return nodes;
}
