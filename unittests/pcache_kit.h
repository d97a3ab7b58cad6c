/* SPDX-License-Identifier: MIT
 *
 * What the tests of the page cache share: a machine with some domains that have a cache, pages whose content
 * says whose they are, and the auditors.
 */
#pragma once

#include <CUnit/CUnit.h>

#include <lagan/types.h>
#include "include/public/lagan/pcache.h"
#include "mm/account.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/pcache.h"
#include "mm/spare.h"
#include "unittests/arch/host.h"
#include "unittests/arch/host_tlb.h"
#include "unittests/suite.h"

enum { KIT_DOMAINS = 4, KIT_POOL = 1 };

struct kit_domain {
    struct account account; /* id: 1 + its index */
    struct pcache *pc;
};
extern struct kit_domain kit_domain[KIT_DOMAINS];

/* A machine of `pages` frames on each side of 4 GiB, the first `domains` of the domains with caches, and their pool
 * KIT_POOL of keys. */
void pckit_start(uint64_t pages, unsigned domains);
/* All domains go, and everything comes back. */
void pckit_end(void);
void pckit_domain_start(unsigned d);
void pckit_domain_end(unsigned d);
/* Admission keeps whatever is put, and learns nothing. */
void pckit_keep_all(unsigned d);
/* The auditors of the cache, the heap and the TLBs; the books add up. */
void pckit_check(void);

/* The content that identity `what` of a domain's has in its generation; and whether a page has it. */
void pckit_fill(mfn_t m, unsigned d, uint64_t what, uint64_t generation);
bool pckit_holds(mfn_t m, unsigned d, uint64_t what, uint64_t generation);

/* It holds zeroes, or something of the domain's own. */
bool pckit_is_blank(mfn_t m, unsigned d);

/* A new frame of the domain's, named as guest frame `gfn`. */
mfn_t pckit_frame(unsigned d, uint64_t gfn);

/* Puts in the copying form: the id, 1 (keyed), or 0 if it was not kept. pool 0: by id, named `key`. */
uint64_t pckit_put(unsigned d, unsigned pool, uint64_t key, uint64_t generation);
/* Gets in the copying form: 1: it holds the generation's content; 0: a miss; -1: something else. */
int pckit_get_key(unsigned d, uint64_t key, uint64_t generation, bool stays);
int pckit_get_id(unsigned d, uint64_t id, uint64_t name, uint64_t generation);

struct lagan_pcache_stats pckit_stats(unsigned d);
uint64_t pckit_random(uint64_t *state);
