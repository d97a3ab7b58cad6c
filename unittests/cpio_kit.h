/* SPDX-License-Identifier: MIT
 *
 * Makes cpio archives for tests.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct archive {
    uint8_t bytes[65536];
    size_t size;
};

/* Adds an entry: mode as in struct stat. */
void archive_add(struct archive *a, const char *name, unsigned mode, const void *data, size_t size);
/* Adds the trailer. */
void archive_end(struct archive *a);
