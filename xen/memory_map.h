/* SPDX-License-Identifier: MIT
 *
 * Maps of memory, as kernels read them at boot: the machine's for the control domain, for others
 * what the control domain set, or else one piece of RAM up to the domain's limit.
 */
#pragma once

#include <lagan/types.h>
#include "xen/domain.h"

#define MEMORY_MAP_MAX 1024 /* entries: as many as Xen takes */

/* As the firmware interface 0xe820 has it. */
struct memory_piece {
    uint64_t start, bytes;
    uint32_t type; /* 1: RAM */
} LAGAN_PACKED;
STATIC_ASSERT(sizeof(struct memory_piece) == 20);

/* What the control domain set for a domain. */
struct memory_map {
    unsigned count;
    struct memory_piece piece[];
};

/* XENMEM_memory_map, XENMEM_machine_memory_map, XENMEM_set_memory_map. */
int64_t memory_map_get(guest_ptr_t arg);
int64_t memory_map_machine(guest_ptr_t arg);
int64_t memory_map_set(guest_ptr_t arg);
/* For the last domain_put(). */
void memory_map_free(struct domain *d);

/* From the machine. Its map: piece i; false behind the last one. */
bool arch_memory_piece(unsigned i, struct memory_piece *piece);
