/* SPDX-License-Identifier: MIT
 *
 * Who gives a page of the cache back: floors that hold, loans that are recalled at once, and a choice
 * by use, never by who asked last. Numbers only; no page is touched here. pcache_quota.c has the rule
 * and the invariants.
 *
 * A client is one domain's part of the cache. Its fields are written under the client's own lock
 * (the caller's), and read by everybody without it: so domains meet on no lock. The table of
 * clients changes under a lock of the caller's that excludes all other calls on the table.
 * Before a page of the victim is dropped, the caller locks the victim and asks
 * pcache_quota_may_give() again. Time is the caller's, in milliseconds.
 */
#pragma once

#include <stdatomic.h>

#include <lagan/types.h>

#define QUOTA_CLIENTS     256U /* domains with a cache at a time */
#define QUOTA_LEDGER_ROWS 16U
#define QUOTA_WEIGHT_MAX  65535U
#define QUOTA_PAGES_MAX   UINT32_MAX
#define QUOTA_HOST        0xfff0U /* cause: memory that is for no domain of its own */

/* Whose wish cost the client how much. The row with the least is merged into `others` when there is
 * no room for a new one: sums stay exact. */
struct quota_ledger_row {
    uint16_t cause;   /* domid, QUOTA_HOST */
    uint64_t dropped; /* pages of the client dropped for it */
    uint64_t missed;  /* ... that the client then asked for */
};

struct pcache_client {
    uint16_t id; /* [c] domid: the name in other clients' ledgers */
    _Atomic uint32_t floor, ceiling, weight;
    _Atomic uint64_t pages;           /* that it has in the cache */
    _Atomic uint64_t remembered;      /* refused or dropped pages that are remembered */
    _Atomic uint64_t hits, would_hit; /* of the window, in 1/256 */
    _Atomic uint64_t aged;            /* when these last lost weight */

    /* [client's lock] ever: */
    uint64_t served;                  /* hits */
    uint64_t served_on_loan;          /* ... when it had more than its floor */
    uint64_t dropped, dropped_missed; /* == sums of the ledger */
    struct quota_ledger_row row[QUOTA_LEDGER_ROWS], others;
    unsigned row_count;
};

struct pcache_quota {
    struct pcache_client *client[QUOTA_CLIENTS];
    unsigned client_count;
    uint64_t floors;    /* sum of all */
    uint64_t window_ms; /* in which what a client did loses an eighth of its weight */
};

void pcache_quota_init(struct pcache_quota *q, uint64_t window_ms);
/* -XEN_ENOSPC, -XEN_EINVAL (floor > ceiling, weight 0 or too large). */
LAGAN_MUST_CHECK int pcache_quota_join(struct pcache_quota *q, struct pcache_client *c, uint16_t id,
                                       uint64_t now);
void pcache_quota_leave(struct pcache_quota *q, struct pcache_client *c); /* has no pages left */
LAGAN_MUST_CHECK int pcache_quota_set(struct pcache_quota *q, struct pcache_client *c,
                                      uint64_t floor, uint64_t ceiling, uint64_t weight);

/* What happens to the client, told under its lock: a page came in, a page was given back to its
 * owner, a miss that a page more would have served, a page that was dropped for `cause`, one that
 * went for another reason (flush). `cause` of would_hit: as remembered, or GHOST_REFUSED. */
void pcache_quota_in(struct pcache_client *c);
void pcache_quota_hit(struct pcache_quota *q, struct pcache_client *c, uint64_t now);
void pcache_quota_would_hit(struct pcache_quota *q, struct pcache_client *c, uint16_t cause,
                            uint64_t now);
void pcache_quota_drop(struct pcache_client *c, uint16_t cause);
void pcache_quota_out(struct pcache_client *c);
void pcache_quota_set_remembered(struct pcache_client *c, uint64_t entries);

/* What each of its pages is worth to it: weighted hits per 2^20 pages in the window. */
uint64_t pcache_quota_worth(const struct pcache_quota *q, const struct pcache_client *c,
                            uint64_t now);

enum quota_verdict {
    QUOTA_TAKE,   /* *victim gives: it may be the asker itself (its oldest page makes way) */
    QUOTA_REFUSE, /* nobody gives: the put is refused */
};
/* There is no free page and the client puts one: who gives? O(clients). */
enum quota_verdict pcache_quota_victim(const struct pcache_quota *q,
                                       const struct pcache_client *asker, uint64_t now,
                                       struct pcache_client **victim);
/* There is a free page: may the client have it (ceiling)? Otherwise it gives one of its own. */
bool pcache_quota_may_grow(const struct pcache_client *asker);
/* The allocator wants a page: who gives? NULL when the cache is empty. *worth as above, UINT64_MAX
 * when the page is within a floor: the last that may go. O(clients). */
struct pcache_client *pcache_quota_reclaim(const struct pcache_quota *q, uint64_t now,
                                           uint64_t *worth);
/* Still right, now that the victim is locked? `asker` NULL: the allocator, which may have any. */
bool pcache_quota_may_give(const struct pcache_client *victim, const struct pcache_client *asker);

/* Restates the invariants; panics. All clients are locked or at rest. */
void pcache_quota_audit(const struct pcache_quota *q);
