/* SPDX-License-Identifier: MIT
 *
 * As much of a machine as the log and the console need: a console that remembers, a clock that the
 * test sets, and a keyboard.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lagan/arch.h>
#include <lagan/lock.h>

#include "console_machine.h"
#include "xen/console.h"
#include "xen/log.h"
#include "xen/softirq.h"

char machine_shown[SHOWN_MAX];
unsigned machine_crash_writes;
uint64_t machine_now_ns;
_Atomic bool machine_stuck, machine_inside;
const char *machine_typed = "";

static size_t shown_length;
static _Thread_local struct lock_trace trace;

void machine_reset(void)
{
    shown_length = 0;
    machine_shown[0] = '\0';
    machine_crash_writes = 0;
    machine_typed = "";
}

/* Not locked: the log's lock has to keep two writers apart, and ThreadSanitizer says if it does
 * not. */
void arch_console_write(const char *text, size_t bytes, bool crash)
{
    while (machine_stuck && !crash) {
        machine_inside = true;
        sched_yield();
    }
    if (shown_length + bytes >= SHOWN_MAX)
        abort();
    memcpy(machine_shown + shown_length, text, bytes);
    shown_length += bytes;
    machine_shown[shown_length] = '\0';
    machine_crash_writes += crash;
}

_Atomic unsigned machine_softirqs, machine_raised;

void softirq_raise(enum softirq nr)
{
    machine_softirqs |= 1u << nr;
    machine_raised++;
}

int arch_console_read(void)
{
    return *machine_typed ? (unsigned char)*machine_typed++ : -1;
}

uint64_t arch_time_ns(void)
{
    return machine_now_ns;
}

struct lock_trace *arch_lock_trace(void)
{
    return &trace;
}

/* What the host's locks report to the model of TLB flushes: there is none here. */
void host_lock_taken(struct arch_spinlock *l)
{
    (void)l;
}

void host_lock_released(struct arch_spinlock *l)
{
    (void)l;
}

void assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s failed\n", file, line, what);
    abort();
}
