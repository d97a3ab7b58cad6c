/* SPDX-License-Identifier: MIT
 *
 * What a page is worth is what it does: hits for each page that the client has, in a window that
 * fades (an eighth is lost in each window_ms), times its weight. The page that is taken is one of
 * the client's whose pages are worth least, whoever asks. So who asks for much gets nothing by that: a domain
 * that reads its disk from end to end puts a page with each read and never wants one back, its pages are
 * worth nothing, and each of its puts takes one of its own. Three things are put before worth:
 *
 *   - A floor. Who has at most its floor gives nothing. Who has less than its floor takes a page of the
 *     one whose pages above its floor are worth least, even if they are worth more than its own: it
 *     lent that memory, and the loan is recalled with the first put that wants it.
 *   - A ceiling. Who is at its ceiling takes pages of its own only.
 *   - Free memory. It is had by whoever puts a page (pcache_quota_may_grow()): work-conserving.
 *
 * Hits alone would keep a newcomer out: with few pages it has few hits. Names of pages that were refused
 * or dropped are remembered (pcache_ghost.h), and a miss that they would have served is as good as a hit of
 * a cache that is so much larger: worth is the steeper of
 *
 *     hits / pages     and     (hits + would-be hits) / (pages + remembered names).
 *
 * A page that was had again before the client has put or wanted an eighth of what it holds counts for nothing: a cache
 * of a sixteenth of the size would have served it, so it says nothing for the rest. Else who gets one page over and over
 * would be worth more than anybody who uses all that he has. (A client can still get in turn what it does not need; that
 * is use as far as anybody can tell, takes its own time, and leaves others their floors.)
 *
 * Who is worth the same as another, such as nothing, gives first if it has more pages for its weight;
 * so two who read from end to end share by weight, and who is idle gives way slowly, as its window fades.
 *
 * INV-QUOTA-1: at a drop that is not for the client itself, it had more pages than its floor.
 * INV-QUOTA-2: a client below its floor is refused a page only if nobody has more than its floor.
 * INV-QUOTA-3: no page is taken whose worth is greater than that of another that could be had, and
 * none for a client whose own page is worth less, unless it is below its floor.
 * INV-QUOTA-4: the ledger's rows add up to `dropped` and `missed`; no cause has two rows.
 *
 * Numbers of other clients are read while they change: a choice may be out of date by some pages,
 * a floor is not broken by that, as pcache_quota_may_give() is asked with the victim's lock held.
 */
#include "mm/pcache_quota.h"

#include <lagan/assert.h>
#include <lagan/string.h>

#include "mm/pcache_ghost.h"

#define UNIT UINT64_C(256) /* one hit */
/* A client with fewer pages counts as if it had so many: one hit makes no fortune. */
#define PAGES_LEAST UINT64_C(64)
#define HITS_MOST   (UINT64_C(1) << 44)
#define LITTLE      8U   /* one part in so many */
#define YOUNG       8U   /* of the pages */
#define FADED       128U /* windows after which nothing is left */

static uint64_t get(const _Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void set(_Atomic uint64_t *v, uint64_t n)
{
    atomic_store_explicit(v, n, memory_order_relaxed);
}

void pcache_quota_init(struct pcache_quota *q, uint64_t window_ms)
{
    memset(q, 0, sizeof(*q));
    q->window_ms = max_u64(1, window_ms);
}

int pcache_quota_join(struct pcache_quota *q, struct pcache_client *c, uint16_t id, uint64_t now)
{
    if (q->client_count == QUOTA_CLIENTS)
        return -XEN_ENOSPC;
    memset(c, 0, sizeof(*c));
    c->id = id;
    set(&c->ceiling, QUOTA_PAGES_MAX);
    set(&c->weight, QUOTA_WEIGHT_USUAL);
    set(&c->aged, now);
    c->row[QUOTA_LEDGER_ROWS].cause = QUOTA_OTHERS;
    q->client[q->client_count++] = c;
    return 0;
}

void pcache_quota_leave(struct pcache_quota *q, struct pcache_client *c)
{
    unsigned i = 0;

    ASSERT(get(&c->pages) == 0);
    while (q->client[i] != c)
        i++;
    q->client[i] = q->client[--q->client_count];
}

int pcache_quota_set(struct pcache_client *c, uint64_t floor, uint64_t ceiling, uint64_t weight)
{
    if (floor > ceiling || ceiling > QUOTA_PAGES_MAX || weight == 0 || weight > QUOTA_WEIGHT_MAX)
        return -XEN_EINVAL;
    set(&c->floor, floor);
    set(&c->ceiling, ceiling);
    set(&c->weight, weight);
    return 0;
}

/* ---- the window ---- */

static uint64_t windows_since(const struct pcache_quota *q, uint64_t aged, uint64_t now)
{
    return now > aged ? (now - aged) / q->window_ms : 0;
}

static uint64_t faded(uint64_t v, uint64_t windows)
{
    if (windows >= FADED)
        return 0;
    while (v != 0 && windows-- > 0)
        v -= (v + 7) / 8;
    return v;
}

static void fade(const struct pcache_quota *q, struct pcache_client *c, uint64_t now)
{
    uint64_t windows = windows_since(q, get(&c->aged), now);

    if (likely(windows == 0))
        return;
    set(&c->hits, faded(get(&c->hits), windows));
    set(&c->would_hit, faded(get(&c->would_hit), windows));
    set(&c->aged, get(&c->aged) + windows * q->window_ms);
}

static void count_hit(_Atomic uint64_t *v)
{
    set(v, min_u64(get(v) + UNIT, HITS_MOST));
}

/* ---- events ---- */

void pcache_quota_in(struct pcache_client *c)
{
    set(&c->pages, get(&c->pages) + 1);
}

void pcache_quota_out(struct pcache_client *c)
{
    ASSERT(get(&c->pages) > 0);
    set(&c->pages, get(&c->pages) - 1);
}

void pcache_quota_hit(const struct pcache_quota *q, struct pcache_client *c, uint64_t age,
                      bool leaves, uint64_t now)
{
    fade(q, c, now);
    if (age >= get(&c->pages) / YOUNG)
        count_hit(&c->hits);
    c->served++;
    c->served_on_loan += get(&c->pages) > get(&c->floor);
    if (leaves)
        pcache_quota_out(c);
}

static uint64_t row_pages(const struct quota_ledger_row *r)
{
    return r->for_cache + r->for_host;
}

static struct quota_ledger_row *find_row(struct pcache_client *c, uint16_t cause)
{
    for (unsigned i = 0; i < c->row_count; i++) {
        if (c->row[i].cause == cause)
            return &c->row[i];
    }
    return NULL;
}

/* A new row takes the place of the one with the fewest pages, which goes to the others'. */
static struct quota_ledger_row *make_row(struct pcache_client *c, uint16_t cause)
{
    struct quota_ledger_row *r = &c->row[0], *others = &c->row[QUOTA_LEDGER_ROWS];

    if (c->row_count < QUOTA_LEDGER_ROWS) {
        r = &c->row[c->row_count++];
    } else {
        for (unsigned i = 1; i < QUOTA_LEDGER_ROWS; i++) {
            if (row_pages(&c->row[i]) < row_pages(r))
                r = &c->row[i];
        }
        others->for_cache += r->for_cache;
        others->for_host += r->for_host;
        others->worth += r->worth;
        others->missed += r->missed;
    }
    *r = (struct quota_ledger_row){.cause = cause};
    return r;
}

void pcache_quota_would_hit(const struct pcache_quota *q, struct pcache_client *c, uint16_t cause,
                            uint64_t now)
{
    struct quota_ledger_row *r;

    fade(q, c, now);
    count_hit(&c->would_hit);
    if (cause == GHOST_REFUSED)
        return;
    r = find_row(c, cause);
    (r ? r : &c->row[QUOTA_LEDGER_ROWS])->missed++;
    c->missed++;
}

void pcache_quota_dropped_some(struct pcache_client *c, uint64_t pages, uint16_t cause,
                               bool for_host, uint64_t worth)
{
    struct quota_ledger_row *r = find_row(c, cause);

    ASSERT(get(&c->pages) >= pages);
    set(&c->pages, get(&c->pages) - pages);
    if (r == NULL)
        r = make_row(c, cause);
    *(for_host ? &r->for_host : &r->for_cache) += pages;
    r->worth += worth * pages;
    c->dropped += pages;
}

void pcache_quota_dropped(struct pcache_client *c, uint16_t cause, bool for_host, uint64_t worth)
{
    pcache_quota_dropped_some(c, 1, cause, for_host, worth);
}

void pcache_quota_remember(struct pcache_client *c, uint64_t entries)
{
    set(&c->remembered, entries);
}

/* ---- worth ---- */

static uint64_t density(uint64_t hits, uint64_t pages)
{
    return (hits << 12) / max_u64(PAGES_LEAST, pages); /* hits are in 1/256: 2^20 / 2^8 */
}

uint64_t pcache_quota_worth(const struct pcache_quota *q, const struct pcache_client *c,
                            uint64_t now)
{
    uint64_t windows = windows_since(q, get(&c->aged), now), pages = get(&c->pages), worth;
    uint64_t hits = faded(get(&c->hits), windows), would = faded(get(&c->would_hit), windows);

    worth = max_u64(density(hits, pages),
                    density(hits + would, max_u64(PAGES_LEAST, pages) + get(&c->remembered)));
    if (mul_overflows(worth, get(&c->weight), &worth))
        return UINT64_MAX - 1;
    return worth / QUOTA_WEIGHT_USUAL;
}

/* A client that may give, as the choice sees it. */
struct candidate {
    struct pcache_client *c;
    uint64_t worth, pages, weight;
};

static struct candidate candidate(const struct pcache_quota *q, struct pcache_client *c,
                                  uint64_t now)
{
    return (struct candidate){c, pcache_quota_worth(q, c, now), get(&c->pages), get(&c->weight)};
}

/* Pages are at most 2^32, weights 2^16. */
static bool gives_before(const struct candidate *a, const struct candidate *b)
{
    if (a->worth != b->worth)
        return a->worth < b->worth;
    return a->pages * b->weight > b->pages * a->weight;
}

/* Of those with more than their floor, the one that gives first. */
static struct candidate least_worth(const struct pcache_quota *q, const struct pcache_client *but,
                                    uint64_t now)
{
    struct candidate least = {NULL, 0, 0, 0};

    for (unsigned i = 0; i < q->client_count; i++) {
        struct pcache_client *c = q->client[i];
        struct candidate this;

        if (c == but || get(&c->pages) <= get(&c->floor))
            continue;
        this = candidate(q, c, now);
        if (least.c == NULL || gives_before(&this, &least))
            least = this;
    }
    return least;
}

bool pcache_quota_may_grow(const struct pcache_client *asker)
{
    return get(&asker->pages) < get(&asker->ceiling);
}

struct pcache_client *pcache_quota_victim(const struct pcache_quota *q, struct pcache_client *asker,
                                          uint64_t now)
{
    struct pcache_client *self = get(&asker->pages) > 0 ? asker : NULL;
    struct candidate own = candidate(q, asker, now), other;

    if (!pcache_quota_may_grow(asker))
        return get(&asker->ceiling) > 0 ? self : NULL;
    other = least_worth(q, asker, now);
    if (other.c == NULL)
        return self;
    if (get(&asker->pages) < get(&asker->floor))
        return other.c;
    /* With this page the asker has one more: so two who are worth the same do not rob each other. */
    own.pages++;
    return gives_before(&other, &own) ? other.c : self;
}

uint64_t pcache_quota_room(const struct pcache_quota *q, const struct pcache_client *c,
                           uint64_t free, uint64_t now)
{
    uint64_t room = get(&c->pages) + free, worth = pcache_quota_worth(q, c, now);

    for (unsigned i = 0; i < q->client_count; i++) {
        const struct pcache_client *o = q->client[i];
        uint64_t pages = get(&o->pages), floor = get(&o->floor);

        if (o != c && pages > floor && pcache_quota_worth(q, o, now) <= worth / LITTLE)
            room += pages - floor;
    }
    return max_u64(get(&c->floor), min_u64(room, get(&c->ceiling)));
}

struct pcache_client *pcache_quota_reclaim(const struct pcache_quota *q, uint64_t now,
                                           uint64_t *worth)
{
    struct candidate least = least_worth(q, NULL, now);

    *worth = least.c ? least.worth : UINT64_MAX;
    return least.c;
}

bool pcache_quota_may_give(const struct pcache_client *victim, const struct pcache_client *asker)
{
    return get(&victim->pages) > (victim == asker ? 0 : get(&victim->floor));
}

void pcache_quota_audit(const struct pcache_quota *q)
{
    BUG_ON(q->client_count > QUOTA_CLIENTS);
    for (unsigned n = 0; n < q->client_count; n++) {
        const struct pcache_client *c = q->client[n];
        uint64_t dropped = 0, missed = 0;

        BUG_ON(get(&c->floor) > get(&c->ceiling) || get(&c->weight) - 1 >= QUOTA_WEIGHT_MAX);
        BUG_ON(c->served_on_loan > c->served || c->row_count > QUOTA_LEDGER_ROWS);
        for (unsigned i = 0; i <= QUOTA_LEDGER_ROWS; i++) { /* INV-QUOTA-4 */
            dropped += row_pages(&c->row[i]);
            missed += c->row[i].missed;
            BUG_ON(i >= c->row_count && i < QUOTA_LEDGER_ROWS && row_pages(&c->row[i]) != 0);
            for (unsigned o = 0; o < i && i < c->row_count; o++)
                BUG_ON(c->row[o].cause == c->row[i].cause);
        }
        BUG_ON(dropped != c->dropped || missed != c->missed);
    }
}
