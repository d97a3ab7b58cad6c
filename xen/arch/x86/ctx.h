/* SPDX-License-Identifier: MIT
 *
 * See ctx.c; arch_context_switch() is declared in xen/sched.h.
 */
#pragma once

#include <lagan/types.h>

/* What a CPU does with nothing to run: softirqs, then sleep until an interrupt. */
LAGAN_NORETURN void idle_loop(void);
