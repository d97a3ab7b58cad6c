/* SPDX-License-Identifier: MIT
 *
 * The protocol's requests: from the bytes of one to the bytes of its answer.
 */
#pragma once

#include "store/store.h"
#include "store/text.h"

/* Does what the client asks for (XS_*, with `length` <= XENSTORE_PAYLOAD_MAX bytes of payload) and
 * puts the payload of the answer into `reply`. Events for this and other clients are queued. 0 or a
 * -XEN_E* that request_error() has a name for; the reply is then to be thrown away. */
int request_execute(struct store *store, struct client *client, uint32_t type, uint32_t tx_id,
                    const char *payload, size_t length, struct text *reply);
/* "EINVAL" for -XEN_EINVAL. */
const char *request_error(int error);
