/* SPDX-License-Identifier: MIT
 *
 * A page changes hands: its owner gives it to a domain that has said, by an entry, that it will take
 * one.
 *
 * As the ABI has it, a page that is fit to be given is gone from then on, whatever comes of the
 * rest; a receiver that cannot have it leaves it to the host. The receiver gets the page before it
 * hears its number: only then can it not be told of one that it is not to have.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "mm/frame.h"
#include "mm/heap.h"
#include "shmem/grant_int.h"

/* Promises the entry a page. */
static int commit(const struct grant_table *t, grant_ref_t ref, domid_t giver)
{
    /* Flags and domain come first in both versions. */
    uint32_t *header =
        t->version == 1 ? (uint32_t *)grant_v1(t, ref) : (uint32_t *)&grant_v2(t, ref)->hdr;
    uint32_t want = GTF_accept_transfer | (uint32_t)giver << 16;

    if (grant_in_use(grant_pins_of(t, ref)) ||
        !__atomic_compare_exchange_n(header, &want, want | GTF_transfer_committed, false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        return GNTST_general_error;
    return GNTST_okay;
}

static void complete(const struct grant_table *t, grant_ref_t ref, mfn_t m)
{
    uint16_t *flags;

    if (t->version == 1) {
        __atomic_store_n(&grant_v1(t, ref)->frame, (uint32_t)m.n, __ATOMIC_RELAXED);
        flags = &grant_v1(t, ref)->flags;
    } else {
        __atomic_store_n(&grant_v2(t, ref)->full_page.frame, m.n, __ATOMIC_RELAXED);
        flags = &grant_v2(t, ref)->hdr.flags;
    }
    __atomic_fetch_or(flags, GTF_transfer_completed, __ATOMIC_SEQ_CST);
}

/* The frame is the hypervisor's; it goes to the receiver, or back to the host. */
static int hand_over(struct grant_table *t, grant_ref_t ref, domid_t giver, mfn_t m)
{
    struct grant_pins *p = grant_pins_of(t, ref);
    int status;

    if (account_give(t->account, m)) {
        heap_free(m, 0);
        return GNTST_general_error;
    }
    grant_entry_lock(p);
    status = commit(t, ref, giver);
    if (status == GNTST_okay)
        complete(t, ref, m);
    grant_entry_unlock(p);
    if (status)
        (void)!account_release(t->account, m); /* it may have guessed the number, and given it up */
    return status;
}

int grant_transfer(const struct grant_user *u, struct gnttab_transfer *op)
{
    struct grant_table *t = grant_find(op->domid);
    domid_t giver = u->table->account->id;
    mfn_t m = mfn(op->mfn);
    uint32_t count;

    op->status = GNTST_bad_page;
    if (t && unlikely(atomic_load(&t->frozen)))
        return -XEN_ERESTART;
    if (!arch_mfn_valid(m))
        return 0;
    m = mfn(index_nospec(m.n, arch_max_mfn()));
    if (account_take(u->table->account, m))
        return 0;
    count = t ? grant_entry_count(t) : 0;
    if (t && !t->dying && op->ref < count) {
        op->status = (int16_t)hand_over(t, (grant_ref_t)index_nospec(op->ref, count), giver, m);
        return 0;
    }
    heap_free(m, 0);
    op->status = !t || t->dying ? GNTST_bad_domain : GNTST_general_error;
    return 0;
}
