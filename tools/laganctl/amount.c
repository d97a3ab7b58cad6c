/* SPDX-License-Identifier: MIT */
#include "amount.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

#define PAGES_MAX (UINT64_C(1) << 40)

int amount_parse(const char *text, uint64_t *pages)
{
    static const char units[] = "KMGT";
    const char *unit;
    double value, bytes;
    char *end;

    if (!strcmp(text, "max")) {
        *pages = UINT64_MAX;
        return 0;
    }
    if (*text < '0' || *text > '9' || (text[strspn(text, "0123456789.")] | 0x20) == 'x')
        return -EINVAL;
    value = strtod(text, &end);
    if (!isfinite(value))
        return -EINVAL;
    bytes = value * (1 << 20);
    if (*end) {
        unit = strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end);
        if (!unit || (end[1] && strcmp(end + 1, "iB") != 0))
            return -EINVAL;
        bytes = ldexp(value, 10 * (int)(unit - units + 1));
    }
    if (bytes > (double)PAGES_MAX * PAGE_BYTES)
        return -ERANGE;
    *pages = (uint64_t)ceil(bytes / PAGE_BYTES);
    return 0;
}

void amount_print(char *text, size_t size, uint64_t pages, int exact)
{
    static const char units[] = "KMGTP";
    double value = (double)pages * (PAGE_BYTES / 1024);
    unsigned unit = 0;

    if (exact) {
        snprintf(text, size, "%" PRIu64, pages * PAGE_BYTES);
        return;
    }
    for (; value >= 1024 && units[unit + 1]; unit++)
        value /= 1024;
    if (value < 99.95)
        value = round(value * 10) / 10;
    snprintf(text, size, value < 99.95 && value != floor(value) ? "%.1f%c" : "%.0f%c", value,
             units[unit]);
}
