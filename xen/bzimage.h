/* SPDX-License-Identifier: MIT
 *
 * The file format of Linux's compressed kernels, bzImage: finds the packed ELF file inside. Pure.
 */
#pragma once

#include <lagan/types.h>

struct bzimage {
    const uint8_t *payload; /* inside the file */
    size_t payload_bytes;   /* >= 1 */
};

/* True if the file has the signatures of a bzImage. Whether the rest of it is any good is
 * bzimage_parse()'s matter. */
bool bzimage_recognised(const void *file, size_t bytes);

/* For a file that was recognised. 0, or -XEN_EINVAL (malformed or cut off) or -XEN_ENOEXEC (a kind
 * that says nothing of its payload), with *why in words. */
int bzimage_parse(const void *file, size_t bytes, struct bzimage *image,
                  const char **why) LAGAN_MUST_CHECK;
