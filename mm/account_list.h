/* SPDX-License-Identifier: MIT
 *
 * Private to the files of accounts (account.c, exchange.c, giveback.c): the list of an account's
 * frames. Everything here is called under the account's lock.
 */
#pragma once

#include "mm/account.h"
#include "mm/frame.h"

/* How many frames are dealt with at a time where there is no other bound: as many as a waiting room
 * takes before it is emptied. */
#define ACCOUNT_BATCH 64U

/* [m, m + count) join the list, in this order, at its head. They are nobody's. */
static inline void account_link(struct account *a, mfn_t m, uint64_t count)
{
    uint32_t first = (uint32_t)m.n, last = (uint32_t)(m.n + count - 1);

    for (uint32_t n = first; n <= last; n++) {
        frame_of(mfn(n))->prev = n - 1;
        frame_of(mfn(n))->next = n + 1;
    }
    frame_of(m)->prev = 0;
    frame_of(mfn(last))->next = a->first;
    if (a->first)
        frame_of(mfn(a->first))->prev = last;
    a->first = first;
}

/* A frame leaves it; a cursor that is at it moves on. */
static inline void account_unlink(struct account *a, mfn_t m)
{
    struct frame *f = frame_of(m);

    if (a->cursor == m.n)
        a->cursor = f->next;
    if (f->prev)
        frame_of(mfn(f->prev))->next = f->next;
    else
        a->first = f->next;
    if (f->next)
        frame_of(mfn(f->next))->prev = f->prev;
    f->next = f->prev = 0;
}

/* After the lock: `empty` if the account is dying and this was its last frame. It may be gone. */
void account_left(bool empty);
