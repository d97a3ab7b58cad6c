/* SPDX-License-Identifier: MIT
 *
 * Pending bits and their dispatch.
 *
 * INV-SOFTIRQ-1: a bit that is set is seen by its CPU before that CPU enters a guest or halts. The
 * CPU tests the word with interrupts off as its last step; whoever sets a bit from outside sends an
 * IPI after it, unless the bit was set already (then the one who set it has sent one, and the CPU
 * has not yet cleared the bit, thus has not yet looked).
 */
#include "xen/softirq.h"

#include <lagan/assert.h>
#include <stdatomic.h>
#include "arch_inline.h"
#include "xen/sched.h"
#include "xen/stop.h"
#include "xen/timer.h"

static uint32_t bit(enum softirq nr)
{
    return UINT32_C(1) << nr;
}

void softirq_raise(enum softirq nr)
{
    atomic_fetch_or(arch_own_softirqs(), bit(nr));
}

void softirq_raise_on(unsigned cpu, enum softirq nr)
{
    uint32_t before = atomic_fetch_or(arch_softirq_word(cpu), bit(nr));

    if (!(before & bit(nr)) && cpu != arch_cpu())
        arch_poke_cpu(cpu);
}

void softirq_raise_mask(cpumask_t cpus, enum softirq nr)
{
    unsigned cpu;

    for_each_cpu (cpu, cpus)
        softirq_raise_on(cpu, nr);
}

static void dispatch(enum softirq nr)
{
    switch (nr) {
    case SOFTIRQ_PIRQ:
        pirq_softirq();
        break;
    case SOFTIRQ_TIMER:
        timer_softirq();
        break;
    case SOFTIRQ_SCHEDULE:
        sched_softirq();
        break;
    case SOFTIRQ_CONSOLE:
        console_softirq();
        break;
    case SOFTIRQ_TIME:
        time_softirq();
        break;
    case SOFTIRQ_LOG:
        log_softirq();
        break;
    case SOFTIRQ_STOP:
        stop_softirq();
        break;
    case SOFTIRQ_COUNT:
        BUG();
    }
}

void softirq_run(void)
{
    _Atomic uint32_t *word = arch_own_softirqs();
    uint32_t pending, first;

    while ((pending = atomic_load(word)) != 0) {
        ASSERT(pending < bit(SOFTIRQ_COUNT));
        first = pending & ~bit(SOFTIRQ_SCHEDULE);
        first = first ? first & -first : bit(SOFTIRQ_SCHEDULE);
        /* Cleared before the work is done: what is raised from here on is done once more. */
        atomic_fetch_and(word, ~first);
        dispatch((enum softirq)__builtin_ctz(first));
    }
}
