/* SPDX-License-Identifier: MIT
 *
 * Access to the current guest's memory by its own addresses (xen/guest_access.h).
 *
 * While a vCPU runs, its page tables are loaded, so its addresses can be used as they are once they
 * are known to lie outside the hypervisor's slots. A speculated access past that check is stopped
 * by making the address depend on it (the mask below is all ones exactly for acceptable ranges).
 */
#include "xen/guest_access.h"

#include "xen/arch/x86/layout.h"
#include "xen/arch/x86/usercopy.h"

bool guest_range_ok(guest_ptr_t p, uint64_t bytes)
{
    uint64_t end;

    if (add_overflows(p.va, bytes, &end))
        return false;
    return end <= VA_HV_START || p.va >= VA_HV_END;
}

/* The address itself when the range is the guest's, else 0: a value the processor cannot guess
 * past. */
static uint64_t checked_address(guest_ptr_t p, uint64_t bytes)
{
    uint64_t mask = guest_range_ok(p, bytes) ? UINT64_MAX : 0;

    __asm__ volatile("" : "+r"(mask));
    return p.va & mask;
}

int copy_from_guest(void *dst, guest_ptr_t src, size_t bytes)
{
    if (!guest_range_ok(src, bytes))
        return -XEN_EFAULT;
    return usercopy(dst, (const void *)checked_address(src, bytes), bytes) ? -XEN_EFAULT : 0;
}

int copy_to_guest(guest_ptr_t dst, const void *src, size_t bytes)
{
    if (!guest_range_ok(dst, bytes))
        return -XEN_EFAULT;
    return usercopy((void *)checked_address(dst, bytes), src, bytes) ? -XEN_EFAULT : 0;
}

int clear_guest(guest_ptr_t dst, size_t bytes)
{
    if (!guest_range_ok(dst, bytes))
        return -XEN_EFAULT;
    return userclear((void *)checked_address(dst, bytes), bytes) ? -XEN_EFAULT : 0;
}
