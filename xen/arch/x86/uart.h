/* SPDX-License-Identifier: MIT
 *
 * The serial ports (8250 to 16550A) as the hypervisor's console: com1 and com2.
 *
 * Output goes to every port that is configured and that console= names. arch_console_write()
 * (xen/log.h) is this module's: polled until uart_start(), afterwards through a ring that the
 * interrupt handler empties.
 */
#pragma once

#include <lagan/types.h>
#include "xen/options.h"

enum uart_port { UART_COM1, UART_COM2, UART_COUNT };

/* Programs a port and starts polled output: 0; -XEN_ENODEV if no such chip answers, or -XEN_EINVAL
 * for a setting that it does not have. Before anything else works: needs ports only. */
int uart_init(enum uart_port which, const struct option_uart *config) LAGAN_MUST_CHECK;

/* Turns to interrupts where a port has one (routed to CPU 0), else to polling for input by a timer.
 * Once, on CPU 0, after ioapic_init(), time_init() and its timers. */
void uart_start(void);

/* Interrupt handler of both ports; does its EOI. */
void uart_interrupt(void);

/* The next byte received, of any port, or -1. In SOFTIRQ_CONSOLE, which is raised when there are
 * some; by one CPU at a time. */
int uart_read(void);
