/* SPDX-License-Identifier: MIT
 *
 * The administrator's commands, typed on the store's console.
 */
#pragma once

#include "store/store.h"
#include "store/text.h"

/* Carries a line out; its words are cut in place. What there is to say goes to `out`, as lines. */
void command_run(struct store *store, char *line, struct text *out);
