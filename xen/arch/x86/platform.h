/* SPDX-License-Identifier: MIT
 *
 * What the control domain is told of the machine, as plain values.
 */
#pragma once

#include <lagan/types.h>

/* Of a CPU that is online. The ACPI id is UINT32_MAX if no table names it. */
uint32_t platform_apic_id(unsigned cpu);
uint32_t platform_acpi_id(unsigned cpu);
/* Of all CPUs: they are taken to be alike. */
void platform_cpu_version(char vendor[12], uint32_t *family, uint32_t *model, uint32_t *stepping);
/* What machine-check registers this CPU has: MCG_CAP; 0: none. */
uint64_t platform_mcg_cap(void);
/* The n-th function of the hypervisor, by address; NULL: there are not so many. */
const char *platform_symbol(uint32_t n, uint64_t *address);
/* When the machine is switched off, these go to the control registers PM1a and PM1b. */
void platform_power_off_by(uint16_t pm1a, uint16_t pm1b);
