/* SPDX-License-Identifier: MIT
 *
 * Exceptions and interrupts that hit the hypervisor itself; called by trap_stubs.S, interrupts off.
 * The registers end with ss: es and what follows are not there.
 */
#pragma once

#include <lagan/types.h>

struct cpu_user_regs;

void hv_trap(struct cpu_user_regs *regs);
void hv_interrupt(struct cpu_user_regs *regs);
/* NMI, #MC and #DF, whoever was interrupted. */
void hv_trap_small_stack(struct cpu_user_regs *regs);

/* If the instruction at regs->rip may fault (extable.h): continues at its fix-up, and true. */
bool trap_fixup(struct cpu_user_regs *regs);

/* "page fault" and the like; "interrupt" for those that are none. */
const char *trap_name(unsigned vector);
