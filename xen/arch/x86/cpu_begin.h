/* SPDX-License-Identifier: MIT
 *
 * The last of a CPU's preparations.
 */
#pragma once

/* On each CPU, the boot CPU included, once memory, exceptions, its interrupt controller and the
 * clock work: system call entry, FPU, timers, run queue. Then it may idle and run vCPUs. */
void cpu_begin(void);
