/* SPDX-License-Identifier: MIT
 *
 * Claims: frames that are free, but promised to an account.
 */
#pragma once

#include "mm/account.h"

/* The account is to have `pages` frames in all: as many as it lacks now are claimed for it, in place
 * of an earlier claim; 0 ends it. The claim shrinks as the account takes frames, and ends with
 * it. -XEN_EINVAL: it has as many already, may not have so many, or it dies; -XEN_ENOMEM: not so
 * many are free and unclaimed: nothing changed. */
int claim_set(struct account *a, uint64_t pages) LAGAN_MUST_CHECK;
/* What is claimed for it now. */
uint64_t claim_pages(const struct account *a);
/* For the death of an account: ends its claim, for good once it is dying. */
void claim_end(struct account *a);

/* For the heap. Counts frames as taken, by account a (or NULL: the hypervisor), if so many are free
 * that others' claims are not touched. *from_claim: how many of them a's claim paid for. And undoes
 * it. */
bool claim_reserve(struct account *a, uint64_t count, uint64_t *from_claim) LAGAN_MUST_CHECK;
void claim_unreserve(struct account *a, uint64_t count, uint64_t from_claim);
/* `lack` is told of each request, or claim, that was refused for want of memory, of so many pages. Any lock of the
 * heap's users may be held then. */
void claim_watch(void (*lack)(uint64_t pages));
/* With the account's lock held: it has more frames than when it claimed. */
void claim_trim(struct account *a);
