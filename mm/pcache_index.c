/* SPDX-License-Identifier: MIT
 *
 * The index of keys: linear hashing. With each key that comes beyond one for two buckets, two buckets are split
 * in two, so that no operation has to move more than some chains; with each that goes below an eighth, some are
 * united. A bucket costs 4 bytes, but to look at one key that is not meant costs a cache line from memory,
 * in each put, so most buckets are empty.
 * The hash has a secret of the client's, so that no guest can choose keys for one bucket; and chains have a
 * greatest length beyond which a put is refused, so that it would not matter if one could.
 */
#include "mm/pcache_state.h"

#define PER_PAGE (1U << BUCKET_SHIFT)
#define STEPS    2U /* buckets that one key more splits; pairs that one key less unites */
STATIC_ASSERT(PER_PAGE * sizeof(uint32_t) == PAGE_SIZE);

static uint64_t hash(const struct pcache *pc, unsigned pool, uint64_t key)
{
    uint64_t h = (key ^ pc->secret[0]) * UINT64_C(0xff51afd7ed558ccd);

    h = (h ^ h >> 32 ^ pool ^ pc->secret[1]) * UINT64_C(0xc4ceb9fe1a85ec53);
    h = (h ^ h >> 29) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

static uint32_t *page_at(const struct pcache *pc, uint32_t page)
{
    uint32_t **dir = pc->bucket_dir[page / DIR_SIZE];

    return dir ? dir[page % DIR_SIZE] : NULL;
}

static uint32_t *bucket(const struct pcache *pc, uint32_t n)
{
    return &page_at(pc, n >> BUCKET_SHIFT)[n & (PER_PAGE - 1)];
}

/* The largest power of two that is not above n, which is not 0. */
static uint32_t floor_power(uint32_t n)
{
    return UINT32_C(1) << (31 - (unsigned)__builtin_clz(n));
}

/* Of `count` buckets: those from the largest power of two on are the upper halves of split ones. */
static uint32_t bucket_of(const struct pcache *pc, const struct slot *s)
{
    uint64_t h = hash(pc, s->pool, s->key);
    uint32_t low = floor_power(pc->bucket_count), n = (uint32_t)h & (2 * low - 1);

    return n < pc->bucket_count ? n : n - low;
}

struct slot *index_find(const struct pcache *pc, unsigned pool, uint64_t key)
{
    struct slot probe = {.key = key, .pool = (uint8_t)pool}, *s;

    if (!pc->bucket_count)
        return NULL;
    for (uint32_t n = *bucket(pc, bucket_of(pc, &probe)); n; n = s->chain) {
        s = slot_of(pc, n);
        if (s->key == key && s->pool == pool)
            return s;
    }
    return NULL;
}

/* The chain of bucket `from` is divided between it and all others as the number of buckets now says. */
static void deal(struct pcache *pc, uint32_t from)
{
    uint32_t *head = bucket(pc, from), n = *head, next;

    *head = 0;
    for (; n; n = next) {
        struct slot *s = slot_of(pc, n);
        uint32_t *to = bucket(pc, bucket_of(pc, s));

        next = s->chain;
        s->chain = *to;
        *to = n;
    }
}

static void split(struct pcache *pc)
{
    uint32_t n = pc->bucket_count;

    if (n >= pc->bucket_pages << BUCKET_SHIFT)
        return; /* index_prepare() had no memory: chains grow */
    *bucket(pc, n) = 0;
    pc->bucket_count++;
    if (n)
        deal(pc, n - floor_power(n));
}

static void unite(struct pcache *pc)
{
    uint32_t last = pc->bucket_count - 1;

    if (!last)
        return;
    pc->bucket_count--;
    deal(pc, last);
    if (pc->bucket_count + 2 * PER_PAGE <= pc->bucket_pages << BUCKET_SHIFT) {
        uint32_t page = --pc->bucket_pages;

        books_free(pc, page_at(pc, page));
        pc->bucket_dir[page / DIR_SIZE][page % DIR_SIZE] = NULL;
    }
}

bool index_add(struct pcache *pc, struct slot *s)
{
    unsigned length = 0;
    uint32_t *head;

    for (unsigned i = 0; i < STEPS && 2 * pc->keyed >= pc->bucket_count; i++)
        split(pc);
    if (!pc->bucket_count)
        return false;
    head = bucket(pc, bucket_of(pc, s));
    for (uint32_t n = *head; n; n = slot_of(pc, n)->chain)
        if (++length >= CHAIN_MAX)
            return false;
    s->chain = *head;
    *head = slot_number(s);
    pc->pool_pages[s->pool]++;
    pc->keyed++;
    return true;
}

void index_remove(struct pcache *pc, struct slot *s)
{
    uint32_t *link = bucket(pc, bucket_of(pc, s)), n = slot_number(s);

    while (*link != n) {
        ASSERT(*link);
        link = &slot_of(pc, *link)->chain;
    }
    *link = s->chain;
    s->chain = 0;
    pc->pool_pages[s->pool]--;
    pc->keyed--;
    for (unsigned i = 0; i < STEPS && pc->keyed < pc->bucket_count / 8; i++)
        unite(pc);
}

/* The page of the next buckets, and its directory; what somebody else was quicker with goes back. */
void index_prepare(struct pcache *pc)
{
    void *p = books_alloc(pc), *d = NULL;
    uint32_t page;
    bool no_dir;

    pcache_lock(pc);
    page = pc->bucket_pages;
    no_dir = page < BUCKET_PAGES && !pc->bucket_dir[page / DIR_SIZE];
    pcache_unlock(pc);
    if (no_dir)
        d = books_alloc(pc);
    pcache_lock(pc);
    if (d && page < BUCKET_PAGES && !pc->bucket_dir[page / DIR_SIZE]) {
        pc->bucket_dir[page / DIR_SIZE] = d;
        d = NULL;
    }
    if (p && page < BUCKET_PAGES && pc->bucket_pages == page && pc->bucket_dir[page / DIR_SIZE]) {
        pc->bucket_dir[page / DIR_SIZE][page % DIR_SIZE] = p;
        pc->bucket_pages++;
        p = NULL;
    }
    books_free(pc, d);
    books_free(pc, p);
    pcache_unlock(pc);
}

void index_end(struct pcache *pc)
{
    pcache_lock(pc);
    ASSERT(pc->keyed == 0);
    for (uint32_t page = 0; page < pc->bucket_pages; page++)
        books_free(pc, page_at(pc, page));
    for (unsigned i = 0; i < BUCKET_DIRS; i++) {
        books_free(pc, pc->bucket_dir[i]);
        pc->bucket_dir[i] = NULL;
    }
    pc->bucket_count = pc->bucket_pages = 0;
    pcache_unlock(pc);
}
