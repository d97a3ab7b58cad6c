/* SPDX-License-Identifier: MIT
 *
 * General references: what keeps a frame from being given to somebody else.
 *
 * Whoever may reach a frame holds a reference: the allocation itself (FRAME_ALLOCATED), each
 * page-table entry that points to it, each use by the hypervisor. The count, the owner and the
 * state share one word, so that "is it still his, and does it still exist" and the increment are
 * one atomic step, without a lock. The last put finds nobody left who could take a new one
 * (INV-FRAME-1), and therefore may take its time: the frame leaves the owner's list, waits until no
 * TLB can hold it (waiting.h), and is free.
 *
 * Why the flush at the end does not go by the type's stamp: a read-only mapping
 * holds no type reference, so the type's stamp may be older than the last read-only mapping's end;
 * and through a stale read-only translation a domain would read what the next owner writes.
 */
#include <lagan/assert.h>
#include <lagan/nospec.h>
#include "mm/account.h"
#include "mm/frame.h"
#include "mm/waiting.h"

static bool is_usable(uint64_t use, uint32_t refs_max)
{
    enum frame_state state = (enum frame_state)(use >> 48 & 0xff);
    uint32_t refs = (uint32_t)use;

    return (state == FRAME_OWNED || state == FRAME_SHARED) && refs > 0 && refs < refs_max;
}

bool frame_get(mfn_t m, domid_t owner)
{
    struct frame *f;
    uint64_t use;

    if (!arch_mfn_valid(m))
        return false;
    f = frame_of(mfn(index_nospec(m.n, arch_max_mfn())));
    use = atomic_load_explicit(&f->use, memory_order_relaxed);
    do
        if ((domid_t)(use >> 32) != owner || !is_usable(use, FRAME_REFS_MAX))
            return false;
    while (!atomic_compare_exchange_weak(&f->use, &use, use + 1));
    return true;
}

bool frame_get_again(mfn_t m)
{
    struct frame *f = frame_of(m);
    uint64_t use = atomic_load_explicit(&f->use, memory_order_relaxed);

    ASSERT((uint32_t)use > 0);
    do
        if (!is_usable(use, FRAME_REFS_MAX + FRAME_REFS_SPARE))
            return false;
    while (!atomic_compare_exchange_weak(&f->use, &use, use + 1));
    return true;
}

void frame_note_abroad(mfn_t m)
{
    struct frame *f = frame_of(m);

    ASSERT(frame_refs(f) > 0 && frame_state(f) != FRAME_HYPERVISOR);
    if (!(atomic_load_explicit(&f->use, memory_order_relaxed) & FRAME_ABROAD))
        atomic_fetch_or(&f->use, FRAME_ABROAD);
}

void frame_note_uncached(mfn_t m)
{
    struct frame *f = frame_of(m);

    if (!(atomic_load_explicit(&f->use, memory_order_relaxed) & FRAME_UNCACHED))
        atomic_fetch_or(&f->use, FRAME_UNCACHED);
}

void frame_make_coherent(mfn_t m)
{
    struct frame *f = frame_of(m);

    if (likely(!(atomic_load_explicit(&f->use, memory_order_relaxed) & FRAME_UNCACHED)))
        return;
    atomic_fetch_and(&f->use, ~FRAME_UNCACHED);
    arch_cache_flush_frame(m);
}

/* The frame must be an account's. */
void frame_give_back(mfn_t m, uint64_t use)
{
    struct frame *f = frame_of(m);
    cpumask_t cpus;

    BUG_ON((uint32_t)use == 0);
    BUG_ON((use >> 48 & 0xff) != FRAME_OWNED || (use & FRAME_ALLOCATED));
    atomic_store(&f->use, frame_use(FRAME_WAITING, 0, (domid_t)(use >> 32), 0) |
                              (use & (FRAME_ABROAD | FRAME_UNCACHED)));
    ASSERT((f->type & UINT32_C(0xffffff)) == 0);
    cpus = account_forget(account_find((domid_t)(use >> 32)), m);
    if (use & FRAME_ABROAD)
        cpus = cpumask_all();
    arch_m2p_set(m, UINT64_MAX);
    waiting_add(&m, 1, cpus);
}
