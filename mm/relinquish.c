/* SPDX-License-Identifier: MIT
 *
 * The end of an account: its page tables are unpinned, then each frame on its list is given up.
 *
 * The tables go first, so that what they map is used by nothing any more when its turn comes, and
 * goes in numbers (giveback.c). The walk that looks for them changes nothing but the cursor. Who
 * pins or leaves a table half done meanwhile, in a call that had begun, is met by the second walk.
 *
 * The list may change meanwhile: frames leave it when their last reference goes, also by other
 * CPUs, and unpinning one table lets many go at once. So the account's lock is held only to find
 * the next frame and take a reference; the cursor is an element of the list, and a frame that
 * leaves moves it on (account.c). No frame joins, as the account is dying. Tables that were being
 * validated or torn down when the domain died are finished first: each frame is in one of the
 * states of type.c, and each of them has a way down.
 */
#include <lagan/arch.h>
#include "mm/claim.h"
#include "mm/type_state.h"

#define WALK 256 /* frames looked at between two points of preemption */

/* From here on it takes no frames, pins or claims. */
static void account_begin_to_die(struct account *a)
{
    bool first;

    spin_lock(&a->lock);
    first = !a->dying;
    if (first) {
        a->dying = true;
        a->cursor = a->first;
    }
    spin_unlock(&a->lock);
    if (first)
        claim_end(a);
}

/* The frame at the cursor, with a reference; false at the end of the list. */
static bool next_frame(struct account *a, mfn_t *m)
{
    bool found = false;

    spin_lock(&a->lock);
    while (a->cursor && !found) {
        *m = mfn(a->cursor);
        found = frame_get(*m, a->id);
        if (!found) /* its last reference just went: it leaves the list by itself */
            a->cursor = frame_of(*m)->next;
    }
    spin_unlock(&a->lock);
    return found;
}

static void advance(struct account *a, mfn_t m)
{
    spin_lock(&a->lock);
    if (a->cursor == m.n)
        a->cursor = frame_of(m)->next;
    spin_unlock(&a->lock);
}

/* Is there something to be done about the frame's type, before it can go? */
static bool is_pinned_or_orphan(uint32_t word)
{
    return (word & TYPE_PINNED) || (word & (TYPE_COUNT | TYPE_PARTIAL)) == TYPE_PARTIAL;
}

static int drop_type(struct account *a, mfn_t m)
{
    uint32_t word = word_load(frame_of(m));
    int rc = 0;

    if (word & TYPE_PINNED)
        rc = table_unpin(a, m);
    else if (is_pinned_or_orphan(word))
        rc = type_drop_partial(m);
    return rc == -XEN_ERESTART ? rc : 0;
}

static int give_up(struct account *a, mfn_t m)
{
    int rc = drop_type(a, m);

    if (rc)
        return rc;
    /* -XEN_EINVAL: the guest had given it up itself, and something still used it. */
    rc = account_release(a, m);
    ASSERT(rc == 0 || rc == -XEN_EINVAL);
    return 0;
}

/* Moves the cursor, by WALK frames at most, to the next frame whose type is to be dropped, and takes
 * a reference. False: there is none among them. */
static bool next_table(struct account *a, mfn_t *m)
{
    bool found = false;

    spin_lock(&a->lock);
    for (unsigned i = 0; i < WALK && a->cursor && !found; i++) {
        *m = mfn(a->cursor);
        found = is_pinned_or_orphan(word_load(frame_of(*m))) && frame_get(*m, a->id);
        if (!found)
            a->cursor = frame_of(*m)->next;
    }
    if (!a->cursor) {
        a->tables_gone = true;
        a->cursor = a->first;
    }
    spin_unlock(&a->lock);
    return found;
}

/* The first walk. */
static int drop_tables(struct account *a)
{
    while (!a->tables_gone) {
        int rc = 0;
        mfn_t m = MFN_INVALID;

        if (next_table(a, &m)) {
            rc = drop_type(a, m);
            if (rc == 0)
                advance(a, m);
            frame_put(m);
        }
        if (rc || arch_preempt_pending())
            return -XEN_ERESTART;
    }
    return 0;
}

/* The second: a frame that something uses. */
static int release_one(struct account *a, mfn_t m)
{
    int rc = give_up(a, m);

    if (rc == 0)
        advance(a, m);
    frame_put(m);
    return rc;
}

int account_relinquish(struct account *a)
{
    mfn_t m = MFN_INVALID;

    account_begin_to_die(a);
    if (drop_tables(a))
        return -XEN_ERESTART;
    do {
        if (account_release_next(a))
            continue;
        if (!next_frame(a, &m))
            return 0;
        if (release_one(a, m))
            break;
    } while (!arch_preempt_pending());
    return -XEN_ERESTART;
}
