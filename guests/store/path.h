/* SPDX-License-Identifier: MIT
 *
 * Names of nodes: "/a/b/c", made of letters, digits and - _ @.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/io/xs_wire.h>

#define PATH_BYTES    (XENSTORE_ABS_PATH_MAX + 1)
#define DOMAIN_PREFIX "/local/domain/"

/* Makes an absolute path of what a client gave; one that does not start with / lies under the
 * client's own /local/domain/ID. Returns the length of that prefix with its slash (0: it was
 * absolute), or -XEN_EINVAL: not a path, or too long. */
int path_absolute(const char *given, uint16_t domid, char path[PATH_BYTES]);
/* True if `path` is `parent` or lies below it; both absolute. */
bool path_covers(const char *parent, const char *path);
/* True if `path` is one level below `parent`; then *name is its last part. */
bool path_is_child(const char *parent, const char *path, const char **name);
/* The length of the path above this one: 1 for "/a", 0 for "/". */
size_t path_parent_length(const char *path);
