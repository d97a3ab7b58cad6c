/* SPDX-License-Identifier: MIT
 *
 * The attacks on the page cache, in parts, and what they share.
 */
#pragma once

#include "evil/evil.h"
#include "kit/kit.h"
#include "kit/pcache.h"

extern const struct attack evil_pcache_names[];  /* name.c: ids, keys, pools */
extern const struct attack evil_pcache_frames[]; /* frame.c: frames that are in use, or not ours */
extern const struct attack evil_pcache_calls[]; /* call.c: pointers, counts, several vCPUs, death */

#define EVIL_WORDS (PAGE_SIZE / sizeof(uint64_t))

/* Two pages for whatever. */
extern uint64_t evil_page[EVIL_WORDS], evil_other[EVIL_WORDS];

/* Fills a page with what only `seed` gives; whether it still holds that. */
void fill(uint64_t *page, uint64_t seed);
bool holds(const uint64_t *page, uint64_t seed);

/* Puts what `seed` gives until it is kept (the cache may refuse what never comes back); the id. 0, and a part
 * of the check fails, if it is never kept. */
uint64_t put_for_sure(uint64_t seed);

/* One query as it stands. Its status, or the call's error. */
int32_t query_one(struct lagan_pcache_query *q);
/* The same, as a part of the check: it must have this status. */
void query_gives(struct lagan_pcache_query *q, int32_t want, const char *what);

uint64_t draw(void);
