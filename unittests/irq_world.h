/* SPDX-License-Identifier: MIT
 *
 * Interrupt controllers and PCI functions for the tests of device interrupts: what the files
 * ioapic.c, apic.c, pci_config.c and device_page.c offer, on a model of the chips.
 *
 * A pin's line is high as long as a device holds it. An unmasked level pin sends when its line is high
 * and it does not wait for an EOI; an unmasked edge pin when its line rises. A local APIC has for each
 * vector a request and an in-service bit; it interrupts when the highest request is of a higher class
 * than the highest in service, and an EOI retires the highest in service. Interrupts are delivered
 * to the CPU that the test is, where it says that they are on: at world_settle(), when a softirq
 * turns them on again, and (they are on) in the middle of any access to a controller.
 */
#pragma once

#include <stdint.h>

#include <CUnit/CUnit.h>

#include "unittests/arch/host.h"
#include "unittests/arch/host_domain.h"
#include "xen/arch/x86/pirq.h"

#define WORLD_GSIS  24
#define WORLD_CPUS  3
#define WORLD_VCPUS 2
#define KEPT_GSI    4 /* the hypervisor's */

/* A new machine: domain 0 is the control domain, 1 is another. */
extern struct domain *control, *other;
void irq_world(void);
/* Ends it: nothing may be in service, mapped, or lost. */
void irq_world_end(void);

/* A device holds the line of a pin, or lets it go. */
void world_line(unsigned gsi, bool high);
/* The function sends its message `index`, by what its registers say. False: they do not let it. */
bool world_send(struct pci_function f, unsigned index);
/* Lets CPU `cpu` take what is on its way to it, and run its softirqs until none is left. */
void world_settle(unsigned cpu);
void world_settle_all(void);
/* Lets this CPU take interrupts, and run no softirq. */
void world_take_interrupts(void);
/* How many interrupts a CPU has in service. */
unsigned world_in_service(unsigned cpu);
bool world_masked(unsigned gsi);
/* Called at each access to the IO-APIC, before interrupts come; NULL: nothing. */
extern void (*world_on_access)(void);
/* Interrupts that a CPU has taken. */
unsigned world_taken(unsigned cpu);

/* ---- PCI: three functions ---- */
#define WORLD_FUNCTIONS 4
/* 0: MSI, 32 bits wide, one message, no mask; 1: MSI, wide, eight messages, maskable; 2: MSI-X with
 * 16 entries; 3: has no capability. */
struct pci_function world_function(unsigned n);
uint8_t *world_config(unsigned n);
/* Function 2's table, and the address that its memory has. */
uint32_t *world_table(void);
#define WORLD_TABLE_ADDRESS 0xfe000000

/* Configuration space is also here in memory; what was written to devices' memory past messages. */
#define WORLD_CONFIG_ADDRESS 0xb0000000
struct world_write {
    uint64_t phys, value;
    unsigned bytes, count;
};
extern struct world_write world_written;

/* Time goes on; the timer, if it is due. */
void world_pass(uint64_t ns);

/* The port's pending bit, which is taken. */
bool world_take(struct domain *d, int port);
