/* SPDX-License-Identifier: MIT
 *
 * From boot.S to xen_main(): the machine, step by step. The order is the point of this file.
 *
 *   1. what the loader said: its information and command line are copied out of memory that is not
 * ours yet
 *   2. the boot CPU: features, descriptors, exceptions; the console as soon as possible
 *   3. memory: the map made sane, what is in use cut out, the page tables, then our own stack, the
 * heap
 *   4. devices: ACPI, interrupt controllers, clocks
 *   5. the other CPUs, and on to the portable part
 */
#include <lagan/arch.h>
#include <lagan/printk.h>
#include <lagan/string.h>

#include "mm/account.h"
#include "mm/pcache.h"
#include "mm/spare.h"
#include "mm/heap.h"
#include "shmem/grant.h"
#include "ubc/ubc.h"
#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/bootinfo.h"
#include "xen/arch/x86/bootmem.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/cpu_begin.h"
#include "xen/arch/x86/crash.h"
#include "xen/arch/x86/desc.h"
#include "xen/arch/x86/device_page.h"
#include "xen/arch/x86/feature.h"
#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/idt.h"
#include "xen/arch/x86/interrupt.h"
#include "xen/arch/x86/io_guard.h"
#include "xen/arch/x86/ioapic.h"
#include "xen/arch/x86/machine_map.h"
#include "xen/arch/x86/mce.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/multiboot.h"
#include "xen/arch/x86/pirq.h"
#include "xen/arch/x86/pti.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/sections.h"
#include "xen/arch/x86/sha256.h"
#include "xen/arch/x86/smp.h"
#include "xen/arch/x86/start.h"
#include "xen/arch/x86/time.h"
#include "xen/arch/x86/topology.h"
#include "xen/arch/x86/tlb.h"
#include "xen/arch/x86/uart.h"
#include "xen/arch/x86/watchdog.h"
#include "xen/cmdline.h"
#include "xen/console.h"
#include "xen/log.h"
#include "xen/version.h"

#define LOW_MEMORY  UINT64_C(0x100000) /* trampoline and firmware: never in the heap */
#define DIRECT_SIZE ((uint64_t)(SLOT_HV_LAST - SLOT_DIRECT + 1) << 39)

struct boot_info boot_info;
static LAGAN_INIT_BSS struct bootmem bootmem;

struct lock_trace *arch_lock_trace(void)
{
    return &cpu_info()->locks;
}

/* ---- 1 ---- */

static LAGAN_INIT void read_loader_information(uint32_t magic, uint64_t info)
{
    /* The boot tables map the first 4 GiB at 0; address 0 itself is not a pointer that C likes. */
    static const struct phys_window window = {(const uint8_t *)PAGE_SIZE, PAGE_SIZE,
                                              (UINT64_C(1) << 32) - PAGE_SIZE};

    if (multiboot_parse(&boot_info, magic, &window, info))
        crash_early(boot_info.complaint);
    options_default(&options);
    (void)cmdline_parse(&options, boot_info.cmdline);
    log_set_thresholds(options.loglvl, options.guest_loglvl);
}

/* ---- 2 ---- */

static LAGAN_INIT void start_console(void)
{
    int com1 = 0, com2 = 0;

    if (options.console & CONSOLE_COM1)
        com1 = uart_init(UART_COM1, &options.com1);
    if (options.console & CONSOLE_COM2)
        com2 = uart_init(UART_COM2, &options.com2);
    log_console_ready();
    if (com1 || com2)
        log_warn("Serial ports: com1 error %d, com2 error %d\n", com1, com2);
}

/* ---- 3 ---- */

static LAGAN_INIT void prepare_memory_map(void)
{
    struct boot_info *bi = &boot_info;
    uint64_t limit = min_u64(DIRECT_SIZE, UINT64_C(1) << arch_phys_bits());

    if (options.mem)
        limit = min_u64(limit, options.mem & PAGE_MASK);
    bootinfo_limit_ram(bi, limit);
    if (bootinfo_sanitise(bi))
        log_warn("The memory map has too many pieces; its high end is not used\n");
    if (bi->complaint)
        log_warn("Boot loader: %s\n", bi->complaint);

    bootmem_init(&bootmem, bi, LOW_MEMORY);
    bootmem_reserve(&bootmem, image_phys(image_start), image_phys(image_end));
    for (unsigned i = 0; i < bi->module_count; i++)
        bootmem_reserve(&bootmem, bi->module[i].start, bi->module[i].end);
}

static LAGAN_INIT void show_memory_map(void)
{
    static const char *const type[] = {"", "RAM", "reserved", "ACPI", "ACPI NVS", "bad"};

    for (unsigned i = 0; i < boot_info.map_count; i++) {
        const struct boot_range *r = &boot_info.map[i];

        log_info("memory %012lx-%012lx %s\n", r->start, r->end - 1, type[r->type]);
    }
    for (unsigned i = 0; i < boot_info.module_count; i++) {
        const struct boot_module *m = &boot_info.module[i];

        log_info("module %012lx-%012lx %s\n", m->start, m->end, m->cmdline);
    }
}

/* ---- 4 and 5, on the boot CPU's final stack ---- */

static LAGAN_INIT void set_interrupt_handlers(void)
{
    interrupt_set_handler(VECTOR_TIMER, apic_timer_interrupt);
    interrupt_set_handler(VECTOR_ERROR, apic_error_interrupt);
    interrupt_set_handler(VECTOR_SPURIOUS, apic_spurious_interrupt);
    interrupt_set_handler(VECTOR_UART, uart_interrupt);
    /* The softirq is pending already: the interrupt has done its work by arriving. */
    interrupt_set_handler(VECTOR_EVENT_CHECK, apic_eoi);
}

static LAGAN_INIT LAGAN_NORETURN void start_on_own_stack(void)
{
    cpu_info()->cpu = 0;
    hvmap_heap_start(&boot_info, &bootmem);
    pti_init();
    ASSERT(hvmap_audit() && pti_audit());
    log_info("%lu MiB of RAM are free, %lu KiB kept for the hypervisor\n",
             heap_free_pages() >> (20 - PAGE_SHIFT), hvmap_kept_kib());

    acpi_init(boot_info.rsdp_bytes ? boot_info.rsdp : NULL, boot_info.rsdp_bytes, apic_id());
    apic_init();
    accounts_init();
    grants_init();
    if (!spare_init())
        log_warn("no memory to lend memory: the page cache is off\n");
    pcache_init();
    BUG_ON(ubc_init(heap_total_pages() / 64));
    ioapic_init();
    pirq_init();
    device_page_init();
    io_guard_init();
    machine_map_init();
    set_interrupt_handlers();
    topology_cpu_init(0);
    mce_cpu_init();
    tlb_init();
    time_init();
    apic_timer_init();
    pv_cpuid_init();
    fpu_init();
    sha256_cpu_init();
    pv_desc_init();
    watchdog_init();
    console_init(&options);
    version_set_command_line(boot_info.cmdline);
    if (options.sched_slice_ms && sched_set_slice(options.sched_slice_ms))
        log_warn("sched_credit_tslice_ms=%u: not a length that is possible, ignored\n",
                 options.sched_slice_ms);
    cpu_begin();

    __asm__ volatile("sti");
    smp_start_others();
    uart_start();
    xen_main();
}

LAGAN_INIT void x86_start(uint32_t magic, uint64_t info)
{
    read_loader_information(magic, info);

    feature_init();
    if (desc_prepare(0))
        BUG();
    desc_load(0);
    idt_init();
    idt_load();
    feature_cpu_init();
    start_console();
    log_info("Lagan, started by %s\n",
             boot_info.loader[0] ? boot_info.loader : "an unnamed loader");
    log_info("Command line: %s\n", boot_info.cmdline);

    prepare_memory_map();
    show_memory_map();
    smp_choose_trampoline(&boot_info);
    hvmap_init(&boot_info, &bootmem);
    stack_switch_call(VA_STACKS + STACK_STRIDE, start_on_own_stack);
}
