/* SPDX-License-Identifier: MIT
 *
 * A share: one directory for one domain, and its device in the xenstore. The front end is the guest
 * kernel's (9pnet_xen), and meets what it would find with any back end of io/9pfs.h. The back end's
 * nodes are at backend/lagan-9pfs, of which neither xl nor its qemu knows: they serve backend/9pfs.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include <xenstore.h>

#include "connection.h"
#include "options.h"

enum share_phase { SHARE_ABSENT, SHARE_OFFERED };

struct share {
    struct share_options options;
    struct xs_handle *store;
    unsigned self; /* this domain's number */
    int wake;      /* an eventfd: written to when a step is due */
    char token[16];
    enum share_phase phase;
    unsigned domid, device;
    char front[96], back[96];
    struct host_tree tree;
    struct connection *connection;
    bool failed; /* until the front end begins anew */
    _Atomic bool broken;
};

/* Looks how things stand, and does what is due: offers the device to the domain once it is there,
 * connects, parts. To be called at each event. */
void share_step(struct share *share);
/* Takes the device away: the guest's requests get errors from then on. First for all, then the
 * other for each: true once the front end has closed. */
void share_withdraw(struct share *share);
bool share_is_withdrawn(struct share *share);
void share_end(struct share *share);
