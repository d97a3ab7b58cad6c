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
/* A CPU that was given up was on its way: it may yet come through the first page tables. */
bool smp_has_strays(void);

/* On a started CPU, when its run queue and timers are ready, so that others may send it work: it is
 * in arch_online_cpus() from now on, and takes interrupts. */
void smp_mark_online(void);

/* Provided by the core: the rest of what a started CPU does, interrupts off; calls
 * smp_mark_online(). */
LAGAN_NORETURN void ap_main(void);
