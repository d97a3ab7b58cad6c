/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HOLD_MOST 86400

int control_open(struct control *c, const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    mode_t mask;
    int rc;

    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        c->client[i].fd = -1;
    c->waits = NULL;
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    c->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->listener < 0)
        return -errno;
    (void)unlink(path);
    mask = umask(0177);
    rc = bind(c->listener, (struct sockaddr *)&at, sizeof(at)) ||
                 listen(c->listener, CONTROL_CLIENTS)
             ? -errno
             : 0;
    umask(mask);
    return rc;
}

void control_poll(const struct control *c, struct pollfd fds[CONTROL_FDS])
{
    fds[0] = (struct pollfd){.fd = c->listener, .events = POLLIN};
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        fds[1 + i] = (struct pollfd){.fd = c->client[i].fd, .events = POLLIN};
}

static void hang_up(struct control *c, struct control_client *client)
{
    (void)close(client->fd);
    client->fd = -1;
    if (c->waits == client)
        c->waits = NULL;
}

static void answer(struct control *c, struct control_client *client, const char *text)
{
    (void)!send(client->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    hang_up(c, client);
}

static void accept_client(struct control *c)
{
    int fd = accept(c->listener, NULL, NULL);

    if (fd < 0)
        return;
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        if (c->client[i].fd < 0) {
            c->client[i].fd = fd;
            c->client[i].used = 0;
            return;
        }
    (void)close(fd);
}

static const char *manage(struct keeper *k, unsigned domid, bool leave_hand)
{
    switch (keeper_manage(k, (uint16_t)domid, leave_hand)) {
    case 0:
        return "yes\n";
    case -ESRCH:
        return "no: there is no such domain\n";
    case -ENOENT:
        return "no: the store does not say what memory it may have\n";
    default:
        return "no: the daemon's log says why\n";
    }
}

static void want_room(struct control *c, struct control_client *client, struct keeper *k,
                      unsigned long pages, unsigned long seconds)
{
    if (pages == 0 || pages >= k->free.total || seconds > HOLD_MOST) {
        answer(c, client, "no: the host has not so much\n");
        return;
    }
    if (c->waits)
        answer(c, c->waits, "no: others have asked meanwhile\n");
    keeper_want_room(k, pages, seconds * 1000);
    c->waits = client;
    control_room(c, k);
}

void control_room(struct control *c, struct keeper *k)
{
    if (!c->waits)
        return;
    switch (keeper_room(k)) {
    case ROOM_YES:
        answer(c, c->waits, "yes: it is free\n");
        break;
    case ROOM_NO:
        answer(c, c->waits,
               "no: others would be driven below their floors or needs, or do not follow\n");
        break;
    default:
        break;
    }
}

static void take_request(struct control *c, struct control_client *client, struct keeper *k)
{
    unsigned long pages, seconds;
    unsigned domid;
    char rest;

    if (sscanf(client->line, "room %15lu %6lu%c", &pages, &seconds, &rest) == 2)
        want_room(c, client, k, pages, seconds);
    else if (sscanf(client->line, "adopt %5u%c", &domid, &rest) == 1 && domid <= UINT16_MAX)
        answer(c, client, manage(k, domid, false));
    else if (sscanf(client->line, "auto %5u%c", &domid, &rest) == 1 && domid <= UINT16_MAX)
        answer(c, client, manage(k, domid, true));
    else
        answer(c, client, "no: the daemon does not know that request\n");
}

/* Whose line does not end has no room left, and is not heard any more. */
static void hear(struct control *c, struct control_client *client, struct keeper *k)
{
    size_t room = sizeof(client->line) - 1 - client->used;
    ssize_t got = recv(client->fd, client->line + client->used, room, MSG_DONTWAIT);
    char *end;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || c->waits == client) {
        hang_up(c, client);
        return;
    }
    client->used += (unsigned)got;
    client->line[client->used] = '\0';
    end = strchr(client->line, '\n');
    if (end) {
        *end = '\0';
        take_request(c, client, k);
    }
}

void control_serve(struct control *c, const struct pollfd fds[CONTROL_FDS], struct keeper *k)
{
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        if (fds[1 + i].revents && c->client[i].fd >= 0 && c->client[i].fd == fds[1 + i].fd)
            hear(c, &c->client[i], k);
    if (fds[0].revents)
        accept_client(c);
}
