/* SPDX-License-Identifier: MIT
 *
 * Frames given back in numbers.
 *
 * A balloon driver gives back lists of frames that nothing uses any more, and so does a domain that
 * ends. Frame by frame that is a reference taken and dropped, the account's lock, the waiting room's
 * lock and the count of free memory for each; here they are withdrawn (exchange.c), which is one
 * step each and ends every use, and then leave the account and enter the waiting room together.
 * A frame that is in use takes the slow way, as it goes only when its last user does.
 *
 * Between the two steps a frame is on its account's list, charged, and FRAME_WAITING with no
 * reference: as every frame is for a moment whose last reference goes (frame.c).
 */
#include <lagan/assert.h>
#include "mm/account_list.h"
#include "mm/exchange.h"
#include "mm/frame.h"
#include "mm/waiting.h"

/* Withdrawn frames leave the account. */
static void let_go(struct account *a, const mfn_t *list, unsigned count)
{
    bool empty;

    if (!count)
        return;
    spin_lock(&a->lock);
    for (unsigned i = 0; i < count; i++)
        account_unlink(a, list[i]);
    ASSERT(a->pages >= count);
    empty = atomic_fetch_sub(&a->pages, count) == count && a->dying;
    spin_unlock(&a->lock);
    account_left(empty);
    account_discard(a, list, count);
}

/* A frame that may be in use. While we have a reference it is nobody else's, so neither is its
 * entry of the machine-to-physical table. */
static bool release_used(struct account *a, mfn_t m)
{
    bool ok;

    if (!frame_get(m, a->id))
        return false;
    ok = account_release(a, m) == 0;
    if (ok)
        arch_m2p_set(m, UINT64_MAX);
    frame_put(m);
    return ok;
}

unsigned account_release_list(struct account *a, const mfn_t *list, unsigned count)
{
    unsigned first = 0, i;

    for (i = 0; i < count; i++) {
        if (likely(account_withdraw(a, list[i]) == 0))
            continue;
        let_go(a, list + first, i - first);
        first = i + 1;
        if (!release_used(a, list[i]))
            return i;
    }
    let_go(a, list + first, i - first);
    return count;
}

unsigned account_release_next(struct account *a)
{
    mfn_t list[ACCOUNT_BATCH];
    unsigned count = 0;

    spin_lock(&a->lock);
    ASSERT(a->dying);
    while (count < ACCOUNT_BATCH && a->cursor && account_withdraw(a, mfn(a->cursor)) == 0) {
        list[count] = mfn(a->cursor);
        account_unlink(a, list[count++]); /* the cursor moves on */
    }
    atomic_fetch_sub(&a->pages, count);
    spin_unlock(&a->lock);
    if (count)
        account_discard(a, list, count);
    return count;
}
