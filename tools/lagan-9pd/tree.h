/* SPDX-License-Identifier: MIT
 *
 * A directory of the host and what is in it, as the 9P server wants a tree. No name that a client sends
 * leads out of it: a node is a file descriptor (O_PATH) that was got by one name from the node above,
 * without following symbolic links and without leaving the file system. Nothing of a client's is ever
 * a path to the host's kernel.
 *
 * Several threads may use one tree.
 */
#pragma once

#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "transport/p9_server.h"

#define TREE_XATTR_MAX   65536U     /* one value */
#define TREE_XATTR_TOTAL (1U << 20) /* all that are open */

struct tree_node {
    _Atomic uint32_t refs;
    int fd;
    uint32_t type; /* S_IFMT of the mode */
    dev_t device;
    struct p9_qid qid;
    struct tree_node *parent; /* NULL: the root */
    char name[];
};

/* One connection's. */
struct host_tree {
    struct tree_node *root;
    int proc; /* /proc/self/fd */
    uint32_t nodes_max;
    bool squash;  /* all is done, and owned, by one user of the host: */
    uid_t uid;    /* ... whose files belong to the guest's root */
    gid_t gid;    /* */
    bool devices; /* device nodes may be made */
    bool ending;  /* what clients have not finished stays undone: who closes may have more rights */
    _Atomic uint32_t nodes, xattr_bytes;
};

enum tree_kind { TREE_FILE, TREE_DIRECTORY, TREE_XATTR_GET, TREE_XATTR_SET };

struct tree_open {
    enum tree_kind kind;
    int fd; /* of a file and a directory; the node's own one is not closed with this */
    uint64_t at;
    uint32_t size, flags; /* of a value */
    uint8_t *value;
    char name[P9_NAME_MAX + 1];
};

extern const struct p9_fs host_tree_fs;

/* 0 or -errno. The limits and what is allowed are set before. */
int host_tree_begin(struct host_tree *tree, const char *path);
/* When no session uses it any more. */
void host_tree_end(struct host_tree *tree);

/* ---- what the parts have in common ---- */

#define TREE_PATH_MAX 32U

/* Takes over the descriptor, also if it fails. The new node has one reference. */
unsigned tree_node_make(struct host_tree *tree, struct tree_node *parent, const char *name, int fd,
                        struct tree_node **made);
void tree_node_put(struct host_tree *tree, struct tree_node *node);
/* An O_PATH descriptor of what has this name there, or -errno. */
int tree_look(const struct tree_node *dir, const char *name);
/* The node as a path that the kernel follows to it, whatever it is called; in the caller's buffer. */
const char *tree_path(const struct tree_node *node, char path[TREE_PATH_MAX]);
void tree_c_name(struct p9_name name, char text[P9_NAME_MAX + 1]);
/* What was made now becomes the client's. */
unsigned tree_give(const struct host_tree *tree, const struct tree_node *node, uint32_t uid,
                   uint32_t gid);

unsigned tree_getattr(void *tree, struct p9_file *file, struct p9_attr *attr);
unsigned tree_setattr(void *tree, struct p9_file *file, const struct p9_setattr *set);
unsigned tree_statfs(void *tree, struct p9_file *file, struct p9_statfs *statfs);
unsigned tree_readlink(void *tree, struct p9_file *file, char *to, uint32_t max, uint32_t *length);
unsigned tree_open(void *tree, struct p9_file *file, uint32_t flags);
unsigned tree_close(void *tree, struct p9_file *file);
unsigned tree_read_bytes(void *tree, struct p9_file *file, uint64_t offset, struct p9_data *data);
unsigned tree_write_bytes(void *tree, struct p9_file *file, uint64_t offset, struct p9_data *data);
unsigned tree_readdir(void *tree, struct p9_file *file, uint64_t cookie,
                      struct p9_entries *entries);
unsigned tree_fsync(void *tree, struct p9_file *file, bool data_only);
unsigned tree_lock(void *tree, struct p9_file *file, const struct p9_lock *lock,
                   enum p9_lock_status *status);
unsigned tree_getlock(void *tree, struct p9_file *file, struct p9_lock *lock);
unsigned tree_create(void *tree, struct p9_file *file, struct p9_name name, uint32_t flags,
                     uint32_t mode, uint32_t gid);
unsigned tree_make(void *tree, struct p9_file *dir, const struct p9_new *what, void **node);
unsigned tree_link(void *tree, struct p9_file *dir, struct p9_name name, struct p9_file *file);
unsigned tree_rename(void *tree, struct p9_file *dir, struct p9_name name, struct p9_file *to_dir,
                     struct p9_name to_name);
unsigned tree_rename_file(void *tree, struct p9_file *file, struct p9_file *to_dir,
                          struct p9_name to_name);
unsigned tree_unlink(void *tree, struct p9_file *dir, struct p9_name name, bool directory);
unsigned tree_remove(void *tree, struct p9_file *file);
unsigned tree_xattr_open(void *tree, struct p9_file *file, struct p9_name name,
                         struct p9_file *made, uint64_t *size);
unsigned tree_xattr_create(void *tree, struct p9_file *file, struct p9_name name, uint64_t size,
                           uint32_t flags);
unsigned tree_xattr_read(const struct tree_open *open, uint64_t offset, struct p9_data *data);
unsigned tree_xattr_write(struct tree_open *open, uint64_t offset, struct p9_data *data);
/* Sets or removes the attribute, if it was for that; frees the value. */
unsigned tree_xattr_close(struct host_tree *tree, const struct tree_node *node,
                          struct tree_open *open);
