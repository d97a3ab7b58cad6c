/* SPDX-License-Identifier: MIT
 *
 * Placement. All decisions are made over at most MAX_CPUS CPUs by plain scans; the common case of a
 * wake-up (the last CPU is idle, and so is its core) takes none.
 */
#include "xen/sched_balance.h"

#include <lagan/assert.h>

unsigned balance_distance(const struct cpu_place *places, unsigned a, unsigned b)
{
    if (a == b)
        return 0;
    if (places[a].package != places[b].package)
        return 4;
    return places[a].core == places[b].core ? 1 : 2;
}

cpumask_t balance_core(const struct cpu_place *places, unsigned cpu, cpumask_t online)
{
    cpumask_t core = cpumask_none();
    unsigned c;

    for_each_cpu (c, online)
        if (balance_distance(places, cpu, c) <= 1)
            core = cpumask_or(core, cpumask_of(c));
    return core;
}

unsigned balance_order(const struct cpu_place *places, unsigned cpu, cpumask_t online,
                       uint8_t order[MAX_CPUS])
{
    static const unsigned rings[] = {1, 2, 4};
    unsigned count = 0;

    for (unsigned ring = 0; ring < ARRAY_SIZE(rings); ring++)
        for (unsigned step = 1; step < MAX_CPUS; step++) {
            unsigned c = (cpu + step) % MAX_CPUS;

            if (cpumask_test(online, c) && balance_distance(places, cpu, c) == rings[ring])
                order[count++] = (uint8_t)c;
        }
    return count;
}

/* vCPUs at home within `radius` of a CPU, and how many CPUs that are. */
struct crowd {
    uint64_t vcpus, cpus;
};

static struct crowd crowd_around(const struct cpu_place *places, cpumask_t online,
                                 const unsigned load[MAX_CPUS], unsigned cpu, unsigned radius)
{
    struct crowd crowd = {0, 0};
    unsigned c;

    for_each_cpu (c, online)
        if (balance_distance(places, cpu, c) <= radius) {
            crowd.vcpus += load[c];
            crowd.cpus++;
        }
    return crowd;
}

/* Negative: less crowded around a than around b; for the widest radius at which they differ. */
static int crowd_compare(const struct cpu_place *places, cpumask_t online,
                         const unsigned load[MAX_CPUS], unsigned a, unsigned b)
{
    static const unsigned radii[] = {2, 1, 0}; /* package, core, thread */

    for (unsigned i = 0; i < ARRAY_SIZE(radii); i++) {
        struct crowd ca = crowd_around(places, online, load, a, radii[i]);
        struct crowd cb = crowd_around(places, online, load, b, radii[i]);
        uint64_t left = ca.vcpus * cb.cpus, right = cb.vcpus * ca.cpus;

        if (left != right)
            return left < right ? -1 : 1;
    }
    return 0;
}

unsigned balance_first(const struct cpu_place *places, cpumask_t online, cpumask_t allowed,
                       const unsigned load[MAX_CPUS])
{
    unsigned best = cpumask_first(allowed), c;

    ASSERT(best < MAX_CPUS);
    for_each_cpu (c, allowed)
        if (crowd_compare(places, online, load, c, best) < 0)
            best = c;
    return best;
}

static bool core_idle(const struct cpu_place *places, cpumask_t online, cpumask_t idle,
                      unsigned cpu)
{
    return cpumask_empty(cpumask_without(balance_core(places, cpu, online), idle));
}

static unsigned nearest(const struct cpu_place *places, cpumask_t among, unsigned to)
{
    unsigned best = MAX_CPUS, c;

    for_each_cpu (c, among)
        if (best == MAX_CPUS ||
            balance_distance(places, to, c) < balance_distance(places, to, best))
            best = c;
    return best;
}

unsigned balance_wake(const struct cpu_place *places, cpumask_t online, cpumask_t idle,
                      cpumask_t allowed, unsigned last)
{
    cpumask_t fit = cpumask_and(idle, allowed), whole = cpumask_none();
    unsigned c;

    if (cpumask_test(fit, last) && core_idle(places, online, idle, last))
        return last;
    for_each_cpu (c, fit)
        if (core_idle(places, online, idle, c))
            whole = cpumask_or(whole, cpumask_of(c));
    if (!cpumask_empty(whole))
        return nearest(places, whole, last);
    if (!cpumask_empty(fit))
        return nearest(places, fit, last);
    return nearest(places, allowed, last);
}
