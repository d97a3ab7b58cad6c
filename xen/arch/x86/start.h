/* SPDX-License-Identifier: MIT
 *
 * The way from the boot loader to the portable hypervisor.
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/bootinfo.h"

/* Filled before xen_main(): modules, memory map, where ACPI and EFI tables are. */
extern struct boot_info boot_info;

/* The time stamp counter at boot.S's first instructions. */
extern const uint64_t boot_tsc;

/* Called by boot.S with what the loader left in EAX and EBX. */
LAGAN_NORETURN void x86_start(uint32_t magic, uint64_t info);

/* Calls fn on the stack that ends at `top` (below its struct cpu_info). */
LAGAN_NORETURN void stack_switch_call(uint64_t top, void (*fn)(void));

/* Provided by xen/main.c: all CPUs run, interrupts are on. */
LAGAN_NORETURN void xen_main(void);
