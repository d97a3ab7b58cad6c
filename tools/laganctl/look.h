/* SPDX-License-Identifier: MIT
 *
 * One look at all memory: what the screen shows, and what Prometheus reads.
 */
#pragma once

#include <stdio.h>

#include "lagan/pcache.h"
#include "lagan/pressure.h"

#include "host.h"

struct look {
    struct lagan_pressure_host host;
    struct lagan_pcache_host cache_host;
    int count;
    struct host_domain domain[HOST_DOMAINS_MAX];
    struct lagan_pressure_domain pressure[HOST_DOMAINS_MAX];
    struct lagan_pcache_stats cache[HOST_DOMAINS_MAX];
};

/* A domain that ends in the middle keeps figures of 0. */
int look_take(struct host *h, struct look *l);

/* All of it as text for Prometheus. */
int look_print_metrics(struct host *h, FILE *to);
/* {domid="N",name="NAME"} */
void look_print_label(FILE *to, unsigned domid, const char *name);
