/* SPDX-License-Identifier: MIT
 *
 * What a volume is served from: a file that describes it, which laganctl has written, an image (a file or a block
 * device), and perhaps a hash tree beside it. No hypercall is made here.
 *
 * A description has lines KEY=VALUE: image, blocks, and for a volume with a tree: tree (a file as veritysetup makes it),
 * root, salt. Its name is the volume's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lagan/ubc.h"

#define SOURCE_DIR      "/var/lib/lagan/volumes"
#define SOURCE_NAME_MAX 16 /* bytes, which are the volume's id */
#define SOURCE_PATH_MAX 512

struct source {
    char image[SOURCE_PATH_MAX], tree[SOURCE_PATH_MAX]; /* "": no tree */
    uint64_t blocks;
    uint8_t root[32], salt[256];
    uint32_t salt_bytes;
    /* open */
    int image_fd, tree_fd; /* -1 */
    bool direct;           /* past the page cache of this domain */
};

/* The id of a volume called so: letters, digits, `-`, `_` and `.`, the first no dot. -EINVAL. */
int source_id(const char *name, uint8_t id[16]);

/* 0; -EINVAL: a line that is none, or something is missing; or what reading failed with. */
int source_parse(const char *text, struct source *s);
/* As it stands in the file; -ENOSPC. */
int source_print(const struct source *s, char *text, size_t room);
/* Completes a description of which the paths and the root are known: looks at the image, and at what stands at the
 * head of the tree. -EINVAL: that is no tree for it; negative errno. */
int source_describe(struct source *s);
/* What is asked of the hypervisor for it. */
void source_create(const struct source *s, const uint8_t id[16], struct lagan_ubc_create *out);
/* The right to serve it, for this domain. Readers wait for a publisher as long as a domain has it (LAGAN_UBC_WANT). */
void source_allow(struct lagan_ubc_allow *out);

int source_open(struct source *s);
void source_close(struct source *s);
/* `count` blocks from `first` on to memory that is aligned to a page; what lies behind the end of the image is 0. */
int source_read(const struct source *s, uint64_t first, unsigned count, void *to);
/* Number of levels over so many blocks; and block n of a level of the tree. */
unsigned source_levels(uint64_t blocks);
int source_read_tree(const struct source *s, unsigned level, uint64_t n, void *to);
