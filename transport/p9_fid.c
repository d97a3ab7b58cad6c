/* SPDX-License-Identifier: MIT
 *
 * The fids of a session. A fid is looked up by its number in a hash table, and is somebody's until
 * it is put: one user's alone, who may change or drop it, or several ones'. Who has a fid alone waits
 * for no other fid, so that nobody waits in a circle; who shares one may wait for others.
 *
 * INV-P9-1: every fid in a bucket has a node of the tree; it is in one bucket, in the free list, or,
 *           while its node is given back, somebody's in neither.
 */
#include "transport/p9_call.h"

static void enter(struct p9_session *session)
{
    if (session->guard != NULL) {
        session->guard->enter(session->guard);
    }
}

static void leave(struct p9_session *session)
{
    if (session->guard != NULL) {
        session->guard->leave(session->guard);
    }
}

static void wait(struct p9_session *session)
{
    session->waiting++;
    session->guard->wait(session->guard);
    session->waiting--;
}

static void wake(struct p9_session *session)
{
    if (session->waiting > 0) {
        session->guard->wake(session->guard);
    }
}

static struct p9_fid **fid_link(struct p9_session *session, uint32_t number)
{
    struct p9_fid **link = &session->bucket[number % P9_BUCKETS];

    while (*link != NULL && (*link)->number != number) {
        link = &(*link)->next;
    }
    return link;
}

struct p9_fid *p9_fid_get(struct p9_session *session, uint32_t number, bool alone)
{
    struct p9_fid *fid;

    enter(session);
    fid = *fid_link(session, number);
    while (fid != NULL && (alone ? fid->uses != 0 : fid->uses < 0)) {
        wait(session);
        fid = *fid_link(session, number);
    }
    if (fid != NULL) {
        fid->uses = alone ? -1 : fid->uses + 1;
    }
    leave(session);
    return fid;
}

void p9_fid_put(struct p9_session *session, struct p9_fid *fid)
{
    enter(session);
    fid->uses = fid->uses < 0 ? 0 : fid->uses - 1;
    wake(session);
    leave(session);
}

unsigned p9_fid_add(struct p9_session *session, uint32_t number, const struct p9_file *file)
{
    struct p9_fid **link, *fid;
    unsigned error = 0;

    enter(session);
    link = fid_link(session, number);
    fid = session->free;
    if (*link != NULL || number == P9_NOFID) {
        error = XEN_EBADF;
    } else if (fid != NULL) {
        session->free = fid->next;
    } else if (session->fid_touched < session->fid_max) {
        fid = &session->fid[session->fid_touched++];
    } else {
        error = XEN_ENFILE;
    }
    if (error == 0) {
        *fid = (struct p9_fid){.number = number, .file = *file};
        *link = fid;
        session->fid_count++;
    }
    leave(session);
    return error;
}

unsigned p9_fid_drop(struct p9_session *session, struct p9_fid *fid)
{
    const struct p9_fs *fs = session->fs;
    unsigned error = 0;

    enter(session);
    *fid_link(session, fid->number) = fid->next;
    session->fid_count--;
    wake(session);
    leave(session);
    if (fid->file.open != NULL) {
        error = fs->close(session->tree, &fid->file);
    }
    fs->release(session->tree, fid->file.node);
    enter(session);
    fid->next = session->free;
    session->free = fid;
    leave(session);
    return error;
}

void p9_fid_drop_all(struct p9_session *session)
{
    for (uint32_t i = 0; i < P9_BUCKETS; i++) {
        for (;;) {
            struct p9_fid *fid;

            enter(session);
            fid = session->bucket[i];
            while (fid != NULL && fid->uses != 0) {
                wait(session);
                fid = session->bucket[i];
            }
            if (fid != NULL) {
                fid->uses = -1;
            }
            leave(session);
            if (fid == NULL) {
                break;
            }
            (void)p9_fid_drop(session, fid);
        }
    }
}

bool p9_session_audit(const struct p9_session *session)
{
    uint32_t used = 0, free = 0;

    for (uint32_t i = 0; i < P9_BUCKETS; i++) {
        for (const struct p9_fid *f = session->bucket[i]; f != NULL; f = f->next, used++) {
            if (f->number % P9_BUCKETS != i || f->file.node == NULL || f->uses != 0 ||
                used > session->fid_max) {
                return false;
            }
        }
    }
    for (const struct p9_fid *f = session->free; f != NULL && free <= session->fid_max;
         f = f->next) {
        free++;
    }
    return used == session->fid_count && used + free == session->fid_touched;
}
