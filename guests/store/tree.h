/* SPDX-License-Identifier: MIT
 *
 * The tree of nodes: finding and changing them, without asking who may.
 *
 * A node is charged to one client from its making to its end, its owner at that time; a value to who
 * has written it, lest one domain spend what is another's. A node's generations are those of the
 * store when its value or permissions, and when its list of children last changed; no two changes
 * have the same.
 */
#pragma once

#include "store/path.h"
#include "store/store.h"

/* A value; NULL stands for an empty one. */
struct blob {
    uint16_t length;
    uint8_t data[];
};

struct node {
    struct node *parent, *child, *next;
    struct blob *value;
    struct client *payer;
    uint64_t generation, child_generation;
    struct perms perms;
    uint16_t name_length;
    char name[];
};

/* *value is NULL for no bytes. False: the writer has no room. */
bool blob_new(struct client *writer, const void *data, size_t length, struct blob **value);

/* A node that is not in the tree yet, named by the last part of path. NULL: the payer has no room,
 * or too many nodes already. */
struct node *node_new(struct store *store, struct client *payer, const char *path,
                      const struct perms *perms);
/* Of a node outside the tree, or a whole subtree of it. */
void node_free(struct store *store, struct node *node);

/* NULL: none. */
struct node *tree_find(const struct store *store, const char *path);
/* The node itself or the nearest one above. */
struct node *tree_find_nearest(const struct store *store, const char *path);
/* Becomes the last child. */
void tree_link(struct store *store, struct node *parent, struct node *node);
/* The value becomes the node's. */
void tree_set_value(struct store *store, struct node *node, struct blob *value);
void tree_set_perms(struct store *store, struct node *node, const struct perms *perms);
/* With everything below it. Not the root. */
void tree_remove(struct store *store, struct node *node);

/* The node after this one, parents before children; NULL after the last. With `below` false what is
 * under the node is passed over. */
struct node *tree_next(const struct node *node, bool below);
