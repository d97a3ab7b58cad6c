/* SPDX-License-Identifier: MIT
 *
 * The store as a whole: clients come and go.
 *
 * INV-STORE-1: a client that is not used holds no page of the pool.
 * INV-STORE-2: no node is owned or paid for, and no permission held, by a domain that has gone.
 *              Numbers of domains are used again, and the next one must not inherit.
 */
#include "store/store.h"
#include "kit/lib.h"
#include "store/tree.h"
#include "store/tx.h"
#include "store/watch.h"

static void make_root(struct store *store)
{
    struct client *admin = ADMIN(store);
    struct perms perms = {.count = 1};

    store->introduce = store->release = perms;
    store->root = pool_alloc(&admin->account, sizeof(struct node));
    *store->root = (struct node){.payer = admin, .perms = perms, .generation = 1};
    store->root->child_generation = store->generation = 1;
    admin->nodes = 1;
}

void store_init(struct store *store, void *memory, struct pool_page *pages)
{
    memset(store, 0, sizeof(*store));
    pool_init(&store->pool, memory, pages, STORE_PAGES);
    ADMIN(store)->used = true;
    pool_account_init(&ADMIN(store)->account, &store->pool, ADMIN_PAGES);
    make_root(store);
}

/* ---- clients ---- */

struct client *store_client(struct store *store, uint16_t domid)
{
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        if (store->client[i].used && store->client[i].domid == domid) {
            return &store->client[i];
        }
    }
    return NULL;
}

/* The client in whose home the path lies, or NULL. */
static struct client *home_client(struct store *store, const char *path)
{
    size_t at = sizeof(DOMAIN_PREFIX) - 1;
    uint32_t domid = 0;

    if (strlen(path) <= at || memcmp(path, DOMAIN_PREFIX, at) != 0) {
        return NULL;
    }
    for (; path[at] >= '0' && path[at] <= '9' && domid <= UINT16_MAX; at++) {
        domid = domid * 10 + (uint32_t)(path[at] - '0');
    }
    if ((path[at] != '/' && path[at] != '\0') || domid > UINT16_MAX) {
        return NULL;
    }
    return store_client(store, (uint16_t)domid);
}

struct client *store_payer(struct store *store, uint16_t owner, const char *path)
{
    struct client *client = store_client(store, owner);

    if (client == NULL || client_is_admin(store, client)) {
        client = home_client(store, path);
    }
    return client != NULL ? client : ADMIN(store);
}

static struct client *free_client(struct store *store)
{
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        if (!store->client[i].used) {
            return &store->client[i];
        }
    }
    return NULL;
}

struct client *store_introduce(struct store *store, uint16_t domid,
                               struct xenstore_domain_interface *ring)
{
    struct client *client = free_client(store);

    if (client == NULL || store_client(store, domid) != NULL) {
        return NULL;
    }
    memset(client, 0, sizeof(*client));
    client->used = true;
    client->domid = domid;
    pool_account_init(&client->account, &store->pool, CLIENT_PAGES);
    if (ring != NULL) {
        client->link = LINK_UP;
        client->ring = ring;
        client->req_cons = ring->req_cons;
        client->rsp_prod = ring->rsp_prod;
        client->due = true;
        ring->server_features =
            XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR;
    }
    watch_fire_special(store, INTRODUCE_DOMAIN);
    return client;
}

void store_shut_down(struct store *store, struct client *client)
{
    if (!client->shut_down) {
        client->shut_down = true;
        watch_fire_special(store, RELEASE_DOMAIN);
    }
}

/* ---- forgetting one ---- */

static void path_of(const struct node *node, char path[PATH_BYTES])
{
    size_t at = PATH_BYTES - 1;

    path[at] = '\0';
    for (; node->parent != NULL; node = node->parent) {
        at -= node->name_length;
        memcpy(path + at, node->name, node->name_length);
        path[--at] = '/';
    }
    memmove(path, path + at, PATH_BYTES - at);
}

static void remove_node(struct store *store, struct node *node)
{
    char path[PATH_BYTES];

    path_of(node, path);
    watch_fire_removal(store, path);
    tree_remove(store, node);
}

/* A value that the client has written to another's node becomes that one's, or is lost if there is
 * no room for it. */
static void hand_over_value(struct store *store, struct client *client, struct node *node)
{
    struct blob *value = NULL;

    if (node->value == NULL || pool_account_of(&store->pool, node->value) != &client->account) {
        return;
    }
    (void)blob_new(node->payer, node->value->data, node->value->length, &value);
    tree_set_value(store, node, value);
}

/* The root stays, whomever the administrator has given it to. */
static void take_root_back(struct store *store, const struct client *client)
{
    struct perms perms = store->root->perms;

    if (perms.entry[0].domid == client->domid) {
        perms.entry[0] = (struct perm){.domid = ADMIN(store)->domid};
        tree_set_perms(store, store->root, &perms);
    }
}

static void forget_in_tree(struct store *store, struct client *client)
{
    take_root_back(store, client);
    for (struct node *node = store->root, *next; node != NULL; node = next) {
        bool own = node->payer == client || node->perms.entry[0].domid == client->domid;

        next = tree_next(node, !own);
        if (own) {
            remove_node(store, node);
        } else {
            hand_over_value(store, client, node);
            perms_forget(&node->perms, client->domid);
        }
    }
}

void store_release(struct store *store, struct client *client)
{
    tx_lose_all(store);
    tx_end_all(store, client);
    watch_remove_all(store, client);
    forget_in_tree(store, client);
    perms_forget(&store->introduce, client->domid);
    perms_forget(&store->release, client->domid);
    client->used = false;
    client->link = LINK_NONE;
    client->ring = NULL;
    watch_fire_special(store, RELEASE_DOMAIN);
}

/* ---- audit ---- */

static bool node_audit(struct store *store, const struct node *node)
{
    for (const struct node *child = node->child; child != NULL; child = child->next) {
        if (child->parent != node || child->generation > store->generation) {
            return false;
        }
        for (const struct node *c = child->next; c != NULL; c = c->next) {
            if (c->name_length == child->name_length &&
                memcmp(c->name, child->name, c->name_length) == 0) {
                return false;
            }
        }
    }
    if (node->value != NULL &&
        (node->value->length == 0 || pool_account_of(&store->pool, node->value) == NULL)) {
        return false;
    }
    return node->payer->used && pool_account_of(&store->pool, node) == &node->payer->account &&
           node->perms.count >= 1 && node->perms.count <= PERMS_MAX;
}

static bool client_audit(struct store *store, const struct client *client)
{
    unsigned nodes = 0;

    if (!client->used) {
        return client->account.pages == 0;
    }
    for (const struct node *node = store->root; node != NULL; node = tree_next(node, true)) {
        nodes += node->payer == client;
    }
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        nodes += store->client[i].used ? tx_nodes(&store->client[i], client) : 0;
    }
    return nodes == client->nodes && pool_account_audit(&client->account) && watch_audit(client) &&
           tx_audit(store, client) && client->out_sent <= client->out_length &&
           client->in_length <= MESSAGE_BYTES;
}

bool store_audit(struct store *store)
{
    for (const struct node *node = store->root; node != NULL; node = tree_next(node, true)) {
        if (!node_audit(store, node)) {
            return false;
        }
    }
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        if (!client_audit(store, &store->client[i])) {
            return false;
        }
    }
    return pool_audit(&store->pool);
}
