/* SPDX-License-Identifier: MIT
 *
 * Exchanging frames.
 *
 * A frame that is to go is first withdrawn: its word says FRAME_WAITING with no reference, so that
 * nobody can begin to use it; that succeeds only if nobody does. But it stays charged and on the
 * list, so that the way back needs nothing that could fail. A frame that comes takes the place on
 * the list and the charge: an account at its limit can exchange, and one that is being given up
 * never gets a frame behind the cursor of account_relinquish().
 */
#include <lagan/arch.h>
#include <lagan/nospec.h>

#include "mm/exchange.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/spare.h"
#include "mm/tlbclock.h"
#include "mm/type.h"
#include "mm/waiting.h"

/* What the word keeps while the frame is withdrawn. */
#define KEPT (FRAME_ABROAD | FRAME_UNCACHED)

int account_withdraw(struct account *a, mfn_t m)
{
    uint64_t only = frame_use(FRAME_OWNED, 0, a->id, 1) | FRAME_ALLOCATED, use;
    struct frame *f;

    if (!arch_mfn_valid(m))
        return -XEN_EINVAL;
    f = frame_of(mfn(index_nospec(m.n, arch_max_mfn())));
    use = atomic_load(&f->use);
    do
        if ((use & ~KEPT) != only)
            return -XEN_EINVAL;
    while (!atomic_compare_exchange_weak(&f->use, &use,
                                         frame_use(FRAME_WAITING, 0, a->id, 0) | (use & KEPT)));
    return 0;
}

void account_reinstate(struct account *a, mfn_t m)
{
    struct frame *f = frame_of(m);
    uint64_t use = atomic_load(&f->use);
    bool dying;

    ASSERT((use & ~KEPT) == frame_use(FRAME_WAITING, 0, a->id, 0));
    spin_lock(&a->lock);
    dying = a->dying;
    if (!dying)
        atomic_store(&f->use, frame_use(FRAME_OWNED, 0, a->id, 1) | FRAME_ALLOCATED | (use & KEPT));
    spin_unlock(&a->lock);
    if (dying) {
        cpumask_t cpus = account_forget(a, m);

        (void)cpus; /* the same that account_discard() asks for */
        account_discard(a, &m, 1);
    }
}

/* `new` takes the place of `old` on the list. */
static void relink(struct account *a, mfn_t old, mfn_t new)
{
    struct frame *o = frame_of(old), *n = frame_of(new);

    n->next = o->next;
    n->prev = o->prev;
    if (n->next)
        frame_of(mfn(n->next))->prev = (uint32_t) new.n;
    if (n->prev)
        frame_of(mfn(n->prev))->next = (uint32_t) new.n;
    else
        a->first = (uint32_t) new.n;
    o->next = o->prev = 0;
}

bool account_replace(struct account *a, const mfn_t *old, const mfn_t *new, unsigned count)
{
    uint64_t use = frame_use(FRAME_OWNED, 0, a->id, 1) | FRAME_ALLOCATED;
    bool ok;

    spin_lock(&a->lock);
    ok = !a->dying;
    for (unsigned i = 0; ok && i < count; i++) {
        relink(a, old[i], new[i]);
        atomic_store_explicit(&frame_of(new[i])->use, use, memory_order_release);
    }
    spin_unlock(&a->lock);
    if (ok)
        heap_hand_over(count);
    return ok;
}

/* What the account's CPUs do not see to by themselves. */
static void end_strange_uses(mfn_t m, uint64_t use)
{
    if (likely(!(use & KEPT)))
        return;
    if (use & FRAME_ABROAD)
        tlb_flush_stale(TLB_FREE, 1, tlb_clock_now(), arch_online_cpus());
    if (use & FRAME_UNCACHED)
        arch_cache_flush_frame(m);
}

void account_make_plain(struct account *a, mfn_t m)
{
    struct frame *f = frame_of(m);
    enum frame_type type = type_of(m);

    if (likely(type == TYPE_NONE || type == TYPE_WRITABLE))
        return;
    tlb_flush_stale(TLB_TYPE_CHANGE, 1, f->stamp,
                    cpumask_and((cpumask_t){atomic_load(&a->tlb_cpus)}, arch_online_cpus()));
    atomic_store(&f->type, 0);
}

bool account_swap(struct account *a, mfn_t given, mfn_t taken, uint64_t word)
{
    uint64_t use = frame_use(FRAME_OWNED, 0, a->id, 1) | FRAME_ALLOCATED;
    uint64_t gfn = arch_m2p_get(given);
    struct frame *g = frame_of(given);
    bool ok;

    end_strange_uses(given, atomic_load(&g->use));
    arch_m2p_set(given, UINT64_MAX);
    arch_m2p_set(taken, gfn);
    spin_lock(&a->lock);
    ok = !a->dying;
    if (ok) {
        relink(a, given, taken);
        g->stamp = tlb_clock_now();
        atomic_store_explicit(&g->use, word, memory_order_release);
        atomic_store_explicit(&frame_of(taken)->use, use, memory_order_release);
    }
    spin_unlock(&a->lock);
    if (ok) {
        spare_swap(taken, given);
        return true;
    }
    arch_m2p_set(taken, UINT64_MAX);
    arch_m2p_set(given, gfn);
    return false;
}

void account_discard(struct account *a, const mfn_t *list, unsigned count)
{
    cpumask_t cpus = {atomic_load(&a->tlb_cpus)};

    for (unsigned i = 0; i < count; i++) {
        arch_m2p_set(list[i], UINT64_MAX);
        if (unlikely(atomic_load_explicit(&frame_of(list[i])->use, memory_order_relaxed) &
                     FRAME_ABROAD))
            cpus = cpumask_all();
    }
    waiting_add(list, count, cpus);
}
