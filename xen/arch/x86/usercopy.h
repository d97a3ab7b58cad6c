/* SPDX-License-Identifier: MIT
 *
 * The raw copies behind xen/guest_access.h: for ranges already known to be the guest's.
 */
#pragma once

#include <lagan/types.h>

/* Bytes NOT copied or cleared: 0 when all went well. */
size_t usercopy(void *dst, const void *src, size_t bytes);
size_t userclear(void *dst, size_t bytes);
