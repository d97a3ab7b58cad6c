/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int exchange(int fd, const char *request, unsigned seconds, char *answer, size_t size)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = DAEMON_SOCKET};
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    ssize_t got;

    if (connect(fd, (struct sockaddr *)&at, sizeof(at)))
        return errno == ENOENT ? -ECONNREFUSED : -errno;
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        return -errno;
    if (poll(&wait, 1, (int)seconds * 1000) <= 0)
        return -ETIMEDOUT;
    got = recv(fd, answer, size - 1, 0);
    if (got <= 0)
        return got < 0 ? -errno : -ECONNRESET;
    answer[got] = '\0';
    answer[strcspn(answer, "\n")] = '\0';
    return 0;
}

int daemon_ask(const char *request, unsigned seconds, char *answer, size_t size)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

    if (fd < 0)
        return -errno;
    rc = exchange(fd, request, seconds, answer, size);
    (void)close(fd);
    return rc;
}
