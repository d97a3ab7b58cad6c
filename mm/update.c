/* SPDX-License-Identifier: MIT
 *
 * One entry of a page table changes.
 *
 * The long way: check the new entry and take what it needs (entry_get()), then lock the table, which
 * from here on cannot go out of use, exchange, unlock, and give back what the old entry held.
 *
 * The short way does the same for what kernels do all the time, an L1 entry that is to map one of the
 * account's own frames, or none: one look at each word decides. The table is locked first, and needs no
 * reference for that: a frame that is locked while valid has a count, and whoever has that has a
 * general reference, and cannot put either before the lock is released. So the owner that is read
 * under the lock is the owner. Nothing waits while it is held. Whatever is not as usual (another CPU
 * in between, a first or last use, an error to be named) is left to the long way, before anything
 * has changed.
 *
 * An entry that goes on mapping the same frame with the same right to write keeps its references:
 * nothing is counted, and nobody's leave is asked anew, for the entry gives nothing that it did not
 * give before. (What of A and D is set then stays, if the frame is another's.) The memory type is a right too: with other than the usual one it is the long way.
 */
#include <lagan/arch.h>
#include <lagan/nospec.h>
#include "mm/type_state.h"

/* Exchanges an entry; *new becomes what was stored. The processors' page walks may set A and D in
 * it at any moment: those of the old entry are either kept or end with it, but never come back after
 * it was read. False: the old entry, now in *old, is not the expected one. */
static LAGAN_INLINE bool exchange(uint64_t *entry, const struct table_change *c, bool keep_ad,
                                  uint64_t *new, uint64_t *old)
{
    uint64_t wanted;

    *old = pte_load(entry);
    do {
        if (c->exact && *old != c->expected)
            return false;
        wanted = keep_ad && (*new &PTE_P) ? *new | (*old & (PTE_A | PTE_D)) : *new;
    } while (!__atomic_compare_exchange_n(entry, old, wanted, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    *new = wanted;
    return true;
}

/* What an L1 entry holds references for. */
static uint64_t held_by(uint64_t e)
{
    return e & (PTE_FRAME | PTE_P | PTE_RW);
}

/* With the table locked, after an exchange in it. Who takes a grant back sees of the entry that he
 * finds whether it was used, but not whether there was another before it. */
static LAGAN_INLINE void note_foreign(struct account *a, uint64_t old, uint64_t new)
{
    mfn_t m = pte_frame(old);

    if ((old & (PTE_P | PTE_A)) != (PTE_P | PTE_A) ||
        (held_by(old) == held_by(new) && (new &PTE_A)))
        return;
    if (arch_mfn_valid(m) && unlikely(frame_owner(frame_of(m)) != a->id))
        atomic_fetch_add(&a->foreign_gone, 1);
}

/* Gives back what an entry held; what would take long is left to the caller. */
static void release(struct account *a, struct table_change *c, unsigned level, uint64_t e)
{
    if (entry_put(a, level, e) != 0)
        c->old_table = pte_frame(e);
}

/* An entry above L1 has been exchanged. No address names what a CPU remembers of an upper level; and
 * where CPUs walk copies of L4 tables they miss new entries too. */
static void note_upper(struct account *a, enum frame_type type, uint64_t old, uint64_t new,
                       struct table_change *c)
{
    bool matters = old & PTE_P;

    if (type == TYPE_L4) {
        account_l4_changed(a);
        matters = matters || a->l4_copied;
    }
    c->upper = matters && ((old ^ new) & ~(PTE_A | PTE_D));
}

static int update_table(struct account *a, mfn_t table, enum frame_type type, unsigned index,
                        struct table_change *c)
{
    uint64_t *entry = (uint64_t *)arch_map_frame(table) + index, new = c->entry, old;
    struct frame *f = frame_of(table);
    bool usable, done;
    uint32_t word;
    int rc;

    if (pte_slot_is_hv(type, index))
        return -XEN_EINVAL;
    rc = entry_get(a, c->from, type, &new);
    if (rc)
        return rc;
    /* Only now can the table not be taken out of use any more (INV-TYPE-4). */
    usable = frame_lock_valid(f, type, &word);
    done = usable && exchange(entry, c, c->preserve_ad, &new, &old);
    if (done && type == TYPE_L1)
        note_foreign(a, old, new);
    if (usable)
        frame_unlock(f, word);
    if (type > TYPE_L1 && done)
        note_upper(a, type, old, new, c);
    release(a, c, type, done ? old : new);
    if (!done)
        return usable ? -XEN_EAGAIN : -XEN_EINVAL;
    c->old = old;
    return 0;
}

static int update_memory(mfn_t m, unsigned index, const struct table_change *c)
{
    int rc = c->exact ? -XEN_EINVAL : type_get(m, TYPE_WRITABLE);

    if (rc)
        return rc == -XEN_EBUSY ? -XEN_EINVAL : rc;
    pte_store((uint64_t *)arch_map_frame(m) + index, c->entry);
    type_put(m);
    return 0;
}

static LAGAN_NOINLINE int update_long(struct account *a, mfn_t table, unsigned index,
                                      struct table_change *c)
{
    enum frame_type type;
    int rc;

    if (!frame_get(table, a->id))
        return -XEN_EINVAL;
    type = type_of(table);
    if (c->only_l1 && (type != TYPE_L1 || !type_is_valid(table)))
        rc = -XEN_EINVAL;
    else if (type_is_table(type) && type_is_valid(table))
        rc = update_table(a, table, type, index, c);
    else
        rc = update_memory(table, index, c);
    frame_put(table);
    return rc;
}

/* ---- the short way ---- */

enum { LONG_WAY = 1 }; /* internal result: nothing has changed */

static bool is_own_frame(const struct frame *f, const struct account *a)
{
    return use_is_own(atomic_load_explicit(&((struct frame *)f)->use, memory_order_relaxed),
                      own_frames_key(a));
}

/* The entry as it is to be stored, if it is of the usual kind: RAM in the usual memory type, or
 * nothing at all. */
static bool make_usual(const struct account *a, uint64_t *e)
{
    if (!(*e & PTE_P))
        return *e == 0;
    if (!arch_mfn_valid(pte_frame(*e)) || (unlikely(a->maps_io) && (*e & CACHE_BITS)))
        return false;
    *e = (*e | PTE_US) & ~(PTE_G | CACHE_BITS);
    return true;
}

/* With the table locked. *left: an entry of which what it holds is to be given back afterwards. */
static int change_locked(struct account *a, uint64_t *entry, struct table_change *c,
                         uint64_t max_mfn, uint64_t new, uint64_t *left)
{
    bool same = held_by(pte_load(entry)) == held_by(new), keep_ad = c->preserve_ad;

    *left = 0;
    /* That a frame of somebody else's has been touched is not the guest's to forget: who takes such an
     * entry back flushes only if A says that there is something to flush (shmem/grant_map.c). */
    if (same && (new &PTE_P) && unlikely(!is_own_frame(frame_of(pte_frame(new)), a)))
        keep_ad = true;
    if (!same && (new &PTE_P)) {
        if (c->from == a->id)
            *left = data_get_short(own_frames_key(a), max_mfn, new);
        if (*left != new)
            return LONG_WAY;
    }
    if (!exchange(entry, c, keep_ad, &new, &c->old))
        return -XEN_EAGAIN;
    note_foreign(a, c->old, new);
    *left = same ? 0 : c->old;
    return 0;
}

/* 0 and -XEN_EAGAIN as table_update(), or LONG_WAY. */
static int update_short(struct account *a, mfn_t table, unsigned index, struct table_change *c)
{
    uint64_t max_mfn = arch_max_mfn();
    mfn_t m = mfn(index_nospec(table.n, max_mfn));
    struct frame *f = frame_of(m);
    uint64_t new = c->entry, left = 0;
    uint32_t word = word_load(f);
    int rc = LONG_WAY;

    if (!word_is_settled(word, TYPE_L1) || !is_own_frame(f, a) || !make_usual(a, &new) ||
        !frame_try_lock(f, word))
        return LONG_WAY;
    if (likely(is_own_frame(f, a))) /* still, and until it is unlocked */
        rc = change_locked(a, (uint64_t *)arch_map_frame(m) + index, c, max_mfn, new, &left);
    frame_unlock(f, word);
    (void)!entry_put(a, TYPE_L1, left); /* which is never preempted at this level */
    return rc;
}

/* ---- both ---- */

int table_update(struct account *a, mfn_t table, unsigned index, struct table_change *c)
{
    int rc;

    c->old_table = MFN_INVALID;
    c->upper = false;
    if (unlikely(index >= TABLE_ENTRIES || !arch_mfn_valid(table)))
        return -XEN_EINVAL;
    rc = update_short(a, table, index, c);
    return likely(rc != LONG_WAY) ? rc : update_long(a, table, index, c);
}
