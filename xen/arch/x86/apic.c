/* SPDX-License-Identifier: MIT
 *
 * The local APIC: mode, set-up, and interrupts between CPUs. Its timer is in apic_timer.c.
 *
 * The registers are the same in both modes: a page of them in memory (xAPIC), or MSRs (x2APIC),
 * numbered MSR_X2APIC_FIRST + offset / 16. The differences that matter: ids of 8 against 32 bits;
 * the interrupt command register is two halves against one; and accesses in x2APIC mode do not
 * order memory, so that a fence must stand before what another CPU is to see by the time the
 * interrupt arrives.
 *
 * x2APIC without interrupt remapping is not promised to work on real machines unless the firmware
 * chose it (then the firmware knows), while hypervisors offer it because it is much cheaper for
 * them: thus the rule of choose_x2().
 *
 * INV-APIC-1: the two halves of an xAPIC command are written with interrupts off, so no handler's
 * command comes between them. An NMI handler may send only when it does not return (crash).
 */
#include <stdatomic.h>

#include <lagan/printk.h>
#include "arch_inline.h"
#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/apic_regs.h"
#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/interrupt.h"
#include "xen/arch/x86/io.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pic.h"
#include "xen/options.h"
#include "xen/softirq.h"

#define CPUID1_X2APIC     (1u << 21) /* ECX */
#define CPUID1_HYPERVISOR (1u << 31) /* ECX */
#define XAPIC_ID_MAX      254
#define ICR_PATIENCE      1000000 /* polls: an interrupt is accepted within microseconds */
#define ISR_WORDS         8

static struct {
    bool x2;                           /* [c] */
    volatile void *page;               /* [c] xAPIC registers; NULL: x2APIC */
    uint32_t id[MAX_CPUS];             /* [cpu] written by the CPU before it is online */
    uint32_t unused_id;                /* [c] */
    _Atomic uint32_t errors[MAX_CPUS]; /* error status bits not yet reported */
    _Atomic uint32_t stuck[MAX_CPUS];  /* commands that were not accepted in time */
} apic;

/* ---- registers ---- */

uint32_t apic_read(enum apic_register reg)
{
    if (apic.x2)
        return (uint32_t)rdmsr(MSR_X2APIC_FIRST + ((uint32_t)reg >> 4));
    return mmio_read32(apic.page, reg);
}

void apic_write(enum apic_register reg, uint32_t value)
{
    if (apic.x2)
        wrmsr(MSR_X2APIC_FIRST + ((uint32_t)reg >> 4), value);
    else
        mmio_write32(apic.page, reg, value);
}

bool apic_is_x2(void)
{
    return apic.x2;
}

uint32_t apic_id(void)
{
    if (apic.x2)
        return apic_read(APIC_ID);
    if (apic.page)
        return apic_read(APIC_ID) >> 24;
    if (rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC)
        return (uint32_t)rdmsr(MSR_X2APIC_FIRST + (APIC_ID >> 4));
    return cpuid(1, 0).b >> 24;
}

uint32_t apic_id_of(unsigned cpu)
{
    return apic.id[cpu];
}

uint32_t apic_unused_id(void)
{
    return apic.unused_id;
}

static LAGAN_INIT bool is_used(uint32_t id)
{
    for (unsigned i = 0; i < acpi_info.cpu_count; i++)
        if (acpi_info.cpu[i].apic_id == id)
            return true;
    return false;
}

/* From above: firmware numbers from below. */
static LAGAN_INIT uint32_t find_unused_id(void)
{
    uint32_t id = XAPIC_ID_MAX;

    while (id > 0 && is_used(id))
        id--;
    return id > 0 ? id : XAPIC_ID_MAX;
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

/* ---- commands ---- */

static void command_xapic(uint32_t target, uint32_t low)
{
    uint64_t flags = irq_save();

    for (unsigned i = 0; apic_read(APIC_ICR_LOW) & ICR_PENDING; i++) {
        if (i == ICR_PATIENCE) {
            atomic_fetch_add_explicit(&apic.stuck[arch_cpu()], 1, memory_order_relaxed);
            break; /* it is lost; the next ones may still get through */
        }
        arch_relax();
    }
    apic_write(APIC_ICR_HIGH, target << 24);
    apic_write(APIC_ICR_LOW, low);
    irq_restore(flags);
}

static void command(uint32_t target, uint32_t low)
{
    if (apic.x2) {
        __asm__ volatile("mfence; lfence" : : : "memory");
        wrmsr(MSR_X2APIC_FIRST + (APIC_ICR_LOW >> 4), (uint64_t)target << 32 | low);
    } else {
        command_xapic(target, low);
    }
}

void apic_send_ipi(unsigned cpu, uint8_t vector)
{
    command(apic.id[cpu], ICR_FIXED | ICR_ASSERT | vector);
}

void apic_send_ipi_mask(cpumask_t cpus, uint8_t vector)
{
    unsigned cpu;

    for_each_cpu (cpu, cpus)
        apic_send_ipi(cpu, vector);
}

void apic_send_nmi(unsigned cpu)
{
    command(apic.id[cpu], ICR_NMI | ICR_ASSERT);
}

void apic_send_init(uint32_t id)
{
    command(id, ICR_INIT | ICR_ASSERT);
}

void apic_send_startup(uint32_t id, uint8_t page)
{
    command(id, ICR_STARTUP | ICR_ASSERT | page);
}

/* ---- set-up ---- */

static LAGAN_INIT bool ids_need_x2(void)
{
    for (unsigned i = 0; i < acpi_info.cpu_count; i++)
        if (acpi_info.cpu[i].apic_id > XAPIC_ID_MAX)
            return true;
    return false;
}

static LAGAN_INIT bool choose_x2(void)
{
    uint32_t features = cpuid(1, 0).c;

    if (rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC)
        return true; /* there is no way back but through a reset of the APIC: the firmware's choice
                        stands */
    if (!(features & CPUID1_X2APIC) || !options.x2apic)
        return false;
    return (features & CPUID1_HYPERVISOR) || ids_need_x2();
}

/* A previous kernel, or the firmware, may have left interrupts in service: they would block ours.
 */
static void retire_stale(void)
{
    for (unsigned word = 0; word < ISR_WORDS; word++)
        for (unsigned bit = 0; bit < 32 && apic_read(APIC_ISR + word * 16); bit++)
            apic_eoi();
}

/* The pins: none but those that the firmware calls NMI. */
static void set_pins(uint32_t acpi_id)
{
    uint32_t lint[2] = {LVT_MASKED, LVT_MASKED};

    for (unsigned i = 0; i < acpi_info.nmi_count; i++) {
        const struct acpi_nmi *n = &acpi_info.nmi[i];

        if (n->acpi_id == ACPI_ALL_CPUS || n->acpi_id == acpi_id)
            lint[n->lint] = LVT_NMI;
    }
    apic_write(APIC_LVT_LINT0, lint[0]);
    apic_write(APIC_LVT_LINT1, lint[1]);
}

static uint32_t acpi_id_of(uint32_t id)
{
    for (unsigned i = 0; i < acpi_info.cpu_count; i++)
        if (acpi_info.cpu[i].apic_id == id)
            return acpi_info.cpu[i].acpi_id;
    return ACPI_ALL_CPUS - 1; /* matches no entry for a single CPU */
}

static void clear_errors(void)
{
    apic_write(APIC_ESR, 0); /* a write latches the errors since the last one */
    (void)apic_read(APIC_ESR);
    apic_write(APIC_ESR, 0);
}

static void set_vectors(uint32_t id)
{
    unsigned entries =
        (apic_read(APIC_VERSION) >> 16) & 0xff; /* highest number of a local vector */

    apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    if (entries >= 4)
        apic_write(APIC_LVT_PERF, LVT_MASKED | LVT_NMI);
    if (entries >= 5)
        apic_write(APIC_LVT_THERMAL, LVT_MASKED | VECTOR_SPURIOUS);
    if (entries >= 6)
        apic_write(APIC_LVT_CMCI, LVT_MASKED | VECTOR_SPURIOUS);
    set_pins(acpi_id_of(id));
    clear_errors();
    apic_write(APIC_LVT_ERROR, VECTOR_ERROR);
}

void apic_cpu_init(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;
    uint32_t id;

    wrmsr(MSR_APIC_BASE, base); /* off to x2APIC leads through xAPIC */
    if (apic.x2)
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    id = apic_id();
    apic.id[arch_cpu()] = id;
    apic_write(APIC_TPR, 0);
    apic_write(APIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    set_vectors(id);
    retire_stale();
    apic_timer_cpu_init();
}

LAGAN_INIT void apic_init(void)
{
    apic.x2 = choose_x2();
    if (!apic.x2) {
        apic.page = map_device(acpi_info.lapic_address, PAGE_SIZE);
        if (!apic.page)
            arch_panic("APIC: cannot map the registers at %#lx\n",
                       (unsigned long)acpi_info.lapic_address);
    }
    pic_silence(acpi_info.has_pic);
    apic.unused_id = find_unused_id();
    apic_cpu_init();
    log_info("APIC: %s mode, boot CPU has id %u\n", apic.x2 ? "x2APIC" : "xAPIC", apic_id());
}

void apic_arm_perf_nmi(void)
{
    apic_write(APIC_LVT_PERF, LVT_NMI);
}

/* ---- errors ---- */

void apic_error_interrupt(void)
{
    apic_write(APIC_ESR, 0);
    atomic_fetch_or_explicit(&apic.errors[arch_cpu()], apic_read(APIC_ESR), memory_order_relaxed);
    apic_eoi();
    softirq_raise(SOFTIRQ_TIME);
}

void apic_spurious_interrupt(void)
{
    /* By definition nothing happened, and there is no EOI. */
}

void apic_report_errors(void)
{
    unsigned cpu = arch_cpu();
    uint32_t errors, stuck;

    if (likely(!(atomic_load_explicit(&apic.errors[cpu], memory_order_relaxed) |
                 atomic_load_explicit(&apic.stuck[cpu], memory_order_relaxed))))
        return;
    errors = atomic_exchange(&apic.errors[cpu], 0);
    stuck = atomic_exchange(&apic.stuck[cpu], 0);
    log_warn("APIC: CPU%u: error status %#x, %u commands not accepted in time\n", cpu, errors,
             stuck);
}
