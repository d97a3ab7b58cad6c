/* SPDX-License-Identifier: MIT
 *
 * Starting the other CPUs. Which run is arch_online_cpus() (lagan/arch.h).
 */
#pragma once

#include <lagan/types.h>

/* Finds a page for the trampoline in the (sane) memory map. Before hvmap_init(). */
struct boot_info;
void smp_choose_trampoline(const struct boot_info *bi);
/* Starts every CPU that ACPI lists, one after the other, up to maxcpus=. One that does not come up
 * is named and left out. Each ends in ap_main(). Boot CPU, with time and the local APIC working. */
void smp_start_others(void);

/* Provided by the core: what a started CPU does, online, with interrupts on. */
LAGAN_NORETURN void ap_main(void);
