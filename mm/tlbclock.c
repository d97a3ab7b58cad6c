/* SPDX-License-Identifier: MIT
 *
 * The TLB clock.
 *
 * Time is a 64-bit counter that a CPU moves on when it begins a flush; it never wraps. Frames have
 * room for the low 32 bits only. A stamp is read back as the latest time not after now that has
 * those low bits: never earlier than the true one, so that an old stamp can only cause a flush too
 * many (INV-CLOCK-2). 0 says "never in a TLB", hence times whose low bits are 0 are skipped.
 *
 * Why the order of things gives INV-CLOCK-1:
 *
 *   CPU A, ending a use                   CPU B, flushing
 *   1 removes the mapping (locked write)   4 begun = ++clock
 *   2 stamp = clock                        5 flushes
 *   3 ...                                  6 last[B] = begun
 *
 * If begun > stamp then 4 came after 2, hence after 1, and what B reads of the tables after 5 no
 * longer has the mapping. A and B use sequentially consistent accesses; on x86 the locked writes
 * fence.
 */
#include <stdatomic.h>

#include <lagan/arch.h>
#include "arch_inline.h"
#include "mm/tlbclock.h"

static struct {
    _Atomic uint64_t now;
    _Atomic uint64_t last[MAX_CPUS]; /* begin of the last finished flush of each CPU */
} tlb_clock = {.now = 1};

uint64_t tlb_clock_flush_begin(void)
{
    return atomic_fetch_add(&tlb_clock.now, 1) + 1;
}

uint32_t tlb_clock_now(void)
{
    uint32_t t = (uint32_t)atomic_load(&tlb_clock.now);

    return likely(t) ? t : (uint32_t)tlb_clock_flush_begin();
}

/* A flush inside a flush (an interrupt's) may note the later begin first; keeping the earlier of
 * them is then merely careful. */
void tlb_clock_flush_end(unsigned cpu, uint64_t begun)
{
    atomic_store(&tlb_clock.last[cpu], begun);
}

cpumask_t tlb_stale_cpus(uint32_t stamp, cpumask_t cpus)
{
    cpumask_t stale = cpumask_none();
    uint64_t now, then;
    unsigned cpu;

    if (stamp == 0 || cpumask_empty(cpus))
        return stale;
    now = atomic_load(&tlb_clock.now);
    then = now - (uint32_t)((uint32_t)now - stamp);
    for_each_cpu (cpu, cpus)
        if (atomic_load(&tlb_clock.last[cpu]) <= then)
            stale.bits |= UINT64_C(1) << cpu;
    return stale;
}

/* ---- flushing and counting ---- */

/* Each CPU counts for itself. */
static struct counter {
    _Atomic uint64_t uses_ended, flushes, ipis, ipis_naive;
} LAGAN_ALIGNED(64) counter[MAX_CPUS][TLB_CAUSES];

static void add(_Atomic uint64_t *own, uint64_t n)
{
    uint64_t before = atomic_load_explicit(own, memory_order_relaxed);

    atomic_store_explicit(own, before + n, memory_order_relaxed);
}

void tlb_flush_stale(enum tlb_cause cause, unsigned uses, uint32_t stamp, cpumask_t cpus)
{
    struct counter *c = &counter[arch_cpu()][cause];
    cpumask_t self = cpumask_of(arch_cpu()), stale = tlb_stale_cpus(stamp, cpus);

    add(&c->uses_ended, uses);
    add(&c->ipis_naive, (uint64_t)uses * cpumask_count(cpumask_without(cpus, self)));
    if (cpumask_empty(stale))
        return;
    add(&c->flushes, 1);
    add(&c->ipis, cpumask_count(cpumask_without(stale, self)));
    arch_tlb_flush(stale);
}

struct tlb_counts tlb_counts(enum tlb_cause cause)
{
    struct tlb_counts sum = {0};

    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
        struct counter *c = &counter[cpu][cause];

        sum.uses_ended += atomic_load_explicit(&c->uses_ended, memory_order_relaxed);
        sum.flushes += atomic_load_explicit(&c->flushes, memory_order_relaxed);
        sum.ipis += atomic_load_explicit(&c->ipis, memory_order_relaxed);
        sum.ipis_naive += atomic_load_explicit(&c->ipis_naive, memory_order_relaxed);
    }
    return sum;
}

void tlb_clock_set(uint64_t now)
{
    atomic_store(&tlb_clock.now, now);
}
