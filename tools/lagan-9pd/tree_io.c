/* SPDX-License-Identifier: MIT
 *
 * What is in files and directories. Bytes go between the file and the client's ring by the kernel alone.
 *
 * Only regular files and directories are ever opened: whoever opens a FIFO may wait without end, and
 * whoever opens a device may do anything. What a node is, is known before it is opened; and the open
 * goes by the node's descriptor, so that it is of no other file.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/openat2.h>

#include "tree.h"

#define OPEN_ALWAYS (O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/* ---- open ---- */

static int host_flags(uint32_t flags)
{
    static const int access[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
    int out = access[flags & P9_OPEN_ACCESS];

    out |= (flags & P9_OPEN_TRUNC) != 0 ? O_TRUNC : 0;
    out |= (flags & P9_OPEN_APPEND) != 0 ? O_APPEND : 0;
    out |= (flags & P9_OPEN_DSYNC) != 0 ? O_DSYNC : 0;
    out |= (flags & P9_OPEN_SYNC) != 0 ? O_SYNC : 0;
    return out;
}

static struct tree_open *make_open(enum tree_kind kind, int fd)
{
    struct tree_open *open = calloc(1, sizeof(*open));

    if (open != NULL) {
        open->kind = kind;
        open->fd = fd;
    }
    return open;
}

/* The node's file or directory: a descriptor or -errno. */
static int open_node(const struct host_tree *tree, const struct tree_node *node, uint32_t flags)
{
    char number[16];
    int fd;

    if (node->type == S_IFDIR) {
        fd = openat(node->fd, ".", host_flags(flags) | OPEN_ALWAYS | O_DIRECTORY);
    } else if (node->type == S_IFREG) {
        (void)snprintf(number, sizeof(number), "%d", node->fd);
        fd = openat(tree->proc, number, host_flags(flags) | OPEN_ALWAYS);
    } else {
        return node->type == S_IFLNK ? -ELOOP : -ENXIO;
    }
    return fd < 0 ? -errno : fd;
}

unsigned tree_open(void *tree, struct p9_file *file, uint32_t flags)
{
    const struct tree_node *node = file->node;
    int fd = open_node(tree, node, flags);

    if (fd < 0) {
        return (unsigned)-fd;
    }
    file->open = make_open(node->type == S_IFDIR ? TREE_DIRECTORY : TREE_FILE, fd);
    if (file->open == NULL) {
        (void)close(fd);
        return ENOMEM;
    }
    return 0;
}

/* A file that was not there: a descriptor or -errno. */
static int create_new(const struct tree_node *dir, const char *name, uint32_t flags, uint32_t mode)
{
    struct open_how how = {
        .flags = (unsigned)(host_flags(flags) | OPEN_ALWAYS | O_CREAT | O_EXCL | O_NOFOLLOW),
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
    };
    long fd = syscall(SYS_openat2, dir->fd, name, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

/* What is there already under the name. */
static unsigned open_old(struct host_tree *tree, struct tree_node *dir, const char *name,
                         uint32_t flags, struct tree_node **node, int *fd)
{
    int path = tree_look(dir, name);
    unsigned error = path < 0 ? (unsigned)-path : tree_node_make(tree, dir, name, path, node);

    if (error != 0) {
        return error;
    }
    *fd = (*node)->type == S_IFDIR ? -EISDIR : open_node(tree, *node, flags);
    if (*fd < 0) {
        tree_node_put(tree, *node);
        return (unsigned)-*fd;
    }
    return 0;
}

static unsigned open_new(struct host_tree *tree, const struct p9_file *file, const char *name,
                         uint32_t gid, int *fd, struct tree_node **node)
{
    /* The node has a descriptor of its own, so that each is closed with what it belongs to. */
    int other = fcntl(*fd, F_DUPFD_CLOEXEC, 0);
    unsigned error =
        other < 0 ? (unsigned)errno : tree_node_make(tree, file->node, name, other, node);

    if (error == 0) {
        error = tree_give(tree, *node, file->uid, gid);
        if (error != 0) {
            tree_node_put(tree, *node);
        }
    }
    if (error != 0) {
        (void)close(*fd);
    }
    return error;
}

unsigned tree_create(void *from, struct p9_file *file, struct p9_name name, uint32_t flags,
                     uint32_t mode, uint32_t gid)
{
    struct host_tree *tree = from;
    struct tree_node *dir = file->node, *node = NULL;
    char text[P9_NAME_MAX + 1];
    struct tree_open *open;
    unsigned error;
    int fd;

    tree_c_name(name, text);
    if (dir->type != S_IFDIR) {
        return ENOTDIR;
    }
    mode &= tree->squash ? 01777 : 07777;
    fd = create_new(dir, text, flags, mode);
    if (fd == -EEXIST && (flags & P9_OPEN_EXCL) == 0) {
        error = open_old(tree, dir, text, flags, &node, &fd);
    } else {
        error = fd < 0 ? (unsigned)-fd : open_new(tree, file, text, gid, &fd, &node);
    }
    if (error != 0) {
        return error;
    }
    open = make_open(TREE_FILE, fd);
    if (open == NULL) {
        (void)close(fd);
        tree_node_put(tree, node);
        return ENOMEM;
    }
    tree_node_put(tree, dir);
    file->node = node;
    file->open = open;
    return 0;
}

unsigned tree_close(void *tree, struct p9_file *file)
{
    struct tree_open *open = file->open;
    unsigned error = 0;

    if (open->fd >= 0) {
        (void)close(open->fd);
    } else {
        error = tree_xattr_close(tree, file->node, open);
    }
    free(open);
    file->open = NULL;
    return error;
}

/* ---- bytes ---- */

/* The first `count` bytes of the pieces. */
static int vector(const struct p9_data *data, struct iovec iov[2])
{
    uint32_t left = data->count;

    for (unsigned i = 0; i < 2; i++) {
        uint32_t part = left < data->room.length[i] ? left : data->room.length[i];

        iov[i] = (struct iovec){.iov_base = data->room.at[i], .iov_len = part};
        left -= part;
    }
    return iov[1].iov_len != 0 ? 2 : 1;
}

unsigned tree_read_bytes(void *tree, struct p9_file *file, uint64_t offset, struct p9_data *data)
{
    const struct tree_open *open = file->open;
    struct iovec iov[2];
    ssize_t count;

    (void)tree;
    if (open->kind >= TREE_XATTR_GET) {
        return open->kind == TREE_XATTR_GET ? tree_xattr_read(open, offset, data) : EBADF;
    }
    if (offset > INT64_MAX) {
        return EINVAL;
    }
    count = preadv(open->fd, iov, vector(data, iov), (off_t)offset);
    data->count = count > 0 ? (uint32_t)count : 0;
    return count >= 0 ? 0 : (unsigned)errno;
}

unsigned tree_write_bytes(void *tree, struct p9_file *file, uint64_t offset, struct p9_data *data)
{
    struct tree_open *open = file->open;
    struct iovec iov[2];
    ssize_t count;

    (void)tree;
    if (open->kind >= TREE_XATTR_GET) {
        return open->kind == TREE_XATTR_SET ? tree_xattr_write(open, offset, data) : EBADF;
    }
    if (offset > INT64_MAX) {
        return EFBIG;
    }
    count = pwritev(open->fd, iov, vector(data, iov), (off_t)offset);
    data->count = count > 0 ? (uint32_t)count : 0;
    return count >= 0 ? 0 : (unsigned)errno;
}

unsigned tree_fsync(void *tree, struct p9_file *file, bool data_only)
{
    const struct tree_open *open = file->open;

    (void)tree;
    if (open == NULL || open->fd < 0) {
        return EBADF;
    }
    return (data_only ? fdatasync(open->fd) : fsync(open->fd)) == 0 ? 0 : (unsigned)errno;
}

/* ---- directories ---- */

struct host_entry {
    uint64_t inode, next;
    uint16_t length;
    uint8_t type;
    char name[];
};

static bool put(const struct tree_node *dir, struct p9_entries *entries,
                const struct host_entry *entry)
{
    struct p9_qid qid = {.type = entry->type == S_IFDIR >> 12   ? P9_QID_DIR
                                 : entry->type == S_IFLNK >> 12 ? P9_QID_LINK
                                                                : P9_QID_FILE,
                         .path = entry->inode};
    struct p9_name name = {.text = entry->name, .length = (uint32_t)strlen(entry->name)};

    if (strcmp(entry->name, "..") == 0) {
        qid = dir->parent != NULL ? dir->parent->qid : dir->qid;
    }
    return p9_put_entry(entries, &qid, entry->next, entry->type, name);
}

/* A cookie is the file system's own. Where the last reply ended, the descriptor still is. */
unsigned tree_readdir(void *tree, struct p9_file *file, uint64_t cookie, struct p9_entries *entries)
{
    static _Thread_local _Alignas(8) uint8_t buffer[32768];
    uint32_t start = entries->out->length, room = entries->end - start;
    struct tree_open *open = file->open;
    long length;

    (void)tree;
    if (open->kind != TREE_DIRECTORY) {
        return ENOTDIR;
    }
    if (open->at != cookie && lseek(open->fd, (off_t)cookie, SEEK_SET) < 0) {
        return (unsigned)errno;
    }
    room = room < sizeof(buffer) ? room : sizeof(buffer);
    room = room > 512 ? room : 512;
    length = syscall(SYS_getdents64, open->fd, buffer, room);
    open->at = cookie;
    for (long at = 0; at < length;) {
        const struct host_entry *entry = (const void *)(buffer + at);

        if (!put(file->node, entries, entry)) {
            open->at = UINT64_MAX; /* the descriptor is further than the client */
            return entries->out->length == start ? EINVAL : 0;
        }
        open->at = entry->next;
        at += entry->length;
    }
    return length >= 0 ? 0 : (unsigned)errno;
}

/* ---- locks ---- */

/* A lock is the open file's: of one fid, not of a process. */
static unsigned lock_call(const struct p9_file *file, const struct p9_lock *lock, int command,
                          struct flock *flock)
{
    static const short types[] = {F_RDLCK, F_WRLCK, F_UNLCK};
    const struct tree_open *open = file->open;

    if (open->kind > TREE_DIRECTORY || lock->start > INT64_MAX || lock->length > INT64_MAX) {
        return EINVAL;
    }
    *flock = (struct flock){.l_type = types[lock->type],
                            .l_whence = SEEK_SET,
                            .l_start = (off_t)lock->start,
                            .l_len = (off_t)lock->length};
    return fcntl(open->fd, command, flock) == 0 ? 0 : (unsigned)errno;
}

unsigned tree_lock(void *tree, struct p9_file *file, const struct p9_lock *lock,
                   enum p9_lock_status *status)
{
    struct flock flock;
    unsigned error = lock_call(file, lock, F_OFD_SETLK, &flock);

    (void)tree;
    *status = error == 0 ? P9_LOCK_DONE : P9_LOCK_BLOCKED;
    return error == EAGAIN || error == EACCES ? 0 : error;
}

unsigned tree_getlock(void *tree, struct p9_file *file, struct p9_lock *lock)
{
    struct flock flock;
    unsigned error;

    (void)tree;
    if (lock->type == P9_LOCK_NONE) {
        return EINVAL;
    }
    error = lock_call(file, lock, F_OFD_GETLK, &flock);
    if (error == 0 && flock.l_type == F_UNLCK) {
        lock->type = P9_LOCK_NONE;
    } else if (error == 0) {
        *lock = (struct p9_lock){.type = flock.l_type == F_RDLCK ? P9_LOCK_READ : P9_LOCK_WRITE,
                                 .start = (uint64_t)flock.l_start,
                                 .length = (uint64_t)flock.l_len};
    }
    return error;
}
