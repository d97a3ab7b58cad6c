/* SPDX-License-Identifier: MIT
 *
 * Application processors: INIT, two start-up interrupts, the trampoline (ap.S), ap_start().
 *
 * CPUs are started one by one, so that there is one trampoline and one set of words in it. A CPU
 * that does not report within its time is given up: its ticket is taken away, and should it wake
 * later it stops in the trampoline, or, if it took the ticket of a CPU started after it, in
 * ap_start(), by its APIC number.
 *
 * INV-SMP-1: CPU numbers are dense: a number is given to the next CPU only when this one is online.
 */
#include <stdatomic.h>

#include <lagan/arch.h>
#include <lagan/printk.h>
#include <lagan/string.h>

#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/bootinfo.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/desc.h"
#include "xen/arch/x86/feature.h"
#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/idt.h"
#include "xen/arch/x86/mce.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pti.h"
#include "xen/arch/x86/sections.h"
#include "xen/arch/x86/smp.h"
#include "xen/arch/x86/time.h"
#include "xen/arch/x86/topology.h"
#include "xen/options.h"
#include "arch_inline.h"

#define MS UINT64_C(1000000)

#define INIT_WAIT_NS    (10 * MS)
#define STARTUP_WAIT_NS (MS / 5)
#define REPORT_WAIT_NS  (1000 * MS)

struct ap_data {
    uint64_t entry, stack;
    uint32_t cr3;
    _Atomic uint32_t ticket; /* 1: one CPU may pass */
    uint32_t far32;
    uint16_t far32_cs, pad;
    uint32_t far64;
    uint16_t far64_cs;
    uint16_t gdt_limit;
    uint32_t gdt_base;
};
STATIC_ASSERT(offsetof(struct ap_data, gdt_base) == 40);

extern const char ap_trampoline[], ap_trampoline_end[], ap_data[];
extern uint64_t boot_l4[512];

static struct {
    uint64_t trampoline; /* physical; 0: there is no page for it */
    _Atomic uint64_t online;
    unsigned starting; /* number of the CPU that is being started */
    uint32_t starting_id;
    _Atomic bool arrived, refused; /* it came, and can or cannot be used */
    bool strays;                   /* a CPU came as far as the trampoline and was given up */
} smp = {.online = 1};

cpumask_t arch_online_cpus(void)
{
    return (cpumask_t){atomic_load_explicit(&smp.online, memory_order_acquire)};
}

void smp_mark_online(void)
{
    atomic_fetch_or(&smp.online, cpumask_of(arch_cpu()).bits);
    __asm__ volatile("sti" : : : "memory");
}

LAGAN_INIT void smp_choose_trampoline(const struct boot_info *bi)
{
    const uint64_t top = 640 << 10;

    for (unsigned i = 0; i < bi->map_count; i++) {
        uint64_t end = min_u64(bi->map[i].end, top);

        /* Page 0 has the firmware's interrupt vectors. */
        if (bi->map[i].type == BOOT_RAM && end >= bi->map[i].start + PAGE_SIZE && end > PAGE_SIZE)
            smp.trampoline = end - PAGE_SIZE;
    }
}

static LAGAN_NORETURN void stop(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* First C code of a started CPU, on its own stack, still with the boot tables. */
static LAGAN_NORETURN void ap_start(void)
{
    write_cr3(hv_l4_phys());
    desc_load(arch_cpu());
    idt_load();
    if (!feature_cpu_ok()) {
        atomic_store(&smp.refused, true);
        stop();
    }
    feature_cpu_init();
    apic_cpu_init();
    if (apic_id() != smp.starting_id)
        stop();
    atomic_store(&smp.arrived, true);
    time_sync_ap();
    topology_cpu_init(arch_cpu());
    mce_cpu_init();
    ap_main();
}

static LAGAN_INIT struct ap_data *place_trampoline(void)
{
    char *page = (char *)(VA_DIRECT + smp.trampoline);
    struct ap_data *data = (struct ap_data *)(page + (ap_data - ap_trampoline));

    memcpy(page, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
    data->entry = (uint64_t)ap_start;
    data->cr3 = (uint32_t)image_phys(boot_l4);
    data->far32 += (uint32_t)smp.trampoline;
    data->far64 += (uint32_t)smp.trampoline;
    data->gdt_base += (uint32_t)smp.trampoline;
    /* The boot tables map the trampoline; with our slots they map everything else too. */
    arch_l4_fill(boot_l4, DOMID_IDLE);
    return data;
}

static LAGAN_INIT bool wait_until(bool (*done)(void), uint64_t ns)
{
    uint64_t end = arch_time_ns() + ns;

    while (!done()) {
        if (arch_time_ns() >= end)
            return done();
        arch_relax();
    }
    return true;
}

static bool never(void)
{
    return false;
}

static bool reported(void)
{
    return atomic_load(&smp.arrived) || atomic_load(&smp.refused);
}

static bool is_online(void)
{
    return cpumask_test(arch_online_cpus(), smp.starting);
}

/* INIT, then at most two start-up interrupts. True when the CPU has arrived and can be used. */
static LAGAN_INIT bool wake(struct ap_data *data, uint32_t id)
{
    atomic_store(&smp.arrived, false);
    atomic_store(&smp.refused, false);
    atomic_store(&data->ticket, 1);
    apic_send_init(id);
    (void)wait_until(never, INIT_WAIT_NS);
    for (unsigned i = 0; i < 2 && atomic_load(&data->ticket); i++) {
        apic_send_startup(id, (uint8_t)(smp.trampoline >> PAGE_SHIFT));
        (void)wait_until(reported, STARTUP_WAIT_NS);
    }
    (void)wait_until(reported, REPORT_WAIT_NS);
    if (!atomic_exchange(&data->ticket, 0) && !reported())
        smp.strays = true;
    return atomic_load(&smp.arrived);
}

static LAGAN_INIT bool start_one(struct ap_data *data, unsigned cpu, uint32_t id)
{
    uint64_t flags;

    if (hvmap_stack(cpu) || pti_prepare(cpu) || desc_prepare(cpu)) {
        log_err("CPU with APIC id %u: no memory to start it\n", id);
        return false;
    }
    ASSERT(pti_audit());
    cpu_info_of(cpu)->cpu = cpu;
    smp.starting = cpu;
    smp.starting_id = id;
    data->stack = VA_STACKS + (uint64_t)(cpu + 1) * STACK_STRIDE;
    if (!wake(data, id)) {
        log_err("CPU with APIC id %u %s: left out\n", id,
                atomic_load(&smp.refused) ? "lacks features of the boot CPU" : "does not start");
        return false;
    }
    flags = irq_save();
    time_sync_boot(cpu);
    irq_restore(flags);
    if (!wait_until(is_online, REPORT_WAIT_NS))
        arch_panic("CPU %u (APIC id %u) has arrived, but not come online\n", cpu, id);
    return true;
}

bool smp_has_strays(void)
{
    return smp.strays;
}

/* With smt=0: true for all but the first CPU of each core. */
static LAGAN_INIT bool left_out(unsigned index)
{
    for (unsigned i = 0; !options.smt && i < index; i++)
        if (topology_siblings(cpuid, acpi_info.cpu[i].apic_id, acpi_info.cpu[index].apic_id))
            return true;
    return false;
}

LAGAN_INIT void smp_start_others(void)
{
    unsigned limit = options.maxcpus ? options.maxcpus : MAX_CPUS;
    struct ap_data *data;
    unsigned cpu = 1;

    if (acpi_info.cpu_count <= 1 || limit <= 1)
        return;
    if (!smp.trampoline) {
        log_err("No RAM below 640 KiB: only the boot CPU is used\n");
        return;
    }
    data = place_trampoline();
    for (unsigned i = 1; i < acpi_info.cpu_count && cpu < limit && cpu < MAX_CPUS; i++)
        if (!left_out(i) && start_one(data, cpu, acpi_info.cpu[i].apic_id))
            cpu++;
    log_info("%u of %u CPUs are running\n", cpu, acpi_info.cpu_count);
}
