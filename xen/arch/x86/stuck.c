/* SPDX-License-Identifier: MIT
 *
 * A CPU that is stuck, on purpose.
 *
 * The key's handler runs in a softirq of one CPU; the CPU that is to be stuck is another one, which
 * finds the request in a timer of its own: no other softirq stands free for it.
 */
#include "xen/arch/x86/stuck.h"

#include <lagan/arch.h>
#include <lagan/printk.h>

#include "arch_inline.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/time.h"
#include "xen/options.h"
#include "xen/timer.h"

static struct timer timer;

/* A name of its own in the watchdog's report. */
__attribute__((noinline)) static void spin_with_interrupts_off(uint64_t ns)
{
    uint64_t flags = irq_save(), end = arch_time_ns() + ns;

    while (arch_time_ns() < end)
        arch_relax();
    irq_restore(flags);
}

static void get_stuck(struct timer *t)
{
    (void)t;
    spin_with_interrupts_off((options.watchdog_timeout + 3) * UINT64_C(1000000000));
}

void stuck_cpu(void)
{
    cpumask_t online = arch_online_cpus();
    unsigned last = cpumask_count(online) - 1; /* INV-SMP-1 */

    log_warn("CPU%u gets stuck for %u s\n", last, options.watchdog_timeout + 3);
    timer_init(&timer, get_stuck, last);
    timer_set(&timer, 0);
}
