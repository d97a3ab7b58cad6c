/* SPDX-License-Identifier: MIT
 *
 * How laganctl asks the daemon (lagand, tools/lagand/control.h has the requests).
 */
#pragma once

#include <stddef.h>

#define DAEMON_DIRECTORY "/run/lagan"
#define DAEMON_SOCKET    DAEMON_DIRECTORY "/lagand.sock"

/* Sends one line, and waits for the answer for at most so many seconds: it is in `answer', without the line's end.
 * -ECONNREFUSED: it does not run. -ETIMEDOUT. */
int daemon_ask(const char *request, unsigned seconds, char *answer, size_t size);
