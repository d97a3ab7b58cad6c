/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

struct store {
    struct xs_handle *handle;
    xs_transaction_t transaction;
};

int store_open(struct store **out)
{
    struct store *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->handle = xs_open(XS_UNWATCH_FILTER);
    if (!s->handle) {
        free(s);
        return errno ? -errno : -ENOENT;
    }
    s->transaction = XBT_NULL;
    *out = s;
    return 0;
}

void store_close(struct store *s)
{
    xs_close(s->handle);
    free(s);
}

static int result(bool done)
{
    return done ? 0 : -(errno ? errno : EIO);
}

int store_read(struct store *s, const char *path, char *text, size_t size)
{
    unsigned length;
    char *value = xs_read(s->handle, s->transaction, path, &length);
    int rc;

    if (!value)
        return result(false);
    if (length >= size) {
        rc = -E2BIG;
    } else if (memchr(value, 0, length)) {
        rc = -EINVAL;
    } else {
        memcpy(text, value, length);
        text[length] = '\0';
        rc = (int)length;
    }
    free(value);
    return rc;
}

int store_write(struct store *s, const char *path, const char *text)
{
    return result(xs_write(s->handle, s->transaction, path, text, (unsigned)strlen(text)));
}

int store_remove(struct store *s, const char *path)
{
    int rc = result(xs_rm(s->handle, s->transaction, path));

    return rc == -ENOENT ? 0 : rc;
}

int store_begin(struct store *s)
{
    s->transaction = xs_transaction_start(s->handle);
    return result(s->transaction != XBT_NULL);
}

int store_commit(struct store *s)
{
    xs_transaction_t t = s->transaction;

    s->transaction = XBT_NULL;
    return result(xs_transaction_end(s->handle, t, false));
}

void store_abort(struct store *s)
{
    (void)xs_transaction_end(s->handle, s->transaction, true);
    s->transaction = XBT_NULL;
}

/* The path is its own token. */
int store_watch(struct store *s, const char *path)
{
    return result(xs_watch(s->handle, path, path));
}

int store_unwatch(struct store *s, const char *path)
{
    return result(xs_unwatch(s->handle, path, path));
}

int store_descriptor(struct store *s)
{
    return xs_fileno(s->handle);
}

int store_event(struct store *s, char *path, size_t size)
{
    char **event;

    errno = 0;
    event = xs_check_watch(s->handle);
    if (!event)
        return errno == 0 || errno == EAGAIN ? 0 : -errno;
    snprintf(path, size, "%s", event[XS_WATCH_PATH]);
    free(event);
    return 1;
}
