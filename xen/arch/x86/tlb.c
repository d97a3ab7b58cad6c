/* SPDX-License-Identifier: MIT
 *
 * TLB shootdown: makes other CPUs drop translations of guests, and waits until they have.
 *
 * Each CPU has a mailbox: what to drop (`what`), how often it was asked (`asked`) and up to which
 * request it has complied (`done`). No lock is taken on either side; a CPU that waits has
 * interrupts on and so answers others: two CPUs that flush each other both go on.
 *
 *   requester                                  target
 *   changes the page table
 *   merges its wish into `what`
 *   ticket = ++asked
 *   sends the interrupt                        a = asked
 *   waits for done >= ticket                   w = take `what`
 *                                              drops w from the TLB
 *                                              done = a
 *
 * Because the wish is merged before the ticket is drawn, a target that reads a ticket finds the
 * wish in `what`, unless an earlier round has taken it, which then has also carried it out before
 * this one is done.
 *
 * INV-TLB-1: done == n implies that every wish merged before the n-th ticket was drawn has been
 * carried out.
 *
 * All of a guest's translations are dropped by writing CR3: none of them is global, and PCIDs are
 * not used. The hypervisor's are global, and are dropped by a change of CR4.PGE: once, at the end of
 * the boot.
 */
#include <stdatomic.h>

#include <lagan/arch.h>
#include <lagan/assert.h>

#include "mm/tlbclock.h"
#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/interrupt.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/tlb.h"
#include "arch_inline.h"

/* `what`: nothing, everything of guests, everything, or the address of one page (page-aligned, bit 0 set). */
#define WISH_NOTHING 0
#define WISH_ALL     UINT64_MAX
#define WISH_GLOBAL  (UINT64_MAX - 1) /* the hypervisor's own translations as well */
#define WISH_PAGE(v) (((v)&PAGE_MASK) | 1)

static struct mailbox {
    _Atomic uint64_t what;
    _Atomic uint32_t asked, done;
} LAGAN_ALIGNED(64) mailbox[MAX_CPUS];

void tlb_flush_local(void)
{
    uint64_t flags = irq_save();
    uint64_t begun = tlb_clock_flush_begin();

    write_cr3(read_cr3());
    tlb_clock_flush_end(arch_cpu(), begun);
    irq_restore(flags);
}

static void flush_global_local(void)
{
    uint64_t flags = irq_save(), cr4 = read_cr4();

    write_cr4(cr4 & ~CR4_PGE);
    write_cr4(cr4);
    tlb_flush_local();
    irq_restore(flags);
}

static void carry_out(uint64_t wish)
{
    if (wish == WISH_ALL)
        tlb_flush_local();
    else if (wish == WISH_GLOBAL)
        flush_global_local();
    else if (wish != WISH_NOTHING)
        __asm__ volatile("invlpg (%0)" : : "r"(wish & PAGE_MASK) : "memory");
}

/* The target's side; interrupts are off, so that two rounds of it do not overlap on one CPU. */
static void serve(void)
{
    struct mailbox *box = &mailbox[arch_cpu()];
    uint32_t asked = atomic_load(&box->asked);

    carry_out(atomic_exchange(&box->what, WISH_NOTHING));
    atomic_store(&box->done, asked);
}

static void flush_interrupt(void)
{
    apic_eoi();
    serve();
}

static uint32_t ask(unsigned cpu, uint64_t wish)
{
    struct mailbox *box = &mailbox[cpu];
    uint64_t what = atomic_load(&box->what), merged;

    do {
        merged = what == WISH_NOTHING || what == wish         ? wish
                 : what == WISH_GLOBAL || wish == WISH_GLOBAL ? WISH_GLOBAL
                                                              : WISH_ALL;
    } while (!atomic_compare_exchange_weak(&box->what, &what, merged));
    return atomic_fetch_add(&box->asked, 1) + 1;
}

static LAGAN_NOINLINE void flush_others(cpumask_t others, bool self, uint64_t wish)
{
    uint32_t ticket[MAX_CPUS];
    unsigned cpu;

    others = cpumask_and(others, arch_online_cpus());
    for_each_cpu (cpu, others)
        ticket[cpu] = ask(cpu, wish);
    if (!cpumask_empty(others)) {
        /* A CPU that waits with interrupts off would leave others waiting for it. */
        ASSERT(read_flags() & FLAGS_IF);
        apic_send_ipi_mask(others, VECTOR_FLUSH);
    }
    if (self)
        carry_out(wish);
    for_each_cpu (cpu, others)
        while ((int32_t)(atomic_load(&mailbox[cpu].done) - ticket[cpu]) < 0)
            arch_relax();
}

/* Most flushes concern this CPU alone. */
static void flush(cpumask_t cpus, uint64_t wish)
{
    cpumask_t here = cpumask_of(arch_cpu()), others = cpumask_without(cpus, here);
    bool self = !cpumask_empty(cpumask_and(cpus, here));

    if (unlikely(!cpumask_empty(others)))
        flush_others(others, self, wish);
    else if (self)
        carry_out(wish);
}

void arch_tlb_flush(cpumask_t cpus)
{
    flush(cpus, WISH_ALL);
}

void tlb_flush_global(void)
{
    flush(arch_online_cpus(), WISH_GLOBAL);
}

void arch_tlb_flush_page(cpumask_t cpus, uint64_t va)
{
    flush(cpus, WISH_PAGE(va));
}

LAGAN_INIT void tlb_init(void)
{
    interrupt_set_handler(VECTOR_FLUSH, flush_interrupt);
}
