/* SPDX-License-Identifier: MIT
 *
 * Private to the files of the page cache (pcache*.c): a client, its slots, its index of keys, and who may do
 * what. Everything here is called under the client's lock, but where it is said otherwise.
 */
#pragma once

#include <stdatomic.h>

#include <lagan/lock.h>
#include "mm/frame.h"
#include "mm/pcache.h"
#include "mm/pcache_ghost.h"
#include "mm/pcache_quota.h"
#include "mm/spare.h"

/* The word of a frame that a call is about to give to the account: whoever comes from the frame table leaves it
 * alone, as its links may be the account's already. */
#define IN_HAND spare_word(SPARE_PCACHE, UINT16_MAX)
STATIC_ASSERT(PCACHE_CLIENTS < UINT16_MAX);

/* ---- slots: the records of pages ---- */

enum slot_state {
    SLOT_FREE,
    SLOT_KEPT,    /* holds a page; ephemeral ones are on the client's list */
    SLOT_FILLING, /* a put is under way: not to be found */
    SLOT_READ,    /* gets are under way: found, but neither dropped nor on the list */
    SLOT_DROPPED /* its frame was recalled: not to be found, but not forgotten yet (pcache_lender.c) */
};

struct slot {
    uint64_t id;    /* generation << SLOT_BITS | number, of the page that it has or had last */
    uint64_t key;   /* or the name, of a page put by id */
    uint32_t mark;  /* the ghost tier's */
    uint32_t frame; /* its content */
    uint32_t next,
        prev;       /* numbers of slots: the client's lists, newest first; `next` of free ones */
    uint32_t chain; /* the next of the same bucket */
    uint8_t pool;
    uint8_t state : 6;   /* enum slot_state */
    bool doomed : 1;     /* SLOT_READ: goes when they are done; not in the index any more */
    bool persistent : 1; /* the frame is the account's; not on the list */
    union {
        uint16_t readers; /* SLOT_READ: how many; or READER_ALONE */
        uint16_t cause;   /* SLOT_DROPPED: for whom, a domid */
    };
};

#define READER_ALONE UINT16_MAX /* the page leaves with this get: no other may begin */

struct slot_list {
    uint32_t newest, oldest; /* numbers of slots */
    uint32_t count;
};
/* Neighbours on a list. */
struct slot_part {
    struct slot *newest, *oldest;
    uint32_t newest_number, count;
};

/* A page of slots; the first place is the head's. */
#define LEAF_SHIFT 7U
#define LEAF_SLOTS (PAGE_SIZE / sizeof(struct slot))
#define LEAF_COUNT (UINT32_C(1) << (PCACHE_SLOT_BITS - LEAF_SHIFT))
STATIC_ASSERT(sizeof(struct slot) == 40 && LEAF_SLOTS <= 1U << LEAF_SHIFT);

struct leaf {
    uint32_t number;
    uint32_t used, free; /* slots; the first free one, as its place */
    uint32_t next, prev; /* leaves with free slots: number + 1 */
    uint32_t unused[5];
    struct slot slot[LEAF_SLOTS - 1]; /* places 1 .. LEAF_SLOTS - 1 */
};
STATIC_ASSERT(sizeof(struct leaf) <= PAGE_SIZE);

/* Large arrays: a page of pointers to pages. */
#define DIR_SIZE  (PAGE_SIZE / sizeof(void *))
#define LEAF_DIRS (LEAF_COUNT / DIR_SIZE)

/* Buckets of keys, in pages. */
#define BUCKET_SHIFT 10U
#define BUCKET_PAGES (UINT32_C(1) << (PCACHE_SLOT_BITS - BUCKET_SHIFT))
#define BUCKET_DIRS  (BUCKET_PAGES / DIR_SIZE)
/* A put that would make a chain longer is refused: every search is bounded. */
#define CHAIN_MAX 32U

struct counts {
    uint64_t puts, kept, refused, no_room, gets, hits, left, exchanged, copied, flushed;
    uint64_t dropped_self, dropped_cache, dropped_host;
};

struct pcache {
    struct pcache_client quota; /* its `pages`: kept or being filled or read, ephemeral */
    struct account *account;    /* [c] */
    unsigned index;             /* [c] in pcache.client */
    bool dying, frozen;
    struct slot_list kept;       /* pages that may be dropped */
    struct slot_list dropped;    /* SLOT_DROPPED (INV-ROOM-2) */
    uint32_t stock, stock_count; /* empty frames, linked through `next` (INV-PC-3) */
    uint32_t own_turns; /* so many pages more make way for new ones without anybody being asked */
    uint64_t next_generation, end_generation;
    uint64_t persistent;               /* pages */
    uint8_t pool[PCACHE_POOLS];        /* enum pool_kind */
    uint32_t pool_pages[PCACHE_POOLS]; /* in the index */
    uint32_t end_cursor;               /* pcache_relinquish() */
    struct counts count;

    struct leaf **leaf_dir[LEAF_DIRS];
    uint32_t leaf_count; /* numbers in use are below it */
    uint32_t leaf_lost;  /* number + 1: of those, the first that has no leaf */
    uint32_t leaf_open;  /* number + 1: leaves with free slots */
    uint32_t leaf_spare; /* of these, so many have no slot in use */
    uint32_t **bucket_dir[BUCKET_DIRS];
    uint32_t bucket_count; /* twice as many as keys: pcache_index.c */
    uint32_t bucket_pages;
    uint32_t keyed;             /* slots in the index */
    uint64_t secret[2];         /* [c] of the index's hash */
    uint64_t books;             /* pages of records */
    unsigned ghost_order;       /* [c] pages of its table */
    void *ghost_table;          /* [c] */
    struct pcache_ghost *ghost; /* [c] */
};
STATIC_ASSERT(sizeof(struct pcache) <= PAGE_SIZE);

enum pool_kind { POOL_NONE, POOL_EPHEMERAL, POOL_PERSISTENT, POOL_CLOSING };

/* Clients by number. The locks are here, so that whoever comes from a frame can lock its client without
 * knowing that it lasts. */
struct pcache_seat {
    struct spinlock lock;      /* LK_PCACHE */
    struct pcache *_Atomic pc; /* changes under the lock */
} LAGAN_ALIGNED(64);

extern struct pcache_all {
    struct pcache_seat seat[PCACHE_CLIENTS];
    struct pcache_quota quota; /* changes while nobody reads it: pcache_room.c */
    _Atomic bool frozen;
    _Atomic uint64_t generation; /* the next that no client has */
    _Atomic uint64_t books, persistent;
    _Atomic uint64_t dropped; /* slots of all clients that are to be settled */
} pcache;

static inline struct spinlock *pcache_lock_of(const struct pcache *pc)
{
    return &pcache.seat[pc->index].lock;
}
#define pcache_lock(pc)   spin_lock(pcache_lock_of(pc))
#define pcache_unlock(pc) spin_unlock(pcache_lock_of(pc))

/* ---- pcache_slot.c ---- */
/* The slot, or NULL: there is none of that number. For numbers from guests, too. */
struct slot *slot_at(const struct pcache *pc, uint32_t number);
/* The same for the number of a slot in use, from our own books. */
static inline struct slot *slot_of(const struct pcache *pc, uint32_t number)
{
    struct leaf **dir = pc->leaf_dir[number / (DIR_SIZE << LEAF_SHIFT)];

    return &dir[(number >> LEAF_SHIFT) % DIR_SIZE]->slot[number % (1U << LEAF_SHIFT) - 1];
}
static inline uint32_t slot_number(const struct slot *s)
{
    return (uint32_t)s->id & ((UINT32_C(1) << PCACHE_SLOT_BITS) - 1);
}
/* Not under the lock: adds free slots. False: no memory, or as many as there can be. */
bool slots_prepare(struct pcache *pc) LAGAN_MUST_CHECK;
/* A free slot, with a new id, or that of slot_vain_id() if it is not 0; or NULL. And back; pages of slots of which
 * none is in use are freed but one. */
struct slot *slot_take(struct pcache *pc, uint64_t vain_id);
void slot_give(struct pcache *pc, struct slot *s);
/* An id that names nothing, unless a slot is taken for it. */
uint64_t slot_vain_id(struct pcache *pc);
/* Lets the lock go if there is none, or the index should grow, to allocate. The slot is SLOT_FILLING. */
struct slot *slot_reserve(struct pcache *pc, bool keyed, uint64_t vain_id);
/* All pages of records go; no slot is in use. Not under the lock. */
void slots_end(struct pcache *pc);
/* The lists. */
void slot_push(struct pcache *pc, struct slot_list *l, struct slot *s);
void slot_unlink(struct pcache *pc, struct slot_list *l, struct slot *s);
/* A part of the one becomes the newest of the other. */
void slots_move(struct pcache *pc, struct slot_list *from, struct slot_list *to,
                struct slot_part p);

/* ---- pcache_index.c ---- */
/* Whatever its state. */
struct slot *index_find(const struct pcache *pc, unsigned pool, uint64_t key);
bool index_add(struct pcache *pc, struct slot *s) LAGAN_MUST_CHECK;
void index_remove(struct pcache *pc, struct slot *s);
/* Whether it should grow before the next key; and, not under the lock, lets it, if there is memory. */
static inline bool index_is_full(const struct pcache *pc)
{
    return 2 * pc->keyed >= pc->bucket_pages << BUCKET_SHIFT && pc->bucket_pages < BUCKET_PAGES;
}
void index_prepare(struct pcache *pc);
void index_end(struct pcache *pc);

/* Pages for records: counted. Without the lock, or (free) with it. */
void *books_alloc(struct pcache *pc);
void books_free(struct pcache *pc, void *page);

/* ---- pcache_room.c ---- */
uint64_t pcache_now_ms(void);
/* The name by which the ghost tier knows a page. */
uint64_t ghost_name(const struct pcache *pc, unsigned pool, uint64_t key, uint64_t id);
/* Takes a page out of its slot, which is free then; the frame is the caller's. */
mfn_t page_remove(struct pcache *pc, struct slot *s);
/* As above, for the sake of `cause` (a domid). */
mfn_t page_drop(struct pcache *pc, struct slot *s, uint16_t cause);
/* Several, which are left SLOT_DROPPED for page_settle(): each by the first function, then, before anything else is done
 * with the client, the second and count_dropped(). */
static inline mfn_t page_put_off(struct pcache *pc, struct slot_part *p, struct slot *s,
                                 uint32_t number, uint16_t cause);
static inline void pages_put_off_end(struct pcache *pc, struct slot_part *p);
void page_settle(struct pcache *pc, struct slot *s);
/* Some of what was put off is settled, the oldest first: a part of each put and get. */
#define SETTLE_TURN 2U
void pages_settle(struct pcache *pc, unsigned most);
/* The quota is to know how many pages are remembered, or will be. */
void tell_remembered(struct pcache *pc);
/* A frame for a page of the client's, or MFN_INVALID: nobody gives one. `blank`: it holds zeroes or what the
 * client has had; otherwise it holds anything. May let the lock go and take it again. */
mfn_t room_find(struct pcache *pc, bool blank);
/* One page of the client's own makes way, its oldest: true if it may have another then. */
bool room_make_own(struct pcache *pc);
/* Pages above the ceiling, some of them, go. */
void room_trim(struct pcache *pc);
/* An empty frame that holds what the client has had goes to the stock, or, if that is full, to the heap. */
void stock_put(struct pcache *pc, mfn_t m);
mfn_t stock_get(struct pcache *pc);
/* A certain frame leaves it, if it is there. */
bool stock_remove(struct pcache *pc, mfn_t m);
/* No TLB has the frame any more, however it came (INV-ROOM-1). */
void frame_flush(const struct pcache *pc, const struct frame *f);
/* Frames that may hold anything go to the heap, as soon as no TLB holds them. */
void frames_give(struct pcache *pc, const mfn_t *list, unsigned count);
/* So many pages were put off; `worth`: what each was worth before. */
void count_dropped(struct pcache *pc, unsigned pages, uint16_t cause, bool host, uint64_t worth);
/* Gives up to `count` frames of those that are above `keep` pages: for the heap, or for another's good. */
unsigned pages_give(struct pcache *pc, unsigned count, uint64_t keep, uint16_t cause, bool host);
/* The pages that are given for the host's memory, or NULL; and what one of them is worth. */
bool quota_worst(unsigned *index, uint64_t *worth);
/* Not under the lock: joins and leaves the quota's table. */
int quota_join(struct pcache *pc);
void quota_leave(struct pcache *pc);
void room_init(void);

/* ---- pcache_lender.c ---- */
void lender_init(void);

/* ---- pcache_page.c ---- */
/* The slot of the page that is meant, if it can be found. */
struct slot *page_find(struct pcache *pc, const struct pcache_name *n);
struct slot *page_find_key(struct pcache *pc, unsigned pool, uint64_t key);
/* What was in the pool under the key ends, or this page. Of a persistent one the frame is returned, to be given back
 * by persist_free() without the lock; else MFN_INVALID. */
mfn_t page_flush(struct pcache *pc, struct slot *s);
/* A put begins: ends what was under the key, counts, and asks the ghost tier: a slot for the page, or NULL: refused,
 * and counted as that. May let the lock go and take it again. h: `id` and `slot` are set. */
struct slot *put_admit(struct pcache *pc, const struct pcache_name *n, struct pcache_held *h);
/* It ends: without room; or with a page, which is found from now on, unless false: then it is the caller's still. */
void put_no_room(struct pcache *pc, struct slot *s);
bool put_publish(struct pcache *pc, struct slot *s, mfn_t m) LAGAN_MUST_CHECK;
void count_miss(struct pcache *pc, const struct pcache_name *n);
void count_hit(struct pcache *pc, struct slot *s, bool leaves);

/* ---- pcache_persist.c: not under the lock; the second half of pcache_put() and _put_end() ---- */
bool persist_put(struct pcache *pc, const struct pcache_name *n, struct pcache_held *h,
                 int *rc) LAGAN_MUST_CHECK;
bool persist_put_end(struct pcache *pc, struct pcache_held *h, bool filled);
void persist_free(struct pcache *pc, mfn_t m);

/* ---- inline: of frames in a row, the pages are mostly neighbours on the list, and are moved together ---- */

static inline void pages_put_off_end(struct pcache *pc, struct slot_part *p)
{
    if (p->count)
        slots_move(pc, &pc->kept, &pc->dropped, *p);
    p->count = 0;
}

static inline mfn_t page_put_off(struct pcache *pc, struct slot_part *p, struct slot *s,
                                 uint32_t number, uint16_t cause)
{
    mfn_t m = mfn(s->frame);

    ASSERT(s->state == SLOT_KEPT && !s->persistent && slot_number(s) == number);
    if (unlikely(!p->count || s->next != p->newest_number)) {
        pages_put_off_end(pc, p);
        p->oldest = s;
    }
    p->newest = s;
    p->newest_number = number;
    p->count++;
    s->state = SLOT_DROPPED;
    s->cause = cause;
    s->frame = 0;
    return m;
}
