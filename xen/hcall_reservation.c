/* SPDX-License-Identifier: MIT
 *
 * memory_op on a reservation, one's own or for the control domain any: extents of 2^order frames are taken from the host or given
 * back, in lists.
 *
 * Extents are dealt with one by one; the result is how many were done before the first that could
 * not be, or 0 if the request as a whole is no good. A long list is preempted between extents: the number done so far travels in the upper
 * bits of the command (a guest that sets them itself only skips extents of its own list).
 */
#include <lagan/arch.h>

#include <xen/memory.h>

#include "mm/account.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/scrub.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hcall_memory.h"
#include "arch_current.h"
#include "arch_inline.h"

struct request {
    struct domain *d;
    guest_ptr_t list; /* of frame numbers, 8 bytes each */
    uint64_t count;
    unsigned order;
    unsigned heap_flags;
};

#define NO_NODE 0xff /* XENMEMF_get_node() of flags that name none */

static guest_ptr_t entry_at(const struct request *r, uint64_t i)
{
    return guest_ptr_add(r->list, i * sizeof(uint64_t));
}

/* Gives back one frame, which must be the domain's and not given up yet. While we have a reference
 * it is nobody else's, so neither is its entry of the table. */
static bool release_frame(struct domain *d, mfn_t m)
{
    bool ok;

    if (!frame_get(m, d->id))
        return false;
    ok = account_release(&d->account, m) == 0;
    if (ok)
        arch_m2p_set(m, UINT64_MAX);
    frame_put(m);
    return ok;
}

/* Up to the first frame that cannot be given back. */
static bool release(struct domain *d, mfn_t m, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (!release_frame(d, mfn(m.n + i)))
            return false;
    return true;
}

static bool decrease_one(const struct request *r, uint64_t i)
{
    uint64_t first;

    if (copy_from_guest(&first, entry_at(r, i), sizeof(first)))
        return false;
    return release(r->d, mfn(first), UINT64_C(1) << r->order);
}

/* Names the guest frames of a new extent. Another vCPU may have guessed the numbers and given
 * frames back already: then they are somebody else's, and so are their entries. */
static void name_frames(struct domain *d, mfn_t m, uint64_t count, uint64_t first_gfn, bool known)
{
    for (uint64_t i = 0; i < count; i++) {
        mfn_t one = mfn(m.n + i);

        if (!frame_get(one, d->id))
            continue;
        arch_m2p_set(one, known ? first_gfn + i : UINT64_MAX);
        frame_put(one);
    }
}

/* Takes an extent; `populate` says that the list names the guest frames it is to be. Who gives no
 * list to increase_reservation does not want to know the frames. */
static bool increase_one(const struct request *r, uint64_t i, bool populate)
{
    uint64_t first_gfn = 0, count = UINT64_C(1) << r->order;
    mfn_t m;

    if (populate && copy_from_guest(&first_gfn, entry_at(r, i), sizeof(first_gfn)))
        return false;
    if (account_alloc(&r->d->account, r->order, r->heap_flags, &m))
        return false;
    name_frames(r->d, m, count, first_gfn, populate);
    if ((!populate && r->list.va == 0) || copy_to_guest(entry_at(r, i), &m.n, sizeof(m.n)) == 0)
        return true;
    for (uint64_t j = 0; j < count; j++)
        (void)release_frame(r->d, mfn(m.n + j)); /* false: as above */
    return false;
}

static bool one_extent(const struct request *r, unsigned op, uint64_t i)
{
    if (op == XENMEM_decrease_reservation)
        return decrease_one(r, i);
    return increase_one(r, i, op == XENMEM_populate_physmap);
}

/* What the guest asks for, d being found already. False: nothing of it can be done. */
static bool decode(const struct xen_memory_reservation *in, unsigned op, struct request *r)
{
    r->list = guest_ptr((uint64_t)in->extent_start.p);
    r->count = in->nr_extents;
    r->order = in->extent_order;
    r->heap_flags = HEAP_BITS(XENMEMF_get_address_bits(in->mem_flags));
    if (r->order > memory_order_max(current_vcpu()->domain) ||
        in->nr_extents > UINT64_MAX / sizeof(uint64_t) ||
        !guest_range_ok(r->list, in->nr_extents * sizeof(uint64_t)))
        return false;
    if (op == XENMEM_decrease_reservation)
        return true;
    /* Memory on demand, or of a node that there is not. */
    return !(in->mem_flags & XENMEMF_populate_on_demand) &&
           !((in->mem_flags & XENMEMF_exact_node_request) && XENMEMF_get_node(in->mem_flags) != 0 &&
             XENMEMF_get_node(in->mem_flags) != NO_NODE);
}

static uint64_t extents(const struct request *r, unsigned op, uint64_t done, bool *again)
{
    uint64_t i;

    for (i = done; i < r->count; i++) {
        if ((i > done && arch_preempt_pending()) ||
            (op != XENMEM_decrease_reservation && scrub_for(r->order, r->heap_flags))) {
            *again = true;
            break;
        }
        if (!one_extent(r, op, i))
            break;
    }
    return i;
}

int64_t memory_reservation(unsigned op, uint64_t done, guest_ptr_t arg, bool *again)
{
    struct xen_memory_reservation in;
    struct request r;

    if (copy_from_guest(&in, arg, sizeof(in)) || memory_target(in.domid, &r.d))
        return (int64_t)done;
    if (decode(&in, op, &r))
        done = extents(&r, op, done, again);
    domain_put(r.d);
    return (int64_t)done;
}
