/* SPDX-License-Identifier: MIT
 *
 * Bulk transport between domains: what two ends share in memory. docs/transport.md has the whole
 * protocol; here are its bytes. All numbers are little-endian.
 *
 * Stream: the layout of libvchan (struct vchan_interface in Xen's io/libxenvchan.h), so that its
 * peers and ours understand each other. Two rings of bytes, one each way:
 *
 *     page 0:     struct lagan_stream, the grant list behind it, and rings of order 10 or 11
 *     elsewhere:  rings of order 12 and more, in pages of their own that the list names
 *
 * The server lays it out and grants it, the client maps it. `left` is written by the client,
 * `right` by the server.
 *
 * Messages: records on such a stream, each a struct lagan_message, its pages, its bytes, and zeros
 * up to a multiple of LAGAN_MESSAGE_ALIGN. The first record of each direction is a hello.
 *
 * Meeting: how two domains find each other that have no xenstore between them. The one that
 * grants puts a struct lagan_meeting into the page that its grant entry LAGAN_MEETING_REF names.
 */
#ifndef LAGAN_PUBLIC_TRANSPORT_H
#define LAGAN_PUBLIC_TRANSPORT_H

#include <stdint.h>

/* ---- stream ---- */

#define LAGAN_STREAM_ORDER_MIN 10 /* a ring of 1024 bytes, at offset 1024 of page 0 */
#define LAGAN_STREAM_ORDER_MAX 20
#define LAGAN_STREAM_PAGE      4096

/* Bits of {client,server}_notify: the one whose name it has shall send an event when it has ... */
#define LAGAN_STREAM_NOTIFY_WRITE 1 /* written: the other waits for bytes */
#define LAGAN_STREAM_NOTIFY_READ  2 /* read: the other waits for room */

/* Values of {client,server}_live. */
#define LAGAN_STREAM_CLOSED  0
#define LAGAN_STREAM_OPEN    1
#define LAGAN_STREAM_NOT_YET 2 /* the client only, before it comes */

struct lagan_stream_ring {
    uint32_t cons; /* bytes read so far, modulo 2^32; written by the reader */
    uint32_t prod; /* bytes written so far; written by the writer */
};

struct lagan_stream {
    struct lagan_stream_ring left, right;
    uint16_t left_order, right_order; /* a ring has 1 << order bytes */
    uint8_t client_live, server_live;
    uint8_t client_notify, server_notify;
    uint32_t grants[]; /* pages of left, then of right, each if its order is 12 or more */
};

/* ---- messages ---- */

#define LAGAN_MESSAGE_MAGIC   0x47534d4cU /* "LMSG" */
#define LAGAN_MESSAGE_VERSION 1
#define LAGAN_MESSAGE_ALIGN   16
#define LAGAN_MESSAGE_PAGES   16  /* at most, in one message */
#define LAGAN_MESSAGE_BYTES   512 /* at most, in one message */

enum lagan_message_kind {
    LAGAN_MESSAGE_HELLO = 0, /* id: magic, and the version above bit 32 */
    LAGAN_MESSAGE_REQUEST = 1,
    LAGAN_MESSAGE_RESPONSE = 2, /* to the request with this id, in any order */
    LAGAN_MESSAGE_NOTICE = 3,   /* nobody answers */
};

struct lagan_message {
    uint64_t id;    /* of a request: the requester's own, given back as it is */
    uint8_t kind;   /* enum lagan_message_kind */
    uint8_t pages;  /* how many struct lagan_message_page follow */
    uint16_t bytes; /* how many bytes follow these */
    uint16_t type;  /* the user's */
    int16_t status; /* of a response: the user's, by custom 0 or a negative XEN_E* */
};

/* A piece of one page of the sender's, which the receiver may map or copy until it has answered. */
struct lagan_message_page {
    uint32_t ref;    /* a grant of the sender's to the receiver */
    uint16_t offset; /* offset + length <= 4096 */
    uint16_t length; /* 1..4096 */
};

/* ---- meeting ---- */

#define LAGAN_MEETING_REF     8
#define LAGAN_MEETING_MAGIC   0x54454d4cU /* "LMET" */
#define LAGAN_MEETING_VERSION 1
#define LAGAN_MEETING_RINGS   4

enum lagan_meeting_state {
    LAGAN_MEETING_OPEN = 1,
    LAGAN_MEETING_CLOSED = 2, /* the granter goes, and says so */
};

enum lagan_meeting_kind {
    LAGAN_MEETING_STREAM = 1, /* ring[0]: page 0 of a stream */
    LAGAN_MEETING_9PFS =
        2, /* ring[]: the index pages of Xen's io/9pfs.h; the granter is the front */
};

struct lagan_meeting {
    uint32_t magic; /* written last: then all else is right, and stays but for the state */
    uint16_t version;
    uint16_t kind;
    uint32_t rings; /* 1..LAGAN_MEETING_RINGS are used */
    uint32_t state; /* enum lagan_meeting_state; may change while magic is there */
    struct {
        uint32_t ref;  /* grant of the first page */
        uint32_t port; /* unbound, for the other to bind */
    } ring[LAGAN_MEETING_RINGS];
};

#endif
