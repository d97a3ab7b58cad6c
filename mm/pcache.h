/* SPDX-License-Identifier: MIT
 *
 * The last-chance page cache: pages that domains evict, kept in spare memory (spare.h). The ABI is
 * include/public/lagan/pcache.h, the design docs/pcache.md.
 *
 * INV-PC-1: a frame of the cache is in one place: in a slot, in its client's stock of empty frames, or
 * in the hands of one call under way (struct pcache_held).
 * INV-PC-2: a page is found only by the client that put it, by the id that was issued for it last or by its
 * key, and holds what was put. Ids are never issued twice on a host.
 * INV-PC-3: what a frame of the stock holds, its client has had before.
 * INV-PC-4: used pages of a client never exceed its ceiling; others do not bring it below its floor.
 * INV-PC-5: each page that was offered is counted once: puts == kept + refused + no_room; gets == hits +
 * misses; kept == what is there + hits that left + flushed + dropped.
 */
#pragma once

#include <lagan/lock.h>
#include <lagan/types.h>

struct account;
struct pcache;
struct lagan_pcache_stats;
struct lagan_pcache_host;
struct lagan_pcache_ledger;
struct lagan_pcache_curve;

/* Pages of one client, at most: so many bits of an id say where its record is. */
#define PCACHE_SLOT_BITS 24
#define PCACHE_POOLS     16
#define PCACHE_CLIENTS   256

/* Boot only (tests: a new machine): no clients; registers with spare.h. */
void pcache_init(void);

/* The cache of an account, which outlives it. -XEN_ENOMEM; -XEN_ENOSPC: there are PCACHE_CLIENTS. */
int pcache_create(struct account *a, struct pcache **pc) LAGAN_MUST_CHECK;
/* Domain death: nothing is taken any more, and all pages go, in preemptible steps. -XEN_ERESTART, then
 * 0. Before the account's frames are given up. */
int pcache_relinquish(struct pcache *pc) LAGAN_MUST_CHECK;
/* Forgets the client, which has relinquished. NULL is allowed. */
void pcache_destroy(struct pcache *pc);

/* What names a page: an id that was issued, with the name of the content that the guest gave for it (0:
 * none); or a key in a pool. */
struct pcache_name {
    unsigned pool; /* 0: `key` is an id (getting, flushing) or a name (putting) */
    uint64_t key;
    uint64_t name; /* with an id: as it was put; 0: unknown */
};

/* A page in the hands of a call under way. Who has it must give it back by the function that goes with what
 * gave it, soon, and holds no lock of LK_PCACHE or above meanwhile. */
struct pcache_held {
    mfn_t frame;   /* its content may be read (get), must be written altogether (put) */
    uint64_t id;   /* put by id: what is issued, also when it is refused */
    uint32_t slot; /* private, as all below */
    bool stays, persistent;
};

/* ---- the copying form; each function takes bounded time ---- */

/* Finds a page: true if it is there; then the caller copies it and calls pcache_get_end(). If `copied`, the page
 * is gone then, unless it stays; otherwise it is as it was. */
bool pcache_get(struct pcache *pc, const struct pcache_name *n, bool stays,
                struct pcache_held *h) LAGAN_MUST_CHECK;
void pcache_get_end(struct pcache *pc, struct pcache_held *h, bool copied);

/* Makes room for a page: true: the caller fills the frame and calls pcache_put_end(), which returns true if
 * it was `filled` and is kept. False: it is refused. In any case what was in the pool under this
 * key is gone. *rc: 0, or -XEN_ENOENT (pool), -XEN_ENOMEM (persistent: the account cannot have more). */
bool pcache_put(struct pcache *pc, const struct pcache_name *n, struct pcache_held *h,
                int *rc) LAGAN_MUST_CHECK;
bool pcache_put_end(struct pcache *pc, struct pcache_held *h, bool filled);

/* ---- the exchanging form ---- */

struct pcache_query {
    bool put, get;
    struct pcache_name put_name, get_name;
};
struct pcache_answer {
    mfn_t frame; /* the account's now, in place of the one given, or that one */
    bool hit, kept, exchanged, blank;
    uint64_t id; /* of what was kept */
};
/* (page, new) = query(page, old): `given` is a frame of the client's account that nobody uses. 0, or -XEN_EPERM (not
 * its frame), -XEN_EBUSY (in use), -XEN_ENOENT (no such pool), -XEN_EINVAL (a persistent pool): nothing changed but what
 * a put under a key ends. Takes bounded time. */
int pcache_exchange(struct pcache *pc, mfn_t given, const struct pcache_query *q,
                    struct pcache_answer *r) LAGAN_MUST_CHECK;

/* ---- pools and flushing ---- */

/* Returns the number, 1..15, or -XEN_ENOSPC, -XEN_ENOMEM. */
int pcache_pool_new(struct pcache *pc, bool persistent) LAGAN_MUST_CHECK;
/* -XEN_ENOENT; -XEN_ERESTART: preempted, call again with the cursor as it is; 0 at first. No page can be put
 * there meanwhile. */
int pcache_pool_destroy(struct pcache *pc, unsigned pool, uint32_t *cursor) LAGAN_MUST_CHECK;
/* True if there was such a page. */
bool pcache_flush(struct pcache *pc, const struct pcache_name *n);
/* Of one pool (0: put by id), or, PCACHE_POOLS, of all, from slot *cursor on; the pages are added to *flushed.
 * -XEN_ERESTART: preempted, call again with the cursor as it is; 0 in the end; -XEN_ENOENT. */
int pcache_flush_pool(struct pcache *pc, unsigned pool, uint32_t *cursor,
                      uint64_t *flushed) LAGAN_MUST_CHECK;
/* The same for `keys` keys from `first` on: O(keys), or where these are many, O(pages of the client). */
int pcache_flush_keys(struct pcache *pc, unsigned pool, uint64_t first, uint64_t keys,
                      uint32_t *cursor, uint64_t *flushed) LAGAN_MUST_CHECK;
/* Can be put into and got from. For the moment: another vCPU may close it. */
bool pcache_pool_there(const struct pcache *pc, unsigned pool);
bool pcache_pool_is_persistent(const struct pcache *pc, unsigned pool);

/* ---- quota and figures ---- */

/* -XEN_EINVAL, -XEN_ENOMEM as in the ABI. Pages above a new ceiling are dropped in time: at once as far as
 * is bounded, the others when the client's next calls come. */
int pcache_set_quota(struct pcache *pc, uint64_t floor, uint64_t ceiling,
                     uint32_t weight) LAGAN_MUST_CHECK;
/* NULL: all clients, and those that come. */
void pcache_freeze(struct pcache *pc, bool on);
/* All but `domid`; also of a domain that never used the cache. */
void pcache_no_stats(struct lagan_pcache_stats *s);
void pcache_get_stats(struct pcache *pc, struct lagan_pcache_stats *s);
void pcache_get_host(struct lagan_pcache_host *h);
/* For whom pages of the client's were dropped; returns how many entries there are, of which up to `max` were
 * written. */
unsigned pcache_get_ledger(struct pcache *pc, struct lagan_pcache_ledger *l, unsigned max);
void pcache_get_curve(struct pcache *pc, struct lagan_pcache_curve *c);
/* The curve itself, how many pages the client has, and the time that goes with the curve. Holds the client's lock
 * (LK_PCACHE) until pcache_curve_done(), which comes soon. */
struct pcache_curve;
const struct pcache_curve *pcache_curve_of(struct pcache *pc, uint64_t *pages,
                                           uint64_t *now_ms) LAGAN_NO_TSA;
void pcache_curve_done(struct pcache *pc) LAGAN_NO_TSA;

/* What recalls have left to be done later: for a CPU with nothing better to do, with no lock held. One step: takes
 * bounded time. */
bool pcache_tidy_pending(void);
void pcache_tidy(void);

/* Recounts everything, while nothing else is at work; names the first broken invariants in the log and returns
 * how many there are. */
unsigned pcache_audit(void);
