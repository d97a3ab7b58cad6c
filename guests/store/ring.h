/* SPDX-License-Identifier: MIT
 *
 * Rings: the page that a domain shares with the store, and the messages in it.
 */
#pragma once

#include "store/store.h"

/* A round: each client that is due gets some of its requests done, and what is there for it put into
 * its ring. *notify gets a bit for each client (its index) that is to be sent an event. Returns
 * true if there is more to do at once. */
bool store_round(struct store *store, uint64_t *notify);
