/* SPDX-License-Identifier: MIT
 *
 * The end of the machine, with as good an explanation as can be had. arch_panic() (lagan/arch.h)
 * and assert_failed() (lagan/assert.h) are here too.
 *
 * The CPU that comes first stops the others and prints: why, its registers, the locks it holds, and
 * the names of the functions it is in. Then the machine restarts, or stops if `noreboot` was given,
 * or leaves QEMU with a status of its own if `qemu-exit` was.
 */
#pragma once

#include <lagan/types.h>

struct cpu_user_regs;

/* An exception that must not have happened. cr2: the address of a page fault. */
LAGAN_NORETURN void crash_trap(const struct cpu_user_regs *regs, uint64_t cr2);
/* A line of the dump, printed without locks: the first one stops the other CPUs. Goes before
 * crash_trap(). */
void crash_note(const char *fmt, ...) LAGAN_PRINTF(1, 2);
/* From the NMI handler: does not return if another CPU is crashing. */
void crash_stop_if_asked(const struct cpu_user_regs *regs);
/* Before there is a console: the text to wherever somebody may see it, and stop. */
LAGAN_NORETURN void crash_early(const char *text);

/* Registers and backtrace of one frame, as an ordinary log message: debug keys, the watchdog. */
void crash_show_state(const struct cpu_user_regs *regs);
