/* SPDX-License-Identifier: MIT
 *
 * Nodes. Each holds the one that it was reached from, which is what ".." leads to: so a client comes up
 * again the way that it went down, even when somebody on the host has moved a directory elsewhere
 * meanwhile. What a descriptor is of, the kernel says once (fstat); it never changes.
 *
 * INV-TREE-FD-1: a node's descriptor is of something that was in the exported directory's file system and
 *                below that directory when it was got.
 * INV-TREE-FD-2: tree->nodes counts the nodes, and is at most nodes_max.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/openat2.h>

#include "tree.h"

static int open_path(int dir, const char *name, uint64_t flags, uint64_t resolve)
{
    struct open_how how = {.flags = flags | O_PATH | O_CLOEXEC, .resolve = resolve};
    long fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

int tree_look(const struct tree_node *dir, const char *name)
{
    return open_path(dir->fd, name, O_NOFOLLOW,
                     RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
                         RESOLVE_NO_XDEV);
}

const char *tree_path(const struct tree_node *node, char path[TREE_PATH_MAX])
{
    (void)snprintf(path, TREE_PATH_MAX, "/proc/self/fd/%d", node->fd);
    return path;
}

void tree_c_name(struct p9_name name, char text[P9_NAME_MAX + 1])
{
    memcpy(text, name.text, name.length);
    text[name.length] = 0;
}

static void fill(struct tree_node *node, const struct stat *st)
{
    node->type = st->st_mode & S_IFMT;
    node->device = st->st_dev;
    node->qid.type = S_ISDIR(st->st_mode)   ? P9_QID_DIR
                     : S_ISLNK(st->st_mode) ? P9_QID_LINK
                                            : P9_QID_FILE;
    node->qid.version =
        (uint32_t)st->st_mtim.tv_sec ^ (uint32_t)st->st_mtim.tv_nsec ^ (uint32_t)st->st_size << 8;
    node->qid.path = st->st_ino;
}

unsigned tree_node_make(struct host_tree *tree, struct tree_node *parent, const char *name, int fd,
                        struct tree_node **made)
{
    size_t length = strlen(name) + 1;
    struct tree_node *node = malloc(sizeof(*node) + length);
    uint32_t count = atomic_fetch_add(&tree->nodes, 1);
    struct stat st;
    unsigned error = 0;

    if (node == NULL || count >= tree->nodes_max) {
        error = node == NULL ? ENOMEM : ENFILE;
    } else if (fstat(fd, &st) != 0) {
        error = (unsigned)errno;
    }
    if (error != 0) {
        atomic_fetch_sub(&tree->nodes, 1);
        (void)close(fd);
        free(node);
        return error;
    }
    memset(node, 0, sizeof(*node));
    atomic_init(&node->refs, 1);
    node->fd = fd;
    node->parent = parent;
    memcpy(node->name, name, length);
    fill(node, &st);
    if (parent != NULL) {
        atomic_fetch_add(&parent->refs, 1);
    }
    *made = node;
    return 0;
}

void tree_node_put(struct host_tree *tree, struct tree_node *node)
{
    while (node != NULL && atomic_fetch_sub(&node->refs, 1) == 1) {
        struct tree_node *parent = node->parent;

        (void)close(node->fd);
        free(node);
        atomic_fetch_sub(&tree->nodes, 1);
        node = parent;
    }
}

static void hold(void *tree, void *node)
{
    (void)tree;
    atomic_fetch_add(&((struct tree_node *)node)->refs, 1);
}

static void release(void *tree, void *node)
{
    tree_node_put(tree, node);
}

static unsigned attach(void *from, uint32_t uid, void **node)
{
    struct host_tree *tree = from;

    (void)uid;
    hold(tree, tree->root);
    *node = tree->root;
    return 0;
}

static unsigned child(void *from, void *of, struct p9_name name, void **next)
{
    struct host_tree *tree = from;
    struct tree_node *dir = of, *found = NULL;
    char text[P9_NAME_MAX + 1];
    unsigned error;
    int fd;

    tree_c_name(name, text);
    if (dir->type != S_IFDIR) {
        return ENOTDIR;
    }
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0) {
        found = text[1] == '.' && dir->parent != NULL ? dir->parent : dir;
        hold(tree, found);
        *next = found;
        return 0;
    }
    fd = tree_look(dir, text);
    if (fd < 0) {
        return (unsigned)-fd;
    }
    error = tree_node_make(tree, dir, text, fd, &found);
    *next = found;
    return error;
}

static void qid(void *tree, const void *node, struct p9_qid *to)
{
    (void)tree;
    *to = ((const struct tree_node *)node)->qid;
}

int host_tree_begin(struct host_tree *tree, const char *path)
{
    unsigned error;
    int fd;

    atomic_init(&tree->nodes, 0);
    atomic_init(&tree->xattr_bytes, 0);
    tree->root = NULL;
    tree->proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (tree->proc < 0) {
        return -errno;
    }
    /* The administrator's own path may have symbolic links. */
    fd = open_path(AT_FDCWD, path, O_DIRECTORY, 0);
    error = fd < 0 ? (unsigned)-fd : tree_node_make(tree, NULL, "", fd, &tree->root);
    if (error != 0) {
        (void)close(tree->proc);
        tree->proc = -1;
    }
    return -(int)error;
}

void host_tree_end(struct host_tree *tree)
{
    if (tree->root != NULL) {
        tree_node_put(tree, tree->root);
        (void)close(tree->proc);
    }
    tree->root = NULL;
}

const struct p9_fs host_tree_fs = {
    .attach = attach,
    .child = child,
    .hold = hold,
    .release = release,
    .qid = qid,
    .getattr = tree_getattr,
    .statfs = tree_statfs,
    .readlink = tree_readlink,
    .open = tree_open,
    .close = tree_close,
    .read = tree_read_bytes,
    .readdir = tree_readdir,
    .fsync = tree_fsync,
    .lock = tree_lock,
    .getlock = tree_getlock,
    .xattr_open = tree_xattr_open,
    .create = tree_create,
    .write = tree_write_bytes,
    .make = tree_make,
    .link = tree_link,
    .rename = tree_rename,
    .rename_file = tree_rename_file,
    .unlink = tree_unlink,
    .remove = tree_remove,
    .setattr = tree_setattr,
    .xattr_create = tree_xattr_create,
};
