/* SPDX-License-Identifier: MIT
 *
 * The portable end of the boot: the machine works, all CPUs are there; now the domains.
 */
#include <lagan/arch.h>
#include <lagan/printk.h>

#include "mm/heap.h"
#include "mm/type.h"
#include "ubc/ubc.h"
#include "xen/arch/x86/cpu_begin.h"
#include "xen/arch/x86/ctx.h"
#include "xen/arch/x86/smp.h"
#include "xen/arch/x86/start.h"
#include "xen/arch/x86/stuck.h"
#include "xen/bootdomains.h"
#include "xen/books.h"
#include "xen/console.h"
#include "xen/domain.h"
#include "xen/pressure.h"
#include "xen/sched.h"
#include "xen/stop.h"

/* ---- debug keys ---- */

/* While the host stands still, or frames that are on their way would be missing. */
static void dump_memory(void)
{
    if (!stop_begin()) {
        log_warn("the other CPUs have work to do: try again\n");
        return;
    }
    books_print();
    books_print_causes();
    stop_end();
}

/* Its messages go to the log. */
static void audit_memory(void)
{
    unsigned faults;

    if (!stop_begin()) {
        log_warn("the other CPUs have work to do: try again\n");
        return;
    }
    faults = mm_audit() + ubc_audit();
    stop_end();
    log_warn("audit: %u faults, %lu references held outside of page tables%s\n", faults,
             (unsigned long)mm_audit_held(), mm_audit_complete() ? "" : ": not complete");
}

static void crash_on_purpose(void)
{
    arch_panic("asked for by a debug key");
}

#ifdef LAGAN_DEBUG
#define DEBUG_BUILD_KEYS {'S', "the last CPU gets stuck, to see the watchdog", stuck_cpu},
#else
#define DEBUG_BUILD_KEYS
#endif

const struct debug_key debug_keys[] = {
    DEBUG_BUILD_KEYS{'q', "domains", domain_dump_all},
    {'p', "memory pressure", pressure_dump},
    {'r', "run queues", sched_dump},
    {'m', "memory", dump_memory},
    {'A', "recounts all frames while the host stands still", audit_memory},
    {'C', "crash the host, to see the dump", crash_on_purpose},
    {0, NULL, NULL}};

/* ---- the end of the boot ---- */

void ap_main(void)
{
    cpu_begin();
    smp_mark_online();
    idle_loop();
}

void xen_main(void)
{
    log_info("%u CPUs, %lu MiB free of %lu MiB in the heap\n", cpumask_count(arch_online_cpus()),
             heap_free_pages() >> (20 - PAGE_SHIFT), heap_total_pages() >> (20 - PAGE_SHIFT));
    bootdomains_start(&boot_info);
    books_print();
    idle_loop();
}
