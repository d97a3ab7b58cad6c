/* SPDX-License-Identifier: MIT
 *
 * As what a frame is used. A frame has one type at a time; its type changes only at type count 0.
 *
 * INV-TYPE-1: a frame's type changes only at type count 0, and the new type counts as validated
 * only after every CPU that may still hold a writable translation of it has flushed (the flush
 *             comes after the type was claimed). A type that is claimed again as what it was last
 * needs no flush: in between nobody could use the frame as anything else. INV-TYPE-2: a frame with
 * type L1..L4 or SEGDESC has no writable mapping by any guest. INV-TYPE-3: a validated table holds,
 * for each present entry, the references that entry needs; a partial one for the entries below its
 * cursor; any other none. INV-TYPE-4: a table's entries change only while it is validated, under
 * its bit lock, or while exactly one CPU validates it. INV-TYPE-5: the bit lock is not taken while a
 * frame is busy (claimed, validated or torn down).
 */
#pragma once

#include <lagan/types.h>
#include "mm/account.h"

enum frame_type {
    TYPE_NONE,
    TYPE_L1,
    TYPE_L2,
    TYPE_L3,
    TYPE_L4,
    TYPE_SEGDESC,
    TYPE_WRITABLE,
    TYPE_PCACHE,
    TYPE_UBC,
};

/* Takes a type reference (the caller has a general one): validates the content when it is the
 * first. 0; -XEN_EBUSY: in use as another type; -XEN_EINVAL: content not acceptable, or the count
 * is full. -XEN_ERESTART: preempted, call again. Nothing changed on an error. */
int type_get(mfn_t m, enum frame_type type) LAGAN_MUST_CHECK;
/* Drops one; the last use of a table gives back what its entries held, however many: callers with a
 * way to be preempted use type_put_preemptible() until it stops saying -XEN_ERESTART. */
void type_put(mfn_t m);
int type_put_preemptible(mfn_t m) LAGAN_MUST_CHECK;
/* An L1 table that its last user left half way (-XEN_ERESTART): its entries hold nothing any more when this
 * returns 0, and its state is otherwise as it was. -XEN_ERESTART: it is in use, again perhaps, or not done yet:
 * look what it is now. */
int type_empty_partial(mfn_t m) LAGAN_MUST_CHECK;
/* What the frame is used as now, or was last when the count is 0. */
enum frame_type type_of(mfn_t m);
uint32_t type_count(mfn_t m);
/* True if it is in use as type_of() and its content counts as validated. */
bool type_is_valid(mfn_t m);

/* frame_get() and type_get(WRITABLE) in one, for frames the hypervisor itself writes on the guest's
 * behalf (vcpu_info, ...). */
int frame_get_writable(mfn_t m, domid_t owner) LAGAN_MUST_CHECK;
void frame_put_writable(mfn_t m);

/* Pins a table at a level (1..4): its type stays until unpinned. -XEN_EINVAL when already pinned,
 * or not pinned, or the account is dying; -XEN_ERESTART: preempted, call again; else like type_get().
 */
int table_pin(struct account *a, mfn_t m, unsigned level) LAGAN_MUST_CHECK;
int table_unpin(struct account *a, mfn_t m) LAGAN_MUST_CHECK;

/* A change of one entry: what is wanted, and what is left to do. */
struct table_change {
    uint64_t entry;
    domid_t from;     /* owner of the frame that an L1 entry is to map; DOMID_IO: not RAM */
    bool preserve_ad; /* keep A and D of the old entry */
    bool exact;       /* only if the old entry is `expected`, A and D included */
    uint64_t expected;
    bool only_l1; /* a table of that level, or nothing (-XEN_EINVAL) */
    /* Out, whatever the result is: */
    mfn_t old_table; /* a type and a general reference to be dropped with table_drop() */
    bool upper;      /* an entry above L1 is another now, and CPUs may remember the old one */
    /* Out, when an entry of a table has changed: */
    uint64_t old; /* what it was, A and D included */
};

/* Changes entry `index` of a validated table of the account, at whatever level, after checking the
 * new value; the old entry's references are dropped, or end in old_table where that takes long. A
 * frame in use as nothing or as memory gets a plain store. No flush is done: safety is kept by
 * stamps (INV-TYPE-1), the guest's view is the caller's care. -XEN_EAGAIN: not the expected one;
 * -XEN_EPERM: not RAM, and the account may not map it; -XEN_EBUSY: an L1 entry would make writable
 * what is in use as something else; -XEN_EINVAL for all other conflicts of types; -XEN_ERESTART. */
int table_update(struct account *a, mfn_t table, unsigned index,
                 struct table_change *c) LAGAN_MUST_CHECK;
/* Drops the type and general reference of *table, unless it is MFN_INVALID, and makes it that.
 * -XEN_ERESTART: preempted, call again. */
int table_drop(mfn_t *table) LAGAN_MUST_CHECK;

/* As above at the end of a domain, before account_relinquish(), which then does the work: the
 * references become the table's pin, or are dropped if it is pinned. */
void table_abandon(mfn_t *table);

/* Walks the account's tables from `l4`: the machine frame of the L1 table that maps va, or
 * -XEN_EINVAL. The caller keeps l4 in use and others from changing the upper levels, or takes the
 * result as a guess (table_update() checks that it is a table of the account's). */
int table_walk_l1(mfn_t l4, uint64_t va, mfn_t *l1) LAGAN_MUST_CHECK;

/* Recounts every frame from the pinned tables up and names the first broken invariant. 0 when
 * clean; prints and returns the number of faults otherwise. Nothing else may change memory
 * meanwhile. */
unsigned mm_audit(void);
/* Of the last mm_audit(): there was memory enough to count everything. */
bool mm_audit_complete(void);
/* Of the last mm_audit(): general references that no allocation, entry, pin or partial state
 * explains. They are those of vCPUs, descriptor tables and the like; a test knows how many there
 * must be. */
uint64_t mm_audit_held(void);
