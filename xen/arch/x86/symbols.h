/* SPDX-License-Identifier: MIT
 *
 * Names of the hypervisor's functions, for crash dumps. The table is made from the linked image by
 * tools/make-symbols.
 */
#pragma once

#include <lagan/types.h>

/* The function that contains the address and how far in it lies; NULL if the address is not code.
 */
const char *symbol_find(uint64_t address, uint64_t *offset);
/* The n-th of them by address; NULL: there are not so many. */
const char *symbol_at(uint32_t n, uint64_t *address);
