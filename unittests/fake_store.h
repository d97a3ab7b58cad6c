/* SPDX-License-Identifier: MIT
 *
 * A xenstore for the tests of lagand: nodes, watches, events, and transactions that others can spoil.
 */
#pragma once

#include <stdbool.h>

#include "tools/lagand/store.h"

enum { FAKE_NODES = 64, FAKE_EVENTS = 256 };

struct fake_store {
    struct fake_node {
        char path[STORE_PATH_MAX], text[128]; /* path "": none */
        int length;
    } node[FAKE_NODES], saved[FAKE_NODES];
    char watch[FAKE_NODES][STORE_PATH_MAX];
    char event[FAKE_EVENTS][STORE_PATH_MAX];
    unsigned first, events, watches;
    bool in_transaction;
    int conflicts; /* so many commits are -EAGAIN */
    unsigned commits, reads;
    /* Called at the beginning of each transaction: others may write. */
    void (*meanwhile)(void);
};
extern struct fake_store fake_store;

void fake_store_start(void);
/* As somebody else does it: raises events. NULL: removes the node. */
void fake_store_put(const char *path, const char *text);
void fake_store_put_bytes(const char *path, const char *bytes, int length);
/* "": there is none. */
const char *fake_store_get(const char *path);
