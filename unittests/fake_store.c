/* SPDX-License-Identifier: MIT */
#include "fake_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_store fake_store;

struct store {
    int unused;
};

void fake_store_start(void)
{
    memset(&fake_store, 0, sizeof(fake_store));
}

static struct fake_node *find(const char *path)
{
    for (unsigned i = 0; i < FAKE_NODES; i++)
        if (!strcmp(fake_store.node[i].path, path))
            return &fake_store.node[i];
    return NULL;
}

static void raise_event(const char *path)
{
    struct fake_store *s = &fake_store;

    for (unsigned i = 0; i < FAKE_NODES; i++) {
        size_t length = strlen(s->watch[i]);

        if (length && !strncmp(s->watch[i], path, length) &&
            (path[length] == '\0' || path[length] == '/') && s->events < FAKE_EVENTS)
            snprintf(s->event[(s->first + s->events++) % FAKE_EVENTS], STORE_PATH_MAX, "%s", path);
    }
}

static void set(const char *path, const char *bytes, int length)
{
    struct fake_node *n = find(path);

    if (!n)
        n = find("");
    if (!n || length >= (int)sizeof(n->text))
        abort();
    snprintf(n->path, sizeof(n->path), "%s", path);
    memcpy(n->text, bytes, (size_t)length);
    n->text[length] = '\0';
    n->length = length;
}

void fake_store_put_bytes(const char *path, const char *bytes, int length)
{
    set(path, bytes, length);
    raise_event(path);
}

void fake_store_put(const char *path, const char *text)
{
    struct fake_node *n = find(path);

    if (text)
        set(path, text, (int)strlen(text));
    else if (n)
        n->path[0] = '\0';
    raise_event(path);
}

const char *fake_store_get(const char *path)
{
    struct fake_node *n = find(path);

    return n ? n->text : "";
}

int store_open(struct store **s)
{
    *s = calloc(1, sizeof(**s));
    return 0;
}

void store_close(struct store *s)
{
    free(s);
}

int store_read(struct store *s, const char *path, char *text, size_t size)
{
    struct fake_node *n = find(path);

    (void)s;
    fake_store.reads++;
    if (!n)
        return -ENOENT;
    if (n->length >= (int)size)
        return -E2BIG;
    if (memchr(n->text, 0, (size_t)n->length))
        return -EINVAL;
    memcpy(text, n->text, (size_t)n->length + 1);
    return n->length;
}

int store_write(struct store *s, const char *path, const char *text)
{
    (void)s;
    set(path, text, (int)strlen(text));
    if (!fake_store.in_transaction)
        raise_event(path);
    return 0;
}

int store_remove(struct store *s, const char *path)
{
    (void)s;
    fake_store_put(path, NULL);
    return 0;
}

int store_begin(struct store *s)
{
    (void)s;
    if (fake_store.in_transaction)
        abort();
    if (fake_store.meanwhile)
        fake_store.meanwhile();
    memcpy(fake_store.saved, fake_store.node, sizeof(fake_store.node));
    fake_store.in_transaction = true;
    return 0;
}

int store_commit(struct store *s)
{
    (void)s;
    fake_store.in_transaction = false;
    fake_store.commits++;
    if (fake_store.conflicts > 0) {
        fake_store.conflicts--;
        memcpy(fake_store.node, fake_store.saved, sizeof(fake_store.node));
        return -EAGAIN;
    }
    for (unsigned i = 0; i < FAKE_NODES; i++)
        if (memcmp(&fake_store.node[i], &fake_store.saved[i], sizeof(fake_store.node[i])) != 0)
            raise_event(fake_store.node[i].path);
    return 0;
}

void store_abort(struct store *s)
{
    (void)s;
    fake_store.in_transaction = false;
    memcpy(fake_store.node, fake_store.saved, sizeof(fake_store.node));
}

int store_watch(struct store *s, const char *path)
{
    (void)s;
    for (unsigned i = 0; i < FAKE_NODES; i++)
        if (!fake_store.watch[i][0]) {
            snprintf(fake_store.watch[i], STORE_PATH_MAX, "%s", path);
            fake_store.watches++;
            raise_event(path);
            return 0;
        }
    abort();
}

int store_unwatch(struct store *s, const char *path)
{
    (void)s;
    for (unsigned i = 0; i < FAKE_NODES; i++)
        if (!strcmp(fake_store.watch[i], path)) {
            fake_store.watch[i][0] = '\0';
            fake_store.watches--;
            return 0;
        }
    return -ENOENT;
}

int store_descriptor(struct store *s)
{
    (void)s;
    return -1;
}

int store_event(struct store *s, char *path, size_t size)
{
    struct fake_store *f = &fake_store;

    (void)s;
    if (!f->events)
        return 0;
    snprintf(path, size, "%s", f->event[f->first]);
    f->first = (f->first + 1) % FAKE_EVENTS;
    f->events--;
    return 1;
}
