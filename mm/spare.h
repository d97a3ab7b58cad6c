/* SPDX-License-Identifier: MIT
 *
 * Spare memory: free frames that are lent to caches until somebody needs them.
 *
 * A lent frame belongs to nobody and counts as free, so it is in heap_free_pages(), may be claimed, and
 * a request for memory never fails for want of it: when the allocator's lists have nothing, it asks
 * the lenders back. Each lender (the page cache, the unified buffer cache) registers itself once.
 *
 * INV-SPARE-1: the frames in state FRAME_LENT are spare_pages(); each is in one lender's hands.
 * INV-SPARE-2: free frames on lists, in caches, being cleared or waiting, + lent ones = what is
 * available + what is kept for floors. So a request that was counted in finds a frame, and never needs
 * one of a floor.
 * INV-SPARE-3: runs[n].lent is the number of lent frames in the aligned run n of SPARE_RUN frames.
 * INV-SPARE-4: of the whole runs that a search compares, none is taken that is worth more than another.
 */
#pragma once

#include <lagan/types.h>
#include "mm/frame.h"

struct account;

/* Who holds lent frames. The number is in a lent frame's word, where a block has its order. */
enum spare_user { SPARE_PCACHE, SPARE_UBC, SPARE_USERS };

#define SPARE_RUN_ORDER 9 /* the largest block that is asked back from the lenders */
#define SPARE_RUN       (UINT32_C(1) << SPARE_RUN_ORDER)
#define SPARE_RUN_FOR   5U /* blocks of at least this order come from runs that are lent altogether */

/* What a lender does when memory is needed. All are called with locks held that are below LK_PCACHE
 * (none of the lender's own), must not allocate, and take bounded time. */
struct spare_lender {
    /* The worth of its least useful page that it may give (hits per page over the last while, weighted,
     * times 2^20); UINT64_MAX: it has none to give, and is asked last. May be a little out of date. */
    uint64_t (*worst)(void);
    /* Gives up to `count` pages to spare_return(), the least useful first, for account `a` (NULL: the
     * hypervisor itself). Returns how many. 0 means that it has nothing to give at the moment. */
    unsigned (*drop)(unsigned count, const struct account *a);
    /* Gives this frame, which is, or was a moment ago, lent to it: true if spare_return() was called
     * for it. False: it is in use at the moment, must not be given (a floor), or is not lent any
     * more. */
    bool (*drop_frame)(mfn_t m, const struct account *a);
    /* Optional, for whole runs at once. The worth of what is in this frame, as in worst(); UINT64_MAX: it must not be
     * given, or not with so many others as a run has. */
    uint64_t (*worth)(mfn_t m);
    /* Optional, instead of drop_frame(): gives this frame and those that follow it, up to `count` of one run, to
     * spare_return_range(), as far as they are lent to it and can be given. Returns how many. */
    unsigned (*drop_range)(mfn_t m, unsigned count, const struct account *a);
};

/* For heap_init(): nothing is lent, and nothing can be. */
void spare_reset(void);
/* Boot only, when the heap has its memory: takes pages for the runs' counters. False: there are none;
 * then nothing is ever lent. */
bool spare_init(void);
void spare_register(enum spare_user user, const struct spare_lender *lender);

/* Lends one free frame to `user`: its word is spare_word(user, tag); of the frame table's entry, `next` and
 * `prev` are the user's, 0 at first; type and stamp are 0. Its content is anybody's unless SPARE_CLEAR.
 * False: the lists have hardly any (SPARE_LAST: none, for frames that were just asked back from another), or
 * somebody is waiting for memory. Nothing is taken from anybody. */
enum spare_flags { SPARE_ANY = 0, SPARE_CLEAR = 1, SPARE_LAST = 2 };
bool spare_borrow(enum spare_user user, uint16_t tag, unsigned flags, mfn_t *m) LAGAN_MUST_CHECK;
/* Lends a frame that its user has already: a single page of the hypervisor's own, as it is. It counts as
 * available from then on. Only if spare_works(). */
void spare_offer(enum spare_user user, uint16_t tag, mfn_t m);
/* The way back, with its content: a lent frame becomes one of the hypervisor's that is shared with account `owner`
 * (account_share()), and is not available. Its `next` and `prev` are 0. False: there are not so many that are unclaimed. */
bool spare_withdraw(mfn_t m, domid_t owner) LAGAN_MUST_CHECK;
/* spare_init() has succeeded. */
bool spare_works(void);
/* For a lender that could do with a page of its own that is worth `worth`, finds no frame for it, and holds no lock of its own: asks
 * other lenders only, and only if their least useful page is worth less. False: none is. */
bool spare_make_room_for(enum spare_user user, uint64_t worth);
/* Gives lent frames to the heap, which nobody has in a TLB; the content needs not be cleared. */
void spare_return(const mfn_t *list, unsigned count);
/* The same for `count` frames in a row, of one run. */
void spare_return_range(mfn_t first, unsigned count);

/* A lent frame and one of an account's change places (account_swap()): the run of the one has a lent frame
 * less, that of the other one more. */
void spare_swap(mfn_t taken, mfn_t given);
/* False if the frame is in a run that is lent altogether, of which there are few: better not swapped. */
bool spare_may_swap(mfn_t taken);

/* The word of a lent frame, and the user's 16 bits in it. */
static inline uint64_t spare_word(enum spare_user user, uint16_t tag)
{
    return frame_use(FRAME_LENT, user, tag, 0);
}

/* ---- for the heap ---- */

/* Asks lenders for frames in zones (heap_lists.h), of which a block of 2^order is then on the lists unless
 * somebody is quicker. False when they have none to give. */
bool spare_reclaim(uint32_t zones, unsigned order, const struct account *a);

/* ---- floors ---- */

/* Takes `pages` more (or, negative, fewer) off what is available, to be kept for floors. -XEN_ENOMEM: not
 * so many are available and unclaimed. */
int spare_keep(int64_t pages) LAGAN_MUST_CHECK;
uint64_t spare_kept(void);

/* ---- counts ---- */

uint64_t spare_pages(void);
uint64_t spare_whole_runs(void);
struct spare_counts {
    uint64_t recalled, calls, looks;
};
struct spare_counts spare_counts(void);

/* For auditors, who have the host to themselves: frames that a user has. */
uint64_t spare_held(enum spare_user user);
/* For heap_audit(): recounts; returns the lent frames. Panics at a broken invariant. */
uint64_t spare_audit(void);
