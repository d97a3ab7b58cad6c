/* SPDX-License-Identifier: MIT
 *
 * One ring of Xen's 9pfs protocol (io/9pfs.h): 9P messages from a front end (the client, which lays
 * the ring out and grants it) to a back end (the server) and back. A connection may have several.
 *
 * As with the stream nothing sleeps, 0 means "not now", and `kick` asks the caller to send an event.
 * The protocol has no way to ask for events: one is sent for each message and after each read.
 * -XEN_EBADMSG: the other end lies about its index or the length of a message; for good.
 */
#pragma once

#include "transport/port.h"
#include "transport/ring.h"

#define PFS_ORDER_MAX  9U /* 512 pages, half of them for each way */
#define PFS_REFS_MAX   (1U << PFS_ORDER_MAX)
#define PFS_HEAD_BYTES 7U /* size[4] type[1] tag[2] begin every message */

struct pfs_ring {
    struct ring in, out; /* what this end reads, what it writes */
    bool kick;
    int error;
};

/* Front: lays out the index page; `data` has 1 << order pages, which refs[] names. */
void pfs_offer(struct pfs_ring *ring, void *page, unsigned order, const uint32_t *refs, void *data);
/* Back: reads order and grants, once. 0 or -XEN_EINVAL. */
int pfs_look(const void *page, unsigned *order, uint32_t refs[PFS_REFS_MAX]);
/* Back: takes part, with what pfs_look() said. */
void pfs_accept(struct pfs_ring *ring, void *page, unsigned order, void *data);

/* The longest message that a ring of this order takes. */
static inline uint32_t pfs_message_max(unsigned order)
{
    return 1U << (order + 11);
}

/* Copies the next message out if all of it is there: its length, at most `max`; 0; the error. */
int64_t pfs_receive(struct pfs_ring *ring, uint8_t *message, uint32_t max);
/* Puts a message in two parts; `more` may be NULL with more_length 0. 1, 0 or the error;
 * -XEN_EMSGSIZE: longer than the ring. */
int pfs_send(struct pfs_ring *ring, const uint8_t *head, uint32_t head_length, const uint8_t *more,
             uint32_t more_length);

/* The same in steps, for who works on the bytes where they are (ring_get(), ring_put(), ring_pieces()):
 * the length of the next message, of which the head is copied, if all of it is there; what is taken
 * makes room; how much there is room for; what is given can be read. */
int64_t pfs_next(struct pfs_ring *ring, uint32_t max, uint8_t head[PFS_HEAD_BYTES]);
void pfs_take(struct pfs_ring *ring, uint32_t length);
int64_t pfs_room(struct pfs_ring *ring);
void pfs_give(struct pfs_ring *ring, uint32_t length);
