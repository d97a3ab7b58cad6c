/* SPDX-License-Identifier: MIT
 *
 * Interrupt vectors of the hypervisor and who handles them.
 *
 * A handler runs with interrupts off, takes no lock, and does nothing long: it leaves a note for a
 * softirq.
 */
#pragma once

#include <lagan/types.h>

#define VECTOR_FIRST 0x20 /* below are the CPU's exceptions */
#define VECTOR_UART  0x30
/* 0x40 to 0xef: devices of the control domain (vectors.h) */
#define VECTOR_TIMER       0xf0
#define VECTOR_EVENT_CHECK 0xf1 /* another CPU raised a softirq here */
#define VECTOR_FLUSH       0xf2 /* another CPU asks for a TLB flush */
#define VECTOR_ERROR       0xfe
#define VECTOR_SPURIOUS    0xff

/* Whoever owns the vector from now on; replaces an earlier one. Boot only. */
void interrupt_set_handler(unsigned vector, void (*handler)(void));
/* Runs the handler. A handler acknowledges (apic_eoi()) by itself; a vector without one is
 * acknowledged and counted. */
void interrupt(unsigned vector);
/* Interrupts that nobody wanted, since boot. */
unsigned long interrupt_strays(void);
