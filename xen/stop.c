/* SPDX-License-Identifier: MIT
 *
 * Stopping the world.
 *
 * CPUs are stopped in a softirq: there they hold no lock, and a hypercall that was on its way has
 * either ended or left all it knows in objects (no vCPU has a stack in the hypervisor). They wait with
 * interrupts on, so they still answer TLB flushes.
 *
 * Rounds are numbered: odd while the world is stopped. A CPU says in which round it has come, so one
 * that is late to leave a round, or late to come to it, is never taken for having come to the next:
 *
 *     who stops                                another CPU
 *     round = 5                                SOFTIRQ_STOP: r = round
 *     SOFTIRQ_STOP to all                      came[cpu] = r
 *     waits until came[all] == 5               waits while round == r
 *     ...
 *     round = 6                                leaves
 *
 * A CPU may wait, in a hypercall, for one that is stopped already, or for the very one that stops. So
 * the wait is given up after a while.
 *
 * INV-STOP-1: while stop_begin() has said yes and stop_end() was not called, no other CPU that was
 * online then is anywhere but in the loop of stop_softirq(), or in an interrupt handler there.
 */
#include "xen/stop.h"

#include <lagan/arch.h>
#include <stdatomic.h>

#include "xen/softirq.h"

#define PATIENCE_NS UINT64_C(20000000)

static struct {
    _Atomic uint32_t round;
    _Atomic uint32_t came[MAX_CPUS]; /* the last round to which the CPU has come */
} stop;

static bool all_came(cpumask_t cpus, uint32_t round)
{
    unsigned cpu;

    for_each_cpu (cpu, cpus)
        if (atomic_load(&stop.came[cpu]) != round)
            return false;
    return true;
}

bool stop_begin(void)
{
    cpumask_t others = cpumask_without(arch_online_cpus(), cpumask_of(arch_cpu()));
    uint64_t end = arch_time_ns() + PATIENCE_NS;
    uint32_t round = atomic_load(&stop.round);

    if (round % 2 != 0 || !atomic_compare_exchange_strong(&stop.round, &round, round + 1))
        return false;
    softirq_raise_mask(others, SOFTIRQ_STOP);
    while (!all_came(others, round + 1)) {
        if (arch_time_ns() > end) {
            stop_end();
            return false;
        }
        arch_relax();
    }
    return true;
}

void stop_end(void)
{
    atomic_fetch_add(&stop.round, 1);
}

void stop_softirq(void)
{
    uint32_t round = atomic_load(&stop.round);

    if (round % 2 == 0)
        return; /* it is over already */
    atomic_store(&stop.came[arch_cpu()], round);
    while (atomic_load(&stop.round) == round)
        arch_relax();
}
