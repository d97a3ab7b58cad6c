/* SPDX-License-Identifier: MIT
 *
 * The memory of boot modules: kept while a domain may yet be built from them, then given to the
 * heap. CPU 0 only, at boot and in its timers.
 */
#pragma once

#include <lagan/types.h>

struct boot_info;

#define BOOTMODULE_NONE UINT_MAX

/* The loader's modules; each has one user, the boot itself. *info has to stay. */
void bootmodule_start(const struct boot_info *info);

/* One user more of module `index`, which has one; for BOOTMODULE_NONE nothing happens. */
void bootmodule_get(unsigned index);
/* One user less. After the last one the memory is the heap's. */
void bootmodule_put(unsigned index);

/* The module's content, in the direct map; it has a user. */
const void *bootmodule_data(unsigned index, size_t *bytes);
