/* SPDX-License-Identifier: MIT
 *
 * What a file is: attributes, owners, its file system; and extended attributes.
 *
 * Of the latter a client sees its users' own ("user.") and access lists. What the host's kernel itself goes
 * by ("security.", "trusted.") is not for guests.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree.h"

#define NOBODY 65534U

/* ---- owners ---- */

/* One user of the host is the guest's root; all others are nobody. */
static uint32_t shown_uid(const struct host_tree *tree, uid_t uid)
{
    return !tree->squash ? uid : uid == tree->uid ? 0 : NOBODY;
}

static uint32_t shown_gid(const struct host_tree *tree, gid_t gid)
{
    return !tree->squash ? gid : gid == tree->gid ? 0 : NOBODY;
}

unsigned tree_give(const struct host_tree *tree, const struct tree_node *node, uint32_t uid,
                   uint32_t gid)
{
    if (tree->squash || geteuid() != 0 || (uid == 0 && gid == 0)) {
        return 0;
    }
    return fchownat(node->fd, "", uid, gid, AT_EMPTY_PATH) == 0 ? 0 : (unsigned)errno;
}

/* ---- attributes ---- */

static struct p9_time time_of(const struct timespec *at)
{
    return (struct p9_time){(uint64_t)at->tv_sec, (uint64_t)at->tv_nsec};
}

unsigned tree_getattr(void *from, struct p9_file *file, struct p9_attr *attr)
{
    const struct host_tree *tree = from;
    const struct tree_node *node = file->node;
    struct stat st;

    if (fstat(node->fd, &st) != 0) {
        return (unsigned)errno;
    }
    *attr = (struct p9_attr){
        .mode = st.st_mode,
        .uid = shown_uid(tree, st.st_uid),
        .gid = shown_gid(tree, st.st_gid),
        .nlink = st.st_nlink,
        .rdev = st.st_rdev,
        .size = (uint64_t)st.st_size,
        .block_size = (uint64_t)st.st_blksize,
        .blocks = (uint64_t)st.st_blocks,
        .accessed = time_of(&st.st_atim),
        .modified = time_of(&st.st_mtim),
        .changed = time_of(&st.st_ctim),
    };
    return 0;
}

static unsigned set_owner(const struct host_tree *tree, const struct tree_node *node,
                          const struct p9_setattr *set)
{
    uid_t uid = (set->valid & P9_SET_UID) != 0 ? set->uid : (uid_t)-1;
    gid_t gid = (set->valid & P9_SET_GID) != 0 ? set->gid : (gid_t)-1;
    struct stat st;

    if (!tree->squash) {
        return fchownat(node->fd, "", uid, gid, AT_EMPTY_PATH) == 0 ? 0 : (unsigned)errno;
    }
    if (fstat(node->fd, &st) != 0) {
        return (unsigned)errno;
    }
    /* Who it belongs to cannot be changed; to say so again can be asked for. */
    return (uid == (uid_t)-1 || uid == shown_uid(tree, st.st_uid)) &&
                   (gid == (gid_t)-1 || gid == shown_gid(tree, st.st_gid))
               ? 0
               : EPERM;
}

static struct timespec time_for(const struct p9_setattr *set, uint32_t any, uint32_t given,
                                const struct p9_time *time)
{
    if ((set->valid & any) == 0) {
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    }
    if ((set->valid & given) == 0) {
        return (struct timespec){.tv_nsec = UTIME_NOW};
    }
    /* The kernel has numbers of its own for the two above. */
    return (struct timespec){.tv_sec = (time_t)time->seconds,
                             .tv_nsec = (long)(time->nanoseconds % 1000000000)};
}

static unsigned set_times(const struct tree_node *node, const struct p9_setattr *set)
{
    struct timespec times[2] = {
        time_for(set, P9_SET_ACCESSED, P9_SET_ACCESSED_TO, &set->accessed),
        time_for(set, P9_SET_MODIFIED, P9_SET_MODIFIED_TO, &set->modified),
    };

    return utimensat(node->fd, "", times, AT_EMPTY_PATH) == 0 ? 0 : (unsigned)errno;
}

static unsigned set_mode(const struct host_tree *tree, const struct tree_node *node, uint32_t mode)
{
    char path[TREE_PATH_MAX];

    if (node->type == S_IFLNK) {
        return EOPNOTSUPP;
    }
    /* No file shall run as the one user for others of the host. */
    mode &= tree->squash && node->type != S_IFDIR ? 01777 : 07777;
    return chmod(tree_path(node, path), mode) == 0 ? 0 : (unsigned)errno;
}

static unsigned set_size(const struct p9_file *file, uint64_t size)
{
    const struct tree_node *node = file->node;
    const struct tree_open *open = file->open;
    char path[TREE_PATH_MAX];

    if (node->type != S_IFREG) {
        return node->type == S_IFDIR ? EISDIR : EINVAL;
    }
    if (size > INT64_MAX) {
        return EFBIG;
    }
    if (open != NULL && open->kind == TREE_FILE && ftruncate(open->fd, (off_t)size) == 0) {
        return 0;
    }
    return truncate(tree_path(node, path), (off_t)size) == 0 ? 0 : (unsigned)errno;
}

/* A new owner takes bits away from the mode, which therefore comes behind. */
unsigned tree_setattr(void *tree, struct p9_file *file, const struct p9_setattr *set)
{
    unsigned error = 0;

    if ((set->valid & (P9_SET_UID | P9_SET_GID)) != 0) {
        error = set_owner(tree, file->node, set);
    }
    if (error == 0 && (set->valid & P9_SET_MODE) != 0) {
        error = set_mode(tree, file->node, set->mode);
    }
    if (error == 0 && (set->valid & P9_SET_SIZE) != 0) {
        error = set_size(file, set->size);
    }
    if (error == 0 && (set->valid & (P9_SET_ACCESSED | P9_SET_MODIFIED)) != 0) {
        error = set_times(file->node, set);
    }
    return error;
}

unsigned tree_statfs(void *tree, struct p9_file *file, struct p9_statfs *to)
{
    struct statfs fs;

    (void)tree;
    if (fstatfs(((struct tree_node *)file->node)->fd, &fs) != 0) {
        return (unsigned)errno;
    }
    *to = (struct p9_statfs){
        .block_size = (uint32_t)fs.f_bsize,
        .blocks = fs.f_blocks,
        .free = fs.f_bfree,
        .available = fs.f_bavail,
        .files = fs.f_files,
        .files_free = fs.f_ffree,
        .id = (uint32_t)fs.f_fsid.__val[0] | (uint64_t)(uint32_t)fs.f_fsid.__val[1] << 32,
    };
    return 0;
}

unsigned tree_readlink(void *tree, struct p9_file *file, char *to, uint32_t max, uint32_t *length)
{
    const struct tree_node *node = file->node;
    ssize_t count;

    (void)tree;
    if (node->type != S_IFLNK) {
        return EINVAL;
    }
    count = readlinkat(node->fd, "", to, max);
    *length = count > 0 ? (uint32_t)count : 0;
    return count >= 0 ? 0 : (unsigned)errno;
}

/* ---- extended attributes ---- */

static bool is_for_guests(const char *name)
{
    return strncmp(name, "user.", 5) == 0 || strcmp(name, "system.posix_acl_access") == 0 ||
           strcmp(name, "system.posix_acl_default") == 0;
}

/* Room for a value, which counts. */
static struct tree_open *value_make(struct host_tree *tree, enum tree_kind kind, uint64_t size)
{
    struct tree_open *open;
    uint32_t bytes = (uint32_t)size;

    if (atomic_fetch_add(&tree->xattr_bytes, bytes) + bytes > TREE_XATTR_TOTAL) {
        atomic_fetch_sub(&tree->xattr_bytes, bytes);
        return NULL;
    }
    open = calloc(1, sizeof(*open));
    if (open != NULL) {
        *open = (struct tree_open){
            .kind = kind, .fd = -1, .size = bytes, .value = calloc(1, size != 0 ? size : 1)};
    }
    if (open == NULL || open->value == NULL) {
        atomic_fetch_sub(&tree->xattr_bytes, bytes);
        free(open);
        return NULL;
    }
    return open;
}

/* The host's list without what is not for guests. */
static ssize_t list_names(const char *path, uint8_t *to)
{
    ssize_t length = listxattr(path, (char *)to, TREE_XATTR_MAX);
    size_t kept = 0, bytes;

    for (ssize_t at = 0; at < length; at += (ssize_t)bytes) {
        const char *name = (char *)to + at;

        bytes = strlen(name) + 1;
        if (is_for_guests(name)) {
            memmove(to + kept, name, bytes);
            kept += bytes;
        }
    }
    return length < 0 ? length : (ssize_t)kept;
}

unsigned tree_xattr_open(void *from, struct p9_file *file, struct p9_name name,
                         struct p9_file *made, uint64_t *size)
{
    struct host_tree *tree = from;
    struct tree_node *node = file->node;
    char path[TREE_PATH_MAX], text[P9_NAME_MAX + 1];
    struct tree_open *open;
    uint8_t value[TREE_XATTR_MAX];
    ssize_t length;

    tree_c_name(name, text);
    if (name.length != 0 && !is_for_guests(text)) {
        return EOPNOTSUPP;
    }
    (void)tree_path(node, path);
    length =
        name.length != 0 ? getxattr(path, text, value, sizeof(value)) : list_names(path, value);
    if (length < 0) {
        return (unsigned)errno;
    }
    open = value_make(tree, TREE_XATTR_GET, (uint64_t)length);
    if (open == NULL) {
        return ENOMEM;
    }
    memcpy(open->value, value, (size_t)length);
    atomic_fetch_add(&node->refs, 1);
    made->node = node;
    made->open = open;
    *size = (uint64_t)length;
    return 0;
}

unsigned tree_xattr_create(void *tree, struct p9_file *file, struct p9_name name, uint64_t size,
                           uint32_t flags)
{
    struct tree_open *open;
    char text[P9_NAME_MAX + 1];

    tree_c_name(name, text);
    if (!is_for_guests(text)) {
        return EOPNOTSUPP;
    }
    if (size > TREE_XATTR_MAX || (flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE)) != 0) {
        return size > TREE_XATTR_MAX ? E2BIG : EINVAL;
    }
    open = value_make(tree, TREE_XATTR_SET, size);
    if (open == NULL) {
        return ENOMEM;
    }
    open->flags = flags;
    memcpy(open->name, text, sizeof(text));
    file->open = open;
    return 0;
}

unsigned tree_xattr_read(const struct tree_open *open, uint64_t offset, struct p9_data *data)
{
    uint64_t left = offset < open->size ? open->size - offset : 0;
    uint32_t first;

    data->count = left < data->count ? (uint32_t)left : data->count;
    first = data->count < data->room.length[0] ? data->count : data->room.length[0];
    if (data->count - first > data->room.length[1]) {
        return EINVAL;
    }
    if (data->count != 0) {
        memcpy(data->room.at[0], open->value + offset, first);
        if (data->count > first) {
            memcpy(data->room.at[1], open->value + offset + first, data->count - first);
        }
    }
    return 0;
}

/* The value comes in order; how much has come is `at`. */
unsigned tree_xattr_write(struct tree_open *open, uint64_t offset, struct p9_data *data)
{
    if (offset != open->at || data->count > open->size - open->at) {
        return ENOSPC;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (data->room.length[i] != 0) {
            memcpy(open->value + open->at, data->room.at[i], data->room.length[i]);
            open->at += data->room.length[i];
        }
    }
    return 0;
}

unsigned tree_xattr_close(struct host_tree *tree, const struct tree_node *node,
                          struct tree_open *open)
{
    char path[TREE_PATH_MAX];
    int rc = 0;

    (void)tree_path(node, path);
    if (open->kind == TREE_XATTR_SET && (open->at != open->size || tree->ending)) {
        errno = EINVAL;
        rc = -1;
    } else if (open->kind == TREE_XATTR_SET && open->size == 0) {
        rc = removexattr(path, open->name);
    } else if (open->kind == TREE_XATTR_SET) {
        rc = setxattr(path, open->name, open->value, open->size, (int)open->flags);
    }
    free(open->value);
    atomic_fetch_sub(&tree->xattr_bytes, open->size);
    return rc == 0 ? 0 : (unsigned)errno;
}
