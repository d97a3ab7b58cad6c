/* SPDX-License-Identifier: MIT
 *
 * A server of 9P2000.L for a read-only tree, as Linux's 9p file system speaks it: version, attach,
 * walk, getattr, lopen, read, readdir, readlink, statfs, clunk, flush, fsync; what would change
 * anything is refused with EROFS, extended attributes, locks and authentication with EOPNOTSUPP.
 *
 * It knows no ring: one message in, one out. Each is answered before the next is looked at, so there
 * never is a request to flush.
 */
#pragma once

#include "fileserver/cpio.h"
#include "transport/p9.h"

#define P9_FIDS    512U
#define P9_BUCKETS 64U

struct p9_fid {
    struct p9_fid *next;
    uint32_t number;
    bool open;
    const struct node *node;
};

/* One connection's. */
struct p9_session {
    const struct tree *tree;
    uint32_t msize, msize_max;
    bool started; /* a version was agreed upon */
    struct p9_fid *bucket[P9_BUCKETS], *free;
    struct p9_fid fid[P9_FIDS];
    uint32_t fid_count;
    uint64_t requests, refused; /* answered so far, and by an error */
};

/* A reply: head_length bytes in the caller's buffer, and then bytes of the tree itself. */
struct p9_reply {
    uint32_t head_length, data_length;
    const uint8_t *data;
};

void p9_session_begin(struct p9_session *session, const struct tree *tree, uint32_t msize_max);

/* Answers a message of `length` bytes, which is in private memory and says that length in its
 * first four. `head` has room for msize_max bytes. False: what came is no message at all, and the
 * connection is to be ended. */
bool p9_answer(struct p9_session *session, const uint8_t *message, uint32_t length, uint8_t *head,
               struct p9_reply *reply);

/* Counts fids again. For tests. */
bool p9_session_audit(const struct p9_session *session);
