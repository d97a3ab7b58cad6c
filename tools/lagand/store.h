/* SPDX-License-Identifier: MIT
 *
 * The xenstore, as few functions of it as the daemon and the guests' agent want. store.c asks libxenstore, for the
 * daemon; the agent has one of its own (tools/lagan-agent/xenbus.c), and so have the unit tests. Paths that do not begin with a slash are below the domain's own home.
 *
 * All return a negative errno, and 0 or more otherwise. One thread.
 */
#pragma once

#include <stddef.h>

struct store;

#define STORE_PATH_MAX 128

int store_open(struct store **s);
void store_close(struct store *s);

/* The text at a path, always ended; how long it is. -ENOENT; -E2BIG: it does not fit; -EINVAL: it has a 0 in it. */
int store_read(struct store *s, const char *path, char *text, size_t size);
int store_write(struct store *s, const char *path, const char *text);
/* What is not there is removed, too. */
int store_remove(struct store *s, const char *path);

/* Reads and writes from here to store_commit() count as one; one at a time. -EAGAIN: others were quicker, and
 * nothing was written. store_abort() forgets what was written. */
int store_begin(struct store *s);
int store_commit(struct store *s);
void store_abort(struct store *s);

/* Each change at the path or below becomes an event, and so does the watch itself, at once. */
int store_watch(struct store *s, const char *path);
int store_unwatch(struct store *s, const char *path);
/* A descriptor to poll for reading. */
int store_descriptor(struct store *s);
/* The next event: 1, and the path that it is about, cut if it is too long; 0: there is none. */
int store_event(struct store *s, char *path, size_t size);
