/* SPDX-License-Identifier: MIT
 *
 * The only way to read or write the current guest's memory by its own virtual addresses. Each copy
 * checks that the range stays out of the hypervisor's part of the address space, and survives
 * faults. What was copied in is then checked in the hypervisor's copy: nothing is fetched twice.
 */
#pragma once

#include <lagan/types.h>

/* 0, or -XEN_EFAULT if any byte of the range cannot be read or written; on a fault in the middle
 * the bytes before it have been copied. The caller runs in the context of the vCPU whose memory is
 * meant. */
int copy_from_guest(void *dst, guest_ptr_t src, size_t bytes) LAGAN_MUST_CHECK;
int copy_to_guest(guest_ptr_t dst, const void *src, size_t bytes) LAGAN_MUST_CHECK;
/* Writes zeroes. */
int clear_guest(guest_ptr_t dst, size_t bytes) LAGAN_MUST_CHECK;
/* True if all of [va, va + bytes) is canonical and outside of the hypervisor's part, and does not
 * wrap. */
bool guest_range_ok(guest_ptr_t p, uint64_t bytes);

static inline guest_ptr_t guest_ptr_add(guest_ptr_t p, uint64_t bytes)
{
    return guest_ptr(p.va + bytes);
}
