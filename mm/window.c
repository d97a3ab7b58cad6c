/* SPDX-License-Identifier: MIT
 *
 * Windows: see window.h. The mark of a frame is written before anybody has a right to its window, and taken
 * off when nobody has any more, so it is read without a lock; with a reference, so that the frame cannot
 * become anything else meanwhile.
 */
#include "mm/window.h"

#include <lagan/nospec.h>

bool window_get(const struct account *a, mfn_t m)
{
    uint64_t mine = atomic_load(&((struct account *)a)->windows);
    uint32_t mark;

    if (!mine || !frame_get(m, WINDOW_OWNER))
        return false;
    mark =
        __atomic_load_n(&frame_of(mfn(index_nospec(m.n, arch_max_mfn())))->prev, __ATOMIC_RELAXED);
    if (mark == 0 || mark > WINDOWS_MAX || !(mine >> (mark - 1) & 1)) {
        frame_put(
            m); /* not the last: the cache has one, and does not give it up while there are others */
        return false;
    }
    frame_note_abroad(m);
    return true;
}

void window_mark(mfn_t m, unsigned n)
{
    __atomic_store_n(&frame_of(m)->prev, n + 1, __ATOMIC_RELAXED);
}

void window_unmark(mfn_t m)
{
    __atomic_store_n(&frame_of(m)->prev, 0, __ATOMIC_RELAXED);
}
