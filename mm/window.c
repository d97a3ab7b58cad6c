/* SPDX-License-Identifier: MIT
 *
 * Windows: see window.h. The mark of a frame that stays is written before anybody has a right to its window, and
 * taken off when nobody has any more, so it is read without a lock; with a reference, so that the frame cannot
 * become anything else meanwhile. That of one that moves changes at any time: who was in time has his reference, and
 * whoever has condemned the frame looks for entries until there is none (ubc/sweep.c).
 */
#include "mm/window.h"

#include <lagan/nospec.h>

static uint32_t mark_of(mfn_t m)
{
    return __atomic_load_n(&frame_of(mfn(index_nospec(m.n, arch_max_mfn())))->prev,
                           __ATOMIC_RELAXED);
}

static bool may_map(const struct account *a, uint32_t mark)
{
    uint64_t mine = atomic_load(&((struct account *)a)->windows);
    uint32_t n = mark & ~WINDOW_MOVES;

    return n > 0 && n <= WINDOWS_MAX && (mine >> (n - 1) & 1);
}

bool window_get(const struct account *a, mfn_t m)
{
    if (!atomic_load(&((struct account *)a)->windows) || !frame_get(m, WINDOW_OWNER))
        return false;
    if (!may_map(a, mark_of(m))) {
        frame_put(
            m); /* not the last: the cache has one, and does not give it up while there are others */
        return false;
    }
    frame_note_abroad(m);
    return true;
}

bool window_is_moving(mfn_t m)
{
    return mark_of(m) & WINDOW_MOVES;
}

bool window_is_over(const struct account *a, mfn_t m)
{
    return window_has(m) && window_is_moving(m) && !may_map(a, mark_of(m));
}

void window_mark_moving(mfn_t m, unsigned n)
{
    __atomic_store_n(&frame_of(m)->prev, (n + 1) | WINDOW_MOVES, __ATOMIC_RELAXED);
}

void window_condemn(mfn_t m)
{
    __atomic_store_n(&frame_of(m)->prev, WINDOW_CONDEMNED, __ATOMIC_RELAXED);
}

void window_mark(mfn_t m, unsigned n)
{
    __atomic_store_n(&frame_of(m)->prev, n + 1, __ATOMIC_RELAXED);
}

void window_unmark(mfn_t m)
{
    __atomic_store_n(&frame_of(m)->prev, 0, __ATOMIC_RELAXED);
}
