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

#define BATCH 32U                                 /* frames that are given back together */
STATIC_ASSERT(sizeof(mfn_t) == sizeof(uint64_t)); /* as in the guest's list */

#define NO_NODE 0xff /* XENMEMF_get_node() of flags that name none */

static guest_ptr_t entry_at(const struct request *r, uint64_t i)
{
    return guest_ptr_add(r->list, i * sizeof(uint64_t));
}

/* Gives back the frames of an extent; false if one of them could not be. */
static bool release(struct domain *d, mfn_t m, uint64_t count)
{
    mfn_t list[BATCH];

    for (uint64_t done = 0; done < count; done += BATCH) {
        unsigned n = (unsigned)min_u64(count - done, BATCH);

        for (unsigned i = 0; i < n; i++)
            list[i] = mfn(m.n + done + i);
        if (account_release_list(&d->account, list, n) < n)
            return false;
    }
    return true;
}

static bool decrease_one(const struct request *r, uint64_t i)
{
    uint64_t first;

    if (copy_from_guest(&first, entry_at(r, i), sizeof(first)))
        return false;
    return release(r->d, mfn(first), UINT64_C(1) << r->order);
}

/* Takes an extent; `populate` says that the list names the guest frames it is to be. Who gives no
 * list to increase_reservation does not want to know the frames. */
static bool increase_one(const struct request *r, uint64_t i, bool populate)
{
    uint64_t gfn = GFN_NONE, count = UINT64_C(1) << r->order;
    mfn_t m;

    if (populate && copy_from_guest(&gfn, entry_at(r, i), sizeof(gfn)))
        return false;
    if (account_alloc_named(&r->d->account, r->order, r->heap_flags, gfn, &m))
        return false;
    if ((!populate && r->list.va == 0) || copy_to_guest(entry_at(r, i), &m.n, sizeof(m.n)) == 0)
        return true;
    /* Another vCPU may have guessed the numbers and given some of them back: one by one. */
    for (uint64_t j = 0; j < count; j++)
        (void)release(r->d, mfn(m.n + j), 1);
    return false;
}

static bool one_extent(const struct request *r, unsigned op, uint64_t i)
{
    if (op == XENMEM_decrease_reservation)
        return decrease_one(r, i);
    return increase_one(r, i, op == XENMEM_populate_physmap);
}

/* Up to `count` extents, at most BATCH, from i on; how many were done before the first that could not
 * be. Single frames that are given back are read and dealt with together. */
static unsigned some_extents(const struct request *r, unsigned op, uint64_t i, unsigned count)
{
    mfn_t list[BATCH];
    unsigned n = 0;

    if (count > 1 && copy_from_guest(list, entry_at(r, i), count * sizeof(*list)) == 0)
        return account_release_list(&r->d->account, list, count);
    while (n < count && one_extent(r, op, i + n))
        n++;
    return n;
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
    bool down = op == XENMEM_decrease_reservation;
    uint64_t first = done;
    unsigned want, n;

    for (n = want = 0; done < r->count && n == want; done += n) {
        if ((done > first && arch_preempt_pending()) ||
            (!down && scrub_for(r->order, r->heap_flags))) {
            *again = true;
            break;
        }
        want = (unsigned)min_u64(r->count - done, down && r->order == 0 ? BATCH : 1);
        n = some_extents(r, op, done, want);
    }
    return done;
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
