/* SPDX-License-Identifier: MIT
 *
 * A tree out of an archive, as the 9P server wants it: to be read only.
 */
#pragma once

#include "fileserver/cpio.h"
#include "transport/p9_server.h"

extern const struct p9_fs p9_archive;

/* A session's fields that are the caller's, for a tree and fids of that number. */
static inline void p9_archive_session(struct p9_session *session, struct tree *tree,
                                      struct p9_fid *fid, uint32_t fid_max, uint32_t msize_max)
{
    session->fs = &p9_archive;
    session->tree = tree;
    session->guard = NULL;
    session->fid = fid;
    session->fid_max = fid_max;
    session->msize_max = msize_max;
    session->read_only = true;
    p9_session_begin(session);
}
