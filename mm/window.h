/* SPDX-License-Identifier: MIT
 *
 * Frames of the buffer cache as page tables see them.
 *
 * All belong to an account of their own, DOMID_COW, and are lent to it (FRAME_SHARED). Most are mapped only by
 * handle, with the owner named. A window is a run of them that an account may map as if they were its own,
 * if its bit is set in account.windows; a frame says in `prev`, which nothing else uses while it is lent, of
 * which window it is. Entries for them are never writable.
 */
#pragma once

#include "mm/account.h"
#include "mm/frame.h"

#define WINDOW_OWNER DOMID_COW
#define WINDOWS_MAX  64

/* What `prev` says of a frame: 0, or the number of its window + 1. Frames of a volume with slots move: they are of
 * the window while somebody has them mapped by handle, and when they are to go, condemned: no new entry is made. */
#define WINDOW_MOVES     UINT32_C(0x100)
#define WINDOW_CONDEMNED (WINDOW_MOVES | UINT32_C(0xff))

/* A present entry with this bit (in Linux: of a page of a device) for a frame that the account may not map any more
 * becomes an empty one: its maker cannot know what has been taken a moment ago. */
#define WINDOW_ENTRY (UINT64_C(1) << 58)

/* The frame is the buffer cache's. */
static inline bool window_has(mfn_t m)
{
    return arch_mfn_valid(m) && frame_owner(frame_of(m)) == WINDOW_OWNER;
}

/* The account has, or had, a right to some window; for good, since what an entry needs is told from it twice. */
static inline bool window_is_near(const struct account *a)
{
    return unlikely(
        atomic_load_explicit(&((struct account *)a)->near_windows, memory_order_relaxed));
}

/* Takes a reference for an entry that is to map the frame, if it is of a window that the account may map.
 * False: nothing changed. Any lock may be held. */
bool window_get(const struct account *a, mfn_t m) LAGAN_MUST_CHECK;
/* The frame, which nobody can map yet, is of window n / of none any more. */
void window_mark(mfn_t m, unsigned n);
void window_unmark(mfn_t m);
/* The same for frames that move, of which there may be entries from before; and no new entry any more. */
void window_mark_moving(mfn_t m, unsigned n);
void window_condemn(mfn_t m);
/* The caller has a reference, or an entry in a table that is in use. */
bool window_is_moving(mfn_t m);
/* It is a frame of a moving window, for which the account may not have an entry (any more). */
bool window_is_over(const struct account *a, mfn_t m);
