/* SPDX-License-Identifier: MIT
 *
 * What a connection between two domains stands on: an event channel that tells when the other end
 * has gone, pages granted and mapped by the list, and the meeting page (lagan/transport.h) by which
 * two domains find each other without a store.
 *
 * A port here stays masked: nobody is interrupted, link_wait() polls it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/grant_table.h>

#include "lagan/transport.h"

struct link {
    uint16_t peer;
    uint32_t port; /* 0: none */
    bool met;      /* the other end has been there */
    bool here;     /* what was seen when last looked, at ... */
    uint64_t looked;
};

/* A port that the peer may bind; or, binds to the peer's. 0, or the hypercall's error. */
long link_offer(struct link *link, uint16_t peer);
long link_bind(struct link *link, uint16_t peer, uint32_t port);
void link_close(struct link *link);
void link_send(const struct link *link);
/* False once the other end was there and is no more, be it that its domain has died. Costs a
 * hypercall only every few milliseconds. */
bool link_peer_here(struct link *link);
/* Sleeps until one of the ports has an event, or for at most `ns`. Takes the events. */
void link_wait(const struct link *link, unsigned count, uint64_t ns);

/* Grants the pages of the image from `va` on, by free entries of the table; refs gets their
 * numbers. Entries given out once are not used again. */
void link_grant(uint16_t peer, const void *va, uint32_t pages, uint32_t *refs);

/* Maps the peer's pages at va, pages of the image that serve as a window only, in one call;
 * handle[] is for link_unmap(). All or nothing: 0, or the status of the first that failed. */
int link_map(uint16_t peer, const uint32_t *refs, uint32_t pages, void *va, grant_handle_t *handle);
/* Gives them back: nothing is mapped there then. False: something was not mapped. */
bool link_unmap(uint32_t pages, void *va, const grant_handle_t *handle);
#define LINK_PAGES_MAX 256U /* in one call of these two */

/* Puts the meeting page, open, where the peer will look; and says that this domain goes. */
void link_publish(uint16_t peer, void *page, const struct lagan_meeting *meeting);
void link_farewell(void *page);
/* Copies the peer's, mapping it at `window` for a moment. 0; -XEN_ENOENT: there is none yet;
 * -XEN_EBADMSG. */
int link_find(uint16_t peer, void *window, struct lagan_meeting *meeting);

/* For tests: the domain crashes so many microseconds from now, wherever it is then. */
void link_die_in(uint64_t us);
