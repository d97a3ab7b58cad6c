/* SPDX-License-Identifier: MIT
 *
 * The daemon's work, without its descriptors and its clock: domains are kept, their reports brought to the
 * hypervisor, its targets to the store, and what happens said in lines. It stands on host.h and store.h only, which the
 * unit tests have others of. keeper.c has the theory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lagan/pressure.h"
#include "tools/laganctl/host.h"

#include "config.h"
#include "store.h"

/* A domain of which we know. */
struct guest {
    uint16_t domid;
    char name[64];
    bool adopted;      /* the hypervisor decides what it has, and we pass that on */
    bool by_hand;      /* somebody else has set its memory */
    bool speaks;       /* its agent reports */
    bool report_waits; /* there is one that we have not read */
    bool complained;   /* of reports that cannot be */
    uint64_t since_ms, heard_ms, looked_ms;
    uint64_t start;                      /* pages that it began with */
    uint64_t unasked;                    /* what it had when we last spoke for it unasked */
    uint64_t static_max;                 /* pages that it may have at most */
    uint64_t written;                    /* KiB: its memory/target, as far as we know */
    uint64_t told;                       /* pages: the goal of which the last line spoke */
    struct lagan_pressure_limits limits; /* as they are, or are to be when nobody's hand is on it */
    struct lagan_pressure_domain now;
    uint64_t reports, refused;
};

/* Room that was asked for, for a domain that is to come. */
struct room {
    bool wanted;
    uint64_t pages, left; /* and what new domains do not have of it yet */
    uint64_t until_ms, since_ms;
    unsigned short_of; /* so many looks in a row have found that it cannot be */
};

enum room_answer { ROOM_WAIT, ROOM_YES, ROOM_NO };

struct keeper {
    struct host *host;
    struct store *store;
    const struct config *config;
    uint64_t now_ms; /* of a clock that only goes forward; the caller sets it before each call */
    unsigned count;
    struct guest guest[HOST_DOMAINS_MAX];
    struct lagan_pressure_host free;
    uint64_t low;      /* the watermark without room */
    uint64_t low_set;  /* and as we have set it */
    bool was_low;      /* as the last line about it said */
    bool domains_wait; /* the list has changed */
    struct room room;
    uint64_t decisions, moves, reports, refused; /* since the start */
};

/* For the caller: one line of what has happened. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* Switches the policy on and takes up what is there, with `k` zeroed but for host, store, config and now_ms. A negative
 * errno, and nothing has changed. */
int keeper_start(struct keeper *k);
/* Gives all back: the policy off, and each domain as `xl mem-set' would have left it. Also for one who was killed. */
void keeper_release(struct keeper *k);

/* An event of the store's, by its path. */
void keeper_event(struct keeper *k, const char *path);
/* What events have left to do; within how many milliseconds it wants to be called again, or -1. */
int keeper_work(struct keeper *k);
/* The hypervisor's event: targets may have changed. */
void keeper_pass_targets(struct keeper *k);
/* Once a second: who is silent, what has moved, whether there is room. */
void keeper_tick(struct keeper *k);

/* Room for a domain of so many pages, to be held for so long. Then keeper_room() is asked until it says no more that one is to
 * wait. There is one room: the last who asks has it. */
void keeper_want_room(struct keeper *k, uint64_t pages, uint64_t hold_ms);
enum room_answer keeper_room(struct keeper *k);

/* Manages a domain from now on, and takes back what was set by hand if that is wanted. -ESRCH; -ENOENT: its memory is not
 * in the store. */
int keeper_manage(struct keeper *k, uint16_t domid, bool leave_hand);
