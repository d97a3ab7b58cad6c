/* SPDX-License-Identifier: MIT
 *
 * The ACPI power-management timer: 3.579545 MHz, 24 or 32 bits, one port.
 */
#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/counter.h"
#include "xen/arch/x86/io.h"

#define PM_PERIOD_FS 279365115 /* 10^15 / 3579545 */
#define RIPPLE       0x1000    /* more than a millisecond between two reads: no */
#define DEAD_AFTER   10000     /* reads without progress: each takes about a microsecond */

static uint16_t port;
static uint32_t mask;

/* Some old chipsets show the value while it ripples from one to the next. Two readings in a row
 * that are close to each other are then both good. */
uint32_t pmtimer_read(void)
{
    uint32_t a, b = in32(port);

    for (unsigned i = 0; i < 3; i++) {
        a = b;
        b = in32(port);
        if (((b - a) & mask) < RIPPLE)
            break;
    }
    return b & mask;
}

static LAGAN_INIT bool is_running(void)
{
    uint32_t first = pmtimer_read();

    for (unsigned i = 0; i < DEAD_AFTER; i++)
        if (pmtimer_read() != first)
            return true;
    return false;
}

LAGAN_INIT int pmtimer_start(struct counter *c)
{
    const struct acpi_register *r = &acpi_info.pm_timer;

    if (r->space != ACPI_PORTS || r->address == 0 || r->address > 0xfffc)
        return -XEN_ENODEV;
    port = (uint16_t)r->address;
    mask = acpi_info.pm_timer_32bit ? UINT32_MAX : 0xffffff;
    if (!is_running())
        return -XEN_ENODEV;
    *c = (struct counter){COUNTER_PMTIMER, "PM timer", mask, PM_PERIOD_FS};
    return 0;
}
