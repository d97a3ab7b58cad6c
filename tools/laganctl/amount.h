/* SPDX-License-Identifier: MIT
 *
 * Amounts of memory as people write them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* "64M", "1.5G", "128" (MiB, as in xl): pages, rounded up. "max": UINT64_MAX. -EINVAL; -ERANGE: above 2^40 pages. */
int amount_parse(const char *text, uint64_t *pages);

/* Of pages, for people: "63.5M", "2G"; `exact`: bytes. */
void amount_print(char *text, size_t size, uint64_t pages, int exact);
