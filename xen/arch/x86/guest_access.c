/* SPDX-License-Identifier: MIT
 *
 * Access to the current guest's memory by its own addresses (xen/guest_access.h).
 *
 * While a vCPU runs, its page tables are loaded, so its addresses can be used as they are once they
 * are known to be canonical and to lie outside the hypervisor's slots. Non-canonical ones are not
 * left to the processor: some look up the lower 48 bits before they notice.
 *
 * The check is a branch, which a processor may guess past. So the address that is used is computed
 * from a comparison that the compiler cannot see through, without a branch: it is 0 for addresses of
 * the hypervisor's. The length needs no such care: copies go upwards, and the hole of non-canonical
 * addresses lies between the guest's lower part and ours.
 */
#include "xen/guest_access.h"

#include "xen/arch/x86/guest_words.h"
#include "xen/arch/x86/layout.h"
#include "xen/arch/x86/usercopy.h"

bool guest_range_ok(guest_ptr_t p, uint64_t bytes)
{
    uint64_t end;

    if (add_overflows(p.va, bytes, &end))
        return false;
    return end <= VA_LOW_END || p.va >= VA_HV_END;
}

/* The address itself if it is the guest's, else 0. What is the guest's is one piece if addresses are
 * counted from VA_HV_END and wrap around: its upper part, then its lower. */
static uint64_t safe_address(guest_ptr_t p)
{
    return p.va & mask_below(p.va - VA_HV_END, VA_LOW_END - VA_HV_END);
}

int copy_from_guest(void *dst, guest_ptr_t src, size_t bytes)
{
    if (!guest_range_ok(src, bytes))
        return -XEN_EFAULT;
    return usercopy(dst, (const void *)safe_address(src), bytes) ? -XEN_EFAULT : 0;
}

int copy_to_guest(guest_ptr_t dst, const void *src, size_t bytes)
{
    if (!guest_range_ok(dst, bytes))
        return -XEN_EFAULT;
    return usercopy((void *)safe_address(dst), src, bytes) ? -XEN_EFAULT : 0;
}

int clear_guest(guest_ptr_t dst, size_t bytes)
{
    if (!guest_range_ok(dst, bytes))
        return -XEN_EFAULT;
    return userclear((void *)safe_address(dst), bytes) ? -XEN_EFAULT : 0;
}
