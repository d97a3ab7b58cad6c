/* SPDX-License-Identifier: MIT
 *
 * Requests in the administrator's name, as function calls; absolute paths only.
 */
#pragma once

#include "store/store.h"
#include "store/text.h"

/* The value, or the children's names, go to `out`. 0 or a -XEN_E*. */
int admin_read(struct store *store, const char *path, struct text *out);
int admin_list(struct store *store, const char *path, struct text *out);
/* The permissions as "n0\0r5\0". */
int admin_get_perms(struct store *store, const char *path, struct text *out);
int admin_write(struct store *store, const char *path, const char *value);
int admin_mkdir(struct store *store, const char *path);
int admin_remove(struct store *store, const char *path);
/* `count` bytes of entries, each with its terminator. */
int admin_set_perms(struct store *store, const char *path, const char *entries, size_t count);
