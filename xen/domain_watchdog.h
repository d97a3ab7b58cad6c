/* SPDX-License-Identifier: MIT
 *
 * A domain's watchdogs (SCHEDOP_watchdog): timers that end it unless it sets them anew in time.
 */
#pragma once

#include <lagan/types.h>
#include "xen/timer.h"

struct domain;

#define DOMAIN_WATCHDOGS 2 /* as many as guests of this ABI know */

struct domain_watchdog {
    struct timer timer;
    struct domain *domain; /* [c] */
    bool used;             /* [d] it has been given out */
};

/* With the domain. */
void domain_watchdog_init(struct domain *d);
/* For teardown: none of them goes off any more. The domain's vCPUs do not run; no lock held. */
void domain_watchdog_destroy(struct domain *d);

/* A watchdog that ends d in `seconds` (0: now), unless it is set again before: its number, from 1 on;
 * -XEN_ENOSPC: all are in use. */
int domain_watchdog_start(struct domain *d, uint32_t seconds) LAGAN_MUST_CHECK;
/* Sets watchdog `id` anew, or with 0 seconds gives it back. -XEN_EINVAL: it is not in use. */
int domain_watchdog_set(struct domain *d, uint32_t id, uint32_t seconds) LAGAN_MUST_CHECK;
