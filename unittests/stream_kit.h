/* SPDX-License-Identifier: MIT
 *
 * Two ends of a stream in one page of memory and the pages of its rings, for tests.
 */
#pragma once

#include "transport/stream.h"

struct stream_pair {
    struct stream server, client;
    struct stream_layout layout;
    struct lagan_stream *page; /* what both share */
    uint8_t *left, *right;
};

/* A page with a connected server and client. Fatal if the orders do not go together. */
void pair_begin(struct stream_pair *pair, unsigned left_order, unsigned right_order);
void pair_end(struct stream_pair *pair);
