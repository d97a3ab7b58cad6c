/* SPDX-License-Identifier: MIT
 *
 * Private to ubc/, part of ubc_int.h: idle pages.
 */
#pragma once

#include "ubc/ubc_int.h"

/* ---- idle.c; locked ---- */
void ubc_idle_init(void);
void ubc_want_work(void);
/* Free memory may be used for good. */
bool ubc_memory_is_spare(void);
/* A page that is to be mapped: the host pays for it. -XEN_ENOENT: the heap has had it; -XEN_ENOMEM. And one that is
 * perhaps not mapped any more: then it is idle. */
int ubc_page_busy(struct ubc_volume *v, struct ubc_page *p) LAGAN_MUST_CHECK;
void ubc_page_rest(struct ubc_page *p);
int ubc_page_hold(struct ubc_volume *v, struct ubc_page *p) LAGAN_MUST_CHECK;
void ubc_page_unhold(struct ubc_page *p);
/* A new page is idle; `awaited`: a reader waits for it, or it vouches for others (lender.c). */
void ubc_idle_begin(struct ubc_volume *v, struct ubc_page *p, bool awaited);
/* It is on no list, and cannot become hollow; false: it is. */
bool ubc_idle_kill(struct ubc_volume *v, struct ubc_page *p);
/* Some bytes of it; false: it is hollow. */
bool ubc_page_peek(const struct ubc_page *p, uint64_t offset, void *to,
                   size_t bytes) LAGAN_MUST_CHECK;
/* A hollow page ends. / `most` of them; true: there are more. */
void ubc_page_reap(struct ubc_volume *v, struct ubc_page *p);
bool ubc_tidy(struct ubc_volume *v, unsigned most);
bool ubc_idle_names(const struct ubc_page *p, bool name);
/* idle_lock is held: the page that the frame, which is lent to us, holds, or NULL: it is in somebody's hands; an idle page's
 * frame goes; stuck pages are idle, if they can be. */
struct ubc_page *ubc_idle_page(const struct frame *f);
void ubc_make_hollow(struct ubc_page *p);
void ubc_lend_stuck(void);

/* ---- lender.c; locked (idle_lock) ---- */
void ubc_lender_init(void);
void ubc_count_hit(struct ubc_volume *v);
/* An awaited page comes to the list of such; and it has left it. */
void ubc_awaited_enter(struct ubc_page *p);
void ubc_awaited_leave(const struct ubc_page *p);
