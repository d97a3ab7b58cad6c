/* SPDX-License-Identifier: MIT
 *
 * One end of a byte stream between two domains, in the layout of libvchan (lagan/transport.h).
 *
 * Nothing here sleeps or makes a hypercall. Functions that move bytes say how many; 0 means that
 * none could be moved now and that the other end has been asked to send an event when that changes:
 * the caller waits for one on its port and tries again. When `kick` is set after a call, the caller
 * clears it and sends an event: the other end waits.
 *
 * Whatever the other end does to the shared pages, no byte outside of the rings is touched, and no
 * call here waits. Errors stay: after the first, each call returns the same one.
 *
 *   -XEN_ENOTCONN  the other end has closed (reading: and all it wrote has been read)
 *   -XEN_ESRCH     the other end is gone without closing, as stream_peer_gone() was told
 *   -XEN_EBADMSG   the other end broke the protocol
 *
 * An end is used by one thread at a time.
 */
#pragma once

#include "lagan/transport.h"
#include "transport/port.h"
#include "transport/ring.h"

struct stream {
    struct lagan_stream *shared;
    struct ring in, out;
    bool server;
    bool kick; /* the caller is to send an event */
    int error; /* 0, or what every call returns from now on */
};

/* Where the rings of a stream are. */
struct stream_layout {
    uint16_t left_order, right_order;
    uint32_t left_pages, right_pages; /* pages of their own: 0 if the ring is in page 0 */
};

/* Both orders, checked. 0 or -XEN_EINVAL. */
int stream_layout(struct stream_layout *layout, unsigned left_order, unsigned right_order);

/* Server: writes page 0, all of it. `refs` has left_pages + right_pages grants. `left` and `right`
 * are where those pages are, NULL for a ring in page 0. */
void stream_serve(struct stream *s, void *page, const struct stream_layout *layout,
                  const uint32_t *refs, void *left, void *right);

/* Client: reads the layout of page 0, once; refs gets the list, which has room for `max`. 0,
 * -XEN_EINVAL (no stream that we can use), -XEN_E2BIG (max is too small), -XEN_ENOTCONN. */
int stream_look(const void *page, struct stream_layout *layout, uint32_t *refs, uint32_t max);
/* Client: takes part. To be called once for a page, with the layout that stream_look() gave. */
void stream_join(struct stream *s, void *page, const struct stream_layout *layout, void *left,
                 void *right);

/* Bytes moved, 0 or an error. */
int64_t stream_write(struct stream *s, const void *bytes, uint32_t length);
int64_t stream_read(struct stream *s, void *bytes, uint32_t length);

/* Without a copy: the piece of the ring that comes next, up to its end. *at is only to be trusted
 * as long as it takes to copy it once: the other end can write there. Bytes there, 0, an error. */
int64_t stream_room(struct stream *s, void **at);
int64_t stream_bytes(struct stream *s, const void **at);
/* So many of them have been written, or are done with. */
void stream_written(struct stream *s, uint32_t length);
void stream_done(struct stream *s, uint32_t length);

/* How many can be moved at this moment; asks for no event. Or the error. */
int64_t stream_readable(struct stream *s);
int64_t stream_writable(struct stream *s);
/* As stream_readable() and stream_writable(), but 0 when it is less than `least`, and then an event
 * has been asked for. `least` is at most the ring's size. */
int64_t stream_await_bytes(struct stream *s, uint32_t least);
int64_t stream_await_room(struct stream *s, uint32_t least);

/* For records: copies to, or from, `skip` bytes behind what comes next. skip + length has to be at
 * most what stream_await_room() or stream_await_bytes() said last. */
void stream_put(struct stream *s, uint32_t skip, const void *from, uint32_t length);
void stream_get(struct stream *s, uint32_t skip, void *to, uint32_t length);

/* Has the client come? Asks for an event if not. */
bool stream_connected(struct stream *s);
/* Tells the other end, which may still read what was written. */
void stream_close(struct stream *s);
/* The caller knows that the other end is no more: what it left in the ring can still be read. */
void stream_peer_gone(struct stream *s);
