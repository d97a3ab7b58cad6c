/* SPDX-License-Identifier: MIT
 *
 * The end of an account: each frame on its list is unpinned and given up.
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

static int give_up(struct account *a, mfn_t m)
{
    uint32_t word = word_load(frame_of(m));
    int rc = 0;

    if (word & TYPE_PINNED)
        rc = table_unpin(a, m);
    else if ((word & (TYPE_COUNT | TYPE_PARTIAL)) == TYPE_PARTIAL)
        rc = type_drop_partial(m);
    if (rc == -XEN_ERESTART)
        return rc;
    /* -XEN_EINVAL: the guest had given it up itself, and something still used it. */
    rc = account_release(a, m);
    ASSERT(rc == 0 || rc == -XEN_EINVAL);
    return 0;
}

int account_relinquish(struct account *a)
{
    mfn_t m = MFN_INVALID;

    account_begin_to_die(a);
    while (account_release_next(a) || next_frame(a, &m)) {
        int rc = 0;

        if (m.n != MFN_INVALID.n) {
            rc = give_up(a, m);
            if (rc == 0)
                advance(a, m);
            frame_put(m);
            m = MFN_INVALID;
        }
        if (rc)
            return rc;
        if (arch_preempt_pending())
            return -XEN_ERESTART;
    }
    return 0;
}
