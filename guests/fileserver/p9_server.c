/* SPDX-License-Identifier: MIT
 *
 * The server's side of 9P2000.L. Each request has a function that reads its fields, does what is
 * asked, and either writes the reply's fields or returns an error number; a request changes the
 * fids only if it succeeds. What a reply cannot hold is found out before anything is changed, as
 * msize is at least P9_MSIZE_MIN.
 *
 * INV-P9-1: every fid in a bucket has a node of the tree; it is in one bucket, or in the free list.
 * INV-P9-2: no reply is longer than the msize agreed upon.
 */
#include "fileserver/p9_server.h"

#define BLOCK        4096U
#define V9FS_MAGIC   0x01021997U
#define RW_FLAGS     0x3U   /* of Tlopen: O_ACCMODE */
#define CHANGE_FLAGS 0x640U /* O_CREAT, O_TRUNC, O_APPEND */

struct call {
    struct p9_session *session;
    struct p9_in in;
    struct p9_out out;
    const uint8_t *data;
    uint32_t data_length;
};

/* ---- fids ---- */

static struct p9_fid **fid_link(struct p9_session *session, uint32_t number)
{
    struct p9_fid **link = &session->bucket[number % P9_BUCKETS];

    while (*link != NULL && (*link)->number != number) {
        link = &(*link)->next;
    }
    return link;
}

static struct p9_fid *fid_get(struct call *call)
{
    return *fid_link(call->session, (uint32_t)p9_get(&call->in, 4));
}

/* 0, EBADF (it is in use, or no number), ENFILE. */
static unsigned fid_add(struct p9_session *session, uint32_t number, const struct node *node)
{
    struct p9_fid **link = fid_link(session, number), *fid = session->free;

    if (*link != NULL || number == P9_NOFID) {
        return XEN_EBADF;
    }
    if (fid == NULL) {
        return XEN_ENFILE;
    }
    session->free = fid->next;
    *fid = (struct p9_fid){.number = number, .node = node};
    *link = fid;
    session->fid_count++;
    return 0;
}

static void fid_remove(struct p9_session *session, uint32_t number)
{
    struct p9_fid **link = fid_link(session, number), *fid = *link;

    *link = fid->next;
    fid->next = session->free;
    session->free = fid;
    session->fid_count--;
}

static void fid_remove_all(struct p9_session *session)
{
    memset(session->bucket, 0, sizeof(session->bucket));
    session->free = NULL;
    session->fid_count = 0;
    for (uint32_t i = P9_FIDS; i-- > 0;) {
        session->fid[i].next = session->free;
        session->free = &session->fid[i];
    }
}

/* ---- pieces of replies ---- */

static unsigned qid_type(const struct node *node)
{
    switch (node->mode & CPIO_MODE_TYPE) {
    case CPIO_MODE_DIR:
        return P9_QID_DIR;
    case CPIO_MODE_LINK:
        return P9_QID_LINK;
    default:
        return P9_QID_FILE;
    }
}

static void put_qid(struct call *call, const struct node *node)
{
    p9_put(&call->out, 1, qid_type(node));
    p9_put(&call->out, 4, 0);
    p9_put(&call->out, 8, node_number(call->session->tree, node) + 1);
}

/* ---- requests ---- */

static unsigned do_version(struct call *call)
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
    fid_remove_all(session);
    session->started = agreed;
    session->msize = msize;
    p9_put(&call->out, 4, msize);
    text = agreed ? known : unknown;
    p9_put_string(&call->out, text, (uint32_t)strlen(text));
    return 0;
}

static unsigned do_attach(struct call *call)
{
    const struct node *root = call->session->tree->node;
    uint32_t fid = (uint32_t)p9_get(&call->in, 4), length;
    unsigned error;

    (void)p9_get(&call->in, 4);
    (void)p9_get_string(&call->in, &length);
    (void)p9_get_string(&call->in, &length);
    if (call->in.bad) {
        return XEN_EINVAL;
    }
    error = fid_add(call->session, fid, root);
    if (error == 0) {
        put_qid(call, root);
    }
    return error;
}

static unsigned walk_to(struct call *call, const struct node **node, uint32_t names,
                        uint32_t *walked)
{
    for (*walked = 0; *walked < names; ++*walked) {
        uint32_t length;
        const char *name = p9_get_string(&call->in, &length);
        const struct node *next;

        if (call->in.bad) {
            return XEN_EINVAL;
        }
        if (!node_is_dir(*node)) {
            return *walked == 0 ? XEN_ENOTDIR : 0;
        }
        next = length == 2 && memcmp(name, "..", 2) == 0 ? (*node)->parent
               : length == 1 && *name == '.'             ? *node
                                                         : tree_child(*node, name, length);
        if (next == NULL) {
            return *walked == 0 ? XEN_ENOENT : 0;
        }
        *node = next;
        put_qid(call, next);
    }
    return 0;
}

/* The new fid is made only if all names were found; of a part the client learns how much. */
static unsigned do_walk(struct call *call)
{
    struct p9_fid *fid = fid_get(call);
    uint32_t new_fid = (uint32_t)p9_get(&call->in, 4);
    uint32_t names = (uint32_t)p9_get(&call->in, 2), walked, at = call->out.length, end;
    const struct node *node;
    unsigned error;

    if (call->in.bad || names > P9_WALK_MAX) {
        return XEN_EINVAL;
    }
    if (fid == NULL || fid->open) {
        return XEN_EBADF;
    }
    node = fid->node;
    p9_put(&call->out, 2, 0);
    error = walk_to(call, &node, names, &walked);
    if (error != 0) {
        return error;
    }
    if (walked == names && new_fid == fid->number) {
        fid->node = node;
    } else if (walked == names) {
        error = fid_add(call->session, new_fid, node);
    }
    end = call->out.length;
    call->out.length = at;
    p9_put(&call->out, 2, walked);
    call->out.length = end;
    return error;
}

static unsigned do_getattr(struct call *call)
{
    const struct p9_fid *fid = fid_get(call);
    struct p9_out *out = &call->out;
    const struct node *node;

    (void)p9_get(&call->in, 8);
    if (call->in.bad || fid == NULL) {
        return call->in.bad ? XEN_EINVAL : XEN_EBADF;
    }
    node = fid->node;
    p9_put(out, 8, P9_GETATTR_ALL & 0x7ff); /* the basic ones: mode to blocks */
    put_qid(call, node);
    p9_put(out, 4, node->mode);
    p9_put(out, 4, node->uid);
    p9_put(out, 4, node->gid);
    p9_put(out, 8, node->nlink);
    p9_put(out, 8, 0); /* rdev */
    p9_put(out, 8, node->size);
    p9_put(out, 8, BLOCK);
    p9_put(out, 8, (node->size + 511ULL) / 512);
    for (unsigned i = 0; i < 4; i++) { /* accessed, modified, changed, born */
        p9_put(out, 8, i < 3 ? node->mtime : 0);
        p9_put(out, 8, 0);
    }
    p9_put(out, 8, 0); /* generation */
    p9_put(out, 8, 0); /* data version */
    return 0;
}

static unsigned do_lopen(struct call *call)
{
    struct p9_fid *fid = fid_get(call);
    uint32_t flags = (uint32_t)p9_get(&call->in, 4);

    if (call->in.bad) {
        return XEN_EINVAL;
    }
    if (fid == NULL || fid->open) {
        return XEN_EBADF;
    }
    if ((flags & (RW_FLAGS | CHANGE_FLAGS)) != 0) {
        return XEN_EROFS;
    }
    fid->open = true;
    put_qid(call, fid->node);
    p9_put(&call->out, 4, 0); /* iounit: whatever msize allows */
    return 0;
}

/* How much a reply can carry. */
static uint32_t count_for(const struct call *call, uint32_t wanted)
{
    uint32_t most = call->session->msize - P9_READ_HEAD;

    return wanted < most ? wanted : most;
}

static unsigned do_read(struct call *call)
{
    const struct p9_fid *fid = fid_get(call);
    uint64_t offset = p9_get(&call->in, 8);
    uint32_t count = (uint32_t)p9_get(&call->in, 4);
    const struct node *node;

    if (call->in.bad) {
        return XEN_EINVAL;
    }
    if (fid == NULL || !fid->open) {
        return XEN_EBADF;
    }
    node = fid->node;
    if ((node->mode & CPIO_MODE_TYPE) != CPIO_MODE_FILE) {
        return node_is_dir(node) ? XEN_EISDIR : XEN_EINVAL;
    }
    count = count_for(call, count);
    if (offset >= node->size) {
        count = 0;
    } else if (count > node->size - offset) {
        count = (uint32_t)(node->size - offset);
    }
    p9_put(&call->out, 4, count);
    call->data = node->data + (count != 0 ? offset : 0);
    call->data_length = count;
    return 0;
}

/* Entry `cookie` of a directory and those behind it. A cookie is 0, 1 for what follows ".", 2 for
 * what follows "..", or 2 + the number of the node that was last told. */
static const struct node *entry_at(const struct tree *tree, const struct node *dir, uint64_t cookie)
{
    const struct node *last;

    if (cookie <= 2) {
        return cookie == 0 ? dir : cookie == 1 ? dir->parent : dir->first_child;
    }
    if (cookie - 2 >= tree->count) {
        return NULL;
    }
    last = &tree->node[cookie - 2];
    return last->parent == dir ? last->next : NULL;
}

static bool put_entry(struct call *call, const struct node *node, uint64_t next, const char *name,
                      uint32_t length, uint32_t end)
{
    if (end - call->out.length < 13 + 8 + 1 + 2 + length) {
        return false;
    }
    put_qid(call, node);
    p9_put(&call->out, 8, next);
    p9_put(&call->out, 1, (node->mode & CPIO_MODE_TYPE) >> 12); /* DT_* */
    p9_put_string(&call->out, name, length);
    return true;
}

static unsigned do_readdir(struct call *call)
{
    const struct p9_fid *fid = fid_get(call);
    uint64_t cookie = p9_get(&call->in, 8);
    uint32_t count = (uint32_t)p9_get(&call->in, 4), at = call->out.length, end;
    const struct tree *tree = call->session->tree;
    const struct node *node;
    bool more = true;

    if (call->in.bad) {
        return XEN_EINVAL;
    }
    if (fid == NULL || !fid->open) {
        return XEN_EBADF;
    }
    if (!node_is_dir(fid->node)) {
        return XEN_ENOTDIR;
    }
    p9_put(&call->out, 4, 0);
    end = call->out.length + count_for(call, count);
    while (more && (node = entry_at(tree, fid->node, cookie)) != NULL) {
        uint64_t next = cookie < 2 ? cookie + 1 : 2 + node_number(tree, node);
        const char *name = cookie == 0 ? "." : cookie == 1 ? ".." : node->name;

        more = put_entry(call, node, next, name,
                         cookie < 2 ? (uint32_t)cookie + 1 : node->name_length, end);
        cookie = more ? next : cookie;
    }
    end = call->out.length;
    call->out.length = at;
    p9_put(&call->out, 4, end - at - 4);
    call->out.length = end;
    return 0;
}

static unsigned do_readlink(struct call *call)
{
    const struct p9_fid *fid = fid_get(call);

    if (call->in.bad || fid == NULL) {
        return call->in.bad ? XEN_EINVAL : XEN_EBADF;
    }
    if ((fid->node->mode & CPIO_MODE_TYPE) != CPIO_MODE_LINK || fid->node->size >= BLOCK) {
        return XEN_EINVAL;
    }
    if (fid->node->size + P9_HEAD + 2 > call->session->msize) {
        return XEN_ENAMETOOLONG;
    }
    p9_put_string(&call->out, (const char *)fid->node->data, fid->node->size);
    return 0;
}

static unsigned do_statfs(struct call *call)
{
    struct p9_out *out = &call->out;
    uint64_t blocks = 0;

    if (fid_get(call) == NULL || call->in.bad) {
        return call->in.bad ? XEN_EINVAL : XEN_EBADF;
    }
    for (uint32_t i = 0; i < call->session->tree->count; i++) {
        blocks += (call->session->tree->node[i].size + (uint64_t)BLOCK - 1) / BLOCK;
    }
    p9_put(out, 4, V9FS_MAGIC);
    p9_put(out, 4, BLOCK);
    p9_put(out, 8, blocks);
    p9_put(out, 8, 0); /* free */
    p9_put(out, 8, 0); /* available */
    p9_put(out, 8, call->session->tree->count);
    p9_put(out, 8, 0); /* free files */
    p9_put(out, 8, 0); /* id */
    p9_put(out, 4, 255);
    return 0;
}

/* Tremove also lets go of the fid, though it refuses. */
static unsigned do_clunk(struct call *call, unsigned error)
{
    const struct p9_fid *fid = fid_get(call);

    if (call->in.bad || fid == NULL) {
        return call->in.bad ? XEN_EINVAL : XEN_EBADF;
    }
    fid_remove(call->session, fid->number);
    return error;
}

static unsigned dispatch(struct call *call, unsigned type)
{
    if (type == P9_TVERSION) {
        return do_version(call);
    }
    if (!call->session->started) {
        return P9_EPROTO;
    }
    switch (type) {
    case P9_TATTACH:
        return do_attach(call);
    case P9_TWALK:
        return do_walk(call);
    case P9_TGETATTR:
        return do_getattr(call);
    case P9_TLOPEN:
        return do_lopen(call);
    case P9_TREAD:
        return do_read(call);
    case P9_TREADDIR:
        return do_readdir(call);
    case P9_TREADLINK:
        return do_readlink(call);
    case P9_TSTATFS:
        return do_statfs(call);
    case P9_TCLUNK:
        return do_clunk(call, 0);
    case P9_TREMOVE:
        return do_clunk(call, XEN_EROFS);
    case P9_TFLUSH:
        return 0;
    case P9_TFSYNC:
        return fid_get(call) != NULL ? 0 : XEN_EBADF;
    case P9_TLCREATE:
    case P9_TSYMLINK:
    case P9_TMKNOD:
    case P9_TRENAME:
    case P9_TSETATTR:
    case P9_TXATTRCREATE:
    case P9_TLINK:
    case P9_TMKDIR:
    case P9_TRENAMEAT:
    case P9_TUNLINKAT:
    case P9_TWRITE:
        return XEN_EROFS;
    default:
        return XEN_EOPNOTSUPP;
    }
}

/* ---- messages ---- */

void p9_session_begin(struct p9_session *session, const struct tree *tree, uint32_t msize_max)
{
    memset(session, 0, sizeof(*session));
    session->tree = tree;
    session->msize = session->msize_max = msize_max;
    fid_remove_all(session);
}

bool p9_answer(struct p9_session *session, const uint8_t *message, uint32_t length, uint8_t *head,
               struct p9_reply *reply)
{
    struct call call = {.session = session, .in = {.at = message, .left = length}};
    unsigned type, tag, error;

    if (p9_get(&call.in, 4) != length || length < P9_HEAD || length > session->msize) {
        return false;
    }
    type = (unsigned)p9_get(&call.in, 1);
    tag = (unsigned)p9_get(&call.in, 2);
    call.out = (struct p9_out){.start = head, .max = session->msize};
    p9_begin(&call.out, type + 1, tag);
    error = dispatch(&call, type);
    if (error == 0 && call.out.bad) {
        error = XEN_EIO;
    }
    if (error != 0) {
        p9_begin(&call.out, P9_RLERROR, tag);
        p9_put(&call.out, 4, error);
        call.data_length = 0;
        session->refused++;
    }
    session->requests++;
    p9_finish(&call.out, call.data_length);
    *reply = (struct p9_reply){
        .head_length = call.out.length, .data_length = call.data_length, .data = call.data};
    return true;
}

bool p9_session_audit(const struct p9_session *session)
{
    uint32_t used = 0, free = 0;

    for (uint32_t i = 0; i < P9_BUCKETS; i++) {
        for (const struct p9_fid *f = session->bucket[i]; f != NULL; f = f->next, used++) {
            if (f->number % P9_BUCKETS != i || f->node == NULL || used > P9_FIDS) {
                return false;
            }
        }
    }
    for (const struct p9_fid *f = session->free; f != NULL && free <= P9_FIDS; f = f->next) {
        free++;
    }
    return used == session->fid_count && used + free == P9_FIDS;
}
