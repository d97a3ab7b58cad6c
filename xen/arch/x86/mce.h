/* SPDX-License-Identifier: MIT
 *
 * Machine checks: faults of the hardware that it reports itself.
 */
#pragma once

struct cpu_user_regs;

/* On each CPU: clears what old faults have left and turns all banks on. Nothing on a CPU without
 * them. */
void mce_cpu_init(void);
/* #MC, on its own stack. Returns if the CPU can go on where it was; otherwise the machine stops. */
void mce_handle(struct cpu_user_regs *regs);
