/* SPDX-License-Identifier: MIT
 *
 * A guest's side of the store's ring. In requests and answers '|' stands for the terminator of a
 * string, so that a request is one text: "data/x|value".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/io/xs_wire.h>

/* The page; NULL: this domain has no store. */
extern struct xenstore_domain_interface *xs_page;

/* Binds the port of start_info. False: there is no store here. */
bool xs_connect(void);
/* Makes a request and waits for its answer: its payload, "!ENOENT" for an error, "!" when the store
 * does not answer (any more). Events that come meanwhile are kept. */
const char *xs_ask(uint32_t type, uint32_t tx, const char *request);
/* Begins a transaction: its number, 0 if there is none to be had. */
uint32_t xs_start(void);
/* True if such an event ("path|token|") has come, or comes within `ns`; it is taken. */
bool xs_event(const char *event, uint64_t ns);
/* Asks the store to begin anew, and waits until it has. */
bool xs_reconnect(void);
/* Tells the store to look at the page. */
void xs_ring(void);
/* True if the page's error has this value within a second. */
bool xs_error(uint32_t error);
