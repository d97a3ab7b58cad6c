/* SPDX-License-Identifier: MIT
 *
 * Which machine frames that are not RAM a domain with devices may map, and the memory-system facts
 * that page-table checks depend on (lagan/arch.h).
 *
 * Kept back are the interrupt controllers, which the hypervisor drives itself: whoever writes there
 * sends interrupts of any kind to any CPU. The whole range of interrupt messages counts, not only
 * the page with the local APIC's registers. A mapping of an IO-APIC is made read-only, whatever was
 * asked for (as Xen does; control domains map them, and do not write). So is one of memory in which PCI
 * functions keep their messages; what is written there is acted out (io_guard.c).
 *
 * L1TF: Intel processors of family 6 before the fix read through a not-present entry as if it were
 * present, out of the first-level cache. A processor says that it does not (RDCL_NO); one that
 * cannot say so is taken to do it.
 */
#include "xen/arch/x86/iomem.h"

#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/feature.h"
#include "xen/arch/x86/io_guard.h"
#include "xen/arch/x86/msr.h"
#include "arch_inline.h"

#define MESSAGES_FIRST 0xfee00 /* frames of interrupt messages and local APIC registers */
#define MESSAGES_LAST  0xfeeff

#define CACHE_LINE 64 /* the smallest that x86-64 processors have */

enum io_access iomem_access(mfn_t m)
{
    if (m.n >> (arch_phys_bits() - PAGE_SHIFT) || (m.n >= MESSAGES_FIRST && m.n <= MESSAGES_LAST))
        return IO_NONE;
    for (unsigned i = 0; i < acpi_info.ioapic_count; i++)
        if (m.n == acpi_info.ioapic[i].address >> PAGE_SHIFT)
            return IO_READ_ONLY;
    return IO_ALL;
}

enum io_access arch_io_access(mfn_t m)
{
    enum io_access access = iomem_access(m);

    return access == IO_ALL && io_guard_covers(m) ? IO_READ_ONLY : access;
}

void arch_cache_flush_frame(mfn_t m)
{
    char *page = arch_map_frame(m);

    __asm__ volatile("mfence" : : : "memory");
    for (unsigned i = 0; i < PAGE_SIZE; i += CACHE_LINE)
        __asm__ volatile("clflush %0" : "+m"(page[i]));
    __asm__ volatile("mfence" : : : "memory");
}

void arch_cache_flush(void)
{
    __asm__ volatile("wbinvd" : : : "memory");
}

static bool has_l1tf(void)
{
    struct cpuid_regs vendor = cpuid(0, 0);
    uint32_t family = cpuid(1, 0).a >> 8 & 0xf;

    /* "GenuineIntel" */
    if (vendor.b != 0x756e6547 || vendor.d != 0x49656e69 || vendor.c != 0x6c65746e || family != 6)
        return false;
    return !cpu_says_rdcl_no();
}

uint64_t arch_l1tf_limit(void)
{
    static enum { UNKNOWN, SAFE, LEAKY } state;

    if (unlikely(state == UNKNOWN))
        state = has_l1tf() ? LEAKY : SAFE;
    return state == LEAKY ? arch_max_mfn() << PAGE_SHIFT : 0;
}
