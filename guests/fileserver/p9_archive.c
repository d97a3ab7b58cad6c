/* SPDX-License-Identifier: MIT
 *
 * The archive's nodes never go, so that nothing has to be held. What is in files is not copied: replies
 * point to it.
 */
#include "fileserver/p9_archive.h"

#define BLOCK 4096U

static unsigned archive_attach(void *tree, uint32_t uid, void **node)
{
    (void)uid;
    *node = ((struct tree *)tree)->node;
    return 0;
}

static unsigned archive_child(void *tree, void *from, struct p9_name name, void **next)
{
    struct node *node = from;

    (void)tree;
    if (!node_is_dir(node)) {
        return XEN_ENOTDIR;
    }
    *next = name.length == 2 && memcmp(name.text, "..", 2) == 0 ? node->parent
            : name.length == 1 && *name.text == '.'             ? node
                                                    : tree_child(node, name.text, name.length);
    return *next == NULL ? XEN_ENOENT : 0;
}

static void archive_hold(void *tree, void *node)
{
    (void)tree;
    (void)node;
}

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

static void archive_qid(void *tree, const void *node, struct p9_qid *qid)
{
    *qid = (struct p9_qid){.type = (uint8_t)qid_type(node), .path = node_number(tree, node) + 1ULL};
}

static unsigned archive_getattr(void *tree, struct p9_file *file, struct p9_attr *attr)
{
    const struct node *node = file->node;
    struct p9_time time = {.seconds = node->mtime};

    (void)tree;
    *attr = (struct p9_attr){
        .mode = node->mode,
        .uid = node->uid,
        .gid = node->gid,
        .nlink = node->nlink,
        .size = node->size,
        .block_size = BLOCK,
        .blocks = (node->size + 511ULL) / 512,
        .accessed = time,
        .modified = time,
        .changed = time,
    };
    return 0;
}

static unsigned archive_open(void *tree, struct p9_file *file, uint32_t flags)
{
    (void)tree;
    (void)flags;
    file->open = file->node;
    return 0;
}

static unsigned archive_close(void *tree, struct p9_file *file)
{
    (void)tree;
    file->open = NULL;
    return 0;
}

static unsigned archive_read(void *tree, struct p9_file *file, uint64_t offset,
                             struct p9_data *data)
{
    const struct node *node = file->node;

    (void)tree;
    if ((node->mode & CPIO_MODE_TYPE) != CPIO_MODE_FILE) {
        return node_is_dir(node) ? XEN_EISDIR : XEN_EINVAL;
    }
    if (offset >= node->size) {
        data->count = 0;
    } else if (data->count > node->size - offset) {
        data->count = (uint32_t)(node->size - offset);
    }
    data->bytes = node->data + (data->count != 0 ? offset : 0);
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

static unsigned archive_readdir(void *tree, struct p9_file *file, uint64_t cookie,
                                struct p9_entries *entries)
{
    const struct node *node;
    bool more = true;

    if (!node_is_dir(file->node)) {
        return XEN_ENOTDIR;
    }
    while (more && (node = entry_at(tree, file->node, cookie)) != NULL) {
        uint64_t next = cookie < 2 ? cookie + 1 : 2ULL + node_number(tree, node);
        struct p9_name name = {.text = cookie == 0   ? "."
                                       : cookie == 1 ? ".."
                                                     : node->name,
                               .length = cookie < 2 ? (uint32_t)cookie + 1 : node->name_length};
        struct p9_qid qid;

        archive_qid(tree, node, &qid);
        more = p9_put_entry(entries, &qid, next, (node->mode & CPIO_MODE_TYPE) >> 12, name);
        cookie = next;
    }
    return 0;
}

static unsigned archive_readlink(void *tree, struct p9_file *file, char *to, uint32_t max,
                                 uint32_t *length)
{
    const struct node *node = file->node;

    (void)tree;
    if ((node->mode & CPIO_MODE_TYPE) != CPIO_MODE_LINK || node->size >= BLOCK) {
        return XEN_EINVAL;
    }
    if (node->size > max) {
        return XEN_ENAMETOOLONG;
    }
    memcpy(to, node->data, node->size);
    *length = node->size;
    return 0;
}

static unsigned archive_statfs(void *from, struct p9_file *file, struct p9_statfs *statfs)
{
    const struct tree *tree = from;

    (void)file;
    *statfs = (struct p9_statfs){.block_size = BLOCK, .files = tree->count};
    for (uint32_t i = 0; i < tree->count; i++) {
        statfs->blocks += (tree->node[i].size + (uint64_t)BLOCK - 1) / BLOCK;
    }
    return 0;
}

static unsigned archive_fsync(void *tree, struct p9_file *file, bool data_only)
{
    (void)tree;
    (void)file;
    (void)data_only;
    return 0;
}

const struct p9_fs p9_archive = {
    .attach = archive_attach,
    .child = archive_child,
    .hold = archive_hold,
    .release = archive_hold,
    .qid = archive_qid,
    .getattr = archive_getattr,
    .statfs = archive_statfs,
    .readlink = archive_readlink,
    .open = archive_open,
    .close = archive_close,
    .read = archive_read,
    .readdir = archive_readdir,
    .fsync = archive_fsync,
};
