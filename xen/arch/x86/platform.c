/* SPDX-License-Identifier: MIT */
#include "xen/arch/x86/platform.h"

#include <lagan/string.h>

#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/power.h"
#include "xen/arch/x86/symbols.h"

#define CPUID_MCA (1u << 14)

uint32_t platform_apic_id(unsigned cpu)
{
    return apic_id_of(cpu);
}

uint32_t platform_acpi_id(unsigned cpu)
{
    for (unsigned i = 0; i < acpi_info.cpu_count; i++)
        if (acpi_info.cpu[i].apic_id == apic_id_of(cpu))
            return acpi_info.cpu[i].acpi_id;
    return UINT32_MAX;
}

/* The extended parts count for some families only (the processor manuals, CPUID leaf 1). */
void platform_cpu_version(char vendor[12], uint32_t *family, uint32_t *model, uint32_t *stepping)
{
    struct cpuid_regs name = cpuid(0, 0), version = cpuid(1, 0);

    memcpy(vendor, &name.b, 4);
    memcpy(vendor + 4, &name.d, 4);
    memcpy(vendor + 8, &name.c, 4);
    *family = version.a >> 8 & 0xf;
    *model = version.a >> 4 & 0xf;
    *stepping = version.a & 0xf;
    if (*family == 6 || *family == 15)
        *model |= (version.a >> 16 & 0xf) << 4;
    if (*family == 15)
        *family += version.a >> 20 & 0xff;
}

uint64_t platform_mcg_cap(void)
{
    return cpuid(1, 0).d & CPUID_MCA ? rdmsr(MSR_MCG_CAP) : 0;
}

const char *platform_symbol(uint32_t n, uint64_t *address)
{
    return symbol_at(n, address);
}

void platform_power_off_by(uint16_t pm1a, uint16_t pm1b)
{
    machine_set_sleep_values(pm1a, pm1b);
}
