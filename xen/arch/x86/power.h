/* SPDX-License-Identifier: MIT
 *
 * The machine's ends. All are callable in any state, by any CPU, after a crash too: no locks, no
 * printing.
 */
#pragma once

#include <lagan/types.h>

/* Switches the machine off: ACPI S5, then what QEMU's machines offer. Stops this CPU if nothing
 * works. */
LAGAN_NORETURN void machine_power_off(void);
/* What machine_power_off() writes to PM1a and PM1b, as the control domain has worked it out; without,
 * it does so by itself. */
void machine_set_sleep_values(uint16_t pm1a, uint16_t pm1b);
/* Restarts it: the FADT's register, the keyboard controller, port 0xcf9, at last a triple fault. */
LAGAN_NORETURN void machine_restart(void);
/* With the option qemu-exit: ends QEMU with the status value * 2 + 1 by its isa-debug-exit device.
 * Without the option, or without the device, returns. */
void machine_qemu_exit(uint32_t value);
/* Stops this CPU for good; an NMI or SMI does not start it again. */
LAGAN_NORETURN void machine_halt(void);
