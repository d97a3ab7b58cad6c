/* SPDX-License-Identifier: MIT
 *
 * The tree as a client sees it, alone or through one of its transactions, and what it may do there.
 * Reads and changes of the protocol are made of these.
 */
#pragma once

#include "store/text.h"
#include "store/tx.h"

struct view {
    struct store *store;
    struct client *client;
    struct tx *tx; /* NULL: none */
};

struct found {
    bool exists;
    struct perms perms;
    const struct blob *value;
    uint64_t child_generation;
};

/* The node at an absolute path, if the client may do `access` (PERM_* bits) to it. 0, -XEN_ENOENT,
 * -XEN_EACCES, -XEN_ENOSPC. Of a node that is not there a client hears so only if it may read the
 * nearest one above. */
int view_get(const struct view *view, const char *path, unsigned access, struct found *found);
/* The names of its children, each terminated. As view_get(PERM_READ); out may be cut. */
int view_list(const struct view *view, const char *path, struct text *out, uint64_t *generation);
/* Makes the node and what is missing above it, or gives it another value (value != NULL). 0 or a
 * -XEN_E*. */
int view_put(const struct view *view, const char *path, const void *value, size_t length);
int view_remove(const struct view *view, const char *path);
int view_set_perms(const struct view *view, const char *path, const struct perms *perms);
