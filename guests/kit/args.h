/* SPDX-License-Identifier: MIT
 *
 * The guest's command line: words `key=value` or `key`, separated by spaces.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The whole of it. */
const char *args_line(void);
/* The number given for a key, decimal or 0x..., or `otherwise`. */
uint64_t args_number(const char *key, uint64_t otherwise);
/* True if the key has this value: role=server. */
bool args_is(const char *key, const char *value);
/* True if the word stands there. */
bool args_has(const char *word);
