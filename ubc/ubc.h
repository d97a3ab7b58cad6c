/* SPDX-License-Identifier: MIT
 *
 * The unified buffer cache: pages of shared volumes, by (volume, generation, block), that many domains
 * read and nobody writes. include/public/lagan/ubc.h has what guests see, docs/ubc.md the whole.
 *
 * Nothing here knows a domain: a client is an account and what it has a right to. Functions return 0 or
 * a negative error that the guest sees; -XEN_ERESTART: call again, with the same arguments.
 *
 * INV-UBC-1: the frame of a page that is mapped is the cache's own (DOMID_COW, FRAME_SHARED) and has type
 *            TYPE_UBC: no entry that maps it can be writable. Its references are the cache's one, and one for each
 *            entry. That of any other page is lent by the heap: nobody can refer to it.
 * INV-UBC-2: an entry that maps a cached page was made through a handle in use, which names its place; a
 *            handle ends only when the entry is gone. (Windows, slots: entries are as for own pages.)
 * INV-UBC-3: a page that has left the index is never found again; its frame is freed only when nothing
 *            refers to it, after every TLB that may hold it has flushed.
 * INV-UBC-4: an insert whose epoch is older than the last invalidate of its block is refused.
 * INV-UBC-5: in a volume with a tree, every page in the index matches its digest in its parent, which was in
 *            the index then, or the root.
 * INV-UBC-6: a reader has at most `limit` handles in use.
 * INV-UBC-7: idle.c, about lent frames.
 * INV-UBC-8: press.c, about copies.
 * INV-UBC-9: a page of a volume with slots (slot.c) is BUSY as long as anybody has an entry for it, made by handle or
 *            not; its frame is of the volume's window, or condemned.
 * INV-UBC-10: a page that is wanted back is found by nobody who looks its block up, and the block has no other such page: it
 *            gets no new mappings.
 */
#pragma once

#include <lagan/list.h>
#include <lagan/lock.h>
#include <lagan/types.h>
#include "mm/account.h"

#include "include/public/lagan/ubc.h"

struct ubc_volume;

/* A domain, as the cache sees it. */
struct ubc_client {
    struct account *account; /* [c] */
    _Atomic bool dying;      /* gets no more rights */
    unsigned cursor;         /* ubc_client_relinquish(): the next slot of volumes */
};

/* Boot only (tests: a new machine): no volumes. `reserve`: so many free pages are not used for caching.
 * -XEN_ENOMEM. */
int ubc_init(uint64_t reserve) LAGAN_MUST_CHECK;

void ubc_client_init(struct ubc_client *c, struct account *a);
/* The end of a domain: its rights and handles go. Its page tables are gone. -XEN_ERESTART until done. */
int ubc_client_relinquish(struct ubc_client *c) LAGAN_MUST_CHECK;

/* ---- volumes ---- */

/* `volume` in in/out structures is the handle. */
int ubc_create(struct lagan_ubc_create *in) LAGAN_MUST_CHECK;
int ubc_list(unsigned slot, struct lagan_ubc_create *out) LAGAN_MUST_CHECK;
int ubc_open(struct ubc_client *c, bool control, struct lagan_ubc_open *io) LAGAN_MUST_CHECK;

/* A volume in use by a call: it stays until ubc_put(). `control`: of the control domain, who may do what
 * publishers may. */
struct ubc_ref {
    struct ubc_volume *volume;
    uint64_t handle;
    struct ubc_client *client;
    bool control;
};
/* -XEN_ENXIO. */
int ubc_get(struct ubc_client *c, bool control, uint64_t handle,
            struct ubc_ref *ref) LAGAN_MUST_CHECK;
void ubc_put(struct ubc_ref *ref);

/* The last two go on where they were if they are preempted, whoever calls next. */
int ubc_allow(const struct ubc_ref *ref, struct ubc_client *c, unsigned rights,
              unsigned limit) LAGAN_MUST_CHECK;
int ubc_renew(struct ubc_ref *ref, struct lagan_ubc_create *io) LAGAN_MUST_CHECK;
int ubc_destroy(struct ubc_ref *ref) LAGAN_MUST_CHECK;

/* ---- pages ---- */

/* A frame for the content of a new page, lent (mm/spare.h); whoever has it asks for no memory but by HEAP_TRY.
 * False: there is none. And the way back. */
bool ubc_frame_get(mfn_t *m) LAGAN_MUST_CHECK;
void ubc_frame_put(mfn_t m);
/* Such a frame with the block's content: the cache's if it returns 0, and the caller's otherwise. */
int ubc_insert(const struct ubc_ref *ref, const struct lagan_ubc_insert *in, uint64_t epoch,
               mfn_t frame) LAGAN_MUST_CHECK;
/* A frame of the client's own, which is not its any more if it returns 0. */
int ubc_donate(const struct ubc_ref *ref, const struct lagan_ubc_insert *in,
               uint64_t epoch) LAGAN_MUST_CHECK;
/* What ubc_insert() would say before it looks at the content; so as not to copy in vain. */
int ubc_may_insert(const struct ubc_ref *ref, const struct lagan_ubc_insert *in,
                   uint64_t epoch) LAGAN_MUST_CHECK;

/* l4: the tables by which the client addresses memory. */
int ubc_map(const struct ubc_ref *ref, mfn_t l4, struct lagan_ubc_map *op) LAGAN_MUST_CHECK;
/* The address may still be in TLBs of the client's until ubc_unmap_finish(). */
int ubc_unmap(const struct ubc_ref *ref, uint32_t handle) LAGAN_MUST_CHECK;
void ubc_unmap_finish(const struct ubc_ref *ref);

/* The block's page stays, and stays readable, until ubc_release(), which says -XEN_EAGAIN if it was
 * invalidated meanwhile. */
struct ubc_held {
    struct ubc_page *page; /* NULL: of a window */
    const void *data;
};
int ubc_hold(const struct ubc_ref *ref, uint64_t block, struct ubc_held *h) LAGAN_MUST_CHECK;
int ubc_release(const struct ubc_ref *ref, struct ubc_held *h) LAGAN_MUST_CHECK;

/* io->first and count move on, when it returns -XEN_ERESTART, to what is left to do. */
int ubc_invalidate(const struct ubc_ref *ref, struct lagan_ubc_range *io) LAGAN_MUST_CHECK;
/* Domains that are to be told now, by their ids. */
struct ubc_tell {
    unsigned count;
    domid_t id[LAGAN_UBC_READERS_MAX];
};
int ubc_revoke(const struct ubc_ref *ref, const struct lagan_ubc_range *in,
               struct ubc_tell *tell) LAGAN_MUST_CHECK;
int ubc_next_revoked(const struct ubc_ref *ref, struct lagan_ubc_unmap *io) LAGAN_MUST_CHECK;
int ubc_wanted(const struct ubc_ref *ref, struct lagan_ubc_want *io) LAGAN_MUST_CHECK;
int ubc_refuse(const struct ubc_ref *ref, const struct lagan_ubc_want *in) LAGAN_MUST_CHECK;
/* After maps, inserts and refusals: who is to be told (LAGAN_VIRQ_UBC). */
void ubc_news(const struct ubc_ref *ref, struct ubc_tell *tell);
int ubc_stats(const struct ubc_ref *ref, struct lagan_ubc_stats *out) LAGAN_MUST_CHECK;

/* ---- memory ---- */

/* Pages that nobody has mapped or reads just now: they are free memory, lent by the heap (mm/spare.h). */
uint64_t ubc_idle_pages(void);
/* Drops so many of them, those of the volume whose pages are used least first, the longest unused first.
 * Returns how many. Any lock below LK_UBC_IDLE may be held. */
uint64_t ubc_reclaim(uint64_t want);
/* Boot only: `work` asks, with any lock below LK_TIMER held, for ubc_housekeep() to be called soon; `tell` raises
 * LAGAN_VIRQ_UBC in a domain, with no lock held. */
void ubc_set_work(void (*work)(void), void (*tell)(domid_t id));
/* A bounded step of what has been left to do. The system time at which it wants to be called again, or 0: nothing
 * is left. No lock is held. One CPU at a time. */
uint64_t ubc_housekeep(void);
/* Somebody was refused memory, for want of `pages`: what readers have mapped is wanted back (press.c). Any lock below
 * LK_TIMER may be held. */
void ubc_lack(uint64_t pages);

/* ---- windows ---- */

/* The `blocks` frames from `base` on, of a page_alloc_run(), are a volume that is in memory as a whole. They
 * are the cache's from then on. -XEN_EEXIST, -XEN_ENOSPC, -XEN_ENOMEM. */
int ubc_window_create(const uint8_t id[16], mfn_t base, uint64_t blocks,
                      uint64_t *handle) LAGAN_MUST_CHECK;
/* The i-th window that the account may map; false: there are not so many. */
bool ubc_window_of(const struct account *a, unsigned i, mfn_t *base,
                   uint64_t *blocks) LAGAN_MUST_CHECK;

/* The end of the host, all domains have ended: every volume but windows goes. */
void ubc_stop(void);

/* ---- audit ---- */

/* Recounts everything. Returns the number of faults, which it prints. Nothing else may run. */
unsigned ubc_audit(void);
