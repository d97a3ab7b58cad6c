/* SPDX-License-Identifier: MIT
 *
 * Stands in for libxenstore: a store of this process, without watches.
 */
#pragma once

#include <stdbool.h>

/* An empty store, in which nobody may write but at most `writes` times (-1: as often as one likes). */
void fake_xs_begin(int writes);
void fake_xs_put(const char *path, const char *text);
/* NULL: there is no such node. */
const char *fake_xs_get(const char *path);
void fake_xs_remove(const char *path);
unsigned fake_xs_watches(void);
