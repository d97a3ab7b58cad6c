/* SPDX-License-Identifier: MIT
 *
 * The last-chance page cache: clean pages that a guest evicts are kept in the host's spare memory,
 * where the guest may find them again instead of reading its disk. docs/pcache.md has an example.
 *
 *     long HYPERVISOR_pcache_op(unsigned cmd, void *arg, unsigned count);
 *                                                            hypercall 53, __HYPERVISOR_arch_5
 *
 * What is kept in an ephemeral pool may be gone at any time; nobody but the domain that gave a page
 * ever gets it back, and what comes back is what was given, byte by byte. Pages are of 4 KiB; all
 * amounts are pages unless they are said to be something else.
 * Errors of all commands: -EFAULT: the argument cannot be read or written; -ENOSYS: no such command;
 * -EINVAL: a reserved field or an unknown flag is not 0, or a value cannot be; -ENOMEM: no memory for
 * the domain's books. A call that fails changes nothing, but where it is said otherwise.
 * Fields `reserved` may get a meaning; nothing that is here changes.
 */
#ifndef LAGAN_PUBLIC_PCACHE_H
#define LAGAN_PUBLIC_PCACHE_H

#ifndef __ASSEMBLY__
#include <stdint.h>
#endif

#define LAGAN_HYPERVISOR_pcache_op 53

/* ---- every domain, for itself ---- */
/*
 * (page, new) = query(page, old), `count` times (1..512; -EINVAL otherwise): arg is an array of struct
 * lagan_pcache_query. Each has its own status; the call returns 0 when all have been served. A call with
 * count 1 takes bounded time, is never interrupted, and may be made with the guest's interrupts off;
 * longer ones let interrupts in between two queries.
 */
#define LAGAN_PCACHE_query 1 /* IN/OUT struct lagan_pcache_query[count] */
/* Forgets pages: arg is an array of `count` (1..512) of struct lagan_pcache_flush. */
#define LAGAN_PCACHE_flush 2 /* IN/OUT struct lagan_pcache_flush[count] */
/* The domain's own figures and its quota. `domid` is ignored. */
#define LAGAN_PCACHE_info 3 /* OUT struct lagan_pcache_stats */
/* Makes a pool of keyed pages and returns its number, 1..15. -ENOSPC: there are 15. */
#define LAGAN_PCACHE_pool_new 4 /* IN struct lagan_pcache_pool */
/* Forgets all pages of a pool, and the pool. -ENOENT: no such pool. */
#define LAGAN_PCACHE_pool_destroy 5 /* IN struct lagan_pcache_pool */

/* ---- the control domain; -EPERM for all others ---- */
/* -ESRCH: no such domain (DOMID_SELF is allowed). */
/*
 * Quota. -EINVAL: floor > ceiling, weight not 1..65535; -ENOMEM: there is not so much memory free that
 * the floor could be kept for it.
 */
#define LAGAN_PCACHE_set_quota 16 /* IN struct lagan_pcache_quota */
#define LAGAN_PCACHE_get_stats 17 /* IN/OUT struct lagan_pcache_stats: domid */
/* For whom pages of a domain were dropped: up to `count` (1..64) entries; returns how many there are. */
#define LAGAN_PCACHE_ledger 18 /* IN/OUT struct lagan_pcache_ledger[count]: domid of the first */
/*
 * Frozen, a domain keeps what it has and may get it back, but puts are refused. domid DOMID_INVALID
 * (0x7ff4): all domains, those that come as well.
 */
#define LAGAN_PCACHE_freeze 19 /* IN struct lagan_pcache_freeze */
/* "So many more pages would save so many reads a second", sampled. */
#define LAGAN_PCACHE_curve 20 /* IN/OUT struct lagan_pcache_curve: domid */
#define LAGAN_PCACHE_host  21 /* OUT struct lagan_pcache_host */

#define LAGAN_PCACHE_BATCH_MAX 512

/* flags of a query */
#define LAGAN_PCACHE_PUT   (1U << 0) /* keep the page's content; otherwise it is of no interest */
#define LAGAN_PCACHE_GET   (1U << 1) /* `old` is wanted: its content comes into the page */
#define LAGAN_PCACHE_KEYED (1U << 2) /* old and new are keys of `pool`, not ids */
#define LAGAN_PCACHE_EXCHANGE \
    (1U << 3) /* the frame itself may be taken, and another be given for it */
#define LAGAN_PCACHE_VIRTUAL (1U << 4) /* `page` is a virtual address; not with EXCHANGE */
#define LAGAN_PCACHE_STAY    (1U << 5) /* a hit stays in the cache; not with EXCHANGE */

/* status of a query, when it is not negative */
#define LAGAN_PCACHE_HIT  (1 << 0) /* the page holds what `old` named */
#define LAGAN_PCACHE_KEPT (1 << 1) /* what was put is in the cache */
#define LAGAN_PCACHE_EXCHANGED \
    (1 << 2) /* `page` is another frame now: the one given is not yours */
#define LAGAN_PCACHE_BLANK \
    (1 << 3) /* a frame came that holds nothing: zeroes or old data of yours */

/* kind of a pool */
#define LAGAN_PCACHE_EPHEMERAL 0 /* droppable at any time; beyond the domain's allocation */
#define LAGAN_PCACHE_PERSISTENT \
    1 /* never dropped; each page is charged to the domain's allocation */

/* what to flush */
#define LAGAN_PCACHE_FLUSH_ALL  0 /* all that was put by id, and all of all pools */
#define LAGAN_PCACHE_FLUSH_ID   1 /* the page with the id `first` */
#define LAGAN_PCACHE_FLUSH_KEYS 2 /* of `pool`, the keys first .. first + keys - 1 */
#define LAGAN_PCACHE_FLUSH_POOL 3 /* all of `pool`, which stays; pool 0: all that was put by id */

/* flags of a domain's figures */
#define LAGAN_PCACHE_FROZEN (1U << 0)

#ifndef __ASSEMBLY__

/*
 * The page: a frame of the domain's own (its machine frame number), or, with VIRTUAL, the address of a page
 * (a multiple of 4096) in the caller's address space, whatever is mapped there.
 *
 * Copying (no EXCHANGE): the content is copied out of the page (PUT) and into it (GET). Where both are
 * asked for, what was put is what the page held before.
 *
 * EXCHANGE: the frame must be the domain's own and in no use at all: mapped nowhere, granted to nobody (status
 * -EBUSY otherwise). The hypervisor may take it and give another for it, which then has the machine-to-physical
 * entry that the given one had; the domain's own tables are the guest's care. It may also copy instead. With
 * EXCHANGE set:
 *     GET, hit      the content wanted is in `page`, whichever frame that is;
 *     PUT, kept     if `page` is another frame now and there was no hit, it is BLANK;
 *     otherwise     `page` holds what was given, in that frame or (EXCHANGED) in another: what could not be kept
 *                   after all. It is BLANK only if the domain itself has put that frame to use meanwhile.
 * With a persistent pool the contents are always copied.
 *
 * A put may be refused for lack of memory, by the quota, or as most of what is evicted is never asked for again
 * and the cache has learnt so; that is no error. With KEYED, what was in the pool under `key` before is gone
 * in any case, also when status is negative, unless the query itself could not be read.
 *
 * Pages put by id are got by the id that was issued, once. An id that was not issued to this domain, or that was
 * served, flushed or dropped since, is a miss. Ids are never 0.
 *
 * Status -EINVAL: flags, pool kind or a reserved field; -ENOENT: no such pool; -EFAULT: the address; -EPERM: not
 * a frame of the domain's; -EBUSY: the frame is in use (EXCHANGE), or is in use as a page table (GET); -ENOMEM: a
 * persistent pool cannot have a page more, since the domain cannot.
 */
struct lagan_pcache_query {
    uint16_t flags; /* IN */
    uint16_t pool;  /* IN: 1..15 with KEYED; otherwise 0 */
    int32_t status; /* OUT */
    uint64_t old;   /* IN with GET: an id, or a key */
    uint64_t new; /* IN with PUT and KEYED: a key. OUT with PUT, not KEYED: the id, also of what was
                           * refused (getting that is a miss from which the cache learns); 0: none */
    uint64_t page; /* IN; OUT with EXCHANGE: the frame that is the domain's now */
    /* IN, not KEYED: what names the content of `new` and `old` each time that it is put and wanted (such as
     * its block's number), so that the cache learns what comes back; 0: nothing. */
    uint64_t name, old_name;
};

struct lagan_pcache_flush {
    uint16_t what;    /* IN: LAGAN_PCACHE_FLUSH_* */
    uint16_t pool;    /* IN */
    uint32_t cursor;  /* IN: 0; changes while the call is under way */
    uint64_t first;   /* IN with FLUSH_ID and FLUSH_KEYS */
    uint64_t keys;    /* IN with FLUSH_KEYS: at least 1; past the last key there is nothing */
    uint64_t flushed; /* IN: 0; OUT: so many pages */
};

struct lagan_pcache_pool {
    uint16_t kind;        /* IN of pool_new; of pool_destroy: 0 */
    uint16_t pool;        /* IN of pool_destroy; of pool_new: 0 */
    uint32_t cursor;      /* IN: 0; changes while pool_destroy is under way */
    uint32_t reserved[2]; /* IN: 0 */
};

/* Counters start when the domain does. */
struct lagan_pcache_stats {
    uint16_t domid;         /* IN; OUT: the number itself instead of DOMID_SELF */
    uint16_t reserved0;     /* IN: 0 */
    uint32_t flags;         /* OUT */
    uint64_t floor;         /* OUT: kept for it whatever others do */
    uint64_t ceiling;       /* OUT: it never has more */
    uint32_t weight;        /* OUT */
    uint32_t reserved1;     /* OUT: 0 */
    uint64_t pages;         /* OUT: of its ephemeral pools */
    uint64_t persistent;    /* OUT: of its persistent ones */
    uint64_t books;         /* OUT: pages of the hypervisor's that its records take */
    uint64_t ghosts;        /* OUT: names that are remembered without their pages */
    uint64_t puts;          /* OUT: pages offered: kept + refused, each of these for one reason */
    uint64_t kept;          /* OUT */
    uint64_t refused;       /* OUT: as it was not thought to come back */
    uint64_t no_room;       /* OUT: as there was no memory, by its quota, or frozen */
    uint64_t gets;          /* OUT: pages wanted: hits + misses */
    uint64_t hits;          /* OUT */
    uint64_t exchanged;     /* OUT: puts and hits that moved a frame... */
    uint64_t copied;        /* OUT: ... and that copied */
    uint64_t flushed;       /* OUT: pages that it gave up itself, by flush or by putting again */
    uint64_t dropped_self;  /* OUT: pages dropped to make room for its own */
    uint64_t dropped_cache; /* OUT: ... for other domains' pages in the cache */
    uint64_t dropped_host;  /* OUT: ... for memory that somebody needed */
    uint64_t worth;         /* OUT: hits a page in the last while, weighted, times 2^20 */
    uint64_t reserved[8];   /* OUT: 0 */
};

struct lagan_pcache_quota {
    uint16_t domid;     /* IN */
    uint16_t reserved0; /* IN: 0 */
    uint32_t weight;    /* IN: 1..65535: its hits count so much; the usual one is 256 */
    /* IN: memory that is kept for it: no longer free to others, but lent to their caches */
    uint64_t floor;
    uint64_t ceiling; /* IN: it never has more ephemeral pages; 0: the cache is off for it */
};

struct lagan_pcache_ledger {
    uint16_t domid; /* IN of the first, OUT: whose pages */
    uint16_t other; /* OUT: for whom they were dropped: a domain; DOMID_XEN (0x7ff2): the hypervisor
                         * itself; DOMID_INVALID (0x7ff4): others that there was no entry for */
    uint32_t reserved;  /* OUT: 0 */
    uint64_t for_cache; /* OUT: pages dropped for the other's pages in the cache */
    uint64_t for_host;  /* OUT: pages dropped for the other's memory */
    uint64_t missed;    /* OUT: of them those that the domain then asked for */
    uint64_t worth;     /* OUT: of the pages dropped, as in stats, when they were: the sum */
};

struct lagan_pcache_freeze {
    uint16_t domid;     /* IN */
    uint16_t reserved0; /* IN: 0 */
    uint32_t on;        /* IN: 0 or 1 */
};

#define LAGAN_PCACHE_CURVE_POINTS 32
struct lagan_pcache_curve {
    uint16_t domid;     /* IN */
    uint16_t reserved0; /* IN: 0 */
    uint32_t points;    /* OUT: how many there are, ascending */
    uint64_t gets;      /* OUT: pages wanted, in the window that the curve is of */
    uint64_t window_ns; /* OUT: its length */
    struct {
        uint64_t pages;  /* OUT: were the domain's part of the cache so large ... */
        uint64_t misses; /* OUT: ... so many of `gets` would have been misses */
    } point[LAGAN_PCACHE_CURVE_POINTS];
};

struct lagan_pcache_host {
    uint64_t lent; /* OUT: pages that are free to whoever needs memory, and in use by the cache */
    uint64_t whole_runs;   /* OUT: aligned runs of 512 frames that are lent altogether */
    uint64_t floors;       /* OUT: the sum of floors: not free to others */
    uint64_t persistent;   /* OUT: pages in persistent pools */
    uint64_t books;        /* OUT: pages of the hypervisor's that all records take */
    uint64_t recalled;     /* OUT: pages given to whoever needed memory, since the start */
    uint64_t recall_calls; /* OUT: in so many steps */
    uint64_t recall_looks; /* OUT: in which so many frames were looked at */
    uint32_t clients;      /* OUT: domains that have used the cache */
    uint32_t flags;        /* OUT: LAGAN_PCACHE_FROZEN: all are */
    uint64_t reserved[7];  /* OUT: 0 */
};

#endif /* __ASSEMBLY__ */
#endif
