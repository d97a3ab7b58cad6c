/* SPDX-License-Identifier: MIT
 *
 * A host with so many spare frames and some guests: each has a page cache of its own, a list by last use, and
 * below it what it has of ours. The policies are the hypervisor's (mm/pcache_*.c), pages are numbers.
 */
#pragma once

#include "lru.h"
#include "mm/pcache_ghost.h"
#include "mm/pcache_quota.h"
#include "trace.h"

#define RIG_GUESTS 8

enum rig_manner {
    RIG_OURS,     /* admission and quota */
    RIG_KEEP_ALL, /* quota; every put is kept */
    RIG_GLOBAL,   /* one list for all: who puts most has most */
};

struct rig_guest {
    struct lru own; /* the guest's page cache */
    uint32_t own_size;
    struct lru cache; /* its part of ours */
    struct pcache_client c;
    struct pcache_ghost g;
    void *table;
    /* Counted: */
    uint64_t reads, own_hits, cache_hits, misses, puts, kept;
    uint64_t events; /* puts and gets */
};

struct rig {
    enum rig_manner manner;
    uint32_t frames, used;
    uint64_t refs; /* of all guests: the order of puts */
    uint64_t now;  /* ms */
    struct pcache_quota q;
    struct rig_guest guest[RIG_GUESTS];
    unsigned guests;
};

/* `now` moves on when the caller says so. */
void rig_init(struct rig *r, enum rig_manner manner, uint32_t frames);
/* A guest with a page cache of so many pages, and so many ghost entries. */
struct rig_guest *rig_add(struct rig *r, uint32_t own_size, uint32_t ghosts);
void rig_fini(struct rig *r);
void rig_ref(struct rig *r, struct rig_guest *g, uint64_t page, bool write);
/* Memory is wanted elsewhere: up to `count` pages go, none of a floor. */
void rig_reclaim(struct rig *r, unsigned count);
void rig_forget_all(struct rig *r, struct rig_guest *g);
void rig_audit(struct rig *r);

/* Read misses of one list of `size` pages. */
uint64_t one_lru(const struct trace *t, uint32_t size);
/* Read misses of a guest alone with the cache. */
uint64_t rig_alone(const struct trace *t, enum rig_manner manner, uint32_t own, uint32_t frames,
                   struct rig_guest *counts);
/* The same with a neighbour that reads from end to end, `tenths` pages per 10 references of the guest. */
uint64_t rig_beside_scanner(const struct trace *t, enum rig_manner manner, uint32_t own,
                            uint32_t frames, uint32_t tenths, struct rig_guest *counts);
