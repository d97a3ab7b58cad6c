/* SPDX-License-Identifier: MIT
 *
 * How long a call that walks whole address spaces holds the CPU: a timer goes off at many points of
 * it, and the call must stop for it. The handler's system time, less the deadline, is what the event
 * had to wait; under -icount shift=0 a nanosecond is an instruction.
 *
 *   bound=NS   more than this fails (default: it is only printed)
 */
#include "mmubench/mmubench.h"

#define POINTS 101U

static uint64_t longest;

static void note_wait(uint64_t deadline)
{
    uint64_t at = time_last_tick(0);

    if (at > deadline && at - deadline > longest) {
        longest = at - deadline;
    }
}

/* The call, with an event at `part` of POINTS of the time that it takes. */
static long call_at(long (*call)(void), uint64_t takes, unsigned part)
{
    uint64_t deadline = time_now() + takes * part / POINTS, ticks = time_ticks(0);
    long rc;

    (void)timer_singleshot(deadline, 0);
    rc = call();
    if (wait_for(time_tick_counter(0), ticks + 1, 100 * MS)) {
        note_wait(deadline);
    }
    return rc;
}

static void report(const char *name, long rc)
{
    uint64_t bound = args_number("bound", 0);

    kit_printf("BENCH %s %lu\n", name, longest);
    check_true(name, rc == 0 && (bound == 0 || longest <= bound), "%ld, %lu ns", rc, longest);
    longest = 0;
}

/* Of two calls that undo one another. */
void hold_measure(const char *name, long (*call)(void), const char *undo_name, long (*undo)(void))
{
    uint64_t start = time_now(), takes, undo_takes;
    long rc = call(), undo_rc;

    takes = time_now() - start;
    start = time_now();
    undo_rc = undo();
    undo_takes = time_now() - start;
    for (unsigned part = 1; part < POINTS; part += 3) {
        rc = call_at(call, takes, part) != 0 ? -1 : rc;
        undo_rc = undo() != 0 ? -1 : undo_rc;
    }
    report(name, rc);
    for (unsigned part = 1; part < POINTS; part += 3) {
        undo_rc = call() != 0 ? -1 : undo_rc;
        undo_rc = call_at(undo, undo_takes, part) != 0 ? -1 : undo_rc;
    }
    report(undo_name, undo_rc);
}
