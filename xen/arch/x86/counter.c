/* SPDX-License-Identifier: MIT
 *
 * Choosing a counter, and reading it together with the TSC.
 *
 * A reading is bracketed by two readings of the TSC: the counter's value belongs to some moment
 * between them. An SMI, or the host of a virtual machine, may strike in between; of several
 * attempts the narrowest is the one that was not disturbed.
 */
#include <lagan/printk.h>
#include <lagan/string.h>
#include "xen/arch/x86/counter.h"
#include "xen/arch/x86/msr.h"
#include "xen/options.h"

#define ATTEMPTS 6

static LAGAN_INIT int start(enum counter_kind kind, struct counter *c)
{
    if (kind == COUNTER_HPET)
        return hpet_start(c);
    return kind == COUNTER_PMTIMER ? pmtimer_start(c) : pit_start(c);
}

/* The names that clocksource= has for the counters, best counter first. */
static const char *const option_name[COUNTER_KINDS] = {"hpet", "acpi", "pit"};

LAGAN_INIT int counter_choose(struct counter *c)
{
    for (unsigned k = 0; k < COUNTER_KINDS; k++)
        if (strcmp(options.clocksource, option_name[k]) == 0 && start(k, c) == 0)
            return 0;
    for (unsigned k = 0; k < COUNTER_KINDS; k++)
        if (start(k, c) == 0)
            return 0;
    log_err("time: no counter of known frequency works\n");
    return -XEN_ENODEV;
}

struct counter_sample counter_sample(const struct counter *c)
{
    struct counter_sample best = {0, UINT64_MAX, 0};

    for (unsigned i = 0; i < ATTEMPTS; i++) {
        uint64_t flags = irq_save();
        uint64_t before = rdtsc_ordered();
        uint32_t count = counter_read(c);
        uint64_t width = rdtsc_ordered() - before;

        irq_restore(flags);
        if (width < best.width)
            best = (struct counter_sample){before + width / 2, width, count};
    }
    return best;
}
