/* SPDX-License-Identifier: MIT
 *
 * The table of attacks, in five parts; each ends at a NULL name.
 */
#pragma once

#include <stdbool.h>

struct attack {
    const char *name;
    void (*run)(void); /* uses check_part() */
    bool crashes;      /* the domain may not survive it */
};

extern const struct attack evil_crashes[]; /* crash.c: the guest ruins itself */
extern const struct attack evil_calls[];   /* call.c: hostile arguments, exhaustion */
extern const struct attack evil_cpus[];    /* cpu.c: hostile vCPU contexts and registers */
extern const struct attack evil_devices[]; /* device.c: the machine's devices */
extern const struct attack evil_control[]; /* control.c: what only the control domain may ask */

/* This guest is the control domain. */
bool evil_controls(void);
