/* SPDX-License-Identifier: MIT
 *
 * The battery-backed clock: read once, at boot.
 */
#pragma once

#include <lagan/types.h>

/* The registers as read, before decoding. */
struct rtc_raw {
    uint8_t second, minute, hour, day, month, year;
    uint8_t century; /* 0: the machine has no such register */
    uint8_t mode;    /* status register B: binary or BCD, 24 or 12 hours */
};

/* Seconds since 1970-01-01 00:00:00, taking the clock for UTC; 0 if the registers hold no date. */
uint64_t rtc_decode(const struct rtc_raw *raw);

/* Reads the clock: seconds since 1970, or 0 if it shows no sense. Takes some milliseconds at most.
 */
uint64_t rtc_read(void);
