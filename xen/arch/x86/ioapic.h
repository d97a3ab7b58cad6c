/* SPDX-License-Identifier: MIT
 *
 * The IO-APICs: which device interrupt goes to which CPU as which vector. A global system interrupt
 * (GSI) numbers the pins of all IO-APICs through.
 *
 * Everything is masked until it is routed. All functions take LK_IRQ: not for interrupt handlers.
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/acpi.h"

/* Finds the IO-APICs of acpi_info and masks every pin. Boot CPU, after apic_init(). */
void ioapic_init(void);
/* One more than the highest GSI. */
unsigned ioapic_gsi_count(void);

/* Routes a GSI to a CPU as an edge or level, high or low active interrupt, and leaves it masked. 0,
 * or -XEN_ENODEV without such a pin, -XEN_EINVAL for a vector below 0x30 or a CPU that the IO-APIC
 * cannot address. */
int ioapic_route(unsigned gsi, uint8_t vector, bool level, bool low, unsigned cpu) LAGAN_MUST_CHECK;

/* Nothing happens for a GSI that does not exist. */
void ioapic_mask(unsigned gsi);
void ioapic_unmask(unsigned gsi);

/* Clears the pin's record that its level interrupt is being served, for when the local APIC's EOI
 * did not (it was lost, or is suppressed). Harmless on an edge interrupt. */
void ioapic_eoi(unsigned gsi);

/* What register `reg` (0..255, by its index) of the IO-APIC at this address holds: 0 or -XEN_EINVAL. */
int ioapic_peek(uint64_t address, uint32_t reg, uint32_t *value) LAGAN_MUST_CHECK;

/* Where an ISA interrupt (0..15) arrives and of what kind it is, the firmware's overrides applied.
 */
struct acpi_isa_irq ioapic_isa(unsigned irq);
