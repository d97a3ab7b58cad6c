/* SPDX-License-Identifier: MIT
 *
 * Messages between two domains: requests, responses to them in any order, and notices, as records
 * on a stream (lagan/transport.h). Large payloads are not copied: a message can name pages that its
 * sender has granted to the receiver.
 *
 * As with the stream, nothing sleeps: 0 means "not now", and that an event will come when it is worth
 * another try; the stream's `kick` asks the caller to send one. A message is copied out of shared
 * memory once, whole, and checked there. Errors are those of the stream; a record that is not as it
 * should be, and an answer to what was not asked, are -XEN_EBADMSG.
 */
#pragma once

#include "transport/stream.h"

#define MESSAGE_PENDING 64U /* requests that can wait for their responses */

struct message {
    struct lagan_message head;
    struct lagan_message_page page[LAGAN_MESSAGE_PAGES];
    uint8_t bytes[LAGAN_MESSAGE_BYTES];
};

struct messages {
    struct stream *stream;
    bool greeted; /* the other's hello has come */
    uint32_t pending_count;
    uint32_t round; /* makes ids differ that use the same slot */
    struct {
        uint64_t id;     /* 0: free */
        uint64_t cookie; /* the requester's */
    } pending[MESSAGE_PENDING];
};

/* On a stream that has carried nothing yet. Sends the hello. 0, or the stream's error. */
int message_begin(struct messages *m, struct stream *stream);

/* Sends a request: gives it an id, and keeps the cookie for its response. 1: sent. 0: no room
 * now. -XEN_EBUSY: too many wait for their responses. -XEN_EINVAL: counts or pages out of range. */
int message_request(struct messages *m, struct message *message, uint64_t cookie);
/* Sends a response to the request with this id, or a notice. As message_request(). */
int message_respond(struct messages *m, struct message *message, uint64_t id);
int message_notify(struct messages *m, struct message *message);

/* 1: *message is the next one, of a kind and with counts and pages in range. If it is a response,
 * *cookie is what was given with its request, which waits no longer. 0: none is there. */
int message_receive(struct messages *m, struct message *message, uint64_t *cookie);

/* When the connection has ended: takes one request that was never answered. False: there is none. */
bool message_take_pending(struct messages *m, uint64_t *cookie);
