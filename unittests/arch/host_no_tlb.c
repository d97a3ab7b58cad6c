/* SPDX-License-Identifier: MIT
 *
 * TLBs that are always empty, for test programs in which no domain has page tables.
 */
#include <lagan/arch.h>

#include "mm/tlbclock.h"
#include "unittests/arch/host_tlb.h"

void host_tlb_reset(void)
{
}

void arch_tlb_flush(cpumask_t cpus)
{
    unsigned cpu;

    for_each_cpu (cpu, cpumask_and(cpus, arch_online_cpus()))
        tlb_clock_flush_end(cpu, tlb_clock_flush_begin());
}
