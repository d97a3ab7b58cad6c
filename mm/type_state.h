/* SPDX-License-Identifier: MIT
 *
 * Private to the files of the type system (type.c, validate.c, table.c, relinquish.c, audit.c): the
 * type word of a frame and the steps between them. The head of type.c explains the states.
 */
#pragma once

#include <lagan/lock.h>
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

/* Takes the bit lock; from now on the word is the holder's until frame_unlock() stores the new one.
 * Held for a few instructions only; nothing else may be taken meanwhile. Waits while
 * the frame is busy. */
uint32_t frame_lock(struct frame *f);
/* As above, for a frame that is valid as `type`; else false, at once, and it is not locked. */
bool frame_lock_valid(struct frame *f, enum frame_type type, uint32_t *word) LAGAN_MUST_CHECK;
void frame_unlock(struct frame *f, uint32_t word);

/* As type_put(), in preemptible steps: -XEN_ERESTART, and the reference is still the caller's,
 * until 0. clear: 0, or TYPE_PINNED to end a pin with it (-XEN_EINVAL when there is none). */
int type_put_step(mfn_t m, uint32_t clear) LAGAN_MUST_CHECK;
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
