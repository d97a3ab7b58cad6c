/* SPDX-License-Identifier: MIT
 *
 * The high-precision event timer, as a counter only: its comparators are never used by us, and left
 * off. The main counter's low 32 bits are read in one access; a 64-bit one could tear on old
 * chipsets.
 */
#include <lagan/printk.h>
#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/counter.h"
#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/io.h"

#define HPET_BYTES      1024
#define HPET_PERIOD     0x004 /* the upper half of the capabilities: fs a tick */
#define HPET_CONFIG     0x010
#define HPET_COUNTER    0x0f0
#define HPET_ENABLE     1u
#define HPET_LEGACY     2u
#define HPET_PERIOD_MAX 100000000u /* 10 MHz at least, says the specification */
#define HPET_PERIOD_MIN 100000u    /* 10 GHz: faster than that is no HPET */
#define DEAD_AFTER      100000     /* reads without progress */

static volatile void *hpet;

uint32_t hpet_read(void)
{
    return mmio_read32(hpet, HPET_COUNTER);
}

static LAGAN_INIT bool is_running(void)
{
    uint32_t first = hpet_read();

    for (unsigned i = 0; i < DEAD_AFTER; i++)
        if (hpet_read() != first)
            return true;
    return false;
}

LAGAN_INIT int hpet_start(struct counter *c)
{
    uint32_t period;

    if (acpi_info.hpet_address == 0)
        return -XEN_ENODEV;
    hpet = map_device(acpi_info.hpet_address, HPET_BYTES);
    if (!hpet)
        return -XEN_ENODEV;
    period = mmio_read32(hpet, HPET_PERIOD);
    if (period < HPET_PERIOD_MIN || period > HPET_PERIOD_MAX) {
        log_warn("HPET: period of %u fs is impossible, not used\n", period);
        return -XEN_ENODEV;
    }
    mmio_write32(hpet, HPET_CONFIG, (mmio_read32(hpet, HPET_CONFIG) & ~HPET_LEGACY) | HPET_ENABLE);
    if (!is_running()) {
        log_warn("HPET: stands still, not used\n");
        return -XEN_ENODEV;
    }
    *c = (struct counter){COUNTER_HPET, "HPET", UINT32_MAX, period};
    return 0;
}
