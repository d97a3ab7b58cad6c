/* SPDX-License-Identifier: MIT
 *
 * The portable end of the boot: the machine works, all CPUs are there; now the domains.
 */
#include <lagan/arch.h>
#include <lagan/printk.h>

#include "mm/heap.h"
#include "xen/arch/x86/ctx.h"
#include "xen/arch/x86/start.h"
#include "xen/bootdomains.h"

LAGAN_NORETURN void xen_main(void)
{
    log_info("%u CPUs, %lu MiB free of %lu MiB in the heap\n", cpumask_count(arch_online_cpus()),
             heap_free_pages() >> (20 - PAGE_SHIFT), heap_total_pages() >> (20 - PAGE_SHIFT));
    bootdomains_start(&boot_info);
    idle_loop();
}
