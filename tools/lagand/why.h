/* SPDX-License-Identifier: MIT
 *
 * Why a domain's memory is to change, in one line for people: from what it said, what its cache's curve says, and
 * what happened to the others at the same time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lagan/pcache.h"

/* A domain, before and after. Amounts are pages. */
struct why_guest {
    const char *name;
    uint64_t from, to; /* what it was to have, and is to have now */
    uint64_t active;   /* its need, as the policy counts it */
    uint64_t floor;
    uint64_t reserve;      /* it waits for so many in all; 0: it does not */
    uint64_t cache_need;   /* more that it would use, by its cache's curve */
    uint64_t saves;        /* reads a second that those would save */
    uint64_t refault_rate; /* pages a second */
    uint32_t stall_ppm;
    bool fixed; /* by order */
};

struct why_host {
    uint64_t room; /* so many pages are wanted for a domain that is to come */
    bool low;      /* less is free than the watermark says */
};

#define WHY_LINE 256

/* Whether the change is worth a line: 4 MiB and a thirty-second of it at least. */
bool why_matters(uint64_t from, uint64_t to);
/* The line about guest[i], whose change matters; the others are looked at for who gave and who got. */
void why_line(char text[WHY_LINE], const struct why_guest *guest, unsigned count, unsigned i,
              const struct why_host *host);

/* Reads a second that `more` pages would save a domain that has `held` in the cache. */
uint64_t why_saves(const struct lagan_pcache_curve *c, uint64_t held, uint64_t more);
