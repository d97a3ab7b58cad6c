/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#define VERSION    1
#define NUMBERS    7
#define LEAST      6 /* an agent that does not say what its guest has */
#define STALL_MOST 1000000U

void report_print(char text[REPORT_SIZE], const struct lagan_pressure_need *need, uint64_t have)
{
    snprintf(text, REPORT_SIZE,
             "%d %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu32 " %" PRIu64, VERSION,
             need->working_set, need->free, need->reclaimable, need->refault_rate, need->stall_ppm,
             have);
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

int report_parse(const char *text, struct lagan_pressure_need *need, uint64_t *have)
{
    uint64_t number[NUMBERS] = {0};
    unsigned count = 0;

    do {
        if (count == NUMBERS || !take_number(&text, &number[count++]))
            return -EINVAL;
    } while (*text++ == ' ');
    if (text[-1] || count < LEAST)
        return -EINVAL;
    if (number[0] != VERSION || number[5] > STALL_MOST)
        return -EINVAL;
    *need = (struct lagan_pressure_need){.working_set = number[1],
                                         .free = number[2],
                                         .reclaimable = number[3],
                                         .refault_rate = number[4],
                                         .stall_ppm = (uint32_t)number[5]};
    *have = number[6];
    return 0;
}

static uint64_t take_off(uint64_t *from, uint64_t pages)
{
    uint64_t part = pages < *from ? pages : *from;

    *from -= part;
    return pages - part;
}

void report_settle(struct lagan_pressure_need *need, uint64_t had, uint64_t have)
{
    uint64_t given = had > have ? had - have : 0;

    (void)take_off(&need->reclaimable, take_off(&need->free, given));
}
