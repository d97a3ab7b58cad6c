/* SPDX-License-Identifier: MIT
 *
 * Grants: the domain's own table, entries in it, and the operations, one of each; longer lists go
 * through hv_grant().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/grant_table.h>

#include "kit/hypercall.h"

#define GRANT_FRAMES_MAX 4U

/* Sets up and maps a table of version 1 of so many frames. 0, or what went wrong. */
long grant_begin(unsigned frames);
/* The entries, once the table is mapped. */
volatile grant_entry_v1_t *grant_v1(grant_ref_t ref);
volatile union grant_entry_v2 *grant_v2(grant_ref_t ref);
/* Maps the status frame as well, once the version is 2. */
long grant_map_status(void);
volatile grant_status_t *grant_status(grant_ref_t ref);

/* Lets a domain use the page of the image at va. */
void grant_access(grant_ref_t ref, uint16_t domain, const volatile void *va, uint16_t more_flags);
/* Takes it back; false while it is in use. */
bool grant_end(grant_ref_t ref);

/* This domain's number. */
uint16_t own_domain(void);

static inline long hv_grant(unsigned int cmd, void *list, unsigned int count)
{
    return hypercall3(__HYPERVISOR_grant_table_op, cmd, ptr_arg(list), count);
}

/* Maps at va, a page of the image, whose own mapping goes; the status. */
int grant_map(uint16_t domain, grant_ref_t ref, void *va, uint32_t flags, grant_handle_t *handle);
int grant_unmap(grant_handle_t handle, const volatile void *va);
/* One copy; the status. */
int grant_copy(struct gnttab_copy *op);
