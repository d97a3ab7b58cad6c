/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_DIRECT */
#endif
#include "source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = LAGAN_UBC_BLOCK_BYTES, DIGESTS = BLOCK / 32 };

/* ---- names and numbers ---- */

int source_id(const char *name, uint8_t id[16])
{
    size_t length = strlen(name);

    memset(id, 0, 16);
    if (length == 0 || length > SOURCE_NAME_MAX || name[0] == '.')
        return -EINVAL;
    for (size_t i = 0; i < length; i++)
        if (!isascii(name[i]) || (!isalnum(name[i]) && !strchr("-_.", name[i])))
            return -EINVAL;
    memcpy(id, name, length);
    return 0;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* How many bytes; -EINVAL. */
static int parse_bytes(const char *text, uint8_t *to, size_t most)
{
    size_t length = strlen(text);

    if (length % 2 || length / 2 > most)
        return -EINVAL;
    for (size_t i = 0; i < length; i += 2) {
        int high = nibble(text[i]), low = nibble(text[i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        to[i / 2] = (uint8_t)(high << 4 | low);
    }
    return (int)(length / 2);
}

static int parse_path(const char *value, char to[SOURCE_PATH_MAX])
{
    if (value[0] != '/' || strlen(value) >= SOURCE_PATH_MAX)
        return -EINVAL;
    strcpy(to, value);
    return 0;
}

static int parse_blocks(const char *value, uint64_t *blocks)
{
    char *end;

    errno = 0;
    *blocks = strtoull(value, &end, 10);
    return !isdigit((unsigned char)*value) || *end || errno || !*blocks ||
                   *blocks > LAGAN_UBC_BLOCKS_MAX
               ? -EINVAL
               : 0;
}

static int parse_line(struct source *s, const char *key, const char *value)
{
    int rc = -EINVAL;

    if (!strcmp(key, "image"))
        return parse_path(value, s->image);
    if (!strcmp(key, "tree"))
        return parse_path(value, s->tree);
    if (!strcmp(key, "blocks"))
        return parse_blocks(value, &s->blocks);
    if (!strcmp(key, "root"))
        return parse_bytes(value, s->root, sizeof(s->root)) == sizeof(s->root) ? 0 : -EINVAL;
    if (!strcmp(key, "salt")) {
        rc = parse_bytes(value, s->salt, sizeof(s->salt));
        s->salt_bytes = rc > 0 ? (uint32_t)rc : 0;
    }
    return rc < 0 ? rc : 0;
}

int source_parse(const char *text, struct source *s)
{
    *s = (struct source){.image_fd = -1, .tree_fd = -1};
    while (*text) {
        char line[2 * SOURCE_PATH_MAX + 16], *equals;
        size_t length = strcspn(text, "\n");

        if (length >= sizeof(line))
            return -EINVAL;
        memcpy(line, text, length);
        line[length] = '\0';
        text += length + (text[length] == '\n');
        equals = strchr(line, '=');
        if (!equals)
            return -EINVAL;
        *equals = '\0';
        if (parse_line(s, line, equals + 1))
            return -EINVAL;
    }
    return s->image[0] && s->blocks ? 0 : -EINVAL;
}

static void print_bytes(FILE *f, const char *key, const uint8_t *bytes, uint32_t count)
{
    fprintf(f, "%s=", key);
    for (uint32_t i = 0; i < count; i++)
        fprintf(f, "%02x", bytes[i]);
    fprintf(f, "\n");
}

int source_print(const struct source *s, char *text, size_t room)
{
    FILE *f = fmemopen(text, room, "w");
    bool full;

    if (!f)
        return -ENOMEM;
    fprintf(f, "image=%s\nblocks=%" PRIu64 "\n", s->image, s->blocks);
    if (s->tree[0]) {
        fprintf(f, "tree=%s\n", s->tree);
        print_bytes(f, "root", s->root, sizeof(s->root));
        print_bytes(f, "salt", s->salt, s->salt_bytes);
    }
    fflush(f);
    full = (size_t)ftell(f) >= room || ferror(f);
    fclose(f);
    return full ? -ENOSPC : 0;
}

/* ---- the tree ---- */

static uint64_t level_blocks(uint64_t blocks, unsigned level)
{
    for (unsigned i = 0; i <= level; i++)
        blocks = (blocks + DIGESTS - 1) / DIGESTS;
    return blocks;
}

unsigned source_levels(uint64_t blocks)
{
    unsigned levels = 0;

    for (; blocks > 1; blocks = (blocks + DIGESTS - 1) / DIGESTS)
        levels++;
    return levels;
}

static uint64_t number_at(const uint8_t *p, unsigned bytes)
{
    uint64_t n = 0;

    while (bytes-- > 0)
        n = n << 8 | p[bytes];
    return n;
}

/* The superblock of dm-verity, version 1. */
static int read_head(struct source *s)
{
    uint8_t head[512];
    int fd = open(s->tree, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return -errno;
    got = pread(fd, head, sizeof(head), 0);
    close(fd);
    if (got != sizeof(head) || memcmp(head, "verity\0\0", 8) != 0 || number_at(head + 8, 4) != 1 ||
        number_at(head + 12, 4) != 1 || strncmp((const char *)head + 32, "sha256", 32) != 0 ||
        number_at(head + 64, 4) != BLOCK || number_at(head + 68, 4) != BLOCK ||
        number_at(head + 72, 8) != s->blocks || number_at(head + 80, 2) > sizeof(s->salt))
        return -EINVAL;
    s->salt_bytes = (uint32_t)number_at(head + 80, 2);
    memcpy(s->salt, head + 88, s->salt_bytes);
    return 0;
}

int source_read_tree(const struct source *s, unsigned level, uint64_t n, void *to)
{
    uint64_t at = 1; /* behind the head, the highest level first */

    for (unsigned above = source_levels(s->blocks); above-- > level + 1;)
        at += level_blocks(s->blocks, above);
    if (s->tree_fd < 0 || n >= level_blocks(s->blocks, level))
        return -EINVAL;
    return pread(s->tree_fd, to, BLOCK, (off_t)((at + n) * BLOCK)) == BLOCK ? 0 : -EIO;
}

/* ---- the image ---- */

static int size_of(const char *path, uint64_t *bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    int rc = 0;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st))
        rc = -errno;
    else if (S_ISBLK(st.st_mode))
        rc = ioctl(fd, BLKGETSIZE64, bytes) ? -errno : 0;
    else if (S_ISREG(st.st_mode))
        *bytes = (uint64_t)st.st_size;
    else
        rc = -EINVAL;
    close(fd);
    return rc;
}

int source_describe(struct source *s)
{
    uint64_t bytes = 0;
    int rc = size_of(s->image, &bytes);

    if (rc)
        return rc;
    s->blocks = (bytes + BLOCK - 1) / BLOCK;
    if (!s->blocks || s->blocks > LAGAN_UBC_BLOCKS_MAX)
        return -EINVAL;
    return s->tree[0] ? read_head(s) : 0;
}

void source_create(const struct source *s, const uint8_t id[16], struct lagan_ubc_create *out)
{
    *out = (struct lagan_ubc_create){.generation = 1,
                                     .blocks = s->blocks,
                                     .flags = LAGAN_UBC_SLOTS,
                                     .salt_bytes = s->salt_bytes};
    memcpy(out->id, id, sizeof(out->id));
    if (!s->tree[0])
        return;
    out->flags |= LAGAN_UBC_TREE;
    memcpy(out->root, s->root, sizeof(out->root));
    memcpy(out->salt, s->salt, s->salt_bytes);
}

void source_allow(struct lagan_ubc_allow *out)
{
    *out = (struct lagan_ubc_allow){.domid = 0x7ff0 /* DOMID_SELF */,
                                    .rights = LAGAN_UBC_READ | LAGAN_UBC_PUBLISH};
}

int source_open(struct source *s)
{
    s->direct = true;
    s->image_fd = open(s->image, O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (s->image_fd < 0) {
        s->direct = false;
        s->image_fd = open(s->image, O_RDONLY | O_CLOEXEC);
    }
    if (s->image_fd < 0)
        return -errno;
    s->tree_fd = s->tree[0] ? open(s->tree, O_RDONLY | O_CLOEXEC) : -1;
    if (s->tree[0] && s->tree_fd < 0) {
        int rc = -errno;

        source_close(s);
        return rc;
    }
    return 0;
}

void source_close(struct source *s)
{
    if (s->image_fd >= 0)
        close(s->image_fd);
    if (s->tree_fd >= 0)
        close(s->tree_fd);
    s->image_fd = s->tree_fd = -1;
}

int source_read(const struct source *s, uint64_t first, unsigned count, void *to)
{
    size_t wanted = (size_t)count * BLOCK, done = 0;

    if (first >= s->blocks || count > s->blocks - first)
        return -EINVAL;
    while (done < wanted) {
        ssize_t got =
            pread(s->image_fd, (uint8_t *)to + done, wanted - done, (off_t)(first * BLOCK + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
        if (s->direct && done % BLOCK)
            break; /* the end */
    }
    if (done < wanted && (first + count != s->blocks || wanted - done >= BLOCK))
        return -EIO; /* it has become shorter */
    memset((uint8_t *)to + done, 0, wanted - done);
    return 0;
}
