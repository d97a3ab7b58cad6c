/* SPDX-License-Identifier: MIT
 *
 * store.h for a guest: requests on /dev/xen/xenbus, which the kernel passes on to whoever serves the store. No library, so that
 * the agent is one file that runs in any initramfs, and no thread. There are no transactions: the agent has no use for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#include "tools/lagand/store.h"

#define PATIENCE_MS 30000 /* for an answer */
#define EVENTS      16    /* that may wait; of more, the last ones are about what these are about */

struct store {
    int fd;
    char body[XENSTORE_PAYLOAD_MAX + 1];
    struct xsd_sockmsg head;
    unsigned first, events;
    char event[EVENTS][STORE_PATH_MAX];
};

int store_open(struct store **out)
{
    struct store *s = calloc(1, sizeof(*s));
    int rc = 0;

    if (!s)
        return -ENOMEM;
    s->fd = open("/dev/xen/xenbus", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (s->fd < 0) {
        rc = -errno;
        free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void store_close(struct store *s)
{
    (void)close(s->fd);
    free(s);
}

/* All of it, which follows soon once there is a part of it. -EAGAIN: there is nothing, and it is not to be waited for. */
static int read_all(struct store *s, void *to, size_t bytes, bool wait)
{
    struct pollfd fd = {.fd = s->fd, .events = POLLIN};

    for (char *at = to; bytes > 0;) {
        ssize_t got = read(s->fd, at, bytes);

        if (got > 0) {
            at += got;
            bytes -= (size_t)got;
            wait = true;
        } else if (got < 0 && errno != EAGAIN && errno != EINTR) {
            return -errno;
        } else if (!wait) {
            return -EAGAIN;
        } else if (poll(&fd, 1, PATIENCE_MS) == 0) {
            return -ETIMEDOUT;
        }
    }
    return 0;
}

/* The next message; an event is put aside. */
static int receive(struct store *s, bool wait)
{
    int rc = read_all(s, &s->head, sizeof(s->head), wait);

    if (rc)
        return rc;
    if (s->head.len > XENSTORE_PAYLOAD_MAX)
        return -EPROTO;
    rc = read_all(s, s->body, s->head.len, true);
    if (rc)
        return rc;
    s->body[s->head.len] = '\0';
    if (s->head.type == XS_WATCH_EVENT && s->events < EVENTS)
        snprintf(s->event[(s->first + s->events++) % EVENTS], STORE_PATH_MAX, "%.*s",
                 STORE_PATH_MAX - 1, s->body);
    return 0;
}

static int error_of(const char *name)
{
    for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(*xsd_errors); i++)
        if (!strcmp(name, xsd_errors[i].errstring))
            return -xsd_errors[i].errnum;
    return -EPROTO;
}

/* A request of up to two texts, of which the last one has its end with it if that is wanted. The answer is in s->body. */
static int ask(struct store *s, uint32_t type, const char *first, const char *second, bool ended)
{
    struct {
        struct xsd_sockmsg head;
        char body[512];
    } message = {.head = {.type = type}};
    size_t length = strlen(first) + 1, more = second ? strlen(second) + ended : 0;
    int rc;

    if (length + more > sizeof(message.body))
        return -E2BIG;
    memcpy(message.body, first, length);
    if (second)
        memcpy(message.body + length, second, more);
    message.head.len = (uint32_t)(length + more);
    length = sizeof(message.head) + message.head.len;
    if (write(s->fd, &message, length) != (ssize_t)length)
        return errno ? -errno : -EIO;
    do
        rc = receive(s, true);
    while (rc == 0 && s->head.type == XS_WATCH_EVENT);
    if (rc)
        return rc;
    if (s->head.type == XS_ERROR)
        return error_of(s->body);
    return s->head.type == type ? 0 : -EPROTO;
}

int store_read(struct store *s, const char *path, char *text, size_t size)
{
    int rc = ask(s, XS_READ, path, NULL, false);

    if (rc)
        return rc;
    if (s->head.len >= size)
        return -E2BIG;
    if (memchr(s->body, 0, s->head.len))
        return -EINVAL;
    memcpy(text, s->body, s->head.len + 1);
    return (int)s->head.len;
}

int store_write(struct store *s, const char *path, const char *text)
{
    return ask(s, XS_WRITE, path, text, false);
}

int store_remove(struct store *s, const char *path)
{
    int rc = ask(s, XS_RM, path, NULL, false);

    return rc == -ENOENT ? 0 : rc;
}

int store_watch(struct store *s, const char *path)
{
    return ask(s, XS_WATCH, path, path, true);
}

int store_unwatch(struct store *s, const char *path)
{
    return ask(s, XS_UNWATCH, path, path, true);
}

int store_descriptor(struct store *s)
{
    return s->fd;
}

int store_event(struct store *s, char *path, size_t size)
{
    int rc = 0;

    while (!s->events && rc == 0)
        rc = receive(s, false);
    if (!s->events)
        return rc == -EAGAIN ? 0 : rc;
    snprintf(path, size, "%s", s->event[s->first]);
    s->first = (s->first + 1) % EVENTS;
    s->events--;
    return 1;
}
