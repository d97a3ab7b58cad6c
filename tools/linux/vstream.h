/* SPDX-License-Identifier: MIT
 *
 * A stream to another domain from a Linux program, in libvchan's layout (docs/transport.md): with a
 * peer that uses libvchan, or Lagan's own. Messages go over it by transport/message.h.
 *
 * How the client learns the grant and the port is the caller's affair; libvchan's way is to write them
 * into the xenstore as "ring-ref" and "event-channel". That a whole domain has died is seen there as
 * well; the death of the process at the other end is seen here, as the kernel clears its live byte.
 *
 * Functions return a negative errno of Linux's, or of the stream's (transport/stream.h), whose numbers
 * are the same.
 */
#pragma once

#include "xendev.h"
#include "transport/stream.h"

struct vstream_pages {
    void *at; /* NULL: none */
    uint32_t count;
    uint64_t handle;
};

struct vstream {
    struct stream stream;
    struct xendev dev;
    uint16_t domid;
    uint32_t port, ref; /* ref: of page 0, for the client */
    struct vstream_pages page, left, right;
};

/* Server: offers a stream to a domain, with rings of 1 << order bytes. v->ref and v->port are what
 * the client needs. */
int vstream_serve(struct vstream *v, uint16_t domid, unsigned left_order, unsigned right_order);
/* Client. */
int vstream_join(struct vstream *v, uint16_t domid, uint32_t ref, uint32_t port);
/* Closes, and gives everything back. */
void vstream_end(struct vstream *v);

/* Sends the event that is due, then waits for one, at most so long (-1: without end). 0, or the
 * error. */
int vstream_wait(struct vstream *v, int timeout_ms);
/* All of it, waiting as need be. 0 or the error; -ETIMEDOUT: nothing moved for so long. */
int vstream_write(struct vstream *v, const void *bytes, uint32_t length, int timeout_ms);
int vstream_read(struct vstream *v, void *bytes, uint32_t length, int timeout_ms);
