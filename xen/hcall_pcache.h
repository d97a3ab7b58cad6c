/* SPDX-License-Identifier: MIT
 *
 * Private to the files of pcache_op (hcall_pcache*.c).
 */
#pragma once

#include "xen/guest_access.h"

/* The control domain's commands: `count` is the call's third argument. */
int64_t pcache_control(unsigned command, guest_ptr_t arg, unsigned count);
