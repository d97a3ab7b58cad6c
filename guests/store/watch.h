/* SPDX-License-Identifier: MIT
 *
 * Watches, and the events that wait for their clients.
 */
#pragma once

#include "store/path.h"
#include "store/store.h"
#include "store/text.h"

#define INTRODUCE_DOMAIN "@introduceDomain"
#define RELEASE_DOMAIN   "@releaseDomain"

/* `given` is the path in the client's words, relative or not; an event waits for it at once. 0,
 * -XEN_EINVAL, -XEN_EEXIST, -XEN_E2BIG (too many, or a token that is too long), -XEN_ENOSPC. */
int watch_add(struct store *store, struct client *client, const char *given, const char *token);
/* 0, -XEN_EINVAL or -XEN_ENOENT. */
int watch_remove(struct store *store, struct client *client, const char *given, const char *token);
void watch_remove_all(struct store *store, struct client *client);

/* Has the client a watch on exactly this path? */
bool watch_exists(const struct client *client, const char *path);

/* The node at `path` has changed: an event for every watch on it or above it whose client may read
 * it. To be called with the node there. */
void watch_fire(struct store *store, const char *path);
/* The node is about to go, with all below: also for watches on what is below. */
void watch_fire_removal(struct store *store, const char *path);
/* One of the two special events. */
void watch_fire_special(struct store *store, const char *name);

/* Moves the next event to `out` as "path|token|". False: none waits. */
bool watch_next_event(struct store *store, struct client *client, struct text *out);
bool watch_event_waits(const struct client *client);

/* Counts watches and events again. */
bool watch_audit(const struct client *client);
