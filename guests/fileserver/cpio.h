/* SPDX-License-Identifier: MIT
 *
 * A tree of files out of a cpio archive ("newc", the format of Linux's initramfs), read-only. The
 * archive is not copied: names and data point into it.
 */
#pragma once

#include "transport/port.h"

#define CPIO_MODE_TYPE 0170000U
#define CPIO_MODE_DIR  0040000U
#define CPIO_MODE_FILE 0100000U
#define CPIO_MODE_LINK 0120000U

struct node {
    const char *name; /* not terminated */
    uint32_t name_length;
    uint32_t mode; /* as in struct stat */
    uint32_t uid, gid, mtime, nlink;
    const uint8_t *data; /* of a file: what is in it; of a symbolic link: where it leads */
    uint32_t size;
    struct node *parent; /* of the root: itself */
    struct node *first_child, *last_child, *next;
};

struct tree {
    struct node *node; /* node[0] is the root */
    uint32_t count, max;
};

/* Reads the archive into node[0..max), which stay in use, as the archive does. Directories that the
 * archive leaves out are made; of two entries with one name the later one counts. 0, -XEN_EINVAL (no
 * such archive, cut off, or with a name that has ".." in it), -XEN_ENOSPC (more than max). */
int tree_read(struct tree *tree, struct node *node, uint32_t max, const void *archive, size_t size);

/* The child of this name, or NULL. */
struct node *tree_child(const struct node *dir, const char *name, uint32_t length);

static inline uint32_t node_number(const struct tree *tree, const struct node *node)
{
    return (uint32_t)(node - tree->node);
}

static inline bool node_is_dir(const struct node *node)
{
    return (node->mode & CPIO_MODE_TYPE) == CPIO_MODE_DIR;
}
