/* SPDX-License-Identifier: MIT
 *
 * What of the machine's memory the control domain is told, and what it may take from the
 * machine-to-physical table.
 */
#include "xen/arch/x86/machine_map.h"

#include <lagan/assert.h>
#include <lagan/printk.h>

#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/start.h"
#include "xen/memory_map.h"

#define APIC_BASE_ADDRESS (UINT64_C(0xffffffffff) & PAGE_MASK)

/* The interrupt controllers are where no kernel should ever put anything else, whether or not the
 * firmware's map says so. */
LAGAN_INIT void machine_map_init(void)
{
    bootinfo_add_range(&boot_info, rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDRESS, PAGE_SIZE,
                       BOOT_RESERVED);
    for (unsigned i = 0; i < acpi_info.ioapic_count; i++)
        bootinfo_add_range(&boot_info, acpi_info.ioapic[i].address & PAGE_MASK, PAGE_SIZE,
                           BOOT_RESERVED);
    if (bootinfo_sanitise(&boot_info))
        log_warn("The memory map has too many pieces; dom0 sees a part of it\n");
}

bool arch_memory_piece(unsigned i, struct memory_piece *piece)
{
    const struct boot_range *r = &boot_info.map[i];

    if (i >= boot_info.map_count)
        return false;
    *piece = (struct memory_piece){r->start, r->end - r->start, r->type};
    return true;
}
