/* SPDX-License-Identifier: MIT
 *
 * A domain as memory sees it: who owns frames, how many it may own, which CPUs may hold its
 * translations.
 *
 * INV-ACC-1: pages == number of FRAME_OWNED frames whose owner is this account == length of its
 * list. INV-ACC-2: pages rises only while pages < max_pages and < allowance, and the account is not dying.
 * INV-ACC-3: a CPU that may hold a translation of the account's page tables is in tlb_cpus.
 * INV-ACC-4: a copy of an L4 table, made after l4_changes was read, is exact as long as l4_changes
 * stays the same, but for changes that are still being made: their old entries keep what they hold.
 */
#pragma once

#include <stdatomic.h>

#include <lagan/cpumask.h>
#include <lagan/lock.h>
#include <lagan/types.h>

struct account {
    domid_t id;             /* [c] */
    struct spinlock lock;   /* LK_ACCOUNT */
    uint32_t first;         /* [a-lock] list of owned frames, linked through struct frame */
    uint32_t cursor;        /* [a-lock] account_relinquish(): the next frame to give up */
    _Atomic uint64_t pages; /* changes under the lock, read anywhere */
    uint64_t max_pages;     /* [a-lock] */
    uint64_t allowance;     /* [a-lock] as max_pages, for the moment: account_allow() */
    _Atomic bool dying;     /* set under the lock: takes no more frames or pins; cursor is valid */
    bool tables_gone;       /* [a-lock] account_relinquish(): the first walk is over */
    uint64_t claim;         /* [heap lock] free frames that are promised to it: claim.h */
    uint64_t claim_for;     /* [heap lock] with them it is to have so many */
    bool maps_io;           /* [c] may map frames that are not RAM, and RAM in any memory type */
    _Atomic uint64_t tlb_cpus; /* cpumask bits */
    /* Translations of frames of others that were used and replaced, each counted before its table can
     * change again; and so many of them that are in no TLB any more (shmem/grant_map.c). */
    _Atomic uint64_t foreign_gone, foreign_flushed;
    _Atomic uint64_t windows; /* of the buffer cache that it may map: bits by number, window.h */
    _Atomic bool
        near_windows; /* it had a right to one at some time: set before the bit, for good */
    bool l4_copied; /* [c] CPUs walk copies of its L4 tables: each change is told to all of them */
    _Atomic uint64_t l4_changes; /* moves on after a change of any of its L4 tables */
};

/* Registers the account under its id, so that frames find their owner. -XEN_EEXIST when taken. */
int account_init(struct account *a, domid_t id, uint64_t max_pages) LAGAN_MUST_CHECK;
/* Forgets it. pages must be 0. */
void account_destroy(struct account *a);
/* The account with this id, or NULL. The caller knows that it stays (holds a frame or the domain).
 */
struct account *account_find(domid_t id);

/* Boot only (tests: a new machine): no accounts, and no memory for the register yet. */
void accounts_init(void);
/* From now on emptied() is called whenever the last frame of a dying account has gone; perhaps with
 * locks held up to LK_HEAP, on any CPU, and when the account itself is gone already. One at a time. */
void accounts_watch(void (*emptied)(void));

/* The account with the lowest id >= `from`, or NULL; for auditors. */
struct account *account_next(unsigned from);

/* Until further notice the account takes no more frames above so many, but keeps those that it has;
 * UINT64_MAX: no limit but max_pages. */
void account_allow(struct account *a, uint64_t pages);

/* Its limit; and another one, which may be below what it has: it keeps that, and takes no more. */
uint64_t account_max_pages(struct account *a);
void account_set_max_pages(struct account *a, uint64_t pages);

/* Takes 2^order cleared frames from the heap for the account: each is owned, with one reference
 * (the allocation's), on the list and charged. flags: HEAP_LOW, HEAP_BITS(). -XEN_ENOMEM, or -XEN_EPERM over
 * max_pages, over its allowance, or when dying: nothing changed. */
int account_alloc(struct account *a, unsigned order, unsigned flags, mfn_t *m) LAGAN_MUST_CHECK;
/* The same; the frames are the guest frames from `gfn` on, which the machine-to-physical table says
 * before they are the account's. GFN_NONE: none. */
#define GFN_NONE UINT64_MAX
int account_alloc_named(struct account *a, unsigned order, unsigned flags, uint64_t gfn,
                        mfn_t *m) LAGAN_MUST_CHECK;
/* Gives up the allocation's reference of an owned frame: it goes back to the heap at once, or when
 * its last user lets go. -XEN_EINVAL if the frame is not the account's or was given up already. */
int account_release(struct account *a, mfn_t m) LAGAN_MUST_CHECK;
/* As account_release() for each frame of a list, in its order; they are nobody's guest frames any
 * more (and one that is still in use belongs to none either). Returns how many, up to the first that
 * is not the account's or was given up already. */
unsigned account_release_list(struct account *a, const mfn_t *list,
                              unsigned count) LAGAN_MUST_CHECK;
/* For account_relinquish(): gives up some frames from the cursor on, up to the first that is in use.
 * How many. */
unsigned account_release_next(struct account *a) LAGAN_MUST_CHECK;
/* Lends a hypervisor page to the account to map; and takes it back (-XEN_EBUSY while it is mapped).
 */
int account_share(struct account *a, mfn_t m) LAGAN_MUST_CHECK;
int account_unshare(struct account *a, mfn_t m) LAGAN_MUST_CHECK;
/* The same for a frame that no entry has mapped since `stamp` (tlb_clock_now()); 0: since it was lent. */
int account_unshare_since(struct account *a, mfn_t m, uint32_t stamp) LAGAN_MUST_CHECK;

/* Takes a frame that nobody but its allocation holds away from the account, as it is: it is the
 * hypervisor's then, and in no TLB. -XEN_EINVAL if it is not the account's or was given up already,
 * -XEN_EBUSY while somebody holds it. */
int account_take(struct account *a, mfn_t m) LAGAN_MUST_CHECK;
/* Gives the account a frame of the hypervisor's own, as it is, with one reference (the
 * allocation's). -XEN_EPERM over max_pages or when dying: the frame is still the caller's. */
int account_give(struct account *a, mfn_t m) LAGAN_MUST_CHECK;

/* For frame.c: a frame without references leaves the list and is uncharged. Returns the CPUs that
 * may hold translations of the account's; the account may be gone after this. */
cpumask_t account_forget(struct account *a, mfn_t m) LAGAN_MUST_CHECK;

/* Domain death: unpins and gives up every frame, in preemptible steps. -XEN_ERESTART until the list
 * is walked, then 0: frames that others still hold leave later, pages says how many. */
int account_relinquish(struct account *a) LAGAN_MUST_CHECK;

/* The translations of the account may from now on be in this CPU's TLB / are no longer loaded
 * there. */
static inline void account_cpu_enter(struct account *a, unsigned cpu)
{
    atomic_fetch_or(&a->tlb_cpus, UINT64_C(1) << cpu);
}
static inline void account_cpu_leave(struct account *a, unsigned cpu)
{
    atomic_fetch_and(&a->tlb_cpus, ~(UINT64_C(1) << cpu));
}

/* An L4 table of the account's holds something else than before: called after the change can be
 * read, and before what the old entry led to can become anything else (INV-ACC-4). */
static inline void account_l4_changed(struct account *a)
{
    atomic_fetch_add(&a->l4_changes, 1);
}
