/* SPDX-License-Identifier: MIT
 *
 * The tree as a client sees it.
 *
 * Through a transaction, a path is looked for in the log from its end: the last value, the last
 * permissions, the creation or the removal of it or of something above. What the log does not say
 * the tree does. A change is made in two steps, gathering all that it needs and carrying it out, so
 * that a client that runs out of room has changed nothing; outside of a transaction the second step
 * follows at once.
 */
#include "store/view.h"
#include <xen/errno.h>
#include "kit/lib.h"
#include "store/watch.h"

/* ---- finding ---- */

static void find_in_tree(const struct store *store, const char *path, struct found *found,
                         bool want_value, bool want_perms)
{
    const struct node *node = tree_find(store, path);

    found->exists = node != NULL;
    if (node == NULL) {
        return;
    }
    found->child_generation = node->child_generation;
    if (want_value) {
        found->value = node->value;
    }
    if (want_perms) {
        found->perms = node->perms;
    }
}

/* Without asking who may, and without a note that it was looked at. */
static void find(const struct view *view, const char *path, struct found *found)
{
    bool want_value = true, want_perms = true;
    const struct change *c = view->tx != NULL ? view->tx->last : NULL;

    *found = (struct found){0};
    for (; c != NULL; c = c->previous) {
        bool same = strcmp(c->path, path) == 0;

        if (c->kind == CHANGE_REMOVE && path_covers(c->path, path)) {
            return;
        }
        if (same && c->kind == CHANGE_VALUE && want_value) {
            found->value = c->u.value;
            want_value = false;
        } else if (same && c->kind == CHANGE_PERMS && want_perms) {
            found->perms = c->u.perms;
            want_perms = false;
        } else if (same && c->kind == CHANGE_CREATE) {
            found->exists = true;
            found->perms = want_perms ? c->u.node->perms : found->perms;
            found->value = want_value ? c->u.node->value : found->value;
            return;
        }
    }
    find_in_tree(view->store, path, found, want_value, want_perms);
}

static int look(const struct view *view, const char *path, bool children)
{
    return view->tx != NULL ? tx_look(view->store, view->client, view->tx, path, children) : 0;
}

static int look_and_find(const struct view *view, const char *path, struct found *found)
{
    int rc = look(view, path, false);

    if (rc == 0) {
        find(view, path, found);
    }
    return rc;
}

/* Cuts the path in place until there is a node. */
static int find_nearest(const struct view *view, char *path, struct found *found)
{
    int rc = look_and_find(view, path, found);

    while (rc == 0 && !found->exists) {
        path[path_parent_length(path)] = '\0';
        rc = look_and_find(view, path, found);
    }
    return rc;
}

static bool may(const struct view *view, const struct found *found, unsigned access)
{
    return client_is_admin(view->store, view->client) ||
           (access & ~perms_access(&found->perms, view->client->domid)) == 0;
}

int view_get(const struct view *view, const char *path, unsigned access, struct found *found)
{
    char above[PATH_BYTES];
    struct found nearest;
    int rc = look_and_find(view, path, found);

    if (rc != 0) {
        return rc;
    }
    if (found->exists) {
        return may(view, found, access) ? 0 : -XEN_EACCES;
    }
    memcpy(above, path, strlen(path) + 1);
    rc = find_nearest(view, above, &nearest);
    if (rc != 0) {
        return rc;
    }
    return may(view, &nearest, PERM_READ) ? -XEN_ENOENT : -XEN_EACCES;
}

/* ---- listing ---- */

/* The path of a child of `parent`; false if it is too long to be one. */
static bool child_path(const char *parent, const char *name, size_t length, char path[PATH_BYTES])
{
    struct text out = text_in(path, PATH_BYTES);

    text_add_string(&out, parent);
    if (parent[1] != '\0') {
        text_add_char(&out, '/');
    }
    text_add(&out, name, length);
    text_add_char(&out, '\0');
    return !out.cut;
}

/* True if a removal from `change` on takes the path away. */
static bool is_removed_from(const struct change *change, const char *path)
{
    for (; change != NULL; change = change->next) {
        if (change->kind == CHANGE_REMOVE && path_covers(change->path, path)) {
            return true;
        }
    }
    return false;
}

static void list_tree(const struct view *view, const char *path, struct text *out)
{
    const struct node *node = tree_find(view->store, path);
    const struct change *log = view->tx != NULL ? view->tx->first : NULL;
    char child[PATH_BYTES];

    if (node == NULL) {
        return;
    }
    for (node = node->child; node != NULL; node = node->next) {
        if (log != NULL && child_path(path, node->name, node->name_length, child) &&
            is_removed_from(log, child)) {
            continue;
        }
        text_add(out, node->name, node->name_length);
        text_add_char(out, '\0');
    }
}

static void list_log(const struct view *view, const char *path, struct text *out)
{
    for (const struct change *c = view->tx->first; c != NULL; c = c->next) {
        const char *name;

        if (c->kind == CHANGE_CREATE && path_is_child(path, c->path, &name) &&
            !is_removed_from(c, c->path)) {
            text_add(out, name, strlen(name) + 1);
        }
    }
}

int view_list(const struct view *view, const char *path, struct text *out, uint64_t *generation)
{
    struct found found;
    int rc = look(view, path, true);

    if (rc == 0) {
        rc = view_get(view, path, PERM_READ, &found);
    }
    if (rc != 0) {
        return rc;
    }
    *generation = found.child_generation;
    list_tree(view, path, out);
    if (view->tx != NULL) {
        list_log(view, path, out);
        *generation = view->tx->generation != 0 ? view->tx->generation : *generation;
    }
    return 0;
}

/* ---- changing ---- */

/* The log that a change goes to: the transaction's, or one that lasts as long as the request. */
static struct tx *log_of(const struct view *view, struct tx *own)
{
    return view->tx != NULL ? view->tx : own;
}

/* The end of a request that has put changes behind `mark`: they stay, are carried out, or are taken
 * back. */
static int finish(const struct view *view, struct tx *log, unsigned mark, int rc)
{
    if (rc != 0) {
        tx_undo(view->store, log, mark);
    } else if (view->tx == NULL) {
        tx_apply(view->store, log);
    }
    return rc;
}

/* What a node that this client makes below another inherits: permissions, with itself as owner. */
static struct perms inherited(const struct view *view, const struct perms *above)
{
    struct perms perms = *above;

    if (!client_is_admin(view->store, view->client)) {
        perms.entry[0].domid = view->client->domid;
    }
    return perms;
}

/* The nodes from below the one at path's first `above` characters down to path. The value is the
 * last one's. */
static int log_nodes(const struct view *view, struct tx *log, const char *path, size_t above,
                     const struct perms *perms, struct blob *value)
{
    struct client *payer = store_payer(view->store, perms->entry[0].domid, path);
    size_t length = strlen(path), end = above == 1 ? 0 : above;
    char part[PATH_BYTES];

    memcpy(part, path, length + 1);
    do {
        struct change *change;

        end++;
        while (path[end] != '/' && path[end] != '\0') {
            end++;
        }
        part[end] = '\0';
        change = tx_change(view->store, view->client, log, CHANGE_CREATE, part);
        if (change == NULL) {
            return -XEN_ENOSPC;
        }
        change->quiet = end < length;
        change->u.node = node_new(view->store, payer, part, perms);
        if (change->u.node == NULL) {
            return -XEN_ENOSPC;
        }
        part[end] = path[end];
    } while (end < length);
    log->last->u.node->value = value;
    return 0;
}

static int log_value(const struct view *view, struct tx *log, const char *path, struct blob *value)
{
    struct change *change = tx_change(view->store, view->client, log, CHANGE_VALUE, path);

    if (change == NULL) {
        return -XEN_ENOSPC;
    }
    change->u.value = value;
    return 0;
}

/* `above` is the nearest path that there is, path itself perhaps. */
static int put(const struct view *view, const char *path, const char *above,
               const struct found *nearest, const void *data, size_t length)
{
    struct perms perms = inherited(view, &nearest->perms);
    struct tx own = {0}, *log = log_of(view, &own);
    unsigned mark = log->change_count;
    struct blob *value;
    int rc;

    if (log->lost) {
        return 0;
    }
    if (!blob_new(view->client, data, length, &value)) {
        return -XEN_ENOSPC;
    }
    if (strlen(above) == strlen(path)) {
        rc = log_value(view, log, path, value);
    } else {
        rc = log_nodes(view, log, path, strlen(above), &perms, value);
    }
    if (rc != 0) {
        pool_free(&view->store->pool, value);
    }
    return finish(view, log, mark, rc);
}

int view_put(const struct view *view, const char *path, const void *value, size_t length)
{
    char above[PATH_BYTES];
    struct found nearest;
    int rc;

    memcpy(above, path, strlen(path) + 1);
    rc = find_nearest(view, above, &nearest);
    if (rc != 0) {
        return rc;
    }
    if (value == NULL && strlen(above) == strlen(path)) {
        return may(view, &nearest, PERM_READ) ? 0 : -XEN_EACCES;
    }
    if (!may(view, &nearest, PERM_WRITE)) {
        return -XEN_EACCES;
    }
    return put(view, path, above, &nearest, value, length);
}

/* Nothing to remove: an error only if there is nothing above either. */
static int remove_nothing(const struct view *view, const char *path)
{
    char above[PATH_BYTES];
    struct found parent;

    memcpy(above, path, strlen(path) + 1);
    above[path_parent_length(path)] = '\0';
    return view_get(view, above, PERM_READ, &parent);
}

/* Outside of a transaction this takes no memory, so that a domain that has none left can make some.
 */
int view_remove(const struct view *view, const char *path)
{
    struct found found;
    int rc = look_and_find(view, path, &found);

    if (rc != 0) {
        return rc;
    }
    if (path[1] == '\0') {
        return -XEN_EINVAL;
    }
    if (!found.exists) {
        return remove_nothing(view, path);
    }
    if (!may(view, &found, PERM_WRITE)) {
        return -XEN_EACCES;
    }
    if (view->tx == NULL) {
        watch_fire_removal(view->store, path);
        tree_remove(view->store, tree_find(view->store, path));
        return 0;
    }
    if (view->tx->lost) {
        return 0;
    }
    return tx_change(view->store, view->client, view->tx, CHANGE_REMOVE, path) != NULL
               ? 0
               : -XEN_ENOSPC;
}

int view_set_perms(const struct view *view, const char *path, const struct perms *perms)
{
    struct tx own = {0}, *log = log_of(view, &own);
    struct change *change;
    struct found found;
    int rc = view_get(view, path, PERM_READ, &found);

    if (rc != 0) {
        return rc;
    }
    if (!client_is_admin(view->store, view->client)) {
        if (found.perms.entry[0].domid != view->client->domid) {
            return -XEN_EACCES;
        }
        if (perms->entry[0].domid != view->client->domid) {
            return -XEN_EPERM;
        }
    }
    if (log->lost) {
        return 0;
    }
    change = tx_change(view->store, view->client, log, CHANGE_PERMS, path);
    if (change == NULL) {
        return -XEN_ENOSPC;
    }
    change->u.perms = *perms;
    return finish(view, log, 0, 0);
}
