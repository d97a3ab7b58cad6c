/* SPDX-License-Identifier: MIT
 *
 * XENMEM_exchange: frames of a domain for others, such as 64 single ones for 64 in a row below 4
 * GiB, which a kernel wants for DMA.
 *
 * It goes by chunks of the larger of the two orders; each is exchanged altogether or not at all
 * (mm/exchange.h). How many input extents are done stands in the caller's struct, where also a call
 * that was preempted finds it. A guest that sets it itself only skips extents of its own list.
 *
 * What a chunk needs to remember, the frames that go and those that come, is in pages from the heap:
 * both lists are read once.
 */
#include <lagan/arch.h>

#include <xen/memory.h>

#include "mm/exchange.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "xen/guest_access.h"
#include "xen/hcall_memory.h"
#include "arch_current.h"
#include "arch_inline.h"

#define CHUNK_ORDER_MAX GUEST_ORDER_MAX
#define CHUNK_MAX       (1U << CHUNK_ORDER_MAX)

struct half {
    guest_ptr_t list;
    uint64_t count; /* extents */
    unsigned order;
};

struct exchange {
    struct domain *d;
    struct half in, out;
    unsigned heap_flags;
    unsigned order; /* of a chunk */
    mfn_t *old;     /* CHUNK_MAX entries: frames of a chunk that were withdrawn */
    mfn_t *new;     /* likewise: the first frame of each extent that comes */
};

#define STEP          64U /* frames that change places under one lock */
#define SCRATCH_ORDER 1   /* pages for both */
STATIC_ASSERT(2 * CHUNK_MAX * sizeof(mfn_t) == PAGE_SIZE << SCRATCH_ORDER);

static guest_ptr_t extent_at(const struct half *h, uint64_t i)
{
    return guest_ptr_add(h->list, i * sizeof(uint64_t));
}

/* ---- a chunk ---- */

/* Extents of one half in a chunk. */
static unsigned per_chunk(const struct exchange *x, const struct half *h)
{
    return 1U << (x->order - h->order);
}

static void reinstate(struct exchange *x, unsigned count)
{
    while (count-- > 0)
        account_reinstate(&x->d->account, x->old[count]);
}

/* All frames of the chunk's input, or none. */
static int withdraw(struct exchange *x, uint64_t first_extent)
{
    unsigned count = 0;

    for (unsigned i = 0; i < per_chunk(x, &x->in); i++) {
        uint64_t first;
        int rc = copy_from_guest(&first, extent_at(&x->in, first_extent + i), sizeof(first));

        for (uint64_t j = 0; !rc && j < UINT64_C(1) << x->in.order; j++) {
            x->old[count] = mfn(first + j);
            rc = account_withdraw(&x->d->account, x->old[count]);
            count += rc == 0;
        }
        if (rc) {
            reinstate(x, count);
            return rc;
        }
    }
    return 0;
}

static void set_names(mfn_t m, unsigned order, uint64_t first_gfn)
{
    for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
        arch_m2p_set(mfn(m.n + i), first_gfn == UINT64_MAX ? UINT64_MAX : first_gfn + i);
}

static void free_new(struct exchange *x, unsigned count)
{
    while (count-- > 0) {
        set_names(x->new[count], x->out.order, UINT64_MAX);
        heap_free(x->new[count], x->out.order);
    }
}

/* One extent of the output: allocated, named, told. Until it is the domain's nobody can map it. */
static int take_new(struct exchange *x, uint64_t extent, mfn_t *m)
{
    guest_ptr_t where = extent_at(&x->out, extent);
    uint64_t first_gfn;

    if (copy_from_guest(&first_gfn, where, sizeof(first_gfn)))
        return -XEN_EFAULT;
    if (!heap_alloc(x->out.order, x->heap_flags | HEAP_CLEAR, m))
        return -XEN_ENOMEM;
    set_names(*m, x->out.order, first_gfn);
    if (copy_to_guest(where, &m->n, sizeof(m->n)) == 0)
        return 0;
    set_names(*m, x->out.order, UINT64_MAX);
    heap_free(*m, x->out.order);
    return -XEN_EFAULT;
}

static int take_all_new(struct exchange *x, uint64_t first_extent)
{
    for (unsigned i = 0; i < per_chunk(x, &x->out); i++) {
        int rc = take_new(x, first_extent + i, &x->new[i]);

        if (rc) {
            free_new(x, i);
            return rc;
        }
    }
    return 0;
}

/* The frame of a chunk's output that comes for its i-th of the input. */
static mfn_t new_frame(const struct exchange *x, unsigned i)
{
    return mfn(x->new[i >> x->out.order].n + (i & ((1U << x->out.order) - 1)));
}

/* Nothing here can fail, unless the domain dies meanwhile: then the frames that were to come are
 * let go one by one, as those that went are. */
static void commit(struct exchange *x)
{
    unsigned count = 1U << x->order, some = count < STEP ? count : STEP;
    mfn_t new[STEP];

    for (unsigned i = 0; i < count; i += some) {
        for (unsigned j = 0; j < some; j++)
            new[j] = new_frame(x, i + j);
        if (account_replace(&x->d->account, x->old + i, new, some)) {
            account_discard(&x->d->account, x->old + i, some);
            continue;
        }
        for (unsigned j = 0; j < some; j++) {
            account_reinstate(&x->d->account, x->old[i + j]);
            arch_m2p_set(new[j], UINT64_MAX);
            atomic_store(&frame_of(new[j])->use, frame_use(FRAME_HYPERVISOR, 0, 0, 1));
            heap_free(new[j], 0);
        }
    }
}

static int exchange_chunk(struct exchange *x, uint64_t chunk)
{
    int rc = withdraw(x, chunk * per_chunk(x, &x->in));

    if (rc)
        return rc;
    rc = take_all_new(x, chunk * per_chunk(x, &x->out));
    if (rc)
        reinstate(x, 1U << x->order);
    else
        commit(x);
    return rc;
}

/* ---- the whole ---- */

static bool half_ok(const struct half *h)
{
    return h->count <= UINT64_MAX / sizeof(uint64_t) &&
           guest_range_ok(h->list, h->count * sizeof(uint64_t));
}

/* Without looking the domain up. -XEN_EPERM, -XEN_EINVAL or -XEN_EFAULT. */
static int decode(const struct xen_memory_exchange *arg, struct exchange *x)
{
    unsigned order_max = memory_order_max(current_vcpu()->domain);

    *x = (struct exchange){
        .in = {guest_ptr((uint64_t)arg->in.extent_start.p), arg->in.nr_extents,
               arg->in.extent_order},
        .out = {guest_ptr((uint64_t)arg->out.extent_start.p), arg->out.nr_extents,
                arg->out.extent_order},
        .heap_flags = HEAP_BITS(XENMEMF_get_address_bits(arg->out.mem_flags)),
    };
    if (x->in.order > order_max || x->out.order > order_max)
        return -XEN_EPERM;
    if (arg->nr_exchanged > x->in.count || arg->in.domid != arg->out.domid ||
        x->in.count > UINT64_MAX >> x->in.order || x->out.count > UINT64_MAX >> x->out.order ||
        x->in.count << x->in.order != x->out.count << x->out.order)
        return -XEN_EINVAL;
    if (!half_ok(&x->in) || !half_ok(&x->out))
        return -XEN_EFAULT;
    x->order = x->in.order > x->out.order ? x->in.order : x->out.order;
    return 0;
}

/* From the chunk of input extent *done on; *done moves on. */
static int exchange_all(struct exchange *x, uint64_t *done, bool *again)
{
    uint64_t first = *done / per_chunk(x, &x->in);

    for (uint64_t chunk = first; chunk * per_chunk(x, &x->in) < x->in.count; chunk++) {
        int rc;

        if (chunk > first && arch_preempt_pending()) {
            *again = true;
            return 0;
        }
        rc = exchange_chunk(x, chunk);
        if (rc)
            return rc;
        *done = (chunk + 1) * per_chunk(x, &x->in);
    }
    return 0;
}

static int with_scratch(struct exchange *x, uint64_t *done, bool *again)
{
    int rc;

    if (x->order > CHUNK_ORDER_MAX)
        return -XEN_ENOMEM; /* legal to answer, and nobody asks for so much in one piece */
    x->old = page_alloc(SCRATCH_ORDER, HEAP_ANY);
    if (!x->old)
        return -XEN_ENOMEM;
    x->new = x->old + CHUNK_MAX;
    rc = exchange_all(x, done, again);
    page_free(x->old, SCRATCH_ORDER);
    return rc;
}

int64_t memory_exchange(guest_ptr_t where, bool *again)
{
    struct xen_memory_exchange arg;
    struct exchange x;
    uint64_t done;
    int rc;

    if (copy_from_guest(&arg, where, sizeof(arg)))
        return -XEN_EFAULT;
    done = arg.nr_exchanged;
    rc = decode(&arg, &x);
    if (rc)
        return rc;
    rc = memory_target(arg.in.domid, &x.d);
    if (rc)
        return rc;
    if (done < x.in.count)
        rc = with_scratch(&x, &done, again);
    domain_put(x.d);
    if (copy_to_guest(guest_ptr_add(where, offsetof(struct xen_memory_exchange, nr_exchanged)),
                      &done, sizeof(done)))
        rc = -XEN_EFAULT;
    if (rc)
        *again = false;
    return rc;
}
