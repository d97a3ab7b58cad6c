/* SPDX-License-Identifier: MIT
 *
 * Watches and events.
 *
 * An event is queued in its client's own memory. The same event is not queued twice: the protocol
 * counts no changes, it says that there was one. A client that does not read its ring fills its
 * queue (EVENTS_MAX, or its memory); what comes after is folded into one event a watch, for the
 * watch's own path, which is sent when the queue is empty. So others' changes can neither cost a
 * client its connection nor hold up anybody else, and nothing is lost but detail.
 *
 * INV-WATCH-1: the counts of a client's watches and events are right, and within their limits.
 * INV-WATCH-2: every queued event belongs to a watch of the same client.
 */
#include "store/watch.h"
#include <xen/errno.h>
#include "kit/lib.h"
#include "store/tree.h"

struct watch {
    struct watch *next;
    bool folded;     /* events were lost: one for the path itself is owed */
    uint16_t prefix; /* what to take off a path for a client that gave a relative one */
    uint16_t token;  /* where in the text the token starts */
    char text[];     /* the absolute path, and the token, each terminated */
};

struct event {
    struct event *next;
    struct watch *watch;
    char path[];
};

static const char *watch_path(const struct watch *watch)
{
    return watch->text;
}

static const char *watch_token(const struct watch *watch)
{
    return watch->text + watch->token;
}

static bool is_special(const char *path)
{
    return path[0] == '@';
}

/* ---- queue ---- */

static bool is_queued(const struct client *client, const struct watch *watch, const char *path)
{
    for (const struct event *e = client->first_event; e != NULL; e = e->next) {
        if (e->watch == watch && strcmp(e->path, path) == 0) {
            return true;
        }
    }
    return false;
}

static void queue(struct client *client, struct watch *watch, const char *path)
{
    size_t bytes = strlen(path) + 1;
    struct event *event = NULL;

    client->due = true;
    if (watch->folded || is_queued(client, watch, path)) {
        return;
    }
    if (client->event_count < EVENTS_MAX) {
        event = pool_alloc(&client->account, sizeof(*event) + bytes);
    }
    if (event == NULL) {
        watch->folded = true;
        return;
    }
    *event = (struct event){.watch = watch};
    memcpy(event->path, path, bytes);
    if (client->last_event != NULL) {
        client->last_event->next = event;
    } else {
        client->first_event = event;
    }
    client->last_event = event;
    client->event_count++;
}

/* Takes the events of one watch, or of all (NULL), out of the queue. */
static void drop_events(struct store *store, struct client *client, const struct watch *watch)
{
    struct event **link = &client->first_event;

    client->last_event = NULL;
    while (*link != NULL) {
        struct event *event = *link;

        if (watch == NULL || event->watch == watch) {
            *link = event->next;
            client->event_count--;
            pool_free(&store->pool, event);
        } else {
            client->last_event = event;
            link = &event->next;
        }
    }
}

static void print_event(const struct watch *watch, const char *path, struct text *out)
{
    text_add(out, path + watch->prefix, strlen(path + watch->prefix) + 1);
    text_add(out, watch_token(watch), strlen(watch_token(watch)) + 1);
}

bool watch_exists(const struct client *client, const char *path)
{
    for (const struct watch *w = client->watches; w != NULL; w = w->next) {
        if (strcmp(watch_path(w), path) == 0) {
            return true;
        }
    }
    return false;
}

bool watch_event_waits(const struct client *client)
{
    bool waits = client->first_event != NULL;

    for (const struct watch *w = client->watches; w != NULL && !waits; w = w->next) {
        waits = w->folded;
    }
    return waits;
}

bool watch_next_event(struct store *store, struct client *client, struct text *out)
{
    struct event *event = client->first_event;

    if (event != NULL) {
        print_event(event->watch, event->path, out);
        client->first_event = event->next;
        if (event->next == NULL) {
            client->last_event = NULL;
        }
        client->event_count--;
        pool_free(&store->pool, event);
        return true;
    }
    for (struct watch *w = client->watches; w != NULL; w = w->next) {
        if (w->folded) {
            w->folded = false;
            print_event(w, watch_path(w), out);
            return true;
        }
    }
    return false;
}

/* ---- watches ---- */

/* As path_absolute(), but a name that starts with @ is itself. */
static int absolute(const struct client *client, const char *given, char path[PATH_BYTES])
{
    if (!is_special(given)) {
        return path_absolute(given, client->domid, path);
    }
    if (strlen(given) > XENSTORE_REL_PATH_MAX) {
        return -XEN_EINVAL;
    }
    memcpy(path, given, strlen(given) + 1);
    return 0;
}

/* The link to the watch, or to the end of the list. */
static struct watch **find(struct client *client, const char *path, unsigned prefix,
                           const char *token)
{
    struct watch **link = &client->watches;

    while (*link != NULL && ((*link)->prefix != prefix || strcmp(watch_path(*link), path) != 0 ||
                             strcmp(watch_token(*link), token) != 0)) {
        link = &(*link)->next;
    }
    return link;
}

int watch_add(struct store *store, struct client *client, const char *given, const char *token)
{
    char path[PATH_BYTES];
    int prefix = absolute(client, given, path);
    size_t path_bytes, token_bytes = strlen(token) + 1;
    struct watch **end, *watch;

    (void)store;
    if (prefix < 0) {
        return prefix;
    }
    end = find(client, path, (unsigned)prefix, token);
    if (*end != NULL) {
        return -XEN_EEXIST;
    }
    if (token_bytes > TOKEN_MAX + 1 || client->watch_count >= WATCHES_MAX) {
        return -XEN_E2BIG;
    }
    path_bytes = strlen(path) + 1;
    watch = pool_alloc(&client->account, sizeof(*watch) + path_bytes + token_bytes);
    if (watch == NULL) {
        return -XEN_ENOSPC;
    }
    *watch = (struct watch){.prefix = (uint16_t)prefix, .token = (uint16_t)path_bytes};
    memcpy(watch->text, path, path_bytes);
    memcpy(watch->text + path_bytes, token, token_bytes);
    *end = watch;
    client->watch_count++;
    queue(client, watch, path);
    return 0;
}

static void remove_at(struct store *store, struct client *client, struct watch **link)
{
    struct watch *watch = *link;

    drop_events(store, client, watch);
    *link = watch->next;
    client->watch_count--;
    pool_free(&store->pool, watch);
}

int watch_remove(struct store *store, struct client *client, const char *given, const char *token)
{
    char path[PATH_BYTES];
    int prefix = absolute(client, given, path);
    struct watch **link;

    if (prefix < 0) {
        return prefix;
    }
    link = find(client, path, (unsigned)prefix, token);
    if (*link == NULL) {
        return -XEN_ENOENT;
    }
    remove_at(store, client, link);
    return 0;
}

void watch_remove_all(struct store *store, struct client *client)
{
    while (client->watches != NULL) {
        remove_at(store, client, &client->watches);
    }
}

/* ---- firing ---- */

static bool may_read(const struct store *store, const struct client *client,
                     const struct perms *perms)
{
    return client_is_admin(store, client) || (perms_access(perms, client->domid) & PERM_READ) != 0;
}

static void fire_upwards(struct store *store, const char *path, const struct perms *perms)
{
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &store->client[i];

        if (!client->used || client->watches == NULL || !may_read(store, client, perms)) {
            continue;
        }
        for (struct watch *w = client->watches; w != NULL; w = w->next) {
            if (!is_special(watch_path(w)) && path_covers(watch_path(w), path)) {
                queue(client, w, path);
            }
        }
    }
}

void watch_fire(struct store *store, const char *path)
{
    fire_upwards(store, path, &tree_find(store, path)->perms);
}

void watch_fire_removal(struct store *store, const char *path)
{
    watch_fire(store, path);
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &store->client[i];

        for (struct watch *w = client->watches; client->used && w != NULL; w = w->next) {
            const struct node *node;

            if (is_special(watch_path(w)) || !path_covers(path, watch_path(w)) ||
                strcmp(path, watch_path(w)) == 0) {
                continue;
            }
            node = tree_find(store, watch_path(w));
            if (node != NULL && may_read(store, client, &node->perms)) {
                queue(client, w, watch_path(w));
            }
        }
    }
}

void watch_fire_special(struct store *store, const char *name)
{
    const struct perms *perms =
        strcmp(name, INTRODUCE_DOMAIN) == 0 ? &store->introduce : &store->release;

    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &store->client[i];

        for (struct watch *w = client->watches; client->used && w != NULL; w = w->next) {
            if (strcmp(watch_path(w), name) == 0 && may_read(store, client, perms)) {
                queue(client, w, name);
            }
        }
    }
}

/* ---- audit ---- */

bool watch_audit(const struct client *client)
{
    unsigned watches = 0, events = 0;
    const struct event *last = NULL;

    for (const struct watch *w = client->watches; w != NULL; w = w->next) {
        watches++;
    }
    for (const struct event *e = client->first_event; e != NULL; last = e, e = e->next) {
        const struct watch *w = client->watches;

        while (w != NULL && w != e->watch) {
            w = w->next;
        }
        if (w == NULL) {
            return false;
        }
        events++;
    }
    return watches == client->watch_count && watches <= WATCHES_MAX &&
           events == client->event_count && events <= EVENTS_MAX && last == client->last_event;
}
