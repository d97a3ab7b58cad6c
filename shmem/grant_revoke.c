/* SPDX-License-Identifier: MIT
 *
 * Grants that are taken back (public/lagan/grant.h).
 *
 * Xen's granter waits for the mapper, for ever if need be. Where both have agreed, by a flag that the entry
 * had when it was first used, the granter need not: it asks for its page, names a time limit, and asks again;
 * once the time is over the next question does it.
 *
 *   asked for the first time   no new pins; the mapper is told
 *   time not over              GNTST_eagain
 *   time over                  each handle of the mapper that names the entry:
 *                                claimed, so that no unmap meddles
 *                                its page-table entry is exchanged for one of a copy, if it still maps
 *                                  the frame: there can be no other entry that does (grant_map.c); also
 *                                  in a table that was left half way out of use, and may come back
 *                              one flush; then the pins are given up
 *   not in use                 the entry is the granter's
 *
 * There is no timer: a granter that does not ask again does not want its page.
 *
 * The copy is charged to the mapper, and belongs to the handle (h->ref) until that is unmapped. A
 * mapper that can have no more memory gets an empty page of ours, lent, one for all its handles.
 *
 * Looking for the handles goes over all of the mapper's, in steps. A handle that is being unmapped
 * just then is left to that; the question is asked again.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/pte.h"
#include "mm/type.h"
#include "shmem/grant_int.h"

#define REVOCATIONS_MAX 256 /* of one table at a time */

struct revocation {
    struct revocation *next;
    grant_ref_t ref;
    uint32_t cursor; /* of the mapper's handles */
    uint64_t end;    /* when its time is over */
};

/* ---- those under way ---- */

static struct revocation **find(struct grant_table *t, grant_ref_t ref) LAGAN_REQUIRES(t->lock)
{
    struct revocation **r = &t->revocations;

    while (*r && (*r)->ref != ref)
        r = &(*r)->next;
    return r;
}

/* The time at which it is over, and where to look on; *fresh: it has just begun. False: no room. */
static bool begin(struct grant_table *t, const struct lagan_grant_revoke *op, uint64_t *end,
                  uint32_t *cursor, bool *fresh)
{
    struct revocation **r;
    unsigned count = 0;
    bool ok;

    spin_lock(&t->lock);
    for (struct revocation *i = t->revocations; i; i = i->next)
        count++;
    r = find(t, op->ref);
    *fresh = !*r;
    if (!*r && count < REVOCATIONS_MAX)
        *r = slab_alloc(sizeof(**r));
    ok = *r != NULL;
    if (ok && *fresh) {
        uint64_t now = arch_time_ns();

        (*r)->ref = op->ref;
        if (add_overflows(now, op->timeout_ns, &(*r)->end))
            (*r)->end = UINT64_MAX;
    }
    if (ok) {
        *end = (*r)->end;
        *cursor = (*r)->cursor;
    }
    spin_unlock(&t->lock);
    return ok;
}

static void keep(struct grant_table *t, grant_ref_t ref, uint32_t cursor)
{
    struct revocation *r;

    spin_lock(&t->lock);
    r = *find(t, ref);
    if (r)
        r->cursor = cursor;
    spin_unlock(&t->lock);
}

static void end(struct grant_table *t, grant_ref_t ref)
{
    struct revocation **r, *gone;

    spin_lock(&t->lock);
    r = find(t, ref);
    gone = *r;
    if (gone)
        *r = gone->next;
    spin_unlock(&t->lock);
    slab_free(gone);
}

void grant_forget_revocations(struct grant_table *t)
{
    while (t->revocations) {
        struct revocation *gone = t->revocations;

        t->revocations = gone->next;
        slab_free(gone);
    }
}

/* ---- what takes the page's place ---- */

/* A page of zeroes that the domain does not pay for; its frame, or MFN_INVALID. */
static mfn_t empty_page(struct grant_table *t)
{
    spin_lock(&t->lock);
    if (!t->empty && !t->dying)
        t->empty = grant_lend_page(t);
    spin_unlock(&t->lock);
    return t->empty ? arch_frame_of(t->empty) : MFN_INVALID;
}

static int put_entry(struct grant_table *mapper, const struct grant_handle *h, mfn_t frame,
                     uint64_t entry, bool *done)
{
    return table_replace_l1(mapper->account, mfn(h->table), h->slot, frame, entry, done);
}

/* One of the mapper's own, which holds what the page does. *own: its frame, or 0. The mapper may have guessed it
 * before we have, given it back or made a table of it: it is written as a writable frame, or not at all. */
static int put_copy(struct grant_table *mapper, const struct grant_handle *h, mfn_t frame,
                    uint64_t bits, uint32_t *own)
{
    mfn_t copy;
    bool done;
    int rc = account_alloc(mapper->account, 0, HEAP_ANY, &copy);

    if (rc)
        return rc;
    if (frame_get_writable(copy, mapper->account->id)) {
        (void)!account_release(mapper->account, copy);
        return -XEN_ENOMEM;
    }
    arch_copy_page(arch_map_frame(copy), arch_map_frame(frame));
    rc = put_entry(mapper, h, frame, bits | copy.n << PAGE_SHIFT, &done);
    *own = done ? (uint32_t)copy.n : 0;
    if (!done)
        (void)!account_release(mapper->account, copy);
    frame_put_writable(copy);
    return rc;
}

/* In the handle's entry, if that still maps the frame. Claimed. 0: nothing of the handle's maps it any more,
 * whatever becomes of its table. -XEN_ERESTART: it does still. */
static int replace(struct grant_table *mapper, struct grant_handle *h, mfn_t frame)
{
    uint64_t entry = pte_load((uint64_t *)arch_map_frame(mfn(h->table)) + h->slot);
    uint64_t bits = entry & ~(PTE_FRAME | PTE_A | PTE_D);
    uint32_t own = 0;
    mfn_t empty;
    bool done;
    int rc = 0;

    if ((entry & PTE_P) && pte_frame(entry).n == frame.n)
        rc = put_copy(mapper, h, frame, bits, &own);
    if (rc && rc != -XEN_ERESTART) {
        empty = empty_page(mapper);
        if (empty.n != MFN_INVALID.n)
            rc = put_entry(mapper, h, frame, (bits & ~PTE_RW) | empty.n << PAGE_SHIFT, &done);
    }
    if (rc && rc != -XEN_ERESTART) /* there is no memory at all: nothing is mapped then */
        rc = put_entry(mapper, h, frame, 0, &done);
    if (rc == 0)
        h->ref = own;
    return rc;
}

/* ---- taking ---- */

static bool names(const struct grant_handle *h, const struct grant_table *t, grant_ref_t ref)
{
    return (h->state & (HANDLE_USED | HANDLE_REVOKED)) == HANDLE_USED &&
           __atomic_load_n(&h->granter, __ATOMIC_RELAXED) == t->account->id &&
           __atomic_load_n(&h->ref, __ATOMIC_RELAXED) == ref;
}

/* As grant_handle_claim(), but who wants to unmap it meanwhile waits. */
static bool claim(struct grant_handle *h)
{
    uint32_t state = atomic_load(&h->state);

    do
        if (!(state & HANDLE_USED) || (state & HANDLE_BUSY))
            return false;
    while (!atomic_compare_exchange_weak(&h->state, &state, state | HANDLE_BUSY | HANDLE_TAKING));
    return true;
}

/* The next handles of the mapper that name the entry, up to a batch of them, from *cursor on. */
static unsigned take_some(struct grant_table *t, grant_ref_t ref, struct grant_table *mapper,
                          mfn_t frame, uint32_t *cursor, struct grant_handle **taken)
{
    uint32_t start = *cursor;
    unsigned n = 0;
    int rc;

    for (; *cursor < maptrack_count(&mapper->maptrack) && n < GRANT_UNMAP_BATCH; ++*cursor) {
        struct grant_handle *h = maptrack_of(&mapper->maptrack, *cursor);

        if (*cursor % 256 == 0 && *cursor > start && arch_preempt_pending())
            break;
        if (!names(h, t, ref) || !claim(h))
            continue;
        rc = names(h, t, ref) ? replace(mapper, h, frame) : -XEN_EINVAL; /* again: it is ours now */
        if (rc == 0) {
            taken[n++] = h;
            continue;
        }
        atomic_fetch_and(&h->state, ~(HANDLE_BUSY | HANDLE_TAKING));
        if (rc == -XEN_ERESTART)
            break; /* of which nothing is lost: it is looked at again */
    }
    return n;
}

static void take(struct grant_table *t, grant_ref_t ref, struct grant_table *mapper, mfn_t frame,
                 uint32_t *cursor)
{
    struct grant_handle *taken[GRANT_UNMAP_BATCH];
    unsigned n = take_some(t, ref, mapper, frame, cursor, taken);

    if (n)
        grant_flush(mapper);
    for (unsigned i = 0; i < n; i++) {
        uint32_t state = taken[i]->state;

        grant_unpin(t, ref, state & HANDLE_WRITE);
        atomic_store(&taken[i]->state, (state & ~(HANDLE_BUSY | HANDLE_TAKING)) | HANDLE_REVOKED);
    }
}

/* Marks the entry, or takes the mark off it if nobody uses it. GNTST_okay: it is free. */
static int mark(struct grant_table *t, grant_ref_t ref, domid_t *who, mfn_t *frame)
{
    struct grant_pins *p = grant_pins_of(t, ref);
    int status = GNTST_eagain;

    grant_entry_lock(p);
    if (!grant_in_use(p)) {
        p->revoke = 0;
        status = GNTST_okay;
    } else if (!(p->revoke & PIN_REVOCABLE)) {
        status = GNTST_permission_denied;
    } else {
        p->revoke |= PIN_REVOKING;
        *who = p->who;
        *frame = mfn(p->frame);
    }
    grant_entry_unlock(p);
    return status;
}

int grant_revoke(const struct grant_user *u, struct lagan_grant_revoke *op, domid_t *tell)
{
    struct grant_table *t = u->table, *mapper;
    domid_t who = DOMID_INVALID;
    mfn_t frame = MFN_INVALID;
    uint32_t cursor = 0;
    uint64_t when = 0;
    bool fresh;

    *tell = DOMID_INVALID;
    if (unlikely(atomic_load(&t->frozen)))
        return -XEN_ERESTART;
    op->status = GNTST_bad_gntref;
    if (op->ref >= grant_entry_count(t))
        return 0;
    op->ref = (grant_ref_t)index_nospec(op->ref, grant_entry_count(t));
    op->status = (int16_t)mark(t, op->ref, &who, &frame);
    if (op->status == GNTST_okay)
        end(t, op->ref);
    if (op->status != GNTST_eagain)
        return 0;
    if (!begin(t, op, &when, &cursor, &fresh)) {
        op->status = GNTST_no_space;
        return 0;
    }
    if (fresh)
        *tell = who;
    mapper = grant_find(who);
    if (arch_time_ns() < when || !mapper)
        return 0;
    if (cursor >= maptrack_count(&mapper->maptrack))
        cursor = 0; /* what was being unmapped then, or mapped, has come to its end */
    take(t, op->ref, mapper, frame, &cursor);
    keep(t, op->ref, cursor);
    op->status = (int16_t)mark(t, op->ref, &who, &frame);
    if (op->status == GNTST_okay)
        end(t, op->ref);
    /* Not all of them yet: the handles are many, or one is being unmapped. */
    return op->status == GNTST_eagain ? -XEN_ERESTART : 0;
}

/* ---- for the mapper ---- */

static bool is_wanted(const struct grant_handle *h)
{
    const struct grant_table *granter;

    if (!(h->state & HANDLE_USED) || (h->state & (HANDLE_BUSY | HANDLE_REVOKED)))
        return false;
    granter = grant_find(h->granter);
    return granter && h->ref < grant_entry_count(granter) &&
           (__atomic_load_n(&grant_pins_of(granter, h->ref)->revoke, __ATOMIC_RELAXED) &
            PIN_REVOKING);
}

int grant_next_revoked(const struct grant_user *u, struct lagan_grant_next *op)
{
    const struct maptrack *m = &u->table->maptrack;

    op->status = GNTST_bad_handle;
    for (; op->handle < maptrack_count(m); op->handle++) {
        const struct grant_handle *h =
            maptrack_of(m, (uint32_t)index_nospec(op->handle, maptrack_count(m)));

        op->taken = (h->state & (HANDLE_USED | HANDLE_REVOKED)) == (HANDLE_USED | HANDLE_REVOKED);
        if (op->taken || is_wanted(h)) {
            op->status = GNTST_okay;
            return 0;
        }
        if (op->handle % 256 == 255 && arch_preempt_pending()) {
            op->handle++;
            return -XEN_ERESTART;
        }
    }
    return 0;
}
