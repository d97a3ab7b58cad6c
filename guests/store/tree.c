/* SPDX-License-Identifier: MIT
 *
 * The tree of nodes. Paths may be 1500 levels deep, so nothing here recurses.
 *
 * INV-TREE-1: a node's children are in its list, each with it as parent and a name of its own.
 * INV-TREE-2: a node is charged to its payer's account and counted in its nodes; its value is charged
 *             to some client that is there.
 */
#include "store/tree.h"
#include "kit/lib.h"

/* ---- pieces ---- */

bool blob_new(struct client *writer, const void *data, size_t length, struct blob **value)
{
    struct blob *blob = NULL;

    if (length > 0) {
        blob = pool_alloc(&writer->account, sizeof(*blob) + length);
        if (blob == NULL) {
            return false;
        }
        blob->length = (uint16_t)length;
        memcpy(blob->data, data, length);
    }
    *value = blob;
    return true;
}

struct node *node_new(struct store *store, struct client *payer, const char *path,
                      const struct perms *perms)
{
    size_t above = path_parent_length(path), length = strlen(path);
    const char *name = path + (above == 1 ? 1 : above + 1);
    struct node *node;

    if (payer->nodes >= (client_is_admin(store, payer) ? ADMIN_NODES : NODES_MAX)) {
        return NULL;
    }
    length -= (size_t)(name - path);
    node = pool_alloc(&payer->account, sizeof(*node) + length);
    if (node == NULL) {
        return NULL;
    }
    *node = (struct node){.payer = payer, .perms = *perms, .name_length = (uint16_t)length};
    memcpy(node->name, name, length);
    payer->nodes++;
    return node;
}

static void free_one(struct store *store, struct node *node)
{
    node->payer->nodes--;
    pool_free(&store->pool, node->value);
    pool_free(&store->pool, node);
}

void node_free(struct store *store, struct node *node)
{
    struct node *at = node;

    for (;;) {
        struct node *parent = at->parent;

        if (at->child != NULL) {
            at = at->child;
        } else if (at == node) {
            free_one(store, at);
            return;
        } else {
            parent->child = at->next;
            free_one(store, at);
            at = parent;
        }
    }
}

/* ---- finding ---- */

static struct node *find_child(const struct node *parent, const char *name, size_t length)
{
    struct node *child = parent->child;

    while (child != NULL &&
           (child->name_length != length || memcmp(child->name, name, length) != 0)) {
        child = child->next;
    }
    return child;
}

/* Goes down as far as there are nodes; *rest is what is left of the path, "" if nothing. */
static struct node *walk(const struct store *store, const char *path, const char **rest)
{
    struct node *at = store->root;

    for (path++; *path != '\0';) {
        size_t length = 0;
        struct node *child;

        while (path[length] != '\0' && path[length] != '/') {
            length++;
        }
        child = find_child(at, path, length);
        if (child == NULL) {
            break;
        }
        at = child;
        path += length + (path[length] == '/' ? 1 : 0);
    }
    *rest = path;
    return at;
}

struct node *tree_find(const struct store *store, const char *path)
{
    const char *rest;
    struct node *node = walk(store, path, &rest);

    return *rest == '\0' ? node : NULL;
}

struct node *tree_find_nearest(const struct store *store, const char *path)
{
    const char *rest;

    return walk(store, path, &rest);
}

struct node *tree_next(const struct node *node, bool below)
{
    if (below && node->child != NULL) {
        return node->child;
    }
    while (node != NULL && node->next == NULL) {
        node = node->parent;
    }
    return node != NULL ? node->next : NULL;
}

/* ---- changing ---- */

void tree_link(struct store *store, struct node *parent, struct node *node)
{
    struct node **end = &parent->child;

    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = node;
    node->parent = parent;
    node->next = NULL;
    node->generation = node->child_generation = ++store->generation;
    parent->child_generation = store->generation;
}

void tree_set_value(struct store *store, struct node *node, struct blob *value)
{
    pool_free(&store->pool, node->value);
    node->value = value;
    node->generation = ++store->generation;
}

void tree_set_perms(struct store *store, struct node *node, const struct perms *perms)
{
    node->perms = *perms;
    node->generation = ++store->generation;
}

void tree_remove(struct store *store, struct node *node)
{
    struct node **link = &node->parent->child;

    while (*link != node) {
        link = &(*link)->next;
    }
    *link = node->next;
    node->parent->child_generation = ++store->generation;
    node->parent = node->next = NULL;
    node_free(store, node);
}
