/* SPDX-License-Identifier: MIT
 *
 * Reading a newc archive: entries of a head of 110 characters (a magic number and thirteen numbers of
 * eight hexadecimal digits), a name with its terminator, and data, each padded to a multiple of 4 from
 * the start of the archive. The entry named TRAILER!!! ends it.
 *
 * INV-TREE-1: every node but the root is in its parent's list once, and its parent is a directory.
 * INV-TREE-2: name and data of every node lie within the archive.
 */
#include "fileserver/cpio.h"

#define HEAD_BYTES 110U

enum field { INO, MODE, UID, GID, NLINK, MTIME, FILESIZE, MAJ, MIN, RMAJ, RMIN, NAMESIZE, CHECK };

struct entry {
    const char *name;
    const uint8_t *data;
    uint32_t name_length, field[CHECK + 1];
};

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_fields(const uint8_t *at, uint32_t *field)
{
    for (unsigned i = 0; i <= CHECK; i++) {
        field[i] = 0;
        for (unsigned k = 0; k < 8; k++) {
            int digit = hex_digit(at[6 + 8 * i + k]);

            if (digit < 0) {
                return false;
            }
            field[i] = field[i] << 4 | (uint32_t)digit;
        }
    }
    return true;
}

static size_t pad(size_t at)
{
    return (at + 3) & ~(size_t)3;
}

/* The entry at *at, which moves on. 0, or -XEN_EINVAL if it does not end within the archive. */
static int read_entry(const uint8_t *archive, size_t size, size_t *at, struct entry *entry)
{
    size_t name, data;

    if (*at > size || size - *at < HEAD_BYTES || memcmp(archive + *at, "070701", 6) != 0 ||
        !read_fields(archive + *at, entry->field)) {
        return -XEN_EINVAL;
    }
    name = *at + HEAD_BYTES;
    if (entry->field[NAMESIZE] == 0 || entry->field[NAMESIZE] > size - name ||
        archive[name + entry->field[NAMESIZE] - 1] != 0) {
        return -XEN_EINVAL;
    }
    entry->name = (const char *)archive + name;
    entry->name_length = entry->field[NAMESIZE] - 1;
    data = pad(name + entry->field[NAMESIZE]);
    if (data > size || entry->field[FILESIZE] > size - data) {
        return -XEN_EINVAL;
    }
    entry->data = archive + data;
    *at = pad(data + entry->field[FILESIZE]);
    return 0;
}

struct node *tree_child(const struct node *dir, const char *name, uint32_t length)
{
    for (struct node *n = dir->first_child; n != NULL; n = n->next) {
        if (n->name_length == length && memcmp(n->name, name, length) == 0) {
            return n;
        }
    }
    return NULL;
}

static struct node *add_dir(struct tree *tree, struct node *parent, const char *name,
                            uint32_t length)
{
    struct node *n;

    if (tree->count == tree->max) {
        return NULL;
    }
    n = &tree->node[tree->count++];
    *n = (struct node){.name = name,
                       .name_length = length,
                       .mode = CPIO_MODE_DIR | 0755,
                       .nlink = 2,
                       .parent = parent};
    if (parent->last_child != NULL) {
        parent->last_child->next = n;
    } else {
        parent->first_child = n;
    }
    parent->last_child = n;
    return n;
}

static int take_over(struct node *n, const struct entry *entry)
{
    const uint32_t *field = entry->field;

    if (n->first_child != NULL && (field[MODE] & CPIO_MODE_TYPE) != CPIO_MODE_DIR) {
        return -XEN_EINVAL; /* a file in the place of a directory that is not empty */
    }
    n->mode = field[MODE] & 0177777;
    n->uid = field[UID];
    n->gid = field[GID];
    n->nlink = field[NLINK];
    n->mtime = field[MTIME];
    n->data = entry->data;
    n->size = node_is_dir(n) ? 0 : field[FILESIZE];
    return 0;
}

/* The next part of a path, "." and empty ones left out: its length, 0 at the end. */
static uint32_t next_part(const char **path, const char *end)
{
    for (;;) {
        const char *at = *path;
        uint32_t length = 0;

        while (at < end && *at == '/') {
            at++;
        }
        while (at + length < end && at[length] != '/') {
            length++;
        }
        *path = at;
        if (length != 1 || *at != '.') {
            return length;
        }
        *path = at + 1;
    }
}

static int add_entry(struct tree *tree, const struct entry *entry)
{
    const char *at = entry->name, *end = entry->name + entry->name_length;
    struct node *n = tree->node;
    uint32_t length;

    while ((length = next_part(&at, end)) != 0) {
        struct node *child;

        if (length > 255 || (length == 2 && at[0] == '.' && at[1] == '.') || !node_is_dir(n)) {
            return -XEN_EINVAL;
        }
        child = tree_child(n, at, length);
        n = child != NULL ? child : add_dir(tree, n, at, length);
        if (n == NULL) {
            return -XEN_ENOSPC;
        }
        at += length;
    }
    if (n == tree->node && (entry->field[MODE] & CPIO_MODE_TYPE) != CPIO_MODE_DIR) {
        return -XEN_EINVAL;
    }
    return take_over(n, entry);
}

int tree_read(struct tree *tree, struct node *node, uint32_t max, const void *archive, size_t size)
{
    struct entry entry;
    size_t at = 0;

    *tree = (struct tree){.node = node, .max = max};
    if (max == 0) {
        return -XEN_ENOSPC;
    }
    tree->count = 1;
    *node = (struct node){
        .name = "", .mode = CPIO_MODE_DIR | 0755, .nlink = 2, .parent = node, .data = NULL};
    for (;;) {
        int rc = read_entry(archive, size, &at, &entry);

        if (rc != 0) {
            return rc;
        }
        if (entry.name_length == 10 && memcmp(entry.name, "TRAILER!!!", 10) == 0) {
            return 0;
        }
        rc = add_entry(tree, &entry);
        if (rc != 0) {
            return rc;
        }
    }
}
