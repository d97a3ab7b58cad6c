/* SPDX-License-Identifier: MIT
 *
 * Debug keys that put the machine into a bad state on purpose, so that what finds such states out
 * can be tested on a whole machine. Debug builds only.
 */
#pragma once

/* The last CPU runs with interrupts off for some seconds longer than the watchdog waits. The boot
 * CPU does if it is alone. */
void stuck_cpu(void);
