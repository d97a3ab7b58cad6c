/* SPDX-License-Identifier: MIT
 *
 * Boot modules as volumes of the buffer cache: windows, published by the hypervisor itself. CPU 0 only, at boot;
 * bootvolume_allow() anywhere.
 */
#pragma once

#include "xen/domain.h"
#include "xen/modline.h"

struct boot_info;

/* Publishes module `index` as its line says; `above`: it is to lie behind so many pages, where no reader has
 * memory of its own. NULL, or why it cannot be. The line has to stay. */
const char *bootvolume_publish(unsigned index, const struct modline *line, uint64_t above);
/* A domain that has just been made gets its right to the volumes whose lines name it. -XEN_ENOMEM. */
int bootvolume_allow(struct domain *d) LAGAN_MUST_CHECK;
/* Boot only: no volumes. */
void bootvolume_start(void);
