/* SPDX-License-Identifier: MIT
 *
 * What laganctl asks of the daemon, on a socket that only root can open. A request is one line and so is its answer,
 * which begins with `yes' or `no':
 *
 *     room PAGES SECONDS    memory for a domain that is to come, held for so long; answered when it is known
 *     adopt DOMID           it is managed from now on, whether it has an agent or not
 *     auto DOMID            the same, whatever was set by hand
 */
#pragma once

#include <poll.h>

#include "keeper.h"

#define CONTROL_CLIENTS 8
#define CONTROL_FDS     (1 + CONTROL_CLIENTS)

struct control {
    int listener;
    struct control_client {
        int fd; /* -1: none */
        unsigned used;
        char line[64];
    } client[CONTROL_CLIENTS];
    struct control_client *waits; /* for room */
};

int control_open(struct control *c, const char *path);
/* Fills in what is to be polled. */
void control_poll(const struct control *c, struct pollfd fds[CONTROL_FDS]);
/* Takes what has come, and answers. */
void control_serve(struct control *c, const struct pollfd fds[CONTROL_FDS], struct keeper *k);
/* Answers who waits for room, if there is an answer. */
void control_room(struct control *c, struct keeper *k);
