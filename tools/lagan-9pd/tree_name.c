/* SPDX-License-Identifier: MIT
 *
 * Names that come, go and move. Each is one name in a directory that is held by a descriptor; the kernel
 * follows no symbolic link that has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tree.h"

#define TARGET_MAX 4095U

static unsigned result(int rc)
{
    return rc == 0 ? 0 : (unsigned)errno;
}

static unsigned make_symlink(const struct tree_node *dir, const char *name, struct p9_name target)
{
    char text[TARGET_MAX + 1];

    if (target.length > TARGET_MAX || memchr(target.text, 0, target.length) != NULL) {
        return target.length > TARGET_MAX ? ENAMETOOLONG : EINVAL;
    }
    memcpy(text, target.text, target.length);
    text[target.length] = 0;
    return result(symlinkat(text, dir->fd, name));
}

static unsigned make_kind(const struct host_tree *tree, const struct tree_node *dir,
                          const char *name, const struct p9_new *what)
{
    mode_t allowed = tree->squash ? S_IFMT | 01777 : S_IFMT | 07777;

    switch (what->mode & S_IFMT) {
    case S_IFDIR:
        return result(mkdirat(dir->fd, name, what->mode & 07777));
    case S_IFLNK:
        return make_symlink(dir, name, what->target);
    case S_IFCHR:
    case S_IFBLK:
        if (!tree->devices) {
            return EPERM;
        }
        return result(
            mknodat(dir->fd, name, what->mode & allowed, makedev(what->major, what->minor)));
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
        return result(mknodat(dir->fd, name, what->mode & allowed, 0));
    default:
        return EINVAL;
    }
}

unsigned tree_make(void *from, struct p9_file *file, const struct p9_new *what, void **made)
{
    struct host_tree *tree = from;
    struct tree_node *dir = file->node, *node = NULL;
    char name[P9_NAME_MAX + 1];
    unsigned error;
    int fd;

    tree_c_name(what->name, name);
    error = make_kind(tree, dir, name, what);
    if (error != 0) {
        return error;
    }
    fd = tree_look(dir, name);
    error = fd < 0 ? (unsigned)-fd : tree_node_make(tree, dir, name, fd, &node);
    if (error == 0) {
        error = tree_give(tree, node, file->uid, what->gid);
        if (error != 0) {
            tree_node_put(tree, node);
        }
    }
    *made = node;
    return error;
}

unsigned tree_link(void *from, struct p9_file *dir, struct p9_name name, struct p9_file *file)
{
    const struct host_tree *tree = from;
    const struct tree_node *to = dir->node, *node = file->node;
    char text[P9_NAME_MAX + 1], number[16];

    tree_c_name(name, text);
    (void)snprintf(number, sizeof(number), "%d", node->fd);
    return result(linkat(tree->proc, number, to->fd, text, AT_SYMLINK_FOLLOW));
}

unsigned tree_rename(void *tree, struct p9_file *dir, struct p9_name name, struct p9_file *to_dir,
                     struct p9_name to_name)
{
    char from[P9_NAME_MAX + 1], to[P9_NAME_MAX + 1];

    (void)tree;
    tree_c_name(name, from);
    tree_c_name(to_name, to);
    return result(renameat(((struct tree_node *)dir->node)->fd, from,
                           ((struct tree_node *)to_dir->node)->fd, to));
}

unsigned tree_unlink(void *tree, struct p9_file *dir, struct p9_name name, bool directory)
{
    char text[P9_NAME_MAX + 1];

    (void)tree;
    tree_c_name(name, text);
    return result(
        unlinkat(((struct tree_node *)dir->node)->fd, text, directory ? AT_REMOVEDIR : 0));
}

/* Is the node still to be found where it was? */
static unsigned check_place(const struct tree_node *node)
{
    struct stat st;

    if (node->parent == NULL) {
        return EBUSY;
    }
    if (fstatat(node->parent->fd, node->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return (unsigned)errno;
    }
    return st.st_ino == node->qid.path && st.st_dev == node->device ? 0 : ENOENT;
}

unsigned tree_rename_file(void *tree, struct p9_file *file, struct p9_file *to_dir,
                          struct p9_name to_name)
{
    const struct tree_node *node = file->node;
    unsigned error = check_place(node);
    char to[P9_NAME_MAX + 1];

    (void)tree;
    tree_c_name(to_name, to);
    return error != 0 ? error
                      : result(renameat(node->parent->fd, node->name,
                                        ((struct tree_node *)to_dir->node)->fd, to));
}

unsigned tree_remove(void *tree, struct p9_file *file)
{
    const struct tree_node *node = file->node;
    unsigned error = check_place(node);

    (void)tree;
    return error != 0 ? error
                      : result(unlinkat(node->parent->fd, node->name,
                                        node->type == S_IFDIR ? AT_REMOVEDIR : 0));
}
