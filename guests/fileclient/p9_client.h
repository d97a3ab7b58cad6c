/* SPDX-License-Identifier: MIT
 *
 * The client's side of 9P2000.L over 9pfs rings, as much as the file client needs. Several requests
 * may be under way at a time, on any of the rings; each has a slot, whose number is its tag. The
 * server is not trusted: what it says is checked against what was asked.
 */
#pragma once

#include "kit/link.h"
#include "transport/p9.h"
#include "transport/pfs.h"

#define CLIENT_RINGS 2U
#define CLIENT_ORDER 4U
#define CLIENT_SLOTS 8U
#define CLIENT_MSIZE 16384U

enum slot_state { SLOT_FREE, SLOT_SENT, SLOT_DONE };

struct client_slot {
    enum slot_state state;
    uint8_t type; /* of the request */
    uint8_t ring;
    uint32_t length; /* of the reply */
    uint8_t reply[CLIENT_MSIZE];
};

struct p9_client {
    struct pfs_ring ring[CLIENT_RINGS];
    struct link link[CLIENT_RINGS];
    struct client_slot slot[CLIENT_SLOTS];
    uint32_t msize;
    uint64_t messages;
    int error; /* of the connection: 0 or -XEN_E*, for good */
};

/* Offers the rings to the server by the meeting page. 0 or the hypercall's error. */
long client_offer(struct p9_client *c, uint16_t server);
/* Agrees on the version and attaches `root_fid` to the tree. 0 or -XEN_E*. */
int client_start(struct p9_client *c, uint32_t root_fid);

/* Says that this end goes, and waits until the server has let go of the rings. */
void client_finish(struct p9_client *c);

/* Begins a request in `out`, to be filled in and sent. */
void client_begin(struct p9_out *out, unsigned type);
/* Sends it in a free slot, on this ring: the slot's number, or the connection's error. */
int client_send(struct p9_client *c, struct p9_out *out, unsigned ring);
/* Waits for the slot's reply: 0 and `in` at its fields, or the server's error as -XEN_E*, or the
 * connection's. The slot is free again, but the reply stays until it is used again. */
int client_wait(struct p9_client *c, int slot, struct p9_in *in);
/* Both. */
int client_call(struct p9_client *c, struct p9_out *out, struct p9_in *in);

/* Opens the file of this path, names separated by '/'. 0 or -XEN_E*. */
int client_open(struct p9_client *c, uint32_t root_fid, uint32_t fid, const char *path);
int client_clunk(struct p9_client *c, uint32_t fid);
/* Sends a Tread or Treaddir: the slot or an error. */
int client_send_read(struct p9_client *c, unsigned type, uint32_t fid, uint64_t offset,
                     uint32_t count, unsigned ring);
/* Its reply: how many bytes, at *at; or -XEN_E*. Never more than `count`. */
int64_t client_wait_read(struct p9_client *c, int slot, uint32_t count, const uint8_t **at);
