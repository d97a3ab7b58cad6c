/* SPDX-License-Identifier: MIT
 *
 * A stream (transport/stream.h) to another domain, from the meeting to the end: the server grants its
 * pages, the client finds and maps them. Messages go over the same (transport/message.h).
 */
#pragma once

#include "kit/link.h"
#include "kit/page.h"
#include "transport/stream.h"

#define CONN_ORDER 16U /* of both rings */
#define CONN_PAGES (1U << (CONN_ORDER - 12))

/* The server's pages, or the client's window on them. */
struct conn_memory {
    uint8_t meeting[PAGE_SIZE], page[PAGE_SIZE];
    uint8_t left[CONN_PAGES][PAGE_SIZE], right[CONN_PAGES][PAGE_SIZE];
};

struct conn {
    struct stream stream;
    struct link link;
    struct conn_memory *memory; /* page-aligned, of the image */
    grant_handle_t page_handle, left_handle[CONN_PAGES], right_handle[CONN_PAGES];
};

/* Server: everything is ready for the peer to come. 0 or the hypercall's error. */
long conn_serve(struct conn *conn, struct conn_memory *memory, uint16_t peer);
/* Client: 0; -XEN_ENOENT: no server is there yet; another -XEN_E*: what is there cannot be had. */
int conn_join(struct conn *conn, struct conn_memory *memory, uint16_t peer);

/* Sends the event that is due, if one is. */
void conn_kick(struct conn *conn);
/* Sleeps until there may be something to do; finds out if the peer is gone. */
void conn_wait(struct conn *conn);
/* All of it, sleeping as need be. 0 or the stream's error. */
int conn_write(struct conn *conn, const void *bytes, uint32_t length);
int conn_read(struct conn *conn, void *bytes, uint32_t length);

/* Says that this end goes. */
void conn_close(struct conn *conn);
/* Client: after conn_close(), gives the pages back. False: something was not mapped. */
bool conn_leave(struct conn *conn);
