/* SPDX-License-Identifier: MIT
 *
 * Who gives: each rule by itself, then random worlds against a model that has the three properties in its
 * own words, on plain arrays with fractions.
 */
#include <stdlib.h>
#include <string.h>

#include "mm/pcache_ghost.h"
#include "mm/pcache_quota.h"
#include "unittests/suite.h"

static struct pcache_quota q;
static struct pcache_client c[8];
static uint64_t state;

static uint64_t below(uint64_t n)
{
    uint64_t x = (state += UINT64_C(0x9e3779b97f4a7c15));

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return (x ^ x >> 29) % n;
}

static void world(unsigned clients)
{
    pcache_quota_init(&q, 1000);
    for (unsigned i = 0; i < clients; i++)
        CU_ASSERT_EQUAL_FATAL(pcache_quota_join(&q, &c[i], (uint16_t)(i + 1), 0), 0);
}

static void fill(struct pcache_client *who, uint64_t pages)
{
    while (pages-- > 0)
        pcache_quota_in(who);
}

static void use(struct pcache_client *who, uint64_t hits, uint64_t now)
{
    while (hits-- > 0)
        pcache_quota_hit(&q, who, UINT64_MAX, false, now);
}

#define NO_CEILING QUOTA_PAGES_MAX

static void by_use(void)
{
    world(2);
    fill(&c[0], 1000);
    fill(&c[1], 500);
    use(&c[0], 100, 0);
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[0], 0), &c[1]);
    /* The scanner may ask as often as it likes. */
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[1], 0), &c[1]);
    /* Half the pages, a quarter of the hits; then the same density; then more. */
    use(&c[1], 25, 0);
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[1], 0), &c[1]);
    use(&c[1], 35, 0);
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[1], 0), &c[0]);
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[0], 0), &c[0]);
    CU_ASSERT_EQUAL(pcache_quota_worth(&q, &c[0], 0), (100 << 20) / 1000);
}

static void by_weight(void)
{
    world(2);
    fill(&c[0], 1000);
    fill(&c[1], 1000);
    use(&c[0], 100, 0);
    use(&c[1], 60, 0);
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[0], 0), &c[1]);
    /* Twice the weight makes 60 hits worth 120. */
    CU_ASSERT_EQUAL(pcache_quota_set(&c[1], 0, NO_CEILING, 512), 0);
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[0], 0), &c[0]);
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[1], 0), &c[0]);
    CU_ASSERT_EQUAL(pcache_quota_worth(&q, &c[1], 0), 2 * ((60 << 20) / 1000));
}

/* What is worth nothing is shared by weight. */
static void ties(void)
{
    world(2);
    CU_ASSERT_EQUAL(pcache_quota_set(&c[0], 0, NO_CEILING, 3 * 256), 0);
    fill(&c[1], 1000);
    for (unsigned n = 0; n < 5000; n++) {
        struct pcache_client *asker = &c[n % 2], *victim = pcache_quota_victim(&q, asker, 0);

        CU_ASSERT_PTR_NOT_NULL_FATAL(victim);
        pcache_quota_dropped(victim, asker->id, false, 0);
        pcache_quota_in(asker);
    }
    CU_ASSERT(c[0].pages >= 749 && c[0].pages <= 751);
    CU_ASSERT_EQUAL(c[0].pages + c[1].pages, 1000);
    /* A page more is no reason to take it back and forth. */
    world(2);
    fill(&c[0], 500);
    fill(&c[1], 501);
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[0], 0), &c[0]);
}

static void floors(void)
{
    world(3);
    CU_ASSERT_EQUAL(pcache_quota_set(&c[0], 100, NO_CEILING, 256), 0);
    CU_ASSERT_EQUAL(pcache_quota_set(&c[1], 50, NO_CEILING, 256), 0);
    /* All of it is lent, to one who makes good use of it. */
    fill(&c[1], 1000);
    use(&c[1], 100000, 0);
    /* The owner asks: at once, page by page, up to its floor, and no further. */
    for (unsigned n = 0; n < 100; n++) {
        CU_ASSERT_PTR_EQUAL_FATAL(pcache_quota_victim(&q, &c[0], 0), &c[1]);
        pcache_quota_dropped(&c[1], 1, false, 0);
        pcache_quota_in(&c[0]);
    }
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[0], 0), &c[0]);
    CU_ASSERT_PTR_NULL(pcache_quota_victim(&q, &c[2], 0));
    /* Nobody gets at that, whatever its own is worth; it takes from itself. */
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[1], 0), &c[1]);
    CU_ASSERT_FALSE(pcache_quota_may_give(&c[0], &c[1]));
    CU_ASSERT_FALSE(pcache_quota_may_give(&c[0], NULL));
    CU_ASSERT_TRUE(pcache_quota_may_give(&c[0], &c[0]));
    pcache_quota_in(&c[0]);
    CU_ASSERT_TRUE(pcache_quota_may_give(&c[0], &c[1]));
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[1], 0), &c[0]);
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[2], 0), &c[0]);
    /* One below its floor takes even from another that is worth more: none other is above. */
    pcache_quota_dropped(&c[0], 2, false, 0);
    pcache_quota_dropped(&c[0], 2, false, 0);
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[0], 0), &c[1]);
    /* All at their floors: the own. */
    while (c[1].pages > 50)
        pcache_quota_out(&c[1]);
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[0], 0), &c[0]);
    CU_ASSERT_PTR_NULL(pcache_quota_victim(&q, &c[2], 0));
}

static void ceilings(void)
{
    world(2);
    CU_ASSERT_EQUAL(pcache_quota_set(&c[0], 0, 10, 256), 0);
    fill(&c[1], 100);
    fill(&c[0], 9);
    use(&c[0], 10, 0);
    CU_ASSERT_TRUE(pcache_quota_may_grow(&c[0]));
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[0], 0), &c[1]);
    pcache_quota_in(&c[0]);
    CU_ASSERT_FALSE(pcache_quota_may_grow(&c[0]));
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[0], 0), &c[0]);
    CU_ASSERT_EQUAL(pcache_quota_set(&c[0], 0, 0, 256), 0);
    CU_ASSERT_PTR_NULL(pcache_quota_victim(&q, &c[0], 0));
    /* What cannot be changes nothing. */
    CU_ASSERT_EQUAL(pcache_quota_set(&c[1], 2, 1, 256), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pcache_quota_set(&c[1], 0, 1, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pcache_quota_set(&c[1], 0, 1, QUOTA_WEIGHT_MAX + 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pcache_quota_set(&c[1], 0, NO_CEILING + UINT64_C(1), 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(c[1].ceiling, NO_CEILING);
    CU_ASSERT_EQUAL(pcache_quota_set(&c[1], 1, 1, QUOTA_WEIGHT_MAX), 0);
    pcache_quota_audit(&q);
}

/* A newcomer with no page and no hit has misses that room would have served. */
static void newcomer(void)
{
    world(2);
    fill(&c[0], 1000);
    use(&c[0], 100, 0);
    CU_ASSERT_PTR_NULL(pcache_quota_victim(&q, &c[1], 0));
    pcache_quota_remember(&c[1], 500);
    for (unsigned n = 0; n < 40; n++)
        pcache_quota_would_hit(&q, &c[1], GHOST_REFUSED, 0);
    CU_ASSERT_PTR_NULL(pcache_quota_victim(&q, &c[1], 0)); /* 40 in 564 are less than 100 in 1000 */
    for (unsigned n = 0; n < 40; n++)
        pcache_quota_would_hit(&q, &c[1], GHOST_REFUSED, 0);
    CU_ASSERT_PTR_EQUAL(pcache_quota_victim(&q, &c[1], 0), &c[0]);
    CU_ASSERT_EQUAL(c[1].missed, 0);
}

static void window(void)
{
    uint64_t before, after;

    world(2);
    fill(&c[0], 1000);
    use(&c[0], 1000, 0);
    before = pcache_quota_worth(&q, &c[0], 0);
    CU_ASSERT_EQUAL(pcache_quota_worth(&q, &c[0], 999), before);
    after = pcache_quota_worth(&q, &c[0], 1000);
    CU_ASSERT(after <= before * 7 / 8 && after + after / 100 >= before * 7 / 8);
    /* To look does not change it; to use it does so only as much. */
    CU_ASSERT_EQUAL(pcache_quota_worth(&q, &c[0], 1000), after);
    use(&c[0], 1, 1000);
    CU_ASSERT(pcache_quota_worth(&q, &c[0], 1000) > after);
    CU_ASSERT_EQUAL(pcache_quota_worth(&q, &c[0], 2999), pcache_quota_worth(&q, &c[0], 2000));
    CU_ASSERT_EQUAL(pcache_quota_worth(&q, &c[0], UINT64_MAX), 0);
    CU_ASSERT(pcache_quota_worth(&q, &c[0], 200000) == 0);
    /* A clock that runs back a little does no harm. */
    CU_ASSERT(pcache_quota_worth(&q, &c[0], 0) > 0);
    /* Numbers that do not fit are large ones. */
    c[0].hits = c[0].would_hit = UINT64_C(1) << 44;
    c[0].pages = 1;
    CU_ASSERT_EQUAL(pcache_quota_set(&c[0], 0, NO_CEILING, QUOTA_WEIGHT_MAX), 0);
    CU_ASSERT(pcache_quota_worth(&q, &c[0], 1000) > UINT64_C(1) << 48);
}

static void ledger(void)
{
    uint64_t worth;

    world(2);
    fill(&c[0], 500);
    CU_ASSERT_PTR_EQUAL(pcache_quota_reclaim(&q, 0, &worth), &c[0]);
    pcache_quota_dropped(&c[0], 7, true, 5);
    pcache_quota_dropped(&c[0], 7, false, 6);
    pcache_quota_dropped(&c[0], 7, false, 0);
    CU_ASSERT_EQUAL(c[0].row[0].cause, 7);
    CU_ASSERT_EQUAL(c[0].row[0].for_cache, 2);
    CU_ASSERT_EQUAL(c[0].row[0].for_host, 1);
    CU_ASSERT_EQUAL(c[0].row[0].worth, 11);
    pcache_quota_would_hit(&q, &c[0], 7, 0);
    CU_ASSERT_EQUAL(c[0].row[0].missed, 1);
    pcache_quota_would_hit(&q, &c[0], 99, 0); /* its row is gone long since */
    CU_ASSERT_EQUAL(c[0].row[QUOTA_LEDGER_ROWS].missed, 1);
    for (uint16_t n = 0; n < 60; n++) {
        pcache_quota_dropped(&c[0], (uint16_t)(100 + n), n % 2 == 0, 1);
        pcache_quota_audit(&q);
    }
    CU_ASSERT_EQUAL(c[0].row_count, QUOTA_LEDGER_ROWS);
    CU_ASSERT_EQUAL(c[0].row[0].cause, 7); /* has most */
    CU_ASSERT_EQUAL(c[0].dropped, 63);
    CU_ASSERT_EQUAL(c[0].pages, 500 - 63);
    /* Hits beyond the floor are hits on a loan. */
    CU_ASSERT_EQUAL(pcache_quota_set(&c[0], 436, NO_CEILING, 256), 0);
    pcache_quota_hit(&q, &c[0], UINT64_MAX, true, 0);
    pcache_quota_hit(&q, &c[0], UINT64_MAX, true, 0);
    CU_ASSERT_EQUAL(c[0].served, 2);
    CU_ASSERT_EQUAL(c[0].served_on_loan, 1);
    CU_ASSERT_EQUAL(c[0].pages, 435);
    CU_ASSERT_PTR_NULL(pcache_quota_reclaim(&q, 0, &worth));
    CU_ASSERT_EQUAL(worth, UINT64_MAX);
}

static void room(void)
{
    world(3);
    fill(&c[0], 100);
    fill(&c[1], 300);
    fill(&c[2], 500);
    CU_ASSERT_EQUAL(pcache_quota_set(&c[1], 50, NO_CEILING, 256), 0);
    use(&c[2], 500, 0);
    CU_ASSERT_EQUAL(pcache_quota_room(&q, &c[0], 7, 0), 100 + 7 + 250);
    use(&c[0], 799, 0);
    CU_ASSERT_EQUAL(pcache_quota_room(&q, &c[0], 7, 0), 100 + 7 + 250);
    use(&c[0], 1, 0);
    CU_ASSERT_EQUAL(pcache_quota_room(&q, &c[0], 7, 0), 100 + 7 + 250 + 500);
    CU_ASSERT_EQUAL(pcache_quota_set(&c[0], 0, 120, 256), 0);
    CU_ASSERT_EQUAL(pcache_quota_room(&q, &c[0], 7, 0), 120);
}

static void table(void)
{
    static struct pcache_client many[QUOTA_CLIENTS + 1];
    unsigned n;

    pcache_quota_init(&q, 0);
    for (n = 0; n < QUOTA_CLIENTS; n++)
        CU_ASSERT_EQUAL(pcache_quota_join(&q, &many[n], (uint16_t)n, 0), 0);
    CU_ASSERT_EQUAL(pcache_quota_join(&q, &many[n], (uint16_t)n, 0), -XEN_ENOSPC);
    pcache_quota_leave(&q, &many[3]);
    CU_ASSERT_EQUAL(pcache_quota_join(&q, &many[n], (uint16_t)n, 0), 0);
    fill(&many[QUOTA_CLIENTS - 1], 5);
    CU_ASSERT_PTR_EQUAL(pcache_quota_reclaim(&q, 0, &(uint64_t){0}), &many[QUOTA_CLIENTS - 1]);
    pcache_quota_audit(&q);
}

/* ---- the model ---- */

#define FRAMES 600

static double model_worth(const struct pcache_client *m)
{
    double pages = m->pages > 64 ? (double)m->pages : 64, hits = (double)m->hits / 256;
    double with = (hits + (double)m->would_hit / 256) / (pages + (double)m->remembered);

    return (hits / pages > with ? hits / pages : with) * (double)m->weight / 256;
}

/* Is it right that the victim gives a page for the asker? */
static bool right(unsigned clients, const struct pcache_client *asker,
                  const struct pcache_client *victim)
{
    bool owed = asker->pages < asker->floor;

    if (asker->pages >= asker->ceiling)
        return victim == asker || (!victim && (asker->pages == 0 || asker->ceiling == 0));
    for (unsigned i = 0; i < clients; i++) {
        bool may = c[i].pages > c[i].floor && &c[i] != asker;

        if (&c[i] == victim && &c[i] != asker && !may)
            return false; /* a floor was broken */
        if (may && owed && (!victim || victim == asker))
            return false; /* a loan is not recalled */
        if (may && victim && model_worth(&c[i]) < model_worth(victim) * 0.999 - 1e-5)
            return false; /* one that is worth less was spared */
        if (may && !victim && model_worth(&c[i]) < model_worth(asker) * 0.999 - 1e-5)
            return false;
    }
    return !victim || victim == asker || owed ||
           model_worth(victim) <= model_worth(asker) * 1.001 + 1e-5;
}

static void change(struct pcache_client *m, unsigned clients, uint64_t now)
{
    uint64_t floors = 0, floor = below(FRAMES / clients), ceiling = floor + below(2 * FRAMES);

    for (unsigned i = 0; i < clients; i++)
        floors += &c[i] == m ? floor : c[i].floor;
    if (floors <= FRAMES && below(4) == 0)
        CU_ASSERT_EQUAL(pcache_quota_set(m, floor, ceiling, 1 + below(1000)), 0);
    pcache_quota_remember(m, below(1000));
    for (uint64_t n = below(50); n > 0; n--)
        pcache_quota_would_hit(&q, m, (uint16_t)(1 + below(clients)), now);
}

static void one_put(unsigned clients, struct pcache_client *asker, uint64_t now)
{
    struct pcache_client *victim;
    uint64_t used = 0;

    for (unsigned i = 0; i < clients; i++)
        used += c[i].pages;
    CU_ASSERT_FATAL(used <= FRAMES);
    if (used < FRAMES && pcache_quota_may_grow(asker)) {
        pcache_quota_in(asker); /* spare memory is had by who wants it */
        return;
    }
    for (unsigned i = 0; i < clients; i++)
        use(&c[i], 0, now);
    victim = pcache_quota_victim(&q, asker, now);
    CU_ASSERT_TRUE_FATAL(right(clients, asker, victim));
    if (victim) {
        CU_ASSERT_TRUE(pcache_quota_may_give(victim, asker));
        pcache_quota_dropped(victim, asker->id, false, 1);
        pcache_quota_in(asker);
    }
}

static void against_model(void)
{
    state = test_seed;
    for (unsigned round = 0; round < 60; round++) {
        unsigned clients = 2 + (unsigned)below(7);

        world(clients);
        for (unsigned n = 0; n < 3000; n++) {
            struct pcache_client *m = &c[below(clients)];
            uint64_t now = 0; /* the model's hits do not fade */

            if (below(50) == 0)
                change(m, clients, now);
            else if (below(3) == 0 && m->pages > 0)
                pcache_quota_hit(&q, m, UINT64_MAX, below(2) == 0, now);
            else
                one_put(clients, m, now);
        }
        pcache_quota_audit(&q);
    }
}

static const struct test_case cases[] = {
    {"by use, not by who asks", by_use},
    {"weights", by_weight},
    {"what is worth nothing", ties},
    {"floors, and loans recalled", floors},
    {"ceilings", ceilings},
    {"a newcomer", newcomer},
    {"the window", window},
    {"the ledger, and reclaim", ledger},
    {"room", room},
    {"the table of clients", table},
    {"against a model", against_model},
    {NULL, NULL},
};

const struct suite suite_pcache_quota = {"pcache_quota", cases, NULL, NULL};
