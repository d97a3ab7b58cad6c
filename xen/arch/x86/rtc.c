/* SPDX-License-Identifier: MIT
 *
 * The battery-backed clock in CMOS RAM (MC146818 and all that came after).
 *
 * The chip updates its registers once a second; while it does, they are not consistent. The usual
 * cure, to wait for an update to begin and end, takes up to a second of boot time. We read until no
 * update was in progress and two readings in a row agree, which takes microseconds nearly always.
 * The clock is right to a second at best; a dom0 sets a better time later.
 */
#include <lagan/string.h>
#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/io.h"
#include "xen/arch/x86/rtc.h"
#include "xen/arch/x86/time.h"

#define CMOS_INDEX  0x70
#define CMOS_DATA   0x71
#define STATUS_A    0x0a
#define STATUS_B    0x0b
#define UPDATING    0x80
#define MODE_BINARY 0x04
#define MODE_24H    0x02
#define HOUR_PM     0x80
#define ATTEMPTS    100
#define ATTEMPT_US  50 /* an update takes two milliseconds */
#define DAY_SECONDS 86400

static unsigned number(const struct rtc_raw *raw, uint8_t v)
{
    return raw->mode & MODE_BINARY ? v : (v >> 4) * 10u + (v & 15);
}

static unsigned hour_of(const struct rtc_raw *raw)
{
    unsigned hour;

    if (raw->mode & MODE_24H)
        return number(raw, raw->hour);
    hour = number(raw, raw->hour & ~HOUR_PM & 0xff);
    if (hour < 1 || hour > 12)
        return 24; /* no such hour */
    return hour % 12 + (raw->hour & HOUR_PM ? 12 : 0);
}

static unsigned year_of(const struct rtc_raw *raw)
{
    unsigned year = number(raw, raw->year), century = number(raw, raw->century);

    return year + (century >= 19 && century <= 25 ? century * 100 : 2000);
}

/* Days from 1970-01-01 to the first of the month, in the Gregorian calendar. Counting years from
 * March puts the leap day at the end, where it disturbs no month's length. */
static uint64_t days_before(unsigned year, unsigned month)
{
    unsigned y = month > 2 ? year : year - 1;
    unsigned m = month > 2 ? month - 3 : month + 9;

    return (uint64_t)y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 - 719468;
}

uint64_t rtc_decode(const struct rtc_raw *raw)
{
    unsigned second = number(raw, raw->second), minute = number(raw, raw->minute);
    unsigned hour = hour_of(raw), day = number(raw, raw->day);
    unsigned month = number(raw, raw->month), year = year_of(raw);

    if (second > 60 || minute > 59 || hour > 23 || day < 1 || day > 31 || month < 1 || month > 12 ||
        year < 1970)
        return 0;
    return (days_before(year, month) + day - 1) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
}

static uint8_t cmos_read(uint8_t reg)
{
    out8(CMOS_INDEX, reg);
    return in8(CMOS_DATA);
}

static void read_once(struct rtc_raw *raw)
{
    raw->second = cmos_read(0);
    raw->minute = cmos_read(2);
    raw->hour = cmos_read(4);
    raw->day = cmos_read(7);
    raw->month = cmos_read(8);
    raw->year = cmos_read(9);
    raw->century = acpi_info.century ? cmos_read(acpi_info.century) : 0;
    raw->mode = cmos_read(STATUS_B);
}

uint64_t rtc_read(void)
{
    struct rtc_raw a, b;

    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        if (!(cmos_read(STATUS_A) & UPDATING)) {
            read_once(&a);
            read_once(&b);
            if (!(cmos_read(STATUS_A) & UPDATING) && memcmp(&a, &b, sizeof(a)) == 0)
                return rtc_decode(&a);
        }
        udelay(ATTEMPT_US);
    }
    return 0;
}
