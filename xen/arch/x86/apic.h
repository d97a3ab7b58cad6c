/* SPDX-License-Identifier: MIT
 *
 * The local APIC of each CPU: interrupts between CPUs, the CPU's timer, end of interrupt.
 */
#pragma once

#include <lagan/cpumask.h>

/* On the boot CPU after acpi_init() and once device pages can be mapped: chooses the mode, maps the
 * registers, silences the 8259s, and does apic_cpu_init() for this CPU. */
void apic_init(void);
/* On each CPU, interrupts off: enables its APIC in the mode chosen, timer stopped, and makes the
 * CPU known as a target of the functions below. */
void apic_cpu_init(void);
/* On the boot CPU after time_init(): measures the timer's frequency. Stops the machine if it stands
 * still. */
void apic_timer_init(void);

/* This CPU's id. Works before apic_init(). */
uint32_t apic_id(void);
/* Id of a CPU that has done apic_cpu_init(). */
uint32_t apic_id_of(unsigned cpu);
/* An id up to 254, which a message can name, that no CPU has. With 255 CPUs it is that of the last. */
uint32_t apic_unused_id(void);
bool apic_is_x2(void);

/* Interrupts to CPUs. Callable from interrupt handlers. All stores made before are visible to the
 * target when the interrupt arrives. The sender may be among the targets. */
void apic_send_ipi(unsigned cpu, uint8_t vector);
void apic_send_ipi_mask(cpumask_t cpus, uint8_t vector);
void apic_send_nmi(unsigned cpu);
void apic_send_init(uint32_t apic_id);
void apic_send_startup(uint32_t apic_id, uint8_t page); /* real-mode start at page << 12 */

void apic_eoi(void);

/* Makes the performance counters' overflow an NMI, once (the CPU masks it as it is delivered). */
void apic_arm_perf_nmi(void);

/* ---- interrupt handlers; each does its own EOI where one is due ---- */
void apic_timer_interrupt(void); /* VECTOR_TIMER: wants SOFTIRQ_TIMER */
void apic_error_interrupt(void); /* VECTOR_ERROR: notes the errors, wants SOFTIRQ_TIME */
void apic_spurious_interrupt(void);

/* In a softirq: prints the errors noted on this CPU since last time. */
void apic_report_errors(void);
