/* SPDX-License-Identifier: MIT
 *
 * Private to the files of the type system (type.c, validate.c, table.c, relinquish.c, audit.c): the
 * type word of a frame and the steps between them. The head of type.c explains the states.
 */
#pragma once

#include <lagan/lock.h>
#include <lagan/nospec.h>
#include "mm/frame.h"
#include "mm/pte.h"
#include "mm/type.h"

#define TYPE_COUNT  UINT32_C(0x00ffffff)
#define TYPE_VALID  (UINT32_C(1) << 24) /* the content counts as validated */
#define TYPE_PINNED (UINT32_C(1) << 25) /* one count and one general reference are the pin's */
#define TYPE_PARTIAL \
    (UINT32_C(1) << 26)                 /* entries [0, cursor) hold references; nobody is at work */
#define TYPE_LOCKED (UINT32_C(1) << 27) /* the frame's bit lock, level LK_FRAME */
#define TYPE_SHIFT  28

STATIC_ASSERT(TYPE_UBC < 16);

/* Of an L1 entry; none of them: write-back. */
#define CACHE_BITS (PTE_PWT | PTE_PCD | PTE_PAT)

/* `stamp` while TYPE_PARTIAL is set: the cursor, and the error with which validation failed if it
 * is being undone. */
#define PARTIAL_CURSOR(stamp) ((stamp)&0xffff)
#define PARTIAL_ERROR(stamp)  (-(int)((stamp) >> 16))

static inline enum frame_type word_type(uint32_t word)
{
    return (enum frame_type)(word >> TYPE_SHIFT);
}

static inline uint32_t word_load(struct frame *f)
{
    return atomic_load_explicit(&f->type, memory_order_acquire);
}

static inline bool type_is_table(enum frame_type type)
{
    return type >= TYPE_L1 && type <= TYPE_L4;
}

/* In use as `type`, and as nothing is being done to the frame there is nothing to wait for: the
 * state in which a get or put (but a first or last one) usually finds it. */
static inline bool word_is_settled(uint32_t word, enum frame_type type)
{
    return (word & ~(TYPE_COUNT | TYPE_PINNED)) == ((uint32_t)type << TYPE_SHIFT | TYPE_VALID);
}

/* Takes the bit lock; from now on the word is the holder's until frame_unlock() stores the new one.
 * Held for a few instructions only; nothing else may be taken meanwhile. Waits while
 * the frame is busy. */
uint32_t frame_lock(struct frame *f);
/* As above, for a frame that is valid as `type`; else false, at once, and it is not locked. */
bool frame_lock_valid(struct frame *f, enum frame_type type, uint32_t *word) LAGAN_MUST_CHECK;
static inline void frame_unlock(struct frame *f, uint32_t word)
{
    ASSERT(f->type & TYPE_LOCKED);
    atomic_store(&f->type, word & ~TYPE_LOCKED);
    lock_trace_pop(LK_FRAME);
}
/* As frame_lock(), at once or not at all: only if the word is `word`, which is settled. */
static inline bool frame_try_lock(struct frame *f, uint32_t word)
{
    if (!atomic_compare_exchange_strong(&f->type, &word, word | TYPE_LOCKED))
        return false;
    lock_trace_push(LK_FRAME, true);
    return true;
}

/* As type_put(), in preemptible steps: -XEN_ERESTART, and the reference is still the caller's,
 * until 0. clear: 0, or TYPE_PINNED to end a pin with it (-XEN_EINVAL when there is none). */
int type_put_step(mfn_t m, uint32_t clear) LAGAN_MUST_CHECK;
/* valid -> idle for a frame whose content holds no references, and whose word, with count 1 and no
 * flag but VALID, is `word`. False: it is another by now, and nothing has happened. */
bool type_put_last_plain(struct frame *f, uint32_t word) LAGAN_MUST_CHECK;
/* Ends a validation that was preempted and never taken up again. -XEN_ERESTART until done. */
int type_drop_partial(mfn_t m) LAGAN_MUST_CHECK;

/* validate.c. Takes what an entry of a table of a's at `level` needs; *e becomes the entry as it is
 * to be stored. `from` owns what an L1 entry maps. 0; -XEN_EPERM: not RAM, and a may not map it; or
 * an error as of type_get(): nothing taken. */
int entry_get(const struct account *a, domid_t from, unsigned level, uint64_t *e) LAGAN_MUST_CHECK;
/* Gives it back. -XEN_ERESTART: not yet, call again; never at level 1. */
int entry_put(const struct account *a, unsigned level, uint64_t e) LAGAN_MUST_CHECK;
/* Takes what the entries from *cursor on need, and makes the table ready for use / gives back that
 * of the entries below *cursor. The table is the caller's alone (busy, see type.c). -XEN_ERESTART
 * or an error leave the cursor where the next step starts. */
int table_validate(mfn_t m, unsigned level, unsigned *cursor) LAGAN_MUST_CHECK;
int table_devalidate(mfn_t m, unsigned level, unsigned *cursor) LAGAN_MUST_CHECK;

/* ---- L1 entries in as few instructions as the usual cases need ---- */

/* State and owner of the frames that an account has, as in frame.use >> 32. */
static inline uint32_t own_frames_key(const struct account *a)
{
    return (uint32_t)(frame_use(FRAME_OWNED, 0, a->id, 0) >> 32);
}

static inline bool use_is_own(uint64_t use, uint32_t key)
{
    return (use >> 32 & 0xffffff) == key;
}

/* Takes what an L1 entry needs that maps one of an account's own frames in the usual memory type, if
 * there is nothing to wait for: the frame is writable memory already, or was it last, or never was
 * anything. Any lock may be held. Returns the entry with what was taken: itself; without RW, where
 * only the general reference was to be had; or 0: nothing. */
static inline uint64_t data_get_short(uint32_t key, uint64_t max_mfn, uint64_t e)
{
    struct frame *f = frame_of(mfn(index_nospec(pte_frame(e).n, max_mfn)));
    uint64_t use = atomic_load_explicit(&f->use, memory_order_relaxed);
    uint32_t word;

    if (!use_is_own(use, key) || (uint32_t)use - 1 >= FRAME_REFS_MAX - 1 ||
        !atomic_compare_exchange_strong(&f->use, &use, use + 1))
        return 0;
    if (!(e & PTE_RW))
        return e;
    word = word_load(f);
    if (((word_is_settled(word, TYPE_WRITABLE) && (word & TYPE_COUNT) < TYPE_COUNT) ||
         (word & ~((uint32_t)TYPE_WRITABLE << TYPE_SHIFT)) == 0) &&
        atomic_compare_exchange_strong(
            &f->type, &word, (word + 1) | (uint32_t)TYPE_WRITABLE << TYPE_SHIFT | TYPE_VALID))
        return e;
    return e & ~PTE_RW;
}
