/* SPDX-License-Identifier: MIT
 *
 * Each request has a function that reads its fields, has done by the tree what is asked, and either
 * writes the reply's fields or returns an error number; a request changes the fids only if it
 * succeeds. What a reply cannot hold is found out before anything is changed, as msize is at least
 * P9_MSIZE_MIN.
 *
 * INV-P9-2: no reply is longer than the msize agreed upon, nor than p9_reply_max() has said.
 */
#include "transport/p9_call.h"

#define V9FS_MAGIC   0x01021997U
#define CHANGE_FLAGS (P9_OPEN_ACCESS | P9_OPEN_CREATE | P9_OPEN_TRUNC | P9_OPEN_APPEND)
#define LINK_MAX     4095U
#define TARGET_ROOM  (P9_HEAD + 2 + LINK_MAX)
#define MODE_TYPE    0170000U
#define MODE_DIR     0040000U

_Static_assert(TARGET_ROOM <= P9_MSIZE_MIN + P9_HEAD + 2, "the longest reply but data");

/* ---- pieces ---- */

struct p9_name p9_call_name(struct p9_call *call)
{
    struct p9_name name;

    name.text = p9_get_string(&call->in, &name.length);
    return name;
}

static bool has_only_dots(struct p9_name name)
{
    return name.text[0] == '.' && (name.length == 1 || (name.length == 2 && name.text[1] == '.'));
}

static unsigned check_any_name(struct p9_name name)
{
    if (name.length > P9_NAME_MAX) {
        return XEN_ENAMETOOLONG;
    }
    for (uint32_t i = 0; i < name.length; i++) {
        if (name.text[i] == '/' || name.text[i] == 0) {
            return XEN_EINVAL;
        }
    }
    return name.length == 0 ? XEN_ENOENT : 0;
}

unsigned p9_check_name(struct p9_name name)
{
    unsigned error = check_any_name(name);

    return error == 0 && has_only_dots(name) ? XEN_EINVAL : error;
}

static void put_qid(struct p9_out *out, const struct p9_qid *qid)
{
    p9_put(out, 1, qid->type);
    p9_put(out, 4, qid->version);
    p9_put(out, 8, qid->path);
}

void p9_call_put_qid(struct p9_call *call, const void *node)
{
    struct p9_qid qid;

    call->session->fs->qid(call->session->tree, node, &qid);
    put_qid(&call->out, &qid);
}

/* ---- a session begins ---- */

static unsigned do_version(struct p9_call *call)
{
    static const char known[] = "9P2000.L", unknown[] = "unknown";
    struct p9_session *session = call->session;
    uint32_t msize = (uint32_t)p9_get(&call->in, 4), length;
    const char *text = p9_get_string(&call->in, &length);
    bool agreed = length == strlen(known) && memcmp(text, known, length) == 0;

    if (call->in.bad || msize < P9_MSIZE_MIN) {
        return XEN_EINVAL;
    }
    msize = msize < session->msize_max ? msize : session->msize_max;
    p9_fid_drop_all(session);
    __atomic_store_n(&session->started, agreed, __ATOMIC_RELAXED);
    __atomic_store_n(&session->msize, msize, __ATOMIC_RELAXED);
    p9_put(&call->out, 4, msize);
    text = agreed ? known : unknown;
    p9_put_string(&call->out, text, (uint32_t)strlen(text));
    return 0;
}

static unsigned do_attach(struct p9_call *call)
{
    struct p9_session *session = call->session;
    uint32_t number = (uint32_t)p9_get(&call->in, 4), length;
    struct p9_file file = {.node = NULL};
    unsigned error;

    (void)p9_get(&call->in, 4);
    (void)p9_get_string(&call->in, &length);
    (void)p9_get_string(&call->in, &length);
    file.uid = (uint32_t)p9_get(&call->in, 4);
    if (call->in.bad) {
        return XEN_EINVAL;
    }
    error = session->fs->attach(session->tree, file.uid, &file.node);
    if (error != 0) {
        return error;
    }
    p9_call_put_qid(call, file.node);
    error = p9_fid_add(session, number, &file);
    if (error != 0) {
        session->fs->release(session->tree, file.node);
    }
    return error;
}

/* ---- names ---- */

/* From *node, to which there is a reference, to where the names lead. */
static unsigned walk_to(struct p9_call *call, void **node, uint32_t names, uint32_t *walked)
{
    const struct p9_session *session = call->session;

    for (*walked = 0; *walked < names; ++*walked) {
        struct p9_name name = p9_call_name(call);
        void *next = NULL;
        unsigned error = call->in.bad ? XEN_EINVAL : check_any_name(name);

        if (error == 0) {
            error = session->fs->child(session->tree, *node, name, &next);
        }
        if (error != 0) {
            return *walked == 0 || call->in.bad ? error : 0;
        }
        session->fs->release(session->tree, *node);
        *node = next;
        p9_call_put_qid(call, next);
    }
    return 0;
}

/* The new fid is made only if all names were found; of a part the client learns how much. */
static unsigned walk(struct p9_call *call, struct p9_fid *fid, uint32_t new_fid, uint32_t names)
{
    struct p9_session *session = call->session;
    struct p9_file file = {.node = fid->file.node, .uid = fid->file.uid};
    uint32_t at = call->out.length, walked, end;
    unsigned error;

    p9_put(&call->out, 2, 0);
    session->fs->hold(session->tree, file.node);
    error = walk_to(call, &file.node, names, &walked);
    if (error == 0 && walked == names && new_fid == fid->number) {
        void *old = fid->file.node;

        fid->file.node = file.node;
        file.node = old;
    } else if (error == 0 && walked == names) {
        error = p9_fid_add(session, new_fid, &file);
    }
    if (error != 0 || walked != names || new_fid == fid->number) {
        session->fs->release(session->tree, file.node);
    }
    end = call->out.length;
    call->out.length = at;
    p9_put(&call->out, 2, walked);
    call->out.length = end;
    return error;
}

static unsigned do_walk(struct p9_call *call)
{
    uint32_t number = (uint32_t)p9_get(&call->in, 4), new_fid = (uint32_t)p9_get(&call->in, 4);
    uint32_t names = (uint32_t)p9_get(&call->in, 2);
    struct p9_fid *fid;
    unsigned error;

    if (call->in.bad || names > P9_WALK_MAX) {
        return XEN_EINVAL;
    }
    fid = p9_fid_get(call->session, number, new_fid == number);
    if (fid == NULL) {
        return XEN_EBADF;
    }
    error = fid->file.open != NULL ? XEN_EBADF : walk(call, fid, new_fid, names);
    p9_fid_put(call->session, fid);
    return error;
}

/* ---- what a file is ---- */

static void put_time(struct p9_out *out, const struct p9_time *time)
{
    p9_put(out, 8, time->seconds);
    p9_put(out, 8, time->nanoseconds);
}

static unsigned do_getattr(struct p9_call *call, struct p9_fid *fid)
{
    static const struct p9_time never;
    struct p9_out *out = &call->out;
    struct p9_attr attr;
    unsigned error;

    (void)p9_get(&call->in, 8);
    if (call->in.bad) {
        return XEN_EINVAL;
    }
    error = call->session->fs->getattr(call->session->tree, &fid->file, &attr);
    if (error != 0) {
        return error;
    }
    p9_put(out, 8, P9_GETATTR_ALL & 0x7ff); /* the basic ones: mode to blocks */
    p9_call_put_qid(call, fid->file.node);
    p9_put(out, 4, attr.mode);
    p9_put(out, 4, attr.uid);
    p9_put(out, 4, attr.gid);
    p9_put(out, 8, attr.nlink);
    p9_put(out, 8, attr.rdev);
    p9_put(out, 8, attr.size);
    p9_put(out, 8, attr.block_size);
    p9_put(out, 8, attr.blocks);
    put_time(out, &attr.accessed);
    put_time(out, &attr.modified);
    put_time(out, &attr.changed);
    put_time(out, &never); /* born */
    p9_put(out, 8, 0);     /* generation */
    p9_put(out, 8, 0);     /* data version */
    return 0;
}

static unsigned do_readlink(struct p9_call *call, struct p9_fid *fid)
{
    struct p9_out *out = &call->out;
    uint32_t at = out->length, max = out->max - at - 2, length = 0;
    unsigned error;

    if (call->in.bad) {
        return XEN_EINVAL;
    }
    error =
        call->session->fs->readlink(call->session->tree, &fid->file, (char *)out->start + at + 2,
                                    max < LINK_MAX ? max : LINK_MAX, &length);
    p9_put(out, 2, length);
    out->length += length;
    return error;
}

static unsigned do_statfs(struct p9_call *call, struct p9_fid *fid)
{
    struct p9_out *out = &call->out;
    struct p9_statfs fs;
    unsigned error;

    if (call->in.bad) {
        return XEN_EINVAL;
    }
    error = call->session->fs->statfs(call->session->tree, &fid->file, &fs);
    if (error != 0) {
        return error;
    }
    p9_put(out, 4, V9FS_MAGIC);
    p9_put(out, 4, fs.block_size);
    p9_put(out, 8, fs.blocks);
    p9_put(out, 8, fs.free);
    p9_put(out, 8, fs.available);
    p9_put(out, 8, fs.files);
    p9_put(out, 8, fs.files_free);
    p9_put(out, 8, fs.id);
    p9_put(out, 4, P9_NAME_MAX);
    return 0;
}

/* ---- what is in a file ---- */

static unsigned do_lopen(struct p9_call *call, struct p9_fid *fid)
{
    struct p9_session *session = call->session;
    uint32_t flags = (uint32_t)p9_get(&call->in, 4);
    unsigned error;

    if (call->in.bad) {
        return XEN_EINVAL;
    }
    if (fid->file.open != NULL) {
        return XEN_EBADF;
    }
    if (session->read_only && (flags & CHANGE_FLAGS) != 0) {
        return XEN_EROFS;
    }
    error = session->fs->open(session->tree, &fid->file, flags & ~P9_OPEN_CREATE);
    if (error == 0) {
        p9_call_put_qid(call, fid->file.node);
        p9_put(&call->out, 4, 0); /* iounit: whatever msize allows */
    }
    return error;
}

/* How much a reply can carry. */
static uint32_t count_for(uint32_t msize, uint32_t wanted)
{
    uint32_t most = msize - P9_READ_HEAD;

    return wanted < most ? wanted : most;
}

static unsigned do_read(struct p9_call *call, struct p9_fid *fid)
{
    uint64_t offset = p9_get(&call->in, 8);
    uint32_t count = (uint32_t)p9_get(&call->in, 4);
    unsigned error;

    if (call->in.bad) {
        return XEN_EINVAL;
    }
    if (fid->file.open == NULL) {
        return XEN_EBADF;
    }
    call->data.count = count_for(call->msize, count);
    error = call->session->fs->read(call->session->tree, &fid->file, offset, &call->data);
    p9_put(&call->out, 4, call->data.count);
    return error;
}

bool p9_put_entry(struct p9_entries *entries, const struct p9_qid *qid, uint64_t next_cookie,
                  uint8_t type, struct p9_name name)
{
    struct p9_out *out = entries->out;

    if (entries->end - out->length < 13 + 8 + 1 + 2 + name.length) {
        return false;
    }
    put_qid(out, qid);
    p9_put(out, 8, next_cookie);
    p9_put(out, 1, type);
    p9_put_string(out, name.text, name.length);
    return true;
}

static unsigned do_readdir(struct p9_call *call, struct p9_fid *fid)
{
    uint64_t cookie = p9_get(&call->in, 8);
    uint32_t count = (uint32_t)p9_get(&call->in, 4), at = call->out.length, end;
    struct p9_entries entries = {.out = &call->out};
    unsigned error;

    if (call->in.bad) {
        return XEN_EINVAL;
    }
    if (fid->file.open == NULL) {
        return XEN_EBADF;
    }
    p9_put(&call->out, 4, 0);
    count = count_for(call->msize, count);
    end = call->out.max - call->out.length;
    entries.end = call->out.length + (count < end ? count : end);
    error = call->session->fs->readdir(call->session->tree, &fid->file, cookie, &entries);
    end = call->out.length;
    call->out.length = at;
    p9_put(&call->out, 4, end - at - 4);
    call->out.length = end;
    return error;
}

static unsigned do_fsync(struct p9_call *call, struct p9_fid *fid)
{
    const struct p9_fs *fs = call->session->fs;
    /* Clients of an older kind do not say what they want. */
    bool data_only = p9_get(&call->in, 4) != 0 && !call->in.bad;

    return fs->fsync(call->session->tree, &fid->file, data_only);
}

/* ---- which is it? ---- */

/* Tremove lets go of the fid, whether or not it succeeds. */
static unsigned do_clunk(struct p9_call *call, unsigned type)
{
    struct p9_session *session = call->session;
    struct p9_fid *fid = p9_call_fid(call, true);
    unsigned error = 0, closed;

    if (fid == NULL) {
        return call->in.bad ? XEN_EINVAL : XEN_EBADF;
    }
    if (type == P9_TREMOVE) {
        error = session->read_only            ? XEN_EROFS
                : session->fs->remove == NULL ? XEN_EOPNOTSUPP
                                              : session->fs->remove(session->tree, &fid->file);
    }
    closed = p9_fid_drop(session, fid);
    return error != 0 ? error : closed;
}

static const struct {
    unsigned (*function)(struct p9_call *call, struct p9_fid *fid);
    bool alone;
} of_one_fid[256] = {
    [P9_TGETATTR] = {do_getattr, false}, [P9_TLOPEN] = {do_lopen, true},
    [P9_TREAD] = {do_read, false},       [P9_TREADDIR] = {do_readdir, true},
    [P9_TSTATFS] = {do_statfs, false},   [P9_TREADLINK] = {do_readlink, false},
    [P9_TFSYNC] = {do_fsync, false},
};

static unsigned dispatch(struct p9_call *call, unsigned type)
{
    struct p9_fid *fid;
    unsigned error;

    if (type == P9_TVERSION) {
        return do_version(call);
    }
    if (!__atomic_load_n(&call->session->started, __ATOMIC_RELAXED)) {
        return P9_EPROTO;
    }
    if (type < 256 && of_one_fid[type].function != NULL) {
        fid = p9_call_fid(call, of_one_fid[type].alone);
        if (fid == NULL) {
            return call->in.bad ? XEN_EINVAL : XEN_EBADF;
        }
        error = of_one_fid[type].function(call, fid);
        p9_fid_put(call->session, fid);
        return error;
    }
    switch (type) {
    case P9_TATTACH:
        return do_attach(call);
    case P9_TWALK:
        return do_walk(call);
    case P9_TCLUNK:
    case P9_TREMOVE:
        return do_clunk(call, type);
    case P9_TFLUSH: /* what was asked before has been answered: the caller sees to that */
        return 0;
    default:
        return p9_change(call, type);
    }
}

/* ---- messages ---- */

void p9_session_begin(struct p9_session *session)
{
    session->msize = session->msize_max;
    session->started = false;
    memset(session->bucket, 0, sizeof(session->bucket));
    session->free = NULL;
    session->fid_count = session->fid_touched = session->waiting = 0;
    session->requests = session->refused = 0;
}

void p9_session_end(struct p9_session *session)
{
    p9_fid_drop_all(session);
    session->started = false;
}

uint32_t p9_reply_max(const struct p9_session *session, const struct p9_request *request)
{
    uint32_t msize = __atomic_load_n(&session->msize, __ATOMIC_RELAXED), wanted = 0;
    unsigned type = request->bytes[4];

    if ((type == P9_TREAD || type == P9_TREADDIR) && request->private_length >= P9_WRITE_HEAD) {
        struct p9_in in = {.at = request->bytes + P9_WRITE_HEAD - 4, .left = 4};

        wanted = count_for(msize, (uint32_t)p9_get(&in, 4)) + P9_READ_HEAD;
    }
    wanted = wanted > TARGET_ROOM ? wanted : TARGET_ROOM;
    return wanted < msize ? wanted : msize;
}

bool p9_answer(struct p9_session *session, const struct p9_request *request, struct p9_reply *reply)
{
    struct p9_call call = {
        .session = session,
        .request = request,
        .in = {.at = request->bytes, .left = request->private_length},
        .data = {.room = reply->room},
        .msize = __atomic_load_n(&session->msize, __ATOMIC_RELAXED),
    };
    unsigned type, tag, error;

    if (p9_get(&call.in, 4) != request->length || request->length < P9_HEAD ||
        request->length > call.msize || request->private_length > request->length) {
        return false;
    }
    type = (unsigned)p9_get(&call.in, 1);
    tag = (unsigned)p9_get(&call.in, 2);
    call.out = (struct p9_out){.start = reply->head,
                               .max = call.msize < reply->head_max ? call.msize : reply->head_max};
    p9_begin(&call.out, type + 1, tag);
    error = dispatch(&call, type);
    if (error == 0 && call.out.bad) {
        error = XEN_EIO;
    }
    if (error != 0) {
        p9_begin(&call.out, P9_RLERROR, tag);
        p9_put(&call.out, 4, error);
        __atomic_fetch_add(&session->refused, 1, __ATOMIC_RELAXED);
    }
    if (error != 0 || type != P9_TREAD) {
        call.data = (struct p9_data){.count = 0};
    }
    __atomic_fetch_add(&session->requests, 1, __ATOMIC_RELAXED);
    p9_finish(&call.out, call.data.count);
    reply->head_length = call.out.length;
    reply->data_length = call.data.count;
    reply->data = call.data.bytes;
    return true;
}
