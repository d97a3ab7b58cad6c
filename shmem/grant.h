/* SPDX-License-Identifier: MIT
 *
 * Grant tables: a domain lets others map its pages, or copy from and to them, one page a grant, as
 * the public ABI <xen/grant_table.h> defines it. docs/shmem.md has the life of a grant.
 *
 * Nothing here knows a domain: a table belongs to an account and is found by its id. Results that a
 * guest sees are the ABI's GNTST_*; functions that may be preempted return -XEN_ERESTART with
 * nothing changed, and are to be called again.
 *
 * INV-GRANT-1: while an entry's pins (reads + writes) are not 0, its frame is fixed, and the entry
 *              holds a general reference of it, and a writable one while writes are not 0.
 * INV-GRANT-2: each pin belongs to one handle in use, or to a copy that is under way.
 * INV-GRANT-3: GTF_reading (GTF_writing) is set in the guest's entry or status word before the
 *              first pin (for writing) counts, and cleared after the last has given up its
 *              reference, and after every translation made through it is out of all TLBs.
 * INV-GRANT-4: a page-table entry made by a map operation holds references of its own, as any
 *              entry does (INV-TYPE-3): whatever the guest does to its tables, the frame stays.
 * INV-GRANT-5: who finds a table may use it as long as it stays inside grant_enter().
 */
#pragma once

#include <lagan/types.h>
#include <xen/grant_table.h>
#include "mm/account.h"

struct grant_table;
struct lagan_grant_revoke; /* public/lagan/grant.h */
struct lagan_grant_next;

#define GRANT_FRAMES_DEFAULT   64   /* of the shared table: 32768 entries of version 1 */
#define GRANT_MAPTRACK_DEFAULT 1024 /* frames of handles, 256 in each */

struct grant_limits {
    unsigned frames;          /* of the shared table, at least 1 */
    unsigned maptrack_frames; /* 0: the domain may map nothing */
    unsigned version;         /* the highest that it may choose: 1 or 2 */
};

/* Who asks: a table with its account, the tables by which he addresses memory, and which of his
 * processors (lane < lanes at creation) he is: only one caller at a time has a lane. */
struct grant_user {
    struct grant_table *table;
    mfn_t l4;
    unsigned lane;
};

/* Boot only (tests: a new machine, with no memory yet): no tables. */
void grants_init(void);

/* ---- life ---- */

/* A table of version 1 with no entry yet, found under the account's id from now on. -XEN_ENOMEM,
 * -XEN_EINVAL (limits). */
int grant_table_create(struct account *a, const struct grant_limits *limits, unsigned lanes,
                       struct grant_table **t) LAGAN_MUST_CHECK;
/* The end of a domain: gives up what it maps, and lets nobody map anything of it any more. No vCPU
 * of it runs. -XEN_ERESTART until done, then 0. */
int grant_table_relinquish(struct grant_table *t) LAGAN_MUST_CHECK;
/* Takes the table's frames back from whoever maps them. -XEN_ERESTART while somebody does. */
int grant_table_withdraw(struct grant_table *t) LAGAN_MUST_CHECK;
/* Forgets it. Nothing of it is mapped or lent (withdrawn, or never grown); not inside
 * grant_enter(). */
void grant_table_destroy(struct grant_table *t);

/* Between the two, on one CPU, tables that are found stay. Short: a CPU that changes a table's
 * shape, or destroys one, waits for all that are inside. Not nested. */
void grant_enter(void);
void grant_leave(void);
/* The table of the account, or NULL; inside grant_enter(). */
struct grant_table *grant_find(domid_t id);

/* ---- the table ---- */

/* Grows the table to `frames` at least. GNTST_okay; GNTST_general_error: over its limit, no memory,
 * or the domain is dying. */
int grant_table_grow(struct grant_table *t, unsigned frames) LAGAN_MUST_CHECK;
unsigned grant_frame_count(const struct grant_table *t);
unsigned grant_frame_limit(const struct grant_table *t);
/* Frame `i` of the table (below the count); of the status words, MFN_INVALID if there is none. */
mfn_t grant_frame(const struct grant_table *t, unsigned i);
unsigned grant_status_count(const struct grant_table *t);
mfn_t grant_status_frame(const struct grant_table *t, unsigned i);
unsigned grant_version(const struct grant_table *t);
/* Of version 2: frames of status words that belong to so many of the table, and the other way round. */
unsigned grant_status_frames(unsigned frames);
unsigned grant_frames_for_status(unsigned status_frames);
/* Not inside grant_enter(). -XEN_EINVAL: no such version, or an entry cannot be carried over;
 * -XEN_ENOSYS: not for this domain; -XEN_EBUSY: grants are in use, or the status frames are mapped;
 * -XEN_ENOMEM. */
int grant_set_version(struct grant_table *t, unsigned version) LAGAN_MUST_CHECK;
/* Fills an entry as the domain itself could: for what is granted before it runs. GNTST_*. */
int grant_seed(struct grant_table *t, grant_ref_t ref, domid_t who, mfn_t m) LAGAN_MUST_CHECK;

/* ---- operations, inside grant_enter() ---- */

/* The result is in op->status (with op's other out fields); -XEN_ERESTART. */
int grant_map(const struct grant_user *u, struct gnttab_map_grant_ref *op) LAGAN_MUST_CHECK;
int grant_copy(const struct grant_user *u, struct gnttab_copy *op) LAGAN_MUST_CHECK;
int grant_transfer(const struct grant_user *u, struct gnttab_transfer *op) LAGAN_MUST_CHECK;
/* GNTST_*; -XEN_ERESTART. */
int grant_swap(struct grant_table *t, grant_ref_t a, grant_ref_t b) LAGAN_MUST_CHECK;

/* Unmapping is done in batches, since the TLBs are flushed between its two halves: first all
 * entries are taken out, then, once no TLB holds them, the grants are given up. */
#define GRANT_UNMAP_BATCH 32
struct grant_unmap_batch {
    const struct grant_user *user;
    unsigned count;
    bool accessed; /* some entry was used: TLBs may hold it */
    struct grant_unmapped {
        struct grant_table *granter;
        uint32_t handle;
        grant_ref_t ref;
        uint32_t copy; /* a frame to be given back */
        bool was_writable;
        uint8_t pins; /* how many are to be given up */
        bool ends;    /* the handle with them */
    } done[GRANT_UNMAP_BATCH];
};
static inline void grant_unmap_begin(struct grant_unmap_batch *b, const struct grant_user *u)
{
    b->user = u;
    b->count = 0;
    b->accessed = false;
}
/* The first half for one handle: GNTST_*. new_addr 0: nothing takes its place; else, the entry that
 * maps new_addr moves there. There is room for it in the batch. */
int grant_unmap_one(struct grant_unmap_batch *b, uint64_t host_addr, uint64_t dev_bus_addr,
                    uint64_t new_addr, grant_handle_t handle) LAGAN_MUST_CHECK;
/* The second, for all; the batch is empty afterwards. */
void grant_unmap_finish(struct grant_unmap_batch *b);

/* LAGAN_GNTTABOP_revoke, by the granter (public/lagan/grant.h); *tell: the domain that is to be told
 * now, or DOMID_INVALID. op->status; -XEN_ERESTART. */
int grant_revoke(const struct grant_user *u, struct lagan_grant_revoke *op,
                 domid_t *tell) LAGAN_MUST_CHECK;
/* LAGAN_GNTTABOP_next_revoked. */
int grant_next_revoked(const struct grant_user *u, struct lagan_grant_next *op) LAGAN_MUST_CHECK;

/* True if the domain has mapped the frame by a grant. Looks from handle *cursor on, which is where it
 * stopped: false before the end of them means that it was preempted. Inside grant_enter(). */
bool grant_is_mapped(const struct grant_table *t, mfn_t m, uint32_t *cursor) LAGAN_MUST_CHECK;
uint32_t grant_handle_count(const struct grant_table *t);

/* Recounts the pins of all tables from the handles, and looks at each frame and flag. Returns the
 * number of faults, which it prints. Nothing else may run. */
unsigned grant_audit(void);
/* Of the last audit: general references that entries hold (see mm_audit_held()). */
uint64_t grant_audit_held(void);
