/* SPDX-License-Identifier: MIT
 *
 * Decoder of the host operation that is not the control domain's, but the store server's.
 */
#pragma once

#include <lagan/types.h>

/* LAGAN_HOST_OP_store_next; `where` is the guest's argument. 0, -XEN_EPERM (the caller does not
 * serve the store), -XEN_ENOENT (no more domains), -XEN_EFAULT. */
int64_t host_op_store_next(guest_ptr_t where);
/* LAGAN_HOST_OP_store_follow. 0, -XEN_EPERM, -XEN_ENOENT, -XEN_EFAULT. */
int64_t host_op_store_follow(guest_ptr_t where);
