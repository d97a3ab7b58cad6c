/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#define VERSION    1
#define NUMBERS    6
#define STALL_MOST 1000000U

void report_print(char text[REPORT_SIZE], const struct lagan_pressure_need *need)
{
    snprintf(text, REPORT_SIZE, "%d %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu32,
             VERSION, need->working_set, need->free, need->reclaimable, need->refault_rate,
             need->stall_ppm);
}

/* A number that fits 32 bits, and moves on behind it. */
static bool take_number(const char **text, uint64_t *number)
{
    const char *c = *text;

    *number = 0;
    if (*c < '0' || *c > '9')
        return false;
    for (; *c >= '0' && *c <= '9'; c++) {
        *number = *number * 10 + (uint64_t)(*c - '0');
        if (*number > UINT32_MAX)
            return false;
    }
    *text = c;
    return true;
}

int report_parse(const char *text, struct lagan_pressure_need *need)
{
    uint64_t number[NUMBERS];

    for (unsigned i = 0; i < NUMBERS; i++)
        if (!take_number(&text, &number[i]) || *text++ != (i + 1 < NUMBERS ? ' ' : '\0'))
            return -EINVAL;
    if (number[0] != VERSION || number[5] > STALL_MOST)
        return -EINVAL;
    *need = (struct lagan_pressure_need){.working_set = number[1],
                                         .free = number[2],
                                         .reclaimable = number[3],
                                         .refault_rate = number[4],
                                         .stall_ppm = (uint32_t)number[5]};
    return 0;
}
