/* SPDX-License-Identifier: MIT
 *
 * What the parts of the 9P server have in common: a message that is being answered, and the table of
 * fids. Not for others.
 */
#pragma once

#include "transport/p9_server.h"

struct p9_call {
    struct p9_session *session;
    const struct p9_request *request;
    struct p9_in in;
    struct p9_out out;
    struct p9_data data; /* behind what is in `out` */
    uint32_t msize;
};

/* p9_fid.c. A fid that was got has to be put, or dropped if it was got alone. */
struct p9_fid *p9_fid_get(struct p9_session *session, uint32_t number, bool alone);
void p9_fid_put(struct p9_session *session, struct p9_fid *fid);
/* 0, EBADF (it is in use, or no number), ENFILE. What the file holds is the fid's from then on, if
 * there is no error. */
unsigned p9_fid_add(struct p9_session *session, uint32_t number, const struct p9_file *file);
/* Gives it up and what it holds. The error of closing. */
unsigned p9_fid_drop(struct p9_session *session, struct p9_fid *fid);
void p9_fid_drop_all(struct p9_session *session);

static inline struct p9_fid *p9_call_fid(struct p9_call *call, bool alone)
{
    return p9_fid_get(call->session, (uint32_t)p9_get(&call->in, 4), alone);
}

/* Reads a name. A file's may be looked for in a directory: then it is not "." or "..". */
struct p9_name p9_call_name(struct p9_call *call);
unsigned p9_check_name(struct p9_name name);
void p9_call_put_qid(struct p9_call *call, const void *node);

/* p9_change.c: a request that the server's first part does not know. */
unsigned p9_change(struct p9_call *call, unsigned type);
