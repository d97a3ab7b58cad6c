/* SPDX-License-Identifier: MIT
 *
 * A guest's mount: rings that its front end has granted (Xen's io/9pfs.h), a thread for each of them,
 * and one 9P session.
 */
#pragma once

#include <pthread.h>

#include "tree.h"
#include "tools/linux/xendev.h"
#include "transport/pfs.h"

#define RINGS_MAX   8U
#define MSIZE_MAX   (512U * 1024)
#define FIDS        16384U
#define FLUSHES_MAX 64U
#define LANE_BYTES  16384U /* of a message that is copied before it is read */
#define LANE_HEAD   65536U

/* What the front end offers. */
struct front {
    uint16_t domid;
    unsigned rings;
    struct {
        uint32_t ref, port;
    } ring[RINGS_MAX];
};

struct connection_options {
    bool read_only;
    bool as_user; /* the threads become tree->uid and tree->gid */
    unsigned spin_us;
    /* Called once by a thread that has given up: the front end has broken the protocol. */
    void (*broken)(void *arg);
    void *arg;
};

/* An answer to Tflush that waits until what was asked before, on another ring, has been answered, and the
 * answer has been read. */
struct flush {
    uint16_t tag;
    bool answered;
    uint32_t until[RINGS_MAX]; /* of each ring's messages, then of its answers */
};

struct lane {
    struct connection *connection;
    struct xendev dev;
    struct pfs_ring ring;
    void *page, *data;
    uint64_t page_handle, data_handle;
    uint32_t data_pages, port;
    pthread_t thread;
    bool opened, running;
    int luck; /* of spinning */
    unsigned flush_count;
    struct flush flush[FLUSHES_MAX];
    _Atomic bool ended;
    _Atomic uint32_t taken, given; /* how far it is, for the other lanes */
    uint8_t message[LANE_BYTES], head[LANE_HEAD];
};

struct connection {
    struct connection_options options;
    struct host_tree *tree;
    struct p9_session session;
    struct p9_guard guard;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    _Atomic bool stop, refuse;
    unsigned lanes;
    struct lane lane[RINGS_MAX];
};

/* Maps the rings and begins to serve; NULL with errno set if that cannot be. The tree stays the
 * caller's. */
struct connection *connection_open(const struct front *front, struct host_tree *tree,
                                   const struct connection_options *options);
/* From now on each request is answered with EIO. */
void connection_refuse(struct connection *connection);
/* Ends the threads, unmaps all, and frees it. */
void connection_close(struct connection *connection);

/* lane.c: what a lane's thread does until the connection stops. */
void lane_serve(struct lane *lane);
