/* SPDX-License-Identifier: MIT
 *
 * A host for the tests of laganctl and lagand: what the hypervisor would say, and what it was told.
 */
#pragma once

#include "lagan/pcache.h"
#include "lagan/pressure.h"
#include "lagan/host.h"
#include "lagan/ubc.h"
#include "tools/laganctl/host.h"

enum { FAKE_DOMAINS = 4, FAKE_VOLUMES = 3, FAKE_LEDGER = 2 };

struct fake_host {
    int open_error; /* what host_open() returns */
    int error;      /* what the next call returns, or 0 */
    int again;      /* so many reservations are -EAGAIN first */
    int opened;     /* handles that are open */
    unsigned domain_count;
    struct host_domain domain[FAKE_DOMAINS];
    struct lagan_pressure_host pressure_host;
    struct lagan_pressure_domain pressure[FAKE_DOMAINS];
    struct lagan_pressure_limits limits;
    struct lagan_pressure_order target, reserve;
    struct lagan_pcache_host cache_host;
    struct lagan_pcache_stats cache[FAKE_DOMAINS];
    struct lagan_pcache_quota quota;
    struct lagan_pcache_freeze freeze;
    struct lagan_pcache_ledger ledger[FAKE_LEDGER];
    struct lagan_pcache_curve curve;
    struct lagan_host_audit audit;
    struct lagan_host_mm_stats types;
    struct lagan_ubc_create volume[FAKE_VOLUMES], made; /* blocks 0: the slot is empty */
    struct lagan_ubc_stats volume_stats;
    struct lagan_ubc_allow allowed;
    uint64_t destroyed;
    /* lists of the buffer cache's */
    int (*ubc_list)(unsigned cmd, void *list, unsigned count, uint64_t epoch);
    bool attached, dm_fails; /* of mapped devices: there is one; no more can be made or removed */
    char ran[1024];          /* programs, a line each */
    struct lagan_ubc_range revoked;
    bool lives; /* domains have the limits and orders that they were given */
    struct lagan_pressure_report_for report; /* the last one */
    unsigned reports;
    int no_room;      /* so many limits are -ENOMEM */
    char asked[64];   /* of the daemon, the last request */
    char answer[128]; /* what it says; "": it does not run */
};

extern struct fake_host fake_host;
