/* SPDX-License-Identifier: MIT
 *
 * Who gives a page of the cache back: floors that hold, loans that are recalled at once, and a choice
 * by use, never by who asked last. Numbers only; no page is touched here. pcache_quota.c has the rule
 * and the invariants.
 *
 * A client is one domain's part of the cache. Its fields are written under the client's own lock
 * (the caller's), and some are read by everybody without it: so domains meet on no lock. The table of
 * clients changes under a lock of the caller's that excludes all other calls on the table.
 * Before a page of the victim is dropped, the caller locks the victim and asks
 * pcache_quota_may_give() again. Time is the caller's, in milliseconds, and never runs back by much.
 */
#pragma once

#include <stdatomic.h>

#include <lagan/types.h>

#define QUOTA_CLIENTS      256U /* domains with a cache at a time */
#define QUOTA_LEDGER_ROWS  16U
#define QUOTA_WEIGHT_MAX   65535U
#define QUOTA_WEIGHT_USUAL 256U
#define QUOTA_PAGES_MAX    UINT32_MAX
#define QUOTA_OTHERS       0x7ff4U /* cause of the ledger's last row: DOMID_INVALID */

/* Whose wish cost the client how much. */
struct quota_ledger_row {
    uint16_t cause;     /* domid; DOMID_XEN for the hypervisor itself */
    uint64_t for_cache; /* pages of the client dropped for its pages in the cache */
    uint64_t for_host;  /* ... for its memory */
    uint64_t worth;     /* sum of what they were worth then */
    uint64_t missed;    /* of all these pages so many the client then asked for */
};

/* Letters: [c] constant, [l] client's lock, [a] written under the client's lock, read by all. */
struct pcache_client {
    uint16_t id;                             /* [c] domid: the name in other clients' ledgers */
    _Atomic uint64_t floor, ceiling, weight; /* [a] */
    _Atomic uint64_t pages;                  /* [a] that it has in the cache */
    _Atomic uint64_t remembered;             /* [a] pages refused or dropped that are remembered */
    _Atomic uint64_t hits, would_hit;        /* [a] of the window, in 1/256 */
    _Atomic uint64_t aged;                   /* [a] when these last lost weight */
    uint64_t served, served_on_loan;         /* [l] ever: hits; hits with more than its floor */
    uint64_t dropped, missed;                /* [l] ever: the sums of the ledger */
    struct quota_ledger_row row[QUOTA_LEDGER_ROWS + 1]; /* [l] the last: others */
    unsigned row_count;                                 /* [l] without the others' */
};

struct pcache_quota {
    struct pcache_client *client[QUOTA_CLIENTS];
    unsigned client_count;
    uint64_t window_ms; /* in which what a client did loses an eighth of its weight */
};

void pcache_quota_init(struct pcache_quota *q, uint64_t window_ms);
/* A client with no pages, floor 0, no ceiling, the usual weight. -XEN_ENOSPC: QUOTA_CLIENTS. */
int pcache_quota_join(struct pcache_quota *q, struct pcache_client *c, uint16_t id,
                      uint64_t now) LAGAN_MUST_CHECK;
void pcache_quota_leave(struct pcache_quota *q, struct pcache_client *c); /* has no pages left */
/* -XEN_EINVAL: floor > ceiling, ceiling > QUOTA_PAGES_MAX, weight not 1..QUOTA_WEIGHT_MAX: nothing
 * changed. That all floors together can be had is the caller's care. */
int pcache_quota_set(struct pcache_client *c, uint64_t floor, uint64_t ceiling,
                     uint64_t weight) LAGAN_MUST_CHECK;

/* What happens to the client, told under its lock. A page came in; one went for another reason than those
 * below (flush). */
void pcache_quota_in(struct pcache_client *c);
void pcache_quota_out(struct pcache_client *c);
/* A page was given back to its owner and has left the cache (`leaves`), or stays there. `age`: so many puts and gets
 * of the client's ago it came, or was had last. */
void pcache_quota_hit(const struct pcache_quota *q, struct pcache_client *c, uint64_t age,
                      bool leaves, uint64_t now);
/* A miss that was a hit if the client had more pages; `cause` as pcache_ghost_miss() has it. */
void pcache_quota_would_hit(const struct pcache_quota *q, struct pcache_client *c, uint16_t cause,
                            uint64_t now);
/* A page, or some, were dropped for `cause`: for that domain's cache, or for memory of its. `worth`: of each. */
void pcache_quota_dropped(struct pcache_client *c, uint16_t cause, bool for_host, uint64_t worth);
void pcache_quota_dropped_some(struct pcache_client *c, uint64_t pages, uint16_t cause,
                               bool for_host, uint64_t worth);
/* So many refused and dropped pages of the client are remembered. */
void pcache_quota_remember(struct pcache_client *c, uint64_t entries);

/* What each of its pages is worth: hits a page in the window, weighted (the usual weight: 1), times
 * 2^20; below UINT64_MAX. */
uint64_t pcache_quota_worth(const struct pcache_quota *q, const struct pcache_client *c,
                            uint64_t now);

/* There is a free page: may the client have it (ceiling)? */
bool pcache_quota_may_grow(const struct pcache_client *asker);
/* The client puts a page, and there is no free one, or it may not grow: who gives one? It may be the asker
 * itself, whose oldest page makes way. NULL: nobody, the put is refused. O(clients). */
struct pcache_client *pcache_quota_victim(const struct pcache_quota *q, struct pcache_client *asker,
                                          uint64_t now);
/* So many pages the client could have without much harm to anybody: those it has, `free` ones, and those of
 * others above their floors that are worth nothing, or little beside its own. For
 * pcache_ghost_set_room(), each some dozen puts. O(clients). */
uint64_t pcache_quota_room(const struct pcache_quota *q, const struct pcache_client *c,
                           uint64_t free, uint64_t now);
/* The allocator wants a page: who gives? NULL when nobody has more than its floor. O(clients). */
struct pcache_client *pcache_quota_reclaim(const struct pcache_quota *q, uint64_t now,
                                           uint64_t *worth);
/* Is it still right that the victim gives a page for the asker (NULL: the allocator)? With the victim's
 * lock held: it is right as long as that is. */
bool pcache_quota_may_give(const struct pcache_client *victim, const struct pcache_client *asker);

/* Restates the invariants; panics. All clients at rest. */
void pcache_quota_audit(const struct pcache_quota *q);
