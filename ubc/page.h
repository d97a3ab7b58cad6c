/* SPDX-License-Identifier: MIT
 *
 * Private to ubc/, part of ubc_int.h: the index, and pages in it.
 */
#pragma once

#include "ubc/ubc_int.h"

/* ---- index.c; locked ---- */
struct ubc_page *ubc_index_find(const struct ubc_index *x, uint64_t n);
/* Makes room for n: false if there is no memory. */
bool ubc_index_reserve(struct ubc_index *x, uint64_t n);
/* The place of n, for which there is room. */
void ubc_index_set(struct ubc_index *x, uint64_t n, struct ubc_page *page);
/* Nodes on the way to n that have nothing in them go. */
void ubc_index_trim(struct ubc_index *x, uint64_t n);
/* The page with the lowest number from n on, or NULL. */
struct ubc_page *ubc_index_next(const struct ubc_index *x, uint64_t n);
/* All pages have left it. */
void ubc_index_free(struct ubc_index *x);

static inline uint64_t key_of(unsigned level, uint64_t n)
{
    return (uint64_t)level << UBC_LEVEL_BITS | n;
}
static inline unsigned key_level(uint64_t key)
{
    return (unsigned)(key >> UBC_LEVEL_BITS);
}
static inline uint64_t key_number(uint64_t key)
{
    return key & ((UINT64_C(1) << UBC_LEVEL_BITS) - 1);
}

/* It is of a block of data, which is found or wanted back. */
static inline bool key_is_data(uint64_t key)
{
    return key_level(key) == 0 || key_level(key) == REVOKED;
}

/* ---- page.c; locked ---- */
/* The page with the key, counted as a hit or miss, or NULL. */
struct ubc_page *ubc_page_find(struct ubc_volume *v, uint64_t key);
/* The same, not counted. It may become hollow at any time. */
struct ubc_page *ubc_page_at(struct ubc_volume *v, uint64_t key);
/* All that a new page with this key needs but its content, or NULL; and the page, whose frame, one of
 * ubc_frame_get() or a single page of the hypervisor's, is the cache's from then on. Or else it is given up. */
struct ubc_page *ubc_page_prepare(struct ubc_volume *v, uint64_t key);
void ubc_page_cancel(struct ubc_volume *v, struct ubc_page *p);
void ubc_page_add(struct ubc_volume *v, struct ubc_page *p, mfn_t frame);
/* Takes it out of the index: it is dead, and is freed by ubc_drain(). False: its frame was gone, and so is it. */
bool ubc_page_kill(struct ubc_volume *v, struct ubc_page *p);
void ubc_page_leave_index(struct ubc_volume *v, struct ubc_page *p);
/* A page of data that is mapped is wanted back: nobody finds it any more, and its block may come in anew (INV-UBC-10). False: not
 * now, for want of memory, or since an older page of the block is wanted back too. */
bool ubc_page_take_out(struct ubc_volume *v, struct ubc_page *p) LAGAN_MUST_CHECK;
static inline bool ubc_page_is_wanted(const struct ubc_page *p)
{
    return key_level(p->key) == REVOKED;
}
/* Takes a step's entries that map dead pages, flushes, and frees the pages that nothing refers to. -XEN_ERESTART
 * while there are entries. */
int ubc_drain(struct ubc_volume *v) LAGAN_MUST_CHECK;
/* Frees such dead pages as nothing refers to any more. */
void ubc_bury_dead(struct ubc_volume *v);
/* Kills the pages of a level from *first to last, a step of them; *first: where to go on. -XEN_ERESTART: not
 * all. */
int ubc_kill_range(struct ubc_volume *v, unsigned level, uint64_t *first, uint64_t last,
                   uint64_t *killed) LAGAN_MUST_CHECK;
/* All pages, all levels. */
int ubc_purge(struct ubc_volume *v) LAGAN_MUST_CHECK;
