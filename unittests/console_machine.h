/* SPDX-License-Identifier: MIT
 *
 * What the log's and the console's tests see of the machine: everything written, and how.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHOWN_MAX (1 << 20)

/* What arch_console_write() got since machine_reset(), terminated. */
extern char machine_shown[SHOWN_MAX];
extern unsigned machine_crash_writes;
extern uint64_t machine_now_ns;
/* While set, a write that is not a crash write does not return; machine_inside says that one is in
 * there. */
extern _Atomic bool machine_stuck, machine_inside;
/* Characters that arch_console_read() is still to deliver. */
extern const char *machine_typed;

/* Softirqs that were asked for and have not run; how often one was. */
extern _Atomic unsigned machine_softirqs, machine_raised;

void machine_reset(void);
