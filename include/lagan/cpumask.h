/* SPDX-License-Identifier: MIT
 *
 * A set of physical CPUs.
 */
#pragma once

#include <lagan/types.h>

#define MAX_CPUS 64

typedef struct {
    uint64_t bits;
} cpumask_t;

STATIC_ASSERT(MAX_CPUS <= 64);

static inline cpumask_t cpumask_none(void)
{
    return (cpumask_t){0};
}

static inline cpumask_t cpumask_all(void)
{
    return (cpumask_t){UINT64_MAX};
}

static inline cpumask_t cpumask_of(unsigned cpu)
{
    return (cpumask_t){UINT64_C(1) << cpu};
}

static inline bool cpumask_test(cpumask_t m, unsigned cpu)
{
    return (m.bits >> cpu) & 1;
}

static inline bool cpumask_empty(cpumask_t m)
{
    return m.bits == 0;
}

static inline cpumask_t cpumask_and(cpumask_t a, cpumask_t b)
{
    return (cpumask_t){a.bits & b.bits};
}

static inline cpumask_t cpumask_or(cpumask_t a, cpumask_t b)
{
    return (cpumask_t){a.bits | b.bits};
}

static inline cpumask_t cpumask_without(cpumask_t a, cpumask_t b)
{
    return (cpumask_t){a.bits & ~b.bits};
}

static inline unsigned cpumask_count(cpumask_t m)
{
    unsigned count = 0;

    for (uint64_t rest = m.bits; rest; rest &= rest - 1)
        count++;
    return count;
}

/* The lowest CPU of the set at or above `from`, or MAX_CPUS when there is none. */
static inline unsigned cpumask_next(cpumask_t m, unsigned from)
{
    uint64_t rest = from < MAX_CPUS ? m.bits >> from << from : 0;

    return rest ? (unsigned)__builtin_ctzll(rest) : MAX_CPUS;
}

static inline unsigned cpumask_first(cpumask_t m)
{
    return cpumask_next(m, 0);
}

#define for_each_cpu(cpu, mask) \
    for ((cpu) = cpumask_first(mask); (cpu) < MAX_CPUS; (cpu) = cpumask_next(mask, (cpu) + 1))
