/* SPDX-License-Identifier: MIT
 *
 * The requests that change a tree, and those that trees often do not know: locks and extended
 * attributes. A session that is read-only answers the first with EROFS before it looks at them.
 */
#include "transport/p9_call.h"

/* ---- what is in files ---- */

static unsigned do_lcreate(struct p9_call *call, struct p9_fid *fid)
{
    struct p9_session *session = call->session;
    struct p9_name name = p9_call_name(call);
    uint32_t flags = (uint32_t)p9_get(&call->in, 4), mode = (uint32_t)p9_get(&call->in, 4);
    uint32_t gid = (uint32_t)p9_get(&call->in, 4);
    unsigned error = call->in.bad ? XEN_EINVAL : p9_check_name(name);

    if (error == 0 && fid->file.open != NULL) {
        error = XEN_EBADF;
    }
    if (error == 0) {
        error = session->fs->create(session->tree, &fid->file, name, flags, mode, gid);
    }
    if (error == 0) {
        p9_call_put_qid(call, fid->file.node);
        p9_put(&call->out, 4, 0);
    }
    return error;
}

/* The bytes are in the message, or in what of it is not private. */
static unsigned do_write(struct p9_call *call, struct p9_fid *fid)
{
    const struct p9_request *request = call->request;
    struct p9_session *session = call->session;
    uint64_t offset = p9_get(&call->in, 8);
    uint32_t count = (uint32_t)p9_get(&call->in, 4);
    struct p9_data data = {.room = request->data};
    unsigned error;

    if (call->in.bad || count != request->length - P9_WRITE_HEAD) {
        return XEN_EINVAL;
    }
    if (fid->file.open == NULL) {
        return XEN_EBADF;
    }
    if (request->private_length == request->length) {
        data.room = (struct p9_pieces){.at = {(uint8_t *)(uintptr_t)call->in.at, NULL},
                                       .length = {count, 0}};
    }
    data.count = count;
    error = session->fs->write(session->tree, &fid->file, offset, &data);
    p9_put(&call->out, 4, data.count);
    return error;
}

static unsigned do_setattr(struct p9_call *call, struct p9_fid *fid)
{
    struct p9_in *in = &call->in;
    struct p9_setattr set;

    set.valid = (uint32_t)p9_get(in, 4);
    set.mode = (uint32_t)p9_get(in, 4);
    set.uid = (uint32_t)p9_get(in, 4);
    set.gid = (uint32_t)p9_get(in, 4);
    set.size = p9_get(in, 8);
    set.accessed.seconds = p9_get(in, 8);
    set.accessed.nanoseconds = p9_get(in, 8);
    set.modified.seconds = p9_get(in, 8);
    set.modified.nanoseconds = p9_get(in, 8);
    return in->bad ? XEN_EINVAL : call->session->fs->setattr(call->session->tree, &fid->file, &set);
}

/* ---- names ---- */

static unsigned do_make(struct p9_call *call, struct p9_fid *dir, unsigned type)
{
    struct p9_session *session = call->session;
    struct p9_new what = {.name = p9_call_name(call)};
    void *node = NULL;
    unsigned error;

    if (type == P9_TSYMLINK) {
        what.target = p9_call_name(call);
        what.mode = 0120777;
    } else {
        what.mode = (uint32_t)p9_get(&call->in, 4);
    }
    if (type == P9_TMKDIR) {
        what.mode = (what.mode & 07777) | 0040000;
    } else if (type == P9_TMKNOD) {
        what.major = (uint32_t)p9_get(&call->in, 4);
        what.minor = (uint32_t)p9_get(&call->in, 4);
    }
    what.gid = (uint32_t)p9_get(&call->in, 4);
    error = call->in.bad ? XEN_EINVAL : p9_check_name(what.name);
    if (error == 0) {
        error = session->fs->make(session->tree, &dir->file, &what, &node);
    }
    if (error == 0) {
        p9_call_put_qid(call, node);
        session->fs->release(session->tree, node);
    }
    return error;
}

static unsigned do_mkdir(struct p9_call *call, struct p9_fid *dir)
{
    return do_make(call, dir, P9_TMKDIR);
}

static unsigned do_mknod(struct p9_call *call, struct p9_fid *dir)
{
    return do_make(call, dir, P9_TMKNOD);
}

static unsigned do_symlink(struct p9_call *call, struct p9_fid *dir)
{
    return do_make(call, dir, P9_TSYMLINK);
}

static unsigned do_link(struct p9_call *call, struct p9_fid *dir)
{
    struct p9_session *session = call->session;
    struct p9_fid *fid = p9_call_fid(call, false);
    struct p9_name name = p9_call_name(call);
    unsigned error = call->in.bad ? XEN_EINVAL : fid == NULL ? XEN_EBADF : p9_check_name(name);

    if (error == 0) {
        error = session->fs->link(session->tree, &dir->file, name, &fid->file);
    }
    if (fid != NULL) {
        p9_fid_put(session, fid);
    }
    return error;
}

static unsigned do_rename(struct p9_call *call, struct p9_fid *fid)
{
    struct p9_session *session = call->session;
    struct p9_fid *dir = p9_call_fid(call, false);
    struct p9_name name = p9_call_name(call);
    unsigned error = call->in.bad ? XEN_EINVAL : dir == NULL ? XEN_EBADF : p9_check_name(name);

    if (error == 0) {
        error = session->fs->rename_file(session->tree, &fid->file, &dir->file, name);
    }
    if (dir != NULL) {
        p9_fid_put(session, dir);
    }
    return error;
}

static unsigned do_renameat(struct p9_call *call, struct p9_fid *dir)
{
    struct p9_session *session = call->session;
    struct p9_name name = p9_call_name(call), to_name;
    struct p9_fid *to = p9_call_fid(call, false);
    unsigned error;

    to_name = p9_call_name(call);
    error = call->in.bad ? XEN_EINVAL : to == NULL ? XEN_EBADF : p9_check_name(name);
    if (error == 0) {
        error = p9_check_name(to_name);
    }
    if (error == 0) {
        error = session->fs->rename(session->tree, &dir->file, name, &to->file, to_name);
    }
    if (to != NULL) {
        p9_fid_put(session, to);
    }
    return error;
}

static unsigned do_unlinkat(struct p9_call *call, struct p9_fid *dir)
{
    struct p9_name name = p9_call_name(call);
    uint32_t flags = (uint32_t)p9_get(&call->in, 4);
    unsigned error = call->in.bad ? XEN_EINVAL : p9_check_name(name);

    return error != 0 ? error
                      : call->session->fs->unlink(call->session->tree, &dir->file, name,
                                                  (flags & 0x200) != 0);
}

/* ---- locks ---- */

static unsigned do_lock(struct p9_call *call, struct p9_fid *fid)
{
    const struct p9_session *session = call->session;
    enum p9_lock_status status = P9_LOCK_FAILED;
    struct p9_lock lock;
    unsigned error;

    lock.type = (uint8_t)p9_get(&call->in, 1);
    (void)p9_get(&call->in, 4);
    lock.start = p9_get(&call->in, 8);
    lock.length = p9_get(&call->in, 8);
    (void)p9_get(&call->in, 4);
    (void)p9_call_name(call);
    if (call->in.bad || lock.type > P9_LOCK_NONE) {
        return XEN_EINVAL;
    }
    if (fid->file.open == NULL) {
        return XEN_EBADF;
    }
    error = session->fs->lock(session->tree, &fid->file, &lock, &status);
    p9_put(&call->out, 1, status);
    return error;
}

static unsigned do_getlock(struct p9_call *call, struct p9_fid *fid)
{
    const struct p9_session *session = call->session;
    struct p9_name who;
    struct p9_lock lock;
    uint32_t process;
    unsigned error;

    lock.type = (uint8_t)p9_get(&call->in, 1);
    lock.start = p9_get(&call->in, 8);
    lock.length = p9_get(&call->in, 8);
    process = (uint32_t)p9_get(&call->in, 4);
    who = p9_call_name(call);
    if (call->in.bad || lock.type > P9_LOCK_NONE || who.length > P9_NAME_MAX) {
        return XEN_EINVAL;
    }
    if (fid->file.open == NULL) {
        return XEN_EBADF;
    }
    error = session->fs->getlock(session->tree, &fid->file, &lock);
    p9_put(&call->out, 1, lock.type);
    p9_put(&call->out, 8, lock.start);
    p9_put(&call->out, 8, lock.length);
    p9_put(&call->out, 4, process);
    p9_put_string(&call->out, who.text, who.length);
    return error;
}

/* ---- extended attributes ---- */

static unsigned check_attribute(struct p9_name name)
{
    for (uint32_t i = 0; i < name.length; i++) {
        if (name.text[i] == 0) {
            return XEN_EINVAL;
        }
    }
    return name.length > P9_NAME_MAX ? XEN_ENAMETOOLONG : 0;
}

static unsigned do_xattrwalk(struct p9_call *call, struct p9_fid *fid)
{
    struct p9_session *session = call->session;
    uint32_t number = (uint32_t)p9_get(&call->in, 4);
    struct p9_name name = p9_call_name(call);
    struct p9_file file = {.uid = fid->file.uid};
    uint64_t size = 0;
    unsigned error = call->in.bad ? XEN_EINVAL : check_attribute(name);

    if (error == 0) {
        error = session->fs->xattr_open(session->tree, &fid->file, name, &file, &size);
    }
    if (error != 0) {
        return error;
    }
    error = p9_fid_add(session, number, &file);
    if (error != 0) {
        (void)session->fs->close(session->tree, &file);
        session->fs->release(session->tree, file.node);
    }
    p9_put(&call->out, 8, size);
    return error;
}

static unsigned do_xattrcreate(struct p9_call *call, struct p9_fid *fid)
{
    const struct p9_session *session = call->session;
    struct p9_name name = p9_call_name(call);
    uint64_t size = p9_get(&call->in, 8);
    uint32_t flags = (uint32_t)p9_get(&call->in, 4);
    unsigned error = call->in.bad             ? XEN_EINVAL
                     : name.length == 0       ? XEN_EINVAL
                     : fid->file.open != NULL ? XEN_EBADF
                                              : check_attribute(name);

    return error != 0 ? error
                      : session->fs->xattr_create(session->tree, &fid->file, name, size, flags);
}

/* ---- which is it? ---- */

static const struct {
    unsigned (*function)(struct p9_call *call, struct p9_fid *fid);
    size_t needs; /* this function of the tree's */
    bool alone, changes;
} known[256] = {
#define NEEDS(name) offsetof(struct p9_fs, name)
    [P9_TLCREATE] = {do_lcreate, NEEDS(create), true, true},
    [P9_TWRITE] = {do_write, NEEDS(write), true, true},
    [P9_TSETATTR] = {do_setattr, NEEDS(setattr), false, true},
    [P9_TMKDIR] = {do_mkdir, NEEDS(make), false, true},
    [P9_TMKNOD] = {do_mknod, NEEDS(make), false, true},
    [P9_TSYMLINK] = {do_symlink, NEEDS(make), false, true},
    [P9_TLINK] = {do_link, NEEDS(link), false, true},
    [P9_TRENAME] = {do_rename, NEEDS(rename_file), false, true},
    [P9_TRENAMEAT] = {do_renameat, NEEDS(rename), false, true},
    [P9_TUNLINKAT] = {do_unlinkat, NEEDS(unlink), false, true},
    [P9_TXATTRCREATE] = {do_xattrcreate, NEEDS(xattr_create), true, true},
    [P9_TXATTRWALK] = {do_xattrwalk, NEEDS(xattr_open), false, false},
    [P9_TLOCK] = {do_lock, NEEDS(lock), false, false},
    [P9_TGETLOCK] = {do_getlock, NEEDS(getlock), false, false},
#undef NEEDS
};

static bool can(const struct p9_fs *fs, size_t function)
{
    void (*found)(void);

    memcpy(&found, (const uint8_t *)fs + function, sizeof(found));
    return found != NULL;
}

unsigned p9_change(struct p9_call *call, unsigned type)
{
    struct p9_session *session = call->session;
    struct p9_fid *fid;
    unsigned error;

    if (type > 255 || known[type].function == NULL) {
        return XEN_EOPNOTSUPP;
    }
    if (known[type].changes && session->read_only) {
        return XEN_EROFS;
    }
    if (!can(session->fs, known[type].needs)) {
        return XEN_EOPNOTSUPP;
    }
    fid = p9_call_fid(call, known[type].alone);
    if (fid == NULL) {
        return call->in.bad ? XEN_EINVAL : XEN_EBADF;
    }
    error = known[type].function(call, fid);
    p9_fid_put(session, fid);
    return error;
}
