/* SPDX-License-Identifier: MIT
 *
 * What the decoders of grant_table_op share.
 */
#pragma once

#include <lagan/types.h>
#include "xen/hypercall.h"

/* GNTTABOP_cache_flush (hcall_grant_cache.c). */
int64_t grant_cache_flush(const struct hypercall_args *args) LAGAN_MUST_CHECK;
/* An operation on a table as a whole (hcall_grant_table.c). */
int64_t grant_table_call(unsigned cmd, guest_ptr_t arg, uint32_t count) LAGAN_MUST_CHECK;
