/* SPDX-License-Identifier: MIT
 *
 * The battery-backed clock's registers, decoded as they may stand there.
 */
#include <time.h>

#include "suite.h"
#include "xen/arch/x86/rtc.h"
#include "xen/arch/x86/time.h"

#define H24    0x02
#define BINARY 0x04

/* rtc_read() waits with it; no test does. */
void udelay(unsigned us)
{
    (void)us;
    CU_FAIL("udelay");
}

static void forms(void)
{
    static const struct {
        struct rtc_raw raw;
        uint64_t seconds; /* 0: no date */
    } form[] = {
        {{0x00, 0x00, 0x00, 0x01, 0x01, 0x70, 0x19, H24}, 0}, /* the epoch itself: also "no date" */
        {{0x01, 0x00, 0x00, 0x01, 0x01, 0x70, 0x19, H24}, 1},
        {{0x59, 0x59, 0x23, 0x31, 0x12, 0x99, 0x19, H24}, 946684799},
        {{0x56, 0x34, 0x12, 0x29, 0x02, 0x24, 0x20, H24}, 1709210096},
        {{56, 34, 12, 29, 2, 24, 20, H24 | BINARY}, 1709210096},
        {{0x56, 0x34, 0x12, 0x29, 0x02, 0x24, 0x00, H24}, 1709210096}, /* no century */
        {{0x56, 0x34, 0x92, 0x29, 0x02, 0x24, 0x20, 0}, 1709210096},   /* 12 PM is noon */
        {{0x56, 0x34, 0x12, 0x29, 0x02, 0x24, 0x20, 0}, 1709166896},   /* 12 AM is midnight */
        {{0x56, 0x34, 0x81, 0x29, 0x02, 0x24, 0x20, 0}, 1709213696},
        {{0x56, 0x34, 0x00, 0x29, 0x02, 0x24, 0x20, 0}, 0}, /* no such hour in that mode */
        {{0x56, 0x34, 0x12, 0x29, 0x13, 0x24, 0x20, H24}, 0},
        {{0x56, 0x34, 0x12, 0x00, 0x02, 0x24, 0x20, H24}, 0},
        {{0x56, 0x34, 0x24, 0x29, 0x02, 0x24, 0x20, H24}, 0},
        {{0x56, 0x60, 0x12, 0x29, 0x02, 0x24, 0x20, H24}, 0},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0}, /* no chip */
    };

    for (unsigned i = 0; i < ARRAY_SIZE(form); i++)
        CU_ASSERT_EQUAL(rtc_decode(&form[i].raw), form[i].seconds);
}

/* Every day of two centuries against the C library. */
static void calendar(void)
{
    for (time_t t = 86399; t < (time_t)200 * 366 * 86400; t += 86400) {
        struct tm tm;
        struct rtc_raw raw;

        gmtime_r(&t, &tm);
        raw = (struct rtc_raw){(uint8_t)tm.tm_sec,
                               (uint8_t)tm.tm_min,
                               (uint8_t)tm.tm_hour,
                               (uint8_t)tm.tm_mday,
                               (uint8_t)(tm.tm_mon + 1),
                               (uint8_t)(tm.tm_year % 100),
                               (uint8_t)(19 + tm.tm_year / 100),
                               BINARY | H24};
        CU_ASSERT_EQUAL(rtc_decode(&raw), (uint64_t)t);
    }
}

static const struct test_case cases[] = {{"forms", forms}, {"calendar", calendar}, {NULL, NULL}};

const struct suite suite_rtc = {"rtc", cases, NULL, NULL};
