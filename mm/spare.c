/* SPDX-License-Identifier: MIT
 *
 * Spare memory and its lenders.
 *
 * Lent frames are counted as available, so a request is counted in before anybody looks where its
 * frames are (heap.c). Only then, when the lists have nothing, lenders are asked:
 *
 *   - for single frames, a batch of the least useful pages of the lender whose worst is worth least;
 *   - for larger blocks, a run of 2 MiB that is lent altogether. Some of them are compared, and the one goes whose
 *     pages are worth least; what the request leaves of it serves the next ones. Lenders give it up in one
 *     step, with nothing done for each page that could be done later, or for all together;
 *   - for small blocks, where no run is whole, and where only a part of memory will do, by place. A block is looked
 *     for in the runs that have lent frames, from where the last search ended on: it must consist
 *     of lent and free frames only. Its lent ones are asked back, whoever has them, and what is free is
 *     gathered into one block.
 *
 * So neighbours are dropped, and nothing is copied.
 *
 * What one search may look at is bounded (RUNS_LOOKED, RUNS_WALKED), whatever the size of the host.
 *
 * Floors are memory that is kept off what is available; so however much is asked for, lent frames of that
 * number remain, and lenders can refuse those of a floor.
 */
#include "mm/spare.h"

#include <lagan/assert.h>
#include "mm/account.h"
#include "mm/claim.h"
#include "mm/heap_lists.h"

#define BATCH        32U   /* single pages that are asked back at a time */
#define RUNS_LOOKED  4096U /* whose counters are read, for one block */
#define RUNS_WALKED  16U   /* whose frames are looked at */
#define RUNS_WEIGHED 8U    /* whole runs that are compared */
#define SAMPLES      4U    /* frames of one, from whose worth that of the run is taken */
#define MARGIN       64U   /* free frames that are not lent: small requests need not ask for them */
/* One lent frame in so many is to be in a run that is lent altogether, so that large blocks can be
 * had: swapping frames, which mixes them with those of domains, stops short of that. */
#define WHOLE_SHARE 4U

typedef uint16_t run_count;

static struct {
    const struct spare_lender *lender[SPARE_USERS];
    _Atomic run_count *run; /* of each aligned run of frames, how many are lent */
    uint64_t run_count;
    _Atomic uint64_t lent, whole; /* frames; runs that are lent altogether */
    _Atomic uint64_t cursor;      /* the run where the next search begins */
    _Atomic uint64_t recalled, calls, looks;
} spare;

/* ---- counting ---- */

static void run_add(mfn_t m)
{
    run_count before = atomic_fetch_add(&spare.run[m.n >> SPARE_RUN_ORDER], 1);

    if (before == SPARE_RUN - 1)
        atomic_fetch_add(&spare.whole, 1);
}

static void run_sub(mfn_t m, unsigned count)
{
    run_count before = atomic_fetch_sub(&spare.run[m.n >> SPARE_RUN_ORDER], (run_count)count);

    ASSERT(before >= count);
    if (before == SPARE_RUN)
        atomic_fetch_sub(&spare.whole, 1);
}

void spare_reset(void)
{
    spare.run = NULL;
    for (unsigned i = 0; i < SPARE_USERS; i++)
        spare.lender[i] = NULL;
    spare.lent = spare.whole = spare.cursor = 0;
    spare.recalled = spare.calls = spare.looks = 0;
}

bool spare_init(void)
{
    uint64_t runs = (arch_max_mfn() >> SPARE_RUN_ORDER) + 1;
    uint64_t pages = (runs * sizeof(run_count) + PAGE_SIZE - 1) >> PAGE_SHIFT;
    void *p = page_alloc_run(pages);

    if (!p)
        return false;
    for (uint64_t i = 0; i < pages; i++)
        arch_clear_page((uint8_t *)p + i * PAGE_SIZE);
    spare.run_count = runs;
    spare.run = p;
    return true;
}

void spare_register(enum spare_user user, const struct spare_lender *lender)
{
    spare.lender[user] = lender;
}

/* ---- lending ---- */

static bool lists_are_short(void)
{
    uint64_t listed = 0;

    for (enum heap_kind kind = DIRTY; kind < KINDS; kind++)
        listed += atomic_load_explicit(&heap.count[kind], memory_order_relaxed);
    return listed <= min_u64(MARGIN, heap.total / MARGIN) && !heap_lends();
}

bool spare_borrow(enum spare_user user, uint16_t tag, unsigned flags, mfn_t *m)
{
    if (!spare.run || (!(flags & SPARE_LAST) && lists_are_short()) || atomic_load(&heap.wanted) ||
        arch_fail_allocation() || !heap_lend(tag, flags & SPARE_CLEAR, m))
        return false;
    atomic_store_explicit(&frame_of(*m)->use, spare_word(user, tag), memory_order_release);
    run_add(*m);
    atomic_fetch_add(&spare.lent, 1);
    return true;
}

void spare_offer(enum spare_user user, uint16_t tag, mfn_t m)
{
    struct frame *f = frame_of(m);
    uint64_t use = atomic_load(&f->use);

    ASSERT(spare.run && use == frame_use(FRAME_HYPERVISOR, 0, (domid_t)(use >> 32), 1));
    f->next = f->prev = 0;
    atomic_store_explicit(&f->use, spare_word(user, tag), memory_order_release);
    run_add(m);
    atomic_fetch_add(&spare.lent, 1);
    atomic_fetch_sub(&heap.used[(domid_t)(use >> 32)], 1);
    atomic_fetch_add(&heap.available, 1); /* last: who is counted in by this finds it */
}

bool spare_withdraw(mfn_t m, domid_t owner)
{
    uint64_t unused;

    ASSERT(frame_state(frame_of(m)) == FRAME_LENT);
    if (!claim_reserve(NULL, 1, &unused))
        return false;
    run_sub(m, 1);
    atomic_fetch_sub(&spare.lent, 1);
    atomic_fetch_add(&heap.used[HEAP_SHARED], 1);
    atomic_store_explicit(&frame_of(m)->use, frame_use(FRAME_SHARED, 0, owner, 1),
                          memory_order_release);
    return true;
}

bool spare_works(void)
{
    return spare.run != NULL;
}

void spare_return(const mfn_t *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ASSERT(frame_state(frame_of(list[i])) == FRAME_LENT);
        run_sub(list[i], 1);
    }
    if (!count)
        return;
    heap_end_loan(list, count);
    atomic_fetch_sub(&spare.lent, count);
}

void spare_return_range(mfn_t first, unsigned count)
{
    ASSERT(first.n >> SPARE_RUN_ORDER == (first.n + count - 1) >> SPARE_RUN_ORDER);
    run_sub(first, count);
    heap_end_loan_range(first, count);
    atomic_fetch_sub(&spare.lent, count);
}

void spare_swap(mfn_t taken, mfn_t given)
{
    if (taken.n >> SPARE_RUN_ORDER == given.n >> SPARE_RUN_ORDER)
        return;
    run_add(given);
    run_sub(taken, 1);
}

bool spare_may_swap(mfn_t taken)
{
    if (atomic_load_explicit(&spare.run[taken.n >> SPARE_RUN_ORDER], memory_order_relaxed) <
        SPARE_RUN)
        return true;
    return (spare.whole - 1) * SPARE_RUN >= spare.lent / WHOLE_SHARE;
}

/* ---- asking back single frames ---- */

/* The lender, but this one, whose worst page is worth least, and how much; or NULL. */
static const struct spare_lender *cheapest(const struct spare_lender *but, uint64_t *least)
{
    const struct spare_lender *best = NULL;

    *least = UINT64_MAX;
    for (unsigned i = 0; i < SPARE_USERS; i++) {
        const struct spare_lender *l = spare.lender[i];
        uint64_t worth = l && l != but ? l->worst() : UINT64_MAX;

        if (worth < *least) {
            *least = worth;
            best = l;
        }
    }
    return best;
}

/* Who says that it has no page to give may have frames without a page: these are free as well, so it is
 * asked before a request is left to wait. */
static unsigned ask_everybody(unsigned count, const struct account *a)
{
    unsigned got = 0;

    for (unsigned i = 0; i < SPARE_USERS && !got; i++)
        if (spare.lender[i])
            got = spare.lender[i]->drop(count, a);
    return got;
}

static bool count_recalled(unsigned got)
{
    atomic_fetch_add(&spare.recalled, got);
    atomic_fetch_add(&spare.looks, got);
    return got != 0;
}

static bool reclaim_pages(unsigned count, const struct account *a)
{
    uint64_t least;
    const struct spare_lender *l = cheapest(NULL, &least);
    unsigned got = l ? l->drop(count, a) : 0;

    if (!got)
        got = ask_everybody(count, a);
    return count_recalled(got);
}

bool spare_make_room_for(enum spare_user user, uint64_t worth)
{
    uint64_t least;
    const struct spare_lender *l = cheapest(spare.lender[user], &least);

    return l && least < worth && count_recalled(l->drop(BATCH, NULL));
}

/* ---- asking back a block ---- */

/* How many of the frames from n on are free or lent together, or 0: the frame is in use. A guess, as nothing
 * is locked. */
static uint64_t giveable(uint64_t n)
{
    const struct frame *f = frame_of(mfn(n));

    if (!arch_mfn_valid(mfn(n)))
        return 0;
    switch (frame_state(f)) {
    case FRAME_FREE_HEAD:
        return UINT64_C(1) << (frame_order(f) & 31);
    case FRAME_LENT:
    case FRAME_CACHED:
    case FRAME_WAITING:
        return 1;
    default:
        return 0;
    }
}

static bool block_is_giveable(uint64_t n, uint64_t size)
{
    uint64_t end = n + size, step;
    bool lent = false;

    for (; n < end; n += step) {
        step = giveable(n);
        if (!step)
            return false;
        lent |= frame_state(frame_of(mfn(n))) == FRAME_LENT;
    }
    return lent;
}

static const struct spare_lender *lender_of(uint64_t n, uint64_t *use)
{
    *use = atomic_load(&frame_of(mfn(n))->use);
    if ((*use >> 48 & 0xff) != FRAME_LENT || *use >> 56 >= SPARE_USERS)
        return NULL;
    return spare.lender[*use >> 56];
}

/* From frame n on, up to the end: how many have been given back, or need not be; 0: the first is in use. */
static unsigned ask_for(uint64_t n, uint64_t end, const struct account *a, unsigned *given)
{
    uint64_t use;
    const struct spare_lender *l = lender_of(n, &use);
    unsigned got;

    if ((use >> 48 & 0xff) != FRAME_LENT)
        return 1;
    if (!l)
        return 0;
    got = l->drop_range ? l->drop_range(mfn(n), (unsigned)(end - n), a) : l->drop_frame(mfn(n), a);
    *given += got;
    return got;
}

/* Asks back what is lent of a block, and makes one block of it. */
static bool take_block(uint64_t n, unsigned order, const struct account *a)
{
    uint64_t size = UINT64_C(1) << order;
    unsigned given = 0, step = 1;
    bool ok;

    for (uint64_t at = n; step && at < n + size; at += step)
        step = ask_for(at, n + size, a, &given);
    atomic_fetch_add(&spare.recalled, given);
    if (!step || step == size)
        return step; /* in one piece, on the lists */
    heap_call_in();
    spin_lock(&heap.lock);
    ok = blocks_gather((uint32_t)n, order);
    spin_unlock(&heap.lock);
    return ok || given == size; /* merged with a neighbour to something larger */
}

static bool search_run(uint64_t run, unsigned order, const struct account *a)
{
    uint64_t size = UINT64_C(1) << order, first = run << SPARE_RUN_ORDER;

    atomic_fetch_add(&spare.looks, SPARE_RUN);
    for (uint64_t n = first; n < first + SPARE_RUN; n += size)
        if (block_is_giveable(n, size) && take_block(n, order, a))
            return true;
    return false;
}

/* A run has 2^9 frames, so all but those of the first run are in one zone. */
static bool run_in_zones(uint64_t run, uint32_t zones)
{
    return zones == ZONES_ALL || (run && (zones >> zone_of(run << SPARE_RUN_ORDER) & 1));
}

static bool reclaim_block(uint32_t zones, unsigned order, const struct account *a)
{
    uint64_t run = atomic_load(&spare.cursor) % spare.run_count;
    uint64_t looks = min_u64(RUNS_LOOKED, spare.run_count);
    unsigned walked = 0;
    bool got = false;

    for (; looks > 0 && walked < RUNS_WALKED && !got; looks--) {
        if (spare.run[run] && run_in_zones(run, zones)) {
            walked++;
            got = search_run(run, order, a);
        }
        if (!got)
            run = run + 1 < spare.run_count ? run + 1 : 0;
    }
    atomic_store(&spare.cursor, run);
    return got;
}

/* What a page of the run is worth, by samples; UINT64_MAX: some of them must not be given. */
static uint64_t run_worth(uint64_t run)
{
    uint64_t sum = 0, step = SPARE_RUN / SAMPLES, use, worth;

    for (uint64_t i = 0; i < SAMPLES; i++) {
        uint64_t n = (run << SPARE_RUN_ORDER) + i * step + step / 2;
        const struct spare_lender *l = lender_of(n, &use);

        if (!l)
            return UINT64_MAX;
        worth = l->worth ? l->worth(mfn(n)) : l->worst();
        if (worth == UINT64_MAX)
            return UINT64_MAX;
        sum += worth / SAMPLES;
    }
    return sum;
}

/* Of the next runs that are lent altogether, the one that is worth least (INV-SPARE-4): it need not be compared any
 * further once it is worth no more than anybody's least useful page. */
static bool choose_run(uint32_t zones, uint64_t *chosen)
{
    uint64_t run = atomic_load(&spare.cursor) % spare.run_count, least = UINT64_MAX;
    uint64_t looks = min_u64(RUNS_LOOKED, spare.run_count), enough;

    (void)cheapest(NULL, &enough);
    for (unsigned weighed = 0; looks > 0 && weighed < RUNS_WEIGHED; looks--) {
        if (spare.run[run] == SPARE_RUN && run_in_zones(run, zones)) {
            uint64_t worth = run_worth(run);

            weighed++;
            if (worth < least) {
                least = worth;
                *chosen = run;
            }
            if (worth <= enough)
                break;
        }
        run = run + 1 < spare.run_count ? run + 1 : 0;
    }
    return least != UINT64_MAX;
}

static bool reclaim_whole_run(uint32_t zones, const struct account *a)
{
    uint64_t run;

    if (!atomic_load(&spare.whole) || !choose_run(zones, &run))
        return false;
    atomic_store(&spare.cursor, run);
    atomic_fetch_add(&spare.looks, SPARE_RUN);
    return take_block(run << SPARE_RUN_ORDER, SPARE_RUN_ORDER, a);
}

bool spare_reclaim(uint32_t zones, unsigned order, const struct account *a)
{
    if (!atomic_load(&spare.lent) || order > SPARE_RUN_ORDER)
        return false;
    atomic_fetch_add(&spare.calls, 1);
    if (order == 0 && zones == ZONES_ALL)
        return reclaim_pages(BATCH, a);
    return (order >= SPARE_RUN_FOR && reclaim_whole_run(zones, a)) ||
           reclaim_block(zones, order, a);
}

/* ---- floors ---- */

int spare_keep(int64_t pages)
{
    uint64_t count = (uint64_t)(pages < 0 ? -pages : pages), unused;

    if (pages < 0) {
        ASSERT(heap.used[HEAP_FLOORS] >= count);
        atomic_fetch_sub(&heap.used[HEAP_FLOORS], count);
        atomic_fetch_add(&heap.available, count);
        return 0;
    }
    if (!claim_reserve(NULL, count, &unused))
        return -XEN_ENOMEM;
    atomic_fetch_add(&heap.used[HEAP_FLOORS], count);
    return 0;
}

uint64_t spare_kept(void)
{
    return heap.used[HEAP_FLOORS];
}

/* ---- counts ---- */

uint64_t spare_pages(void)
{
    return spare.lent;
}

uint64_t spare_whole_runs(void)
{
    return spare.whole;
}

struct spare_counts spare_counts(void)
{
    return (struct spare_counts){spare.recalled, spare.calls, spare.looks};
}

uint64_t spare_held(enum spare_user user)
{
    uint64_t sum = 0;

    for (uint64_t n = 0; spare.run && n < spare.run_count << SPARE_RUN_ORDER; n++) {
        if (!spare.run[n >> SPARE_RUN_ORDER]) {
            n |= SPARE_RUN - 1;
            continue;
        }
        sum += arch_mfn_valid(mfn(n)) && frame_state(frame_of(mfn(n))) == FRAME_LENT &&
               frame_order(frame_of(mfn(n))) == (unsigned)user;
    }
    return sum;
}

/* A look at its ends: most are all RAM or none. */
static bool is_no_ram(uint64_t run)
{
    return !arch_mfn_valid(mfn(run << SPARE_RUN_ORDER)) &&
           !arch_mfn_valid(mfn(((run + 1) << SPARE_RUN_ORDER) - 1));
}

uint64_t spare_audit(void)
{
    uint64_t sum = 0, whole = 0;

    if (!spare.run)
        return 0;
    for (uint64_t run = 0; run < spare.run_count; run++) {
        unsigned lent = 0;

        if (is_no_ram(run) && !spare.run[run])
            continue;
        for (uint64_t n = run << SPARE_RUN_ORDER; n < (run + 1) << SPARE_RUN_ORDER; n++)
            lent += arch_mfn_valid(mfn(n)) && frame_state(frame_of(mfn(n))) == FRAME_LENT;
        AUDIT(lent == spare.run[run], "INV-SPARE-3: lent frames of run", run);
        whole += lent == SPARE_RUN;
        sum += lent;
    }
    AUDIT(sum == spare.lent, "INV-SPARE-1: lent frames", sum);
    AUDIT(whole == spare.whole, "INV-SPARE-3: whole runs", whole);
    return sum;
}
